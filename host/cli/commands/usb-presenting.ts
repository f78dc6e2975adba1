import { createInterface } from 'node:readline'
import {
  type Lab,
  TAMPER_CAUSES,
  type TamperCause,
  UsbService,
  type UsbServiceOptions,
  type UseLabOptions,
  usbFolder,
  useLab,
  whileServing,
} from '../../lab/index.js'
import { tellStarter } from '../background.js'
import { CAPTURE_HELP, CAPTURE_OPTIONS, type CaptureValues, captureOf } from '../capture-options.js'
import { stateFolder, UsageError } from '../command-line.js'
import { eventWriter, type LoggedEvent, readLogLevel } from '../event-log.js'
import { type CliIo, untilAborted } from '../program.js'
import type { Instruments } from '../usb-instrument-options.js'

// What 'moonlet usb serve', 'redir' and 'gadget' have in common: Backup HSMs of a lab as USB devices, until the command is ended.

export const PRESENTING_OPTIONS = {
  ...CAPTURE_OPTIONS,
  ids: { type: 'string' },
  'local-ped': { type: 'string' },
  'log-level': { type: 'string' },
  'ped-line': { type: 'boolean' },
  rules: { type: 'string' },
  commands: { type: 'boolean' },
} as const

/** Lines of the help, for those options and for the command's own. */
export const presentingHelp = (own = ''): string =>
  `  --ids VENDOR:PRODUCT   USB ids that a device shows (default: 1209:4c48)
${CAPTURE_HELP}${own}  --ped-line             be a serial port, too (CDC-ACM): the HSM's own PED
                         port, at the host 'moonlet ped --serial /dev/ttyACM0'
  --local-ped HSM        plug the lab's PED into this HSM's own connector
  --log-level LEVEL      what is printed: error, warn, info (default), debug
  --rules FILE           operator rules for that PED, before the lab's own
  --commands             take commands from standard input, one per line:
                         'unplug HSM', 'plug HSM', 'tamper HSM [CAUSE]'
  --state DIR            state folder of the lab
  --debug                show the stack of an error
  -h, --help             show this help
`

export interface PresentingValues extends CaptureValues {
  readonly ids?: string | undefined
  readonly 'local-ped'?: string | undefined
  readonly 'log-level'?: string | undefined
  readonly 'ped-line'?: boolean | undefined
  readonly rules?: string | undefined
  readonly commands?: boolean | undefined
  readonly state?: string | undefined
}

const IDS = /^([0-9a-fA-F]{4}):([0-9a-fA-F]{4})$/

/** @throws UsageError */
function readIds(text: string): { vendorId: number; productId: number } {
  const [, vendor, product] = IDS.exec(text) ?? []
  if (vendor === undefined || product === undefined) {
    throw new UsageError(`'--ids' takes VENDOR:PRODUCT in hexadecimal, such as 1209:4c48, not '${text}'`)
  }
  return { vendorId: Number.parseInt(vendor, 16), productId: Number.parseInt(product, 16) }
}

/** @throws UsageError */
export function readPedLine(values: Pick<PresentingValues, 'ped-line' | 'local-ped'>): boolean {
  const isLine = values['ped-line'] ?? false
  if (isLine && values['local-ped'] !== undefined) {
    throw new UsageError("'--ped-line' and '--local-ped' both plug a PED into the HSM's own connector")
  }
  return isLine
}

/** At most one HSM's name. @throws UsageError */
export function readOneName(names: readonly string[]): readonly string[] | undefined {
  const [name, other] = names
  if (other !== undefined) throw new UsageError(`One HSM is served this way: unexpected argument '${other}'`)
  return name === undefined ? undefined : names
}

/** Prints what happens. @throws UsageError */
export function teller(io: CliIo, values: PresentingValues): (event: LoggedEvent) => void {
  return eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
}

/** How one command presents the devices. */
interface Presentation extends Pick<UsbServiceOptions, 'host' | 'port' | 'present'> {
  /** Backup HSMs that are served; undefined = all of the lab. */
  readonly names: readonly string[] | undefined
  /** The program that captures say they are from. */
  readonly program: string
  readonly tell: (event: LoggedEvent) => void
  /** What is said of where the devices are. */
  readonly place: (service: UsbService) => Omit<LoggedEvent, 'event'>
  /** Path of the serial port that is the HSM's PED port (--ped-line), where that is none of the device model's own. */
  readonly serial?: (() => string | undefined) | undefined
  /** Meters and faults in front of the devices. */
  readonly instruments?: Instruments | undefined
}

/** Serves until it is ended. @throws UsageError; what the lab throws */
export async function presenting(io: CliIo, values: PresentingValues, presentation: Presentation): Promise<void> {
  const { names, program, tell, place, serial, instruments, ...ways } = presentation
  const isLine = readPedLine(values)
  const ids = values.ids === undefined ? undefined : readIds(values.ids)
  const stateDir = stateFolder(values.state, io.env)
  const capture = captureOf(values, program)
  const options = {
    ...ways,
    names,
    ids,
    capture,
    instruments: instruments?.tools,
    onEvent: tell,
    withPedLine: isLine && !serial,
  }
  let service: UsbService | undefined
  const lab: UseLabOptions = {
    serve: { kind: 'backup', names },
    rules: values.rules,
    localPed: values['local-ped'],
    recorder: (frame) => service?.seen(frame),
  }
  const serve = async (opened: Lab): Promise<void> => {
    service = await UsbService.start(opened, options)
    const path = serial?.()
    if (path !== undefined) {
      const lines = service.hsms.map((hsm) => ({ hsm: hsm.name, path }))
      await opened.desk.plugLines(lines, (hsm) => opened.hsm(hsm).token)
    }
    tell({ event: 'listening', ...place(service), hsms: service.hsms })
    io.expectSignal()
    instruments?.listen()
    if (values.commands) obey(io, service, tell)
    tellStarter()
    await Promise.race([service.ordered, untilAborted(io.signal)])
    instruments?.tools.close()
    // A serial port is the device's: no end of it may be open any more when it goes.
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
}

const isCause = (word: string): word is TamperCause => Object.hasOwn(TAMPER_CAUSES, word)

/** One command after the other; what is wrong with one is told, and the service goes on. */
function obey({ stdin, signal }: CliIo, service: UsbService, tell: (event: LoggedEvent) => void): void {
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
