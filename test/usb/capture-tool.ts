// tshark, with our dissector, on captures of a whole backup: at the device, at the host with all other cables, redacted, and on the
// TLS of NTLS with the secrets of a capture. Run by .ci/suites/capture.
import { execFile, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readCapture } from '../../host/usb/pcapng-read.js'
import { FIXTURES, lunacm, moonlet, Running, temporaryFolder, vtl } from '../cli/support.js'

const run = promisify(execFile)
const DISSECTOR = fileURLToPath(new URL('../../../host/usb/wireshark/moonlet.lua', import.meta.url))

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

/** tshark's lines for a file. */
async function tshark(file: string, ...args: readonly string[]): Promise<string[]> {
  const { stdout } = await run('tshark', ['-X', `lua_script:${DISSECTOR}`, '-r', file, ...args], { maxBuffer: 1 << 26 })
  return stdout.split('\n').filter((line) => line !== '')
}

const folder = temporaryFolder()
const path = (name: string): string => join(folder, name)
const state = path('state')
const running: Running[] = []

/** @returns the port that it listens on */
async function start(...args: readonly string[]): Promise<string> {
  const server = new Running('moonlet', [...args, '--state', state, '--listen', '127.0.0.1:0'])
  running.push(server)
  await server.sees('"listening"')
  return /"port":(\d+)/.exec(server.stdout)?.[1] ?? ''
}

async function stop(): Promise<void> {
  for (const { child, result } of running.splice(0)) {
    child.kill('SIGTERM')
    await result
  }
}

/** A backup over NTLS and USB. */
async function backup(label: string, ...args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await lunacm(['--state', state, ...args], {
    input: [
      'slot set slot 1',
      'role login -name Crypto Officer',
      'Crypto0fficer',
      'ped connect ip 192.20.10.190 -slot 2',
      `partition archive backup -slot 2 -partition ${label}`,
      'ped disconnect -slot 2 -force',
      '',
    ].join('\n'),
  })
  check(code === 0 && /objects have been backed up/.test(stdout), `a backup${code === 0 ? '' : `: ${stdout}${stderr}`}`)
}

async function look(name: string): Promise<string[]> {
  const file = path(name)
  const lines = await tshark(file, '-T', 'fields', '-E', 'separator=|', '-e', 'frame.encap_type', '-e', '_ws.col.Info')
  const own = readCapture(readFileSync(file)).packets.length
  check(lines.length === own, `${name}: tshark and our own reader have the same number of packets, ${own}`)
  const bad = await tshark(file, '-Y', '_ws.malformed || _ws.expert.severity == "Error"')
  check(bad.length === 0, `${name}: no packet is malformed${bad.slice(0, 5).map((line) => `\n       ${line}`)}`)
  return lines
}

await moonlet(['init', '--state', state])
await moonlet(['import', '--state', state, '--slot', '1', join(FIXTURES, 'keys')])
const ntls = await start('appliance')
await start('usb', 'serve', '--capture', path('device.pcapng'))
const config = path('client')
await vtl(['createCert', '-n', 'localhost', '--config', config])
const certificate = join(config, 'cert', 'client', 'localhost.pem')
await moonlet(['lunash', '--state', state], {
  input: `client register -c desk -hostname localhost -certificate ${certificate}\nclient assignPartition -c desk -p SA52_P1\n`,
})
await vtl(['addServer', '-n', '127.0.0.1', '-p', ntls, '-c', join(state, 'server.pem'), '--config', config])

const wire = path('wire.pcapng')
const listener = spawn('tshark', ['-i', 'lo', '-f', `tcp port ${ntls}`, '-w', wire], {
  stdio: ['ignore', 'ignore', 'pipe'],
})
const listening = await new Promise<boolean>((resolve) => {
  let text = ''
  listener.stderr.on('data', (bytes: Buffer) => {
    text += bytes.toString()
    if (/Capture started/.test(text)) resolve(true)
  })
  listener.once('exit', () => resolve(false))
})
await backup('first', '--ntls', config, '--capture', path('host.pcapng'), '--capture-frames', '--capture-tls')
listener.kill('SIGINT')
if (listening) await new Promise((resolve) => listener.once('exit', resolve))
await backup('second', '--ntls', config, '--capture', path('redacted.pcapng'), '--capture-frames', '--capture-redacted')
await stop()

const USB = '115|'
const UPPER = '155|'
const device = await look('device.pcapng')
check(
  device.every((line) => line.startsWith(USB)),
  'device.pcapng: every packet has link type 220',
)
const host = await look('host.pcapng')
for (const [lines, name] of [
  [device, 'device'],
  [host, 'host'],
] as const) {
  for (const what of [
    'STATUS',
    'CHANNEL_OPEN: OK',
    'ROLE_LOGIN (sealed)',
    'CLONE_TARGET_BATCH: OK',
    'PED REQUEST',
    'Event attend',
  ]) {
    check(
      lines.some((line) => line.startsWith(USB) && line.includes(what)),
      `${name}.pcapng: ${what}`,
    )
  }
}
for (const what of ['CLONE_SOURCE_BATCH: OK', 'PED ANSWER']) {
  check(
    host.some((line) => line.startsWith(UPPER) && line.includes(what)),
    `host.pcapng: ${what} on another cable`,
  )
}
const redacted = await look('redacted.pcapng')
check(
  redacted.some((line) => line.includes('CLONE_TARGET_BATCH: OK')),
  'redacted.pcapng: CLONE_TARGET_BATCH: OK',
)
const shown = await tshark(
  path('redacted.pcapng'),
  '-Y',
  'moonlet.ciphertext',
  '-T',
  'fields',
  '-e',
  'moonlet.ciphertext',
)
check(
  shown.length > 0 && shown.every((line) => /^[0,]+$/.test(line)),
  `redacted.pcapng: ${shown.length} ciphertexts are zeros`,
)

if (listening) {
  // Behind each other, so that the secrets come before what they open.
  await run('mergecap', ['-a', '-w', path('both.pcapng'), path('host.pcapng'), wire])
  const as = ['-d', `tcp.port==${ntls},tls`, '-d', `tls.port==${ntls},moonlet.ntls`]
  const opened = await tshark(path('both.pcapng'), ...as, '-Y', 'moonlet.ntls')
  // What the kernel could not hold while it was captured is missing, and all behind it on that connection cannot be opened.
  check(opened.length > 0, `TLS on the wire, opened with the capture's secrets: ${opened.length} packets with messages`)
  check((await tshark(wire, ...as, '-Y', 'moonlet.ntls')).length === 0, 'TLS on the wire without them: nothing')
} else process.stdout.write('left out: tshark may not capture on the loopback device\n')

for (const name of ['moonlet.pcapng', 'ftdi-usbmon.pcapng']) {
  const bad = await tshark(join(FIXTURES, 'captures', name), '-Y', '_ws.malformed')
  check(bad.length === 0, `fixtures: ${name}: no packet is malformed`)
}
