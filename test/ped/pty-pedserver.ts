// A PED in a process of its own at one end of a pty pair, a pedserver at the other, lunacm by TLS: a backup through noise, the line cut and
// restored. Run by .ci/suites/serial; needs python3, which has ptys, and the package serialport.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { lunacm, moonlet, pedserver } from '../cli/support.js'

const MOONLET = fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url))
const HELPER = fileURLToPath(new URL('../../../test/ped/pty-pair.py', import.meta.url))

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

const folder = mkdtempSync(join(tmpdir(), 'moonlet-pty-'))
const [state, log] = [join(folder, 'state'), join(folder, 'ped.log')]
const helper = spawn('python3', [HELPER], { stdio: ['pipe', 'pipe', 'inherit'] })
const said = createInterface({ input: helper.stdout })[Symbol.asyncIterator]()
const heard = async () => String((await said.next()).value)
const order = async (text: string) => {
  helper.stdin.write(`${text}\n`)
  await heard()
}
const [serverPath = '', pedPath = ''] = (await heard()).split(' ')
const here = (...args: string[]) => [...args, '-state', state]
const show = async () => (await pedserver(here('-mode', 'show'))).stdout
const until = async (status: string) => {
  while (!(await show()).includes(`Ped2 Connection Status:          ${status}`)) await new Promise(setImmediate)
}

await moonlet(['init', '--state', state])
const options = ['--state', state, '--serial', pedPath, '--log', log]
const ped = spawn(process.execPath, [MOONLET, 'ped', ...options], { stdio: 'ignore' })
try {
  const started = await pedserver(here('-mode', 'start', '-port', '0', '-ped', `serial:${serverPath}`))
  check(started.code === 0, 'pedserver at the serial line')
  await until('Connected')
  const port = /Server Port: +(\d+)/.exec(await show())?.[1] ?? ''
  await order('noise on')
  const connect = `ped connect ip 127.0.0.1 -port ${port} -slot 2`
  const login = ['slot set slot 1', 'role login -name co -password Crypto0fficer']
  const backup = [connect, ...login, 'partition archive backup -slot 2 -partition SAbck1']
  const first = await lunacm(['--state', state], { input: `${backup.join('\n')}\n` })
  check(
    first.code === 0 && first.stdout.includes('Backup Complete.'),
    'a backup through noise, the PED over TLS and a line',
  )
  await order('noise off')
  await order('cut')
  await until('Disconnected')
  const none = await lunacm(['--state', state], { input: `${connect}\n` })
  check(none.stdout.includes('CKR_PED_UNPLUGGED'), 'the line cut: the pedserver has no PED, and says so')
  await order('restore')
  await until('Connected')
  const again = await lunacm(['--state', state], { input: `${connect}\nped get -slot 2\n` })
  check(again.code === 0 && again.stdout.includes('remote PED (PED id=100)'), 'the line restored: connected again')
  check(existsSync(log) && readFileSync(log, 'utf8').includes('"event":"line-down"'), 'the PED has seen the cut')
} finally {
  await pedserver(here('-mode', 'stop', '-force'))
  ped.kill('SIGTERM')
  await once(ped, 'close')
  helper.stdin.end()
  await once(helper, 'close')
  rmSync(folder, { recursive: true, force: true })
}
