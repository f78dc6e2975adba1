import { displayOn, pedAtLine, pedAtSocket, StreamTerminal } from '../../lab/index.js'
import { tellStarter } from '../background.js'
import { refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { type LoggedEvent, openEventLog, readLogLevel } from '../event-log.js'
import { untilAborted } from '../program.js'

export const ped = defineCommand({
  name: 'ped',
  summary: 'A PED with its person, for pedserver or at a serial line',
  help: `Usage: moonlet ped [options]

A PED in a process of its own: display, keypad and key slot at your terminal. It
waits at a socket in the state folder, where 'pedserver -mode start' finds it;
or with --serial at a serial line, whose other end is a pedserver, or the PED
port of an HSM: in lab.json, "ped": { ..., "serial": [{ "hsm": "backup", "path":
"/dev/ttyUSB0" }] }. It answers by the lab's rules; at a terminal you are the
person where no rule does. Ctrl-C pulls it out.

Options:
  --serial PATH    a serial port: /dev/ttyUSB0, a pty, COM3
  --baud N         115200 unless given
  --keys DIR       folder of PED keys (default: those of the lab)
  --rules FILE     operator rules, looked at before the lab's own
  --by-hand        leave the lab's own rules out
  --log FILE       append events, a JSON object in each line
  --log-level LEVEL
                   error, warn, info (the default), or debug for every event
  --state DIR      state folder of the lab
  --debug          show the stack of an error
  -h, --help       show this help
`,
  options: {
    serial: { type: 'string' },
    baud: { type: 'string' },
    keys: { type: 'string' },
    rules: { type: 'string' },
    'by-hand': { type: 'boolean' },
    log: { type: 'string' },
    'log-level': { type: 'string' },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const baud = baudRate(values.baud)
    if (values.serial === '') throw new UsageError("Option '--serial' needs the path of a port")
    if (baud !== undefined && values.serial === undefined) throw new UsageError("'--baud' goes with '--serial'")
    const { stdin, stdout, stderr, env, signal } = io
    const log = openEventLog(values.log, readLogLevel(values['log-level']))
    const stateDir = stateFolder(values.state, env)
    try {
      const there = stdin.isTTY && stderr.isTTY
      const seat = {
        ...{ keys: values.keys, rules: values.rules, byHand: values['by-hand'] },
        ...(there
          ? { person: new StreamTerminal(stdin, stderr, true), onIdle: displayOn(stderr) }
          : { pedScreen: (line: string) => stderr.write(`${line}\n`) }),
        onEvent: (event: LoggedEvent) => log.write(event),
      }
      const plug =
        values.serial === undefined
          ? await pedAtSocket(stateDir, seat)
          : await pedAtLine(stateDir, { path: values.serial, baudRate: baud, ...seat })
      log.write({ event: 'waiting', at: values.serial ?? 'socket' })
      stdout.write(
        values.serial === undefined ? 'The PED waits for a pedserver.\n' : `The PED is at ${values.serial}.\n`,
      )
      io.expectSignal()
      tellStarter()
      await untilAborted(signal)
      await plug.close()
      return 0
    } finally {
      log.close()
    }
  },
})

function baudRate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const rate = Number(text)
  if (/^\d+$/.test(text) && rate >= 300 && rate <= 4_000_000) return rate
  throw new UsageError("Option '--baud' takes a number from 300 to 4000000")
}
