import {
  readSnapshotFile,
  restoreSnapshot,
  restoreSnapshotTo,
  type SnapshotSummary,
  saveSnapshot,
  stateOf,
  summarize,
} from '../../lab/index.js'
import { stateFolder, UsageError } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import type { CliIo } from '../program.js'

const SECRET = 'It holds every key of the HSM in the clear. Keep it as you would keep them.\n'

export const snapshot = defineCommand({
  name: 'snapshot',
  summary: 'Save an HSM to a file, put it back, look into the file',
  help: `Usage: moonlet snapshot save FILE --hsm NAME [options]
       moonlet snapshot show FILE
       moonlet snapshot restore FILE --hsm NAME [options]
       moonlet snapshot restore FILE --folder DIR

One HSM as a whole in one file: flash, battery-backed memory, monotonic counter,
random source, clock, and the memory of the running firmware.

WARNING: the file holds every key of the HSM in the clear. It is written for its
owner only (mode 0600).

  save      switches the HSM of the lab on, saves it, switches it off
  show      checks the file and says what is in it, nothing secret; if it is of
            this build, restores it in memory and asks the HSM for its status
  restore   puts the HSM of the lab back to where it was, whatever happened
            since, in one step; or makes the folder of a board of its own

An HSM in a folder is off: what restore puts back there boots at its next use,
and log-ins and sessions have ended. The library restores it running, in memory
or in a folder, as often as you like: Token.restore({ snapshot }) of
moonlet/board.

A file that is damaged, cut short, of a newer version or of another firmware
build is refused, and nothing has changed then.

Options:
  --hsm NAME      the HSM, as 'moonlet status' names it
  --folder DIR    a new folder for the board, outside of any lab
  --force         save: overwrite FILE; restore: for an HSM that does not start
                  any more, do not compare serial numbers, and put its folder
                  aside as NAME.damaged where it cannot be read
  --state DIR     state folder of the lab
  --debug         show the stack of an error
  -h, --help      show this help

Example, to begin every test with the same HSM:
  moonlet snapshot save backup.snap --hsm backup
  moonlet snapshot restore backup.snap --hsm backup
`,
  options: {
    hsm: { type: 'string' },
    folder: { type: 'string' },
    force: { type: 'boolean' },
  },
  async run({ values, positionals }, io) {
    const [action, file, ...rest] = positionals
    if (action === undefined) throw new UsageError("One of 'save', 'show' and 'restore' is missing")
    const work = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
    if (!work) throw new UsageError(`'snapshot' cannot '${action}', only save, show and restore`)
    if (file === undefined || file === '') throw new UsageError('The snapshot file is missing')
    if (rest[0] !== undefined) throw new UsageError(`Unexpected argument '${rest[0]}'`)
    await work(file, { ...values, state: stateFolder(values.state, io.env) }, io)
    return 0
  },
})

interface Options {
  readonly state: string
  readonly hsm?: string | undefined
  readonly folder?: string | undefined
  readonly force?: boolean | undefined
}

const ACTIONS: Readonly<Record<string, (file: string, options: Options, io: CliIo) => Promise<void>>> = {
  async save(file, { state, hsm, folder, force = false }, { stdout, stderr }) {
    if (folder !== undefined) throw new UsageError("'save' takes no '--folder'")
    const { size } = await saveSnapshot(state, named(hsm), file, { overwrite: force })
    stdout.write(`HSM "${hsm}" saved to ${file}, ${size} bytes\n`)
    stderr.write(SECRET)
  },

  async show(file, { hsm, folder, force }, { stdout }) {
    if (hsm !== undefined || folder !== undefined || force) throw new UsageError("'show' takes a file and no options")
    stdout.write(`${summaryLines(await summarize(readSnapshotFile(file))).join('\n')}\n`)
  },

  async restore(file, { state, hsm, folder, force = false }, { stdout }) {
    if (folder !== undefined) {
      if (hsm !== undefined || force) throw new UsageError("'--folder' goes with neither '--hsm' nor '--force'")
      if (folder === '') throw new UsageError("Option '--folder' needs a folder")
      const summary = await restoreSnapshotTo(folder, readSnapshotFile(file))
      stdout.write(`Board made in ${folder}, as it was at ${timeOf(summary)}\n`)
      return
    }
    const name = named(hsm)
    const summary = await restoreSnapshot(state, name, readSnapshotFile(file), { force })
    stdout.write(`HSM "${name}" is as it was at ${timeOf(summary)}\n`)
  },
}

function named(hsm: string | undefined): string {
  if (hsm === undefined || hsm === '') throw new UsageError("Option '--hsm' is missing: which HSM of the lab?")
  return hsm
}

const timeOf = ({ taken }: SnapshotSummary): string => new Date(taken).toISOString()

function summaryLines(summary: SnapshotSummary): string[] {
  const { madeBy, virtualClock, seeded, uptime, firmware, ours, counter, parked, tamperLine, size, status } = summary
  const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`
  const part = ({ used, size: all }: { used: number; size: number }): string => `${kib(used)} of ${kib(all)}`
  const line = (name: string, text: string): string => `  ${name.padEnd(10)} ${text}`
  return [
    `Snapshot of a running HSM, ${size} bytes, taken by ${madeBy}`,
    ...(status
      ? [line('HSM', `serial number ${status.serial}, label ${status.label || '-'}, ${stateOf(status)}`)]
      : []),
    line(
      'taken',
      `${timeOf(summary)} on a ${virtualClock ? 'virtual' : 'real'} clock, ${uptime / 1000} s after power-up`,
    ),
    line('firmware', `sha384 ${firmware}`),
    line('', ours ? 'the one of this build' : 'NOT the one of this build: it cannot be restored here'),
    line('memory', `${part(summary.memory)} used; flash: ${part(summary.flash)}`),
    line('counter', String(counter)),
    line('random', seeded ? 'from a seed' : 'from the system'),
    ...(tamperLine === 0 ? [] : [line('tamper', `the line is up, cause ${tamperLine}`)]),
    ...(parked === 0 ? [] : [line('parked', `${parked} commands wait for the PED`)]),
  ]
}
