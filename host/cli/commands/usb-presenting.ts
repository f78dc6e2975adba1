import {
  type Lab,
  type UsbPresenter,
  UsbService,
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
import { obey, PED_LINE_HELP, readIds, readPedLine } from './usb-serve.js'

// What 'moonlet usb redir' and 'moonlet usb gadget' have in common: one Backup HSM of a lab, another way to it than USB/IP.

export const PRESENTING_OPTIONS = {
  ...CAPTURE_OPTIONS,
  ids: { type: 'string' },
  'local-ped': { type: 'string' },
  'log-level': { type: 'string' },
  'ped-line': { type: 'boolean' },
  rules: { type: 'string' },
  commands: { type: 'boolean' },
} as const

/** Lines of the help, for those options. */
export const PRESENTING_HELP = `  --ids VENDOR:PRODUCT   USB ids that the device shows (default: 1209:4c48)
${CAPTURE_HELP}${PED_LINE_HELP}  --local-ped HSM        plug the lab's PED into this HSM's own connector
  --log-level LEVEL      what is printed: error, warn, info (default), debug
  --rules FILE           operator rules for that PED, before the lab's own
  --commands             take commands from standard input, one per line:
                         'unplug HSM', 'plug HSM', 'tamper HSM [CAUSE]'
  --state DIR            state folder of the lab
  --debug                show the stack of an error
  -h, --help             show this help
`

interface Presenting extends CaptureValues {
  readonly ids?: string | undefined
  readonly 'local-ped'?: string | undefined
  readonly 'log-level'?: string | undefined
  readonly 'ped-line'?: boolean | undefined
  readonly rules?: string | undefined
  readonly commands?: boolean | undefined
  readonly state?: string | undefined
}

/** At most one HSM's name. @throws UsageError */
export function readOneName([name, other]: readonly string[]): string | undefined {
  if (other !== undefined) throw new UsageError(`One HSM is served this way: unexpected argument '${other}'`)
  return name
}

/**
 * Serves until it is ended, and prints what happens.
 * @param present makes the way to the device
 * @param place what is said of where it is
 * @param serial path of the serial port that is the HSM's PED port (--ped-line), where that is none of the device model's own
 */
export async function presenting(
  io: CliIo,
  values: Presenting,
  name: string | undefined,
  present: (tell: (event: LoggedEvent) => void) => Promise<UsbPresenter>,
  place: (presenter: UsbPresenter) => Omit<LoggedEvent, 'event'>,
  serial?: () => string | undefined,
): Promise<number> {
  const tell = eventWriter(readLogLevel(values['log-level']), (line) => io.stdout.write(line))
  const names = name === undefined ? undefined : [name]
  const ids = values.ids === undefined ? undefined : readIds(values.ids)
  const capture = captureOf(values, 'moonlet usb')
  const withPedLine = readPedLine(values) && !serial
  let service: UsbService | undefined
  const lab: UseLabOptions = {
    serve: { kind: 'backup', names },
    rules: values.rules,
    localPed: values['local-ped'],
    recorder: (frame) => service?.seen(frame),
  }
  const stateDir = stateFolder(values.state, io.env)
  const serve = async (opened: Lab): Promise<void> => {
    let presenter: UsbPresenter | undefined
    const made = async (): Promise<UsbPresenter> => {
      presenter = await present(tell)
      return presenter
    }
    service = await UsbService.start(opened, { host: '', port: 0, names, ids, capture, withPedLine, present: made })
    const path = serial?.()
    if (path !== undefined) {
      const lines = service.hsms.map((hsm) => ({ hsm: hsm.name, path }))
      await opened.desk.plugLines(lines, (hsm) => opened.hsm(hsm).token)
    }
    tell({ event: 'listening', ...(presenter ? place(presenter) : {}), hsms: service.hsms })
    io.expectSignal()
    if (values.commands) obey(io, service, tell)
    tellStarter()
    await Promise.race([service.ordered, untilAborted(io.signal)])
    // The serial port is the device's: no end of it may be open any more when it goes.
    await opened.desk.close()
    await service.close()
    tell({ event: 'stopped' })
  }
  try {
    await whileServing(stateDir, usbFolder(stateDir), () => useLab(stateDir, lab, serve))
  } finally {
    capture?.close()
  }
  return 0
}
