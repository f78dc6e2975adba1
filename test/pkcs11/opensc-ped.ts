// Debian's pkcs11-tool logs in at a PED: without a PIN, answered by scripted operators. Run by .ci/suites/pkcs11.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { lunacm, moonlet, Running, temporaryFolder } from '../cli/support.js'

const run = promisify(execFile)

const library = readdirSync('/usr/lib')
  .map((name) => join('/usr/lib', name, 'pkcs11', 'p11-kit-client.so'))
  .find((path) => existsSync(path))
if (library === undefined) throw new Error('p11-kit-client.so is not installed')

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

/** A lab whose Crypto Officer has a black key and no challenge. */
async function labWithoutChallenge(): Promise<string> {
  const state = join(temporaryFolder(), 'state')
  await moonlet(['init', '--state', state])
  const lines = [
    'slot set slot 1',
    'role login -name Partition SO',
    'partition init -label SA52_P1 -force',
    'role login -name Partition SO',
    'role init -name Crypto Officer',
    'role logout',
  ]
  const { code, stdout } = await lunacm(['--state', state, '--local-ped', 'network'], {
    input: `${lines.join('\n')}\n`,
  })
  if (code !== 0) throw new Error(stdout)
  return state
}

const LOGIN = '/LOGIN USER\\.\\.\\. .* Insert a/'

/** What pkcs11-tool says of its log-in where the operator follows these rules. */
async function login(state: string, rules: readonly object[], ...args: string[]): Promise<string> {
  const folder = temporaryFolder()
  const file = join(folder, 'rules.json')
  writeFileSync(file, JSON.stringify(rules))
  const socket = join(folder, 'socket')
  const own = ['--rules', file, '--local-ped', 'network', '--listen', socket]
  const door = new Running('moonlet', ['pkcs11', '--state', state, ...own])
  await door.sees('"listening"')
  const env = { ...process.env, P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` }
  try {
    const asked = ['--module', String(library), '--slot', '1', '--login', ...args]
    const { stdout, stderr } = await run('pkcs11-tool', asked, { env, timeout: 500_000 })
    return stdout + stderr
  } catch (error) {
    if (!(error instanceof Error && 'stdout' in error && 'stderr' in error)) throw error
    return `${error.stdout}${error.stderr}`
  } finally {
    door.child.kill('SIGTERM')
    await door.result
  }
}

const state = await labWithoutChallenge()
// A black key of another lab's.
const elsewhere = join(temporaryFolder(), 'state')
await moonlet(['init', '--state', elsewhere])
const box = (of: string, name: string): string => join(of, 'ped-keys', `${name}.json`)
cpSync(box(elsewhere, 'black-partition'), box(state, 'black-other'))
// Nobody comes: the PED waits as long as a real one, meanwhile the rest goes on at another lab.
const alone = join(temporaryFolder(), 'state')
cpSync(state, alone, { recursive: true })
const nobody = login(alone, [{ prompt: LOGIN, action: 'no-key' }], '-O')

const pair = ['--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'at the PED', '--id', '07']
const made = await login(state, [], ...pair)
check(/Private Key Object; EC/.test(made), 'a log-in without a PIN, with the black key: a key pair is made')
const wrong = await login(state, [{ prompt: LOGIN, action: 'key', key: 'black-other' }], '-O')
check(/CKR_PIN_INCORRECT/.test(wrong), 'another black key: CKR_PIN_INCORRECT')
const cancelled = await login(state, [{ prompt: LOGIN, action: 'cancel' }], '-O')
check(/CKR_FUNCTION_CANCELED/.test(cancelled), 'given up at the PED: CKR_FUNCTION_CANCELED')
const again = await login(state, [], '-O')
check(/label: +at the PED/.test(again), 'then the right key again')
process.stdout.write('the PED still waits for a key at the other lab\n')
const late = await nobody
check(/\(0x80000024\)/.test(late), 'no key while the PED waits: CKR_TIMEOUT')
