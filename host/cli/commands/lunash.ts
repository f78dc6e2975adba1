import { resolve } from 'node:path'
import { type ApplianceDoorOptions, FolderAppliance } from '../../lab/index.js'
import { Lunash, mayRemember } from '../../lunash/index.js'
import { stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { readCommands, takeSeat } from '../seat.js'

export const lunash = defineCommand({
  name: 'lunash',
  summary: "The shell of a Network HSM's appliance",
  help: `Usage: moonlet lunash [DIR] [options]

The appliance's own shell, where clients are registered by their certificates
and partitions are assigned to them. DIR is the appliance's folder, the state
folder of a lab; while 'moonlet appliance' runs on it the HSM is reached through
that, otherwise it is switched on for as long as the shell needs it.

At a terminal it has history and arrows. Otherwise it takes its commands from
standard input, one per line; the line after a command that asks something is
the answer. Type 'help' in the shell for its commands.

Options:
  -f, --file FILE     take the commands from a file
  --hsm NAME          the Network HSM (default: the lab's first)
  --rules FILE        operator rules for the PED, looked at before the lab's own
  --by-hand           leave the lab's own rules out: you are the one at the PED
  --local-ped         plug the PED into the HSM's own connector (where the
                      appliance runs, the PED is its matter)
  --state DIR         the same as DIR
  --debug             show the stack of an error
  -h, --help          show this help

The exit code is 0, or 1 where a command failed.

Example:
  printf 'client register -client web -hostname web1\\nclient list\\n' |
    moonlet lunash DIR
`,
  options: {
    file: { type: 'string', short: 'f' },
    hsm: { type: 'string' },
    rules: { type: 'string' },
    'by-hand': { type: 'boolean' },
    'local-ped': { type: 'boolean' },
  },
  async run({ values, positionals }, io) {
    const [dir, ...more] = positionals
    if (more[0] !== undefined) throw new UsageError(`Unexpected argument '${more[0]}'`)
    if (dir === '') throw new UsageError("The appliance's folder is empty")
    if (dir !== undefined && values.state !== undefined) throw new UsageError("DIR and '--state' exclude each other")
    if (values.file === '') throw new UsageError("Option '--file' needs a file")
    const commands = values.file === undefined ? undefined : readCommands(values.file)
    const stateDir = dir === undefined ? stateFolder(values.state, io.env) : resolve(dir)
    const seat = takeSeat(io, commands, mayRemember)
    try {
      const options: ApplianceDoorOptions = {
        hsm: values.hsm,
        rules: values.rules,
        byHand: values['by-hand'],
        localPed: values['local-ped'],
        person: seat.person,
        pedScreen: (line) => io.stderr.write(`${line}\n`),
        // Why a key that is asked for again did not do.
        onPedEvent: (event) => {
          if (event.event === 'fault') io.stderr.write(`PED: ${event.reason}\n`)
        },
      }
      const door = FolderAppliance.open(stateDir, options)
      // What a command waits for ends with the HSM.
      const giveUp = () => {
        door.close().catch(() => undefined)
        seat.io.close()
      }
      io.signal.addEventListener('abort', giveUp, { once: true })
      return await new Lunash({ door, io: seat.io, signal: io.signal }).run()
    } finally {
      seat.io.close()
    }
  },
})
