import { createInterface } from 'node:readline'
import {
  type Lab,
  TAMPER_CAUSES,
  type TamperCause,
  USBIP_PORT,
  UsbService,
  type UseLabOptions,
  usbFolder,
  useLab,
  whileServing,
} from '../../lab/index.js'
import { tellStarter } from '../background.js'
import { CAPTURE_HELP, CAPTURE_OPTIONS, captureOf } from '../capture-options.js'
import { stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { eventWriter, type LoggedEvent, readLogLevel } from '../event-log.js'
import { type CliIo, untilAborted } from '../program.js'
import { INSTRUMENT_HELP, INSTRUMENT_OPTIONS, instrumentsOf } from '../usb-instrument-options.js'
import { readUsbAddress } from './usb-address.js'

const IDS = /^([0-9a-fA-F]{4}):([0-9a-fA-F]{4})$/

/** @throws UsageError */
export function readIds(text: string): { vendorId: number; productId: number } {
  const [, vendor, product] = IDS.exec(text) ?? []
  if (vendor === undefined || product === undefined) {
    throw new UsageError(`'--ids' takes VENDOR:PRODUCT in hexadecimal, such as 1209:4c48, not '${text}'`)
  }
  return { vendorId: Number.parseInt(vendor, 16), productId: Number.parseInt(product, 16) }
}

/** Line of the help. */
export const PED_LINE_HELP = `  --ped-line             be a serial port, too (CDC-ACM): the HSM's own PED
                         port, at the host 'moonlet ped --serial /dev/ttyACM0'
`

/** @throws UsageError */
export function readPedLine(values: { 'ped-line'?: boolean | undefined; 'local-ped'?: string | undefined }): boolean {
  const isLine = values['ped-line'] ?? false
  if (isLine && values['local-ped'] !== undefined) {
    throw new UsageError("'--ped-line' and '--local-ped' both plug a PED into the HSM's own connector")
  }
  return isLine
}

const isCause = (word: string): word is TamperCause => Object.hasOwn(TAMPER_CAUSES, word)

export const usbServe = defineCommand({
  name: 'serve',
  summary: 'Serve Backup HSMs by USB/IP',
  help: `Usage: moonlet usb serve [HSM...] [options]

Serves the Backup HSMs of a lab, all of them unless some are named, as USB
devices by USB/IP, until it is ended (Ctrl-C). Linux attaches one with

  usbip list -r 127.0.0.1
  usbip attach -r 127.0.0.1 -b 1-1

One host at a time has a device; when it lets go the next may have it. USB/IP
knows no passwords and no encryption: listen beyond this computer on networks
that you trust only.

'ped connect' of the host's lunacm works over the cable. Prints a line of JSON
for each thing that happens, nothing secret among them.

Options:
  --listen HOST[:PORT]   where to listen (default: 127.0.0.1:${USBIP_PORT}); port 0 is
                         any free one
  --ids VENDOR:PRODUCT   USB ids that the devices show (default: 1209:4c48)
${CAPTURE_HELP}${INSTRUMENT_HELP}${PED_LINE_HELP}  --local-ped HSM        plug the lab's PED into this HSM's own
                         connector
  --log-level LEVEL      what is printed: error, warn, info (default), debug
  --rules FILE           operator rules for that PED, before the lab's own
  --commands             take commands from standard input, one per line:
                         'unplug HSM', 'plug HSM', 'tamper HSM [CAUSE]'
  --state DIR            state folder of the lab
  --debug                show the stack of an error
  -h, --help             show this help
`,
  options: {
    ...CAPTURE_OPTIONS,
    ...INSTRUMENT_OPTIONS,
    listen: { type: 'string' },
    ids: { type: 'string' },
    'local-ped': { type: 'string' },
    'ped-line': { type: 'boolean' },
    'log-level': { type: 'string' },
    rules: { type: 'string' },
    commands: { type: 'boolean' },
  },
  async run({ values, positionals }, io) {
    const withPedLine = readPedLine(values)
    const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
    const names = positionals.length > 0 ? positionals : undefined
    const address = readUsbAddress(values.listen ?? '127.0.0.1')
    const ids = values.ids === undefined ? undefined : readIds(values.ids)
    const instruments = instrumentsOf(values, tell, (text) => io.stderr.write(text))
    const capture = captureOf(values, 'moonlet usb serve')
    const options = {
      ...address,
      names,
      ids,
      capture,
      instruments: instruments?.tools,
      onEvent: tell,
      withPedLine,
    }
    let service: UsbService | undefined
    const lab: UseLabOptions = {
      serve: { kind: 'backup', names },
      rules: values.rules,
      localPed: values['local-ped'],
      recorder: (frame) => service?.seen(frame),
    }
    const stateDir = stateFolder(values.state, io.env)
    const serve = async (opened: Lab): Promise<void> => {
      service = await UsbService.start(opened, options)
      const { host, port, hsms } = service
      tell({ event: 'listening', host, port, hsms })
      io.expectSignal()
      instruments?.listen()
      if (values.commands) obey(io, service, tell)
      tellStarter()
      await Promise.race([service.ordered, untilAborted(io.signal)])
      instruments?.tools.close()
      await opened.desk.close()
      await service.close()
      instruments?.finish()
      tell({ event: 'stopped' })
    }
    try {
      await whileServing(stateDir, usbFolder(stateDir), () => useLab(stateDir, lab, serve))
    } finally {
      capture?.close()
    }
    return 0
  },
})

/** One command after the other; what is wrong with one is told, and the service goes on. */
export function obey({ stdin, signal }: CliIo, service: UsbService, tell: (event: LoggedEvent) => void): void {
  const lines = createInterface({ input: stdin, signal })
  let last = Promise.resolve()
  lines.on('line', (line) => {
    last = last.then(async () => {
      try {
        await work(line, service)
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : 'INTERNAL'
        tell({ event: 'refused', line, code, message: error instanceof Error ? error.message : '' })
      }
    })
  })
}

/** @throws UsageError; what the service throws */
async function work(line: string, service: UsbService): Promise<void> {
  const [verb = '', hsm = '', cause = 'chassis', more] = line.trim().split(/\s+/)
  if (verb === '') return
  if (more !== undefined || hsm === '') throw new UsageError('A command is a verb and the name of an HSM')
  if (verb === 'plug') service.plug(hsm)
  else if (verb === 'unplug') await service.unplug(hsm)
  else if (verb !== 'tamper') throw new UsageError(`There is no command '${verb}'`)
  else if (isCause(cause)) await service.tamper(hsm, cause)
  else throw new UsageError(`There is no cause '${cause}'`)
}
