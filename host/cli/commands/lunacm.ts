import { atWorkstation, type Recorder, readDeviceName, type UseLabOptions } from '../../lab/index.js'
import { mayRemember, Shell } from '../../lunacm/index.js'
import { CAPTURE_OPTIONS, captureOf } from '../capture-options.js'
import { clientFolder, refusePositionals, stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { openLog } from '../frame-log.js'
import { readCommands, type Seat, takeSeat } from '../seat.js'
import { readUsbAddress } from './usb-address.js'

export const lunacm = defineCommand({
  name: 'lunacm',
  summary: 'The LunaCM shell at a workstation of the lab',
  help: `Usage: lunacm [options]
       moonlet lunacm [options]

At a terminal: the LunaCM shell, with history and arrows. Otherwise it takes its
commands from standard input, one per line; the line after a command that asks
something is the answer. Type 'help' in the shell for its commands.

Options:
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

Example:
  printf 'slot list\\nexit\\n' | lunacm

HSMs that other processes have switched on (moonlet up, appliance, rbs, usb) are
reached over USB/IP, or NTLS as $ChrystokiConfigurationPath or the client of
'moonlet up' says; the others are switched on here.
`,
  options: {
    ...CAPTURE_OPTIONS,
    'capture-frames': { type: 'boolean' },
    'capture-tls': { type: 'boolean' },
    seed: { type: 'string' },
    file: { type: 'string', short: 'f' },
    view: { type: 'string' },
    rules: { type: 'string' },
    'by-hand': { type: 'boolean' },
    'local-ped': { type: 'string' },
    log: { type: 'string' },
    ntls: { type: 'string' },
    usb: { type: 'string', multiple: true },
    'usb-device': { type: 'string', multiple: true },
  },
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    if (values.file === '') throw new UsageError("Option '--file' needs a file")
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
      return await work(stateFolder(values.state, io.env), takeSeat(io, commands, mayRemember), {
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

async function work(stateDir: string, { io, person }: Seat, options: UseLabOptions): Promise<number> {
  try {
    return await atWorkstation(stateDir, { ...options, person }, async (slots, { firstSlot, persona }) => {
      const { signal } = options
      const settings = { ...(firstSlot === undefined ? {} : { firstSlot }), ...(signal ? { signal } : {}) }
      return new Shell({ slots, persona, io, ...settings }).run()
    })
  } finally {
    io.close()
  }
}
