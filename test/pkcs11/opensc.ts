// Debian's pkcs11-tool and p11-kit's client, unchanged, at a lab whose HSMs are PED-authenticated. Run by .ci/suites/pkcs11.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { moonlet, Running, temporaryFolder } from '../cli/support.js'

const run = promisify(execFile)

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

function clientLibrary(): string {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'pkcs11', 'p11-kit-client.so'))
  const found = folders.find((path) => existsSync(path))
  if (found === undefined) throw new Error('p11-kit-client.so is not installed')
  return found
}

const folder = temporaryFolder()
const state = join(folder, 'state')
const file = (name: string): string => join(folder, name)
await moonlet(['init', '--state', state])
const server = new Running('moonlet', ['pkcs11', '--state', state])
await server.sees('"listening"')
const env = { ...process.env, P11_KIT_SERVER_ADDRESS: `unix:path=${join(state, 'pkcs11', 'socket')}` }
const library = clientLibrary()

/** What a program said, and whether it ended well. */
async function said(program: string, args: readonly string[]): Promise<{ good: boolean; text: string }> {
  try {
    const { stdout, stderr } = await run(program, [...args], { env, timeout: 60_000 })
    return { good: true, text: stdout + stderr }
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'stderr' in error)) throw error
    return { good: false, text: `${error.stdout}${error.stderr}` }
  }
}

const tool = (...args: string[]) => said('pkcs11-tool', ['--module', library, '--slot', '1', ...args])
const LOGIN = ['--login', '--pin', 'Crypto0fficer']
const officer = (...args: string[]) => tool(...LOGIN, ...args)

try {
  const slots = (await said('pkcs11-tool', ['--module', library, '-L'])).text
  process.stdout.write(slots)
  check(/token label +: SA52_P1\n/.test(slots) && /PIN pad present/.test(slots), 'pkcs11-tool -L shows the partition')
  check(/token label +: Backup\n/.test(slots), 'and the Backup HSM')
  const mechanisms = await tool('-M')
  check(mechanisms.good && /SHA256-RSA-PKCS, keySize=\{1024,4096\}, hw, sign, verify/.test(mechanisms.text), '-M')

  const rsa = await officer('--keypairgen', '--key-type', 'rsa:2048', '--label', 'web', '--id', '01')
  check(rsa.good && /always sensitive, never extractable, local/.test(rsa.text), 'an RSA key pair is made')
  const ec = await officer('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'ec', '--id', '02')
  check(ec.good && /EC_POINT 256 bits/.test(ec.text), 'an EC key pair is made')
  const listed = await officer('-O')
  check((listed.text.match(/^(Private|Public) Key Object/gm) ?? []).length === 4, '-O lists four keys')
  const stranger = await tool('-O')
  check(!stranger.text.includes('Private Key Object'), 'and no private one without a log-in')

  const message = 'signed in the HSM\n'.repeat(10_000)
  writeFileSync(file('data'), message)
  const [data, signature] = [file('data'), file('signature')]
  await tool('--read-object', '--type', 'pubkey', '--id', '01', '-o', file('public.der'))
  for (const mechanism of ['SHA256-RSA-PKCS', 'SHA512-RSA-PKCS']) {
    const made = await officer('--sign', '--id', '01', '-m', mechanism, '-i', data, '-o', signature)
    const hash = mechanism.slice(0, 6).toLowerCase()
    const key = ['-verify', file('public.der'), '-keyform', 'DER', '-signature', signature, data]
    const verified = await said('openssl', ['dgst', `-${hash}`, ...key])
    check(
      made.good && /Verified OK/.test(verified.text),
      `${mechanism} of ${message.length} bytes, verified by openssl`,
    )
  }
  await said('openssl', ['dgst', '-sha256', '-binary', '-out', file('digest'), data])
  const ecdsa = ['--id', '02', '-m', 'ECDSA', '--signature-format', 'openssl', '-i', file('digest'), '-o', signature]
  await officer('--sign', ...ecdsa)
  await tool('--read-object', '--type', 'pubkey', '--id', '02', '-o', file('public.der'))
  const key = ['-verify', file('public.der'), '-keyform', 'DER', '-signature', signature, data]
  check(/Verified OK/.test((await said('openssl', ['dgst', '-sha256', ...key])).text), 'ECDSA, verified by openssl')

  const own = await officer('--test')
  process.stdout.write(own.text)
  check(own.good && /No errors/.test(own.text), 'pkcs11-tool --test --login: no errors')

  const certificate = file('certificate.der')
  const subject = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', file('key'), '-subj', '/CN=moonlet']
  await said('openssl', [...subject, '-outform', 'DER', '-out', certificate])
  const stored = await officer('-w', certificate, '-y', 'cert', '--id', '01', '--label', 'web')
  check(stored.good && /CN=moonlet/.test(stored.text), 'a certificate is stored')

  const wrong = await tool('--login', '--pin', 'not-the-challenge', '-O')
  check(!wrong.good && /0x80000067/.test(wrong.text), 'a wrong challenge is CKR_CHALLENGE_INCORRECT, as the token says')
  const gone = await officer('--delete-object', '--type', 'privkey', '--id', '02')
  check(gone.good && !(await officer('-O')).text.includes('Private Key Object; EC'), 'a key is destroyed')
} finally {
  server.child.kill('SIGTERM')
  const { code } = await server.result
  check(code === 0, 'the door closes')
}
