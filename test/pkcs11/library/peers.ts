// Programs that we did not write, with our library: Debian's pkcs11-tool, and the npm package pkcs11js.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CHALLENGE, check, type Door, isThere, leftOut, said } from './support.js'

export async function tool(door: Door): Promise<void> {
  if (!(await isThere('pkcs11-tool'))) {
    leftOut('no pkcs11-tool (Debian: apt-get install opensc)')
    return
  }
  const file = (name: string): string => join(door.folder, name)
  const call = (...args: string[]) => said('pkcs11-tool', ['--module', door.library, ...args], { env: door.env })
  const officer = (...args: string[]) => call('--slot', '1', '--login', '--pin', CHALLENGE, ...args)

  const slots = await call('-L')
  check(/token label +: SA52_P1\n/.test(slots.text), 'pkcs11-tool -L shows the partition', slots.text)
  const mechanisms = await call('--slot', '1', '-M')
  check(/AES-KEY-WRAP/.test(mechanisms.text), 'pkcs11-tool -M shows key wrapping', mechanisms.text)
  const own = await officer('--test')
  check(own.good && /No errors/.test(own.text), 'pkcs11-tool --test --login: no errors', own.text)
  const pair = await officer('--keypairgen', '--key-type', 'rsa:2048', '--label', 'lib', '--id', '71')
  check(pair.good, 'pkcs11-tool makes an RSA key pair', pair.text)
  writeFileSync(file('data'), 'signed through our own library\n')
  await officer('--sign', '--id', '71', '-m', 'SHA256-RSA-PKCS-PSS', '-i', file('data'), '-o', file('signature'))
  await call('--slot', '1', '--read-object', '--type', 'pubkey', '--id', '71', '-o', file('public.der'))
  const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32']
  const key = ['-verify', file('public.der'), '-keyform', 'DER', '-signature', file('signature'), file('data')]
  const verified = await said('openssl', ['dgst', '-sha256', ...pss, ...key])
  check(/Verified OK/.test(verified.text), 'and signs by PSS: verified by openssl', verified.text)

  for (const id of ['72', '73']) {
    const usage = ['--usage-wrap', '--extractable', '--sensitive']
    const made = await officer('--keygen', '--key-type', 'AES:32', '--id', id, '--label', `aes${id}`, ...usage)
    check(made.good, `pkcs11-tool makes AES key ${id}`, made.text)
  }
  const wrapped = await officer('--wrap', '-m', '0x2109', '--id', '72', '--application-id', '73', '-o', file('wrapped'))
  const length = existsSync(file('wrapped')) ? readFileSync(file('wrapped')).length : 0
  check(wrapped.good && length === 40, 'and wraps one with the other by AES-KEY-WRAP: 40 bytes', wrapped.text)
  for (const [id, type] of [
    ['71', 'privkey'],
    ['71', 'pubkey'],
    ['72', 'secrkey'],
    ['73', 'secrkey'],
  ] as const) {
    await officer('--delete-object', '--type', type, '--id', id)
  }
}

/** Key wrap, GCM, ECDH and OAEP, each result compared with node:crypto's (pkcs11js.mjs). */
export async function javascript(door: Door, folder: string | undefined): Promise<void> {
  if (folder === undefined) {
    leftOut('pkcs11js is not installed')
    return
  }
  const script = fileURLToPath(new URL('../../../../test/pkcs11/library/pkcs11js.mjs', import.meta.url))
  const { good, text } = await said(process.execPath, [script, folder, door.library, CHALLENGE], { env: door.env })
  process.stdout.write(text)
  check(good, 'pkcs11js has done all of it')
}

/** Where Debian and others keep p11-kit's client. */
const CLIENTS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'].map((folder) =>
  join(folder, 'pkcs11/p11-kit-client.so'),
)

/** The state of operations, saved and taken up by a C program through both libraries. */
export async function states(door: Door, folder: string): Promise<void> {
  const address = { P11_KIT_SERVER_ADDRESS: `unix:path=${door.socket}` }
  const client = CLIENTS.find((path) => existsSync(path))
  for (const library of client ? [door.library, client] : [door.library]) {
    const { good, text } = await said(join(folder, 'states'), [library, '1', CHALLENGE], {
      env: { ...door.env, ...address },
    })
    check(good, `operations put aside and taken up through ${basename(library)}: ${text.trim()}`, text)
  }
  if (!client) leftOut('no p11-kit-client.so (Debian: apt-get install p11-kit-modules)')
}
