import { parseArgs } from 'node:util'
import { atWorkstation, type Recorder, readDeviceName, type UseLabOptions } from '../../lab/index.js'
import { lineOf, mayRemember, Shell, SingleIo } from '../../lunacm/index.js'
import { CAPTURE_OPTIONS, captureOf } from '../capture-options.js'
import { COMMON_OPTIONS, clientFolder, refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { openLog } from '../frame-log.js'
import type { CliCommand } from '../program.js'
import { readCommands, type Seat, takeSeat } from '../seat.js'
import { readUsbAddress } from './usb-address.js'

/** A command of the shell that stands in the program's own line. */
interface Typed {
  readonly words: readonly string[]
  readonly quiet: boolean
}

const OWN_OPTIONS = {
  ...CAPTURE_OPTIONS,
  'capture-frames': { type: 'boolean' },
  'capture-tls': { type: 'boolean' },
  seed: { type: 'string' },
  file: { type: 'string', short: 'f' },
  slot: { type: 'string', short: 's' },
  view: { type: 'string' },
  rules: { type: 'string' },
  'by-hand': { type: 'boolean' },
  'local-ped': { type: 'string' },
  log: { type: 'string' },
  ntls: { type: 'string' },
  usb: { type: 'string', multiple: true },
  'usb-device': { type: 'string', multiple: true },
} as const

const shell = (typed: Typed | undefined): CliCommand =>
  defineCommand({
    name: 'lunacm',
    summary: 'The LunaCM shell at a workstation of the lab',
    help: `Usage: lunacm [options]
       lunacm [options] -q COMMAND...
       moonlet lunacm ...

At a terminal: the LunaCM shell, with history and arrows. Otherwise it takes its
commands from standard input, one per line; the line after a command that asks
something is the answer. Type 'help' in the shell for its commands.

Options:
  -q, --quiet         run the one COMMAND that follows, each argument a word of
                      it, without banner and slots; comes last
  -c, --command       the same, with banner and slots
  -s, --slot SLOT     the slot to start with; a COMMAND may follow without -c
  -f, --file FILE     take the commands from a file
  --view NAME         the workstation to work at (default: the lab's first;
                      'moonlet status' lists them)
  --rules FILE        operator rules for the PED, looked at before the lab's own
  --by-hand           leave the lab's own rules out: you are the one at the PED
                      (without a terminal nobody is there: what the PED shows,
                      such as a challenge, then goes to standard error)
  --local-ped HSM     plug the PED into this HSM's own connector
  --ntls DIR          reach Network HSMs and lent-out Backup HSMs over NTLS, as
                      Chrystoki.conf in DIR says ('vtl' makes it); no Network
                      HSM is switched on here then
  --usb HOST[:PORT]   a Backup HSM is plugged in at this USB/IP server ('moonlet
                      usb serve'); none is switched on here then. Without a lab
                      its PED is that of a pedserver
  --usb-device DEVICE a Backup HSM is plugged in at this computer: VID:PID or
                      serial number of a real USB device; none is switched on
                      here then
  --log FILE          append every frame on every cable, in hexadecimal
  --capture FILE      write all transfers on the USB cables to a pcapng file, as
                      Linux's usbmon has them ('moonlet usb replay --help')
  --capture-frames    and the frames on all other cables
  --capture-tls       and the secrets of its TLS connections, which open what
                      others captured of them
  --capture-redacted  with zeros in place of secrets and ciphertexts
  --seed TEXT         all that is random here follows from the text, and the
                      clocks of the HSMs that are switched on here stand still:
                      a run on a copy of the state folder is the same again.
                      Nothing done so is secret
  --state DIR         state folder of the lab
  --debug             show the stack of an error
  -h, --help          show this help

The exit code is 0, or 1 where a command failed.

Examples:
  lunacm -q slot list
  printf 'slot list\\nexit\\n' | lunacm

HSMs that other processes have switched on (moonlet up, appliance, rbs, usb) are
reached over USB/IP, or NTLS as $ChrystokiConfigurationPath or the client of
'moonlet up' says; the others are switched on here.
`,
    options: OWN_OPTIONS,
    async run({ values, positionals }, io) {
      refusePositionals(positionals)
      if (values.file === '') throw new UsageError("Option '--file' needs a file")
      if (values.file !== undefined && typed) throw new UsageError("'--file' goes without a command")
      const firstSlot = values.slot === undefined ? undefined : readSlot(values.slot)
      const line = typed && readLine(typed)
      const commands = values.file === undefined ? undefined : readCommands(values.file)
      if (values.seed === '') throw new UsageError("Option '--seed' needs a text")
      const usb = [
        ...(values.usb ?? []).map((text) => readUsbAddress(text)),
        ...(values['usb-device'] ?? []).map((name) => ({ real: readDeviceName(name) })),
      ]
      if (values['usb-device']) io.endAtOnce()
      const capture = captureOf(values, 'lunacm')
      let log: ReturnType<typeof openLog> | undefined
      try {
        log = openLog(values.log)
        const seat = takeSeat(io, commands, line === undefined ? mayRemember : () => false)
        const start = { firstSlot, line, quiet: typed?.quiet }
        return await work(stateFolder(values.state, io.env), seat, start, {
          view: values.view,
          rules: values.rules,
          byHand: values['by-hand'],
          localPed: values['local-ped'],
          pedScreen: (line) => io.stderr.write(`${line}\n`),
          // Why a key that is asked for again did not do.
          onPedEvent: (event) => {
            if (event.event === 'fault') io.stderr.write(`PED: ${event.reason}\n`)
          },
          recorder: bothOf(log.recorder, capture?.recorder),
          capture,
          seed: values.seed,
          ntls: values.ntls === undefined ? undefined : clientFolder(values.ntls, values, io.env),
          usb,
          ntlsConfig: clientFolder(undefined, values, io.env),
          onLink: (line) => io.stderr.write(`${line}\n`),
          signal: io.signal,
        })
      } finally {
        log?.close()
        capture?.close()
      }
    },
  })

function bothOf(one: Recorder | undefined, other: Recorder | undefined): Recorder | undefined {
  if (!one || !other) return one ?? other
  return (frame) => {
    one(frame)
    other(frame)
  }
}

interface Start {
  readonly firstSlot: number | undefined
  /** The one command that is run. */
  readonly line: string | undefined
  readonly quiet: boolean | undefined
}

async function work(stateDir: string, { io, person }: Seat, start: Start, options: UseLabOptions): Promise<number> {
  const { line, quiet } = start
  try {
    return await atWorkstation(stateDir, { ...options, person }, async (slots, { firstSlot: usual, persona }) => {
      const { signal } = options
      const firstSlot = start.firstSlot ?? usual
      const settings = { ...(firstSlot === undefined ? {} : { firstSlot }), ...(signal ? { signal } : {}) }
      const lines = line === undefined ? io : new SingleIo(line, io)
      return new Shell({ slots, persona, io: lines, quiet: quiet ?? false, ...settings }).run()
    })
  } finally {
    io.close()
  }
}

/** @throws UsageError */
function readSlot(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new UsageError(`'--slot' takes the number of a slot, not '${text}'`)
  return Number(text)
}

/** @throws UsageError */
function readLine({ words, quiet }: Typed): string {
  if (words.length === 0) throw new UsageError(`The command after '${quiet ? '-q' : '-c'}' is missing`)
  const line = lineOf(words)
  // The word may be a secret.
  if (line === undefined) throw new UsageError('A word of the command has white space and a double quote in it')
  return line
}

/** The program's own options, and the command behind them, whose words are no options of ours. */
function split(args: readonly string[]): { own: readonly string[]; typed?: Typed } {
  const options = {
    ...OWN_OPTIONS,
    ...COMMON_OPTIONS,
    quiet: { type: 'boolean', short: 'q' },
    command: { type: 'boolean', short: 'c' },
  } as const
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const isCommand = (token: (typeof tokens)[number]) =>
    token.kind === 'option' && (token.name === 'quiet' || token.name === 'command')
  const first = tokens.find((token) => token.kind === 'positional' || isCommand(token))
  const own = args.slice(0, first?.index)
  if (first?.kind === 'option')
    return { own, typed: { words: args.slice(first.index + 1), quiet: first.name === 'quiet' } }
  const hasSlot = tokens.some((token) => token.kind === 'option' && token.name === 'slot')
  return first && hasSlot ? { own, typed: { words: args.slice(first.index), quiet: false } } : { own: args }
}

export const lunacm: CliCommand = {
  ...shell(undefined),
  run(args, io) {
    const { own, typed } = split(args)
    return shell(typed).run(own, io)
  },
}
