import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { pedAtLine, StreamTerminal } from '../../lab/index.js'
import { COMMON_OPTIONS, readArguments, refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { openEventLog } from '../event-log.js'
import type { CliCommand } from '../program.js'

export const ped: CliCommand = {
  name: 'ped',
  summary: 'A PED at a serial line',
  help: `Usage: moonlet ped --serial PATH [options]

A PED at a serial line, whose other end is the PED port of an HSM: in lab.json,
"ped": { ..., "serial": [{ "hsm": "backup", "path": "/dev/ttyUSB0" }] }. It answers by the
lab's rules; at a terminal you are the person where no rule does. Ctrl-C pulls it
out.

Options:
  --serial PATH    the port: /dev/ttyUSB0, a pty, COM3
  --baud N         115200 unless given
  --keys DIR       folder of PED keys (default: those of the lab)
  --rules FILE     operator rules, looked at before the lab's own
  --by-hand        leave the lab's own rules out
  --log FILE       append every event, a JSON object in each line
  --state DIR      state folder of the lab
  --debug          show the stack of an error
  -h, --help       show this help
`,
  async run(args, io) {
    const { values, positionals } = readArguments(() =>
      parseArgs({
        args: [...args],
        options: {
          ...COMMON_OPTIONS,
          serial: { type: 'string' },
          baud: { type: 'string' },
          keys: { type: 'string' },
          rules: { type: 'string' },
          'by-hand': { type: 'boolean' },
          log: { type: 'string' },
        },
        allowPositionals: true,
      }),
    )
    if (values.help) {
      io.stdout.write(this.help)
      return 0
    }
    refusePositionals(positionals)
    if (!values.serial) throw new UsageError("Option '--serial' is missing: the port that the PED is at")
    const { stdin, stdout, stderr, env, signal } = io
    const log = openEventLog(values.log)
    try {
      const there = stdin.isTTY && stderr.isTTY
      const plug = await pedAtLine(stateFolder(values.state, env), {
        path: values.serial,
        baudRate: baudRate(values.baud),
        ...{ keys: values.keys, rules: values.rules, byHand: values['by-hand'] },
        ...(there
          ? { person: new StreamTerminal(stdin, stderr, true) }
          : { pedScreen: (line: string) => stderr.write(`${line}\n`) }),
        onEvent: (event) => log.write(event),
      })
      stdout.write(`The PED is at ${values.serial}.\n`)
      if (!signal.aborted) await once(signal, 'abort')
      await plug.close()
      return 0
    } finally {
      log.close()
    }
  },
}

function baudRate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const rate = Number(text)
  if (/^\d+$/.test(text) && rate >= 300 && rate <= 4_000_000) return rate
  throw new UsageError("Option '--baud' takes a number from 300 to 4000000")
}
