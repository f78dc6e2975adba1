// The library that QEMU and SPICE read usbredir with (libusbredirparser), as the guest of our server: it takes every packet without a
// complaint. Compiles redir-parser.c. Run by .ci/suites/usb.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { encodeTransfer } from '../../host/usb/framing.js'
import { AcmDevice, RedirServer, TokenDevice, usbIdentity } from '../../host/usb/index.js'
import { EchoDoor, frame } from './support.js'

const run = promisify(execFile)
const SOURCE = fileURLToPath(new URL('../../../test/usb/redir-parser.c', import.meta.url))
const BODY = 3000
const EVENT = 'interrupt 82 status 0 data 4'

const folder = mkdtempSync(join(tmpdir(), 'moonlet-redir-'))
const program = join(folder, 'guest')
const server = await RedirServer.listen({ host: '127.0.0.1', port: 0 })
try {
  const { stdout: flags } = await run('pkg-config', ['--cflags', '--libs', 'libusbredirparser-0.5'])
  const words = flags.trim().split(/\s+/)
  await run('cc', ['-Wall', '-Wextra', '-Werror', '-O1', '-o', program, SOURCE, ...words])
  const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
  server.plug('1-1', new AcmDevice(model))
  const command = encodeTransfer(frame(7, Buffer.alloc(BODY)))
  const guest = run(program, [String(server.port), Buffer.from(command).toString('hex')])
  guest.child.stdout?.on('data', (text: Buffer) => {
    if (text.toString().includes('receiving')) model.notify('attend')
  })
  const { stdout } = await guest
  process.stdout.write(stdout)
  const lines = stdout.trim().split('\n')
  const ENDPOINTS = 'endpoints 00=0/0 01=2/512 02=2/512 80=0/0 81=2/512 82=3/8 83=3/16 84=2/512'
  const INTERFACES = 'interfaces 3: 0=ff/4d/4c 1=02/02/00 2=0a/00/00'
  const expected = [
    'hello Moonlet',
    INTERFACES,
    ENDPOINTS,
    'connect speed 2 1209:4c48 0100',
    INTERFACES,
    ENDPOINTS,
    'configuration 5 status 0 value 1',
    'receiving 5 status 0 endpoint 82',
    'control 1 status 0 length 18 data 18',
    `bulk 2 status 0 length ${command.length} data 0`,
    `bulk 3 status 0 length ${command.length} data ${command.length} MLU1`,
    'bulk 4 status 1 length 0 data 0',
    'configuration 6 status 0 value 1',
  ]
  const events = lines.filter((line) => line.startsWith('interrupt'))
  const others = lines.filter((line) => !line.startsWith('interrupt'))
  const isAsExpected = others.join('\n') === expected.join('\n') && events.every((one) => one === EVENT)
  process.stdout.write(`${isAsExpected ? 'ok    ' : 'FAILED'} libusbredirparser takes all of it\n`)
  if (!isAsExpected) process.exitCode = 1
} finally {
  await server.close()
  rmSync(folder, { recursive: true })
}
