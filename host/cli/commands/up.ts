import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  bringUp,
  type DescribedAppliance,
  type DescribedPed,
  type DescribedPkcs11,
  enrol,
  LAB_FILE,
  type LabDescription,
  LabError,
  type LabFile,
  type LabSource,
  madeFrom,
  makeFolders,
  parseDescription,
  planOf,
  readDescription,
  readLabFile,
  runningPed,
  runningPedServer,
  runningPkcs11,
  runningServers,
  STANDARD_LAB,
} from '../../lab/index.js'
import { startInBackground } from '../background.js'
import { refusePositionals, stateFolder, stateOption } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import type { CliIo } from '../program.js'
import { runningLines } from '../views.js'
import { runningProcesses, stopAll } from './down.js'
import { readFiles } from './import.js'

const MOONLET = fileURLToPath(new URL('../moonlet.js', import.meta.url))
const PEDSERVER = fileURLToPath(new URL('../pedserver.js', import.meta.url))

interface Wanted {
  readonly description: LabDescription
  /** Undefined = the lab is there, and was made without a lab file. */
  readonly source: LabSource | undefined
}

export const up = defineCommand({
  name: 'up',
  summary: 'Make and start a whole lab, each part as a process',
  help: `Usage: moonlet up [LAB.toml] [options]

Makes the lab that the file describes, if it is not there yet, and starts what
the file says is to run: the appliance of the Network HSMs, what lends the
Backup HSMs out, the PED's server, the door for PKCS#11 programs ('moonlet
env'). Each is a process in the background; the lab's workstations are made NTLS
clients of them. Prints what is where. Without a file: the lab in the state
folder, or the one of 'moonlet up --example'.

Then 'lunacm', 'vtl', 'pedserver', 'moonlet import' and 'moonlet lunash' find it
by the state folder. 'moonlet status' shows it, 'moonlet down' ends it; what
runs already is left alone. Ctrl-C ends what was started here.

Options:
  --dry-run      say what would be made and started, and do nothing
  --example      print a lab file with every field and its meaning
  --state DIR    state folder (default: what the file says, else
                 $XDG_STATE_HOME/moonlet or ~/.local/state/moonlet)
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: { 'dry-run': { type: 'boolean' }, example: { type: 'boolean' } },
  async run({ values, positionals }, io) {
    if (values.example) {
      io.stdout.write(STANDARD_LAB)
      return 0
    }
    const [path, ...more] = positionals
    refusePositionals(more)
    const given = path === undefined ? undefined : readDescription(resolve(path))
    const stateDir = stateFolder(values.state ?? given?.description.state, io.env)
    const wanted = given ? { description: given.description, source: given } : usual(stateDir)
    if (values['dry-run']) {
      io.stdout.write(planned(stateDir, wanted))
      return 0
    }
    const file = await make(stateDir, wanted, io)
    await start(stateDir, file, wanted.description, io)
    io.stdout.write(
      `Lab in ${stateDir}\n\n${(await runningLines(stateDir, file)).join('\n')}\n\n${hint(stateDir, io.env)}`,
    )
    if (await runningPkcs11(stateDir))
      io.stdout.write(`PKCS#11 programs find it by 'moonlet env${stateOption(stateDir, io.env)}'.\n`)
    return 0
  },
})

function hint(stateDir: string, env: NodeJS.ProcessEnv): string {
  const at = stateOption(stateDir, env)
  return `Work with 'lunacm${at}'; 'moonlet status${at}' shows the lab, 'moonlet down${at}' ends it.\n`
}

/** Without a file: the one that the lab was made from, or services for a lab that was made without, or the usual lab. */
function usual(stateDir: string): Wanted {
  const before = madeFrom(stateDir)
  if (before) return { description: before.description, source: before }
  const description = parseDescription(STANDARD_LAB, 'the example')
  // It names no files.
  if (!existsSync(join(stateDir, LAB_FILE)))
    return { description, source: { description, content: STANDARD_LAB, folder: stateDir } }
  const kinds = new Set(readLabFile(stateDir).hsms.map(({ kind }) => kind))
  const { appliance, usb, ...rest } = description
  return {
    description: {
      ...rest,
      ...(kinds.has('network') && appliance ? { appliance } : {}),
      ...(kinds.has('backup') && usb ? { usb } : {}),
    },
    source: undefined,
  }
}

async function make(stateDir: string, { source }: Wanted, io: CliIo): Promise<LabFile> {
  if (!source) return readLabFile(stateDir)
  return bringUp(stateDir, source, {
    signal: io.signal,
    onProgress: (line) => io.stderr.write(`${line}\n`),
    readKeys: (paths) =>
      readFiles(paths, undefined, (error) => {
        throw error
      }),
  })
}

const givenUp = (): LabError => new LabError('LAB_CANCELLED', 'given up')

/** Starts what is to run and does not; where one does not start, those that this has started are ended again. */
async function start(
  stateDir: string,
  file: LabFile,
  { appliance, rbs, usb, ped, workstation, pkcs11 }: LabDescription,
  io: CliIo,
): Promise<void> {
  const logs = join(stateDir, 'logs')
  await makeFolders(logs, { mode: 0o700 })
  const [before, old] = [await runningServers(stateDir), await runningProcesses(stateDir)]
  const rules = ped?.rules === undefined ? [] : ['--rules', ped.rules]
  const run = async (name: string, program: string, args: readonly string[]): Promise<void> => {
    if (io.signal.aborted) throw givenUp()
    io.stderr.write(`starting ${name}\n`)
    // Both programs write JSON lines; what pedserver says besides is for a terminal.
    const log = join(logs, program === PEDSERVER ? `${name}.out` : `${name}.jsonl`)
    await startInBackground(program, [...args, '--state', stateDir, ...rules], log)
  }
  const service = async (
    words: readonly [string, ...string[]],
    kind: 'network' | 'backup',
    wish: DescribedAppliance | undefined,
  ): Promise<void> => {
    const served = new Set(file.hsms.filter((hsm) => hsm.kind === kind).map((hsm) => hsm.name))
    if (!wish || before.some(({ hsms }) => [...hsms.values()].some((hsm) => served.has(hsm)))) return
    const { listen, 'key-log': keyLog, 'ped-listen': pedListen } = wish
    const options = [
      ...(listen === undefined ? [] : ['--listen', listen]),
      ...(pedListen === undefined ? [] : ['--ped-listen', pedListen]),
      ...(keyLog === undefined ? [] : ['--key-log', keyLog]),
    ]
    await run(words[0], MOONLET, [...words, ...options])
  }
  try {
    // The PED first: whoever comes later may ask for it.
    if (ped?.apart && !(await runningPed(stateDir))) await run('ped', MOONLET, ['ped'])
    if (ped?.listen !== undefined && !(await runningPedServer(stateDir))) {
      const log = ['-logfilename', join(logs, 'pedserver.jsonl')]
      await run('pedserver', PEDSERVER, [
        '-mode',
        'start',
        '--foreground',
        ...log,
        ...pedServerOptions(ped.listen, ped),
      ])
    }
    await service(['appliance'], 'network', appliance)
    await service(['rbs'], 'backup', rbs)
    await service(['usb', 'serve'], 'backup', usb)
    const servers = (await runningServers(stateDir)).filter(({ cable }) => cable === 'ntls')
    for (const view of file.views) {
      const left = workstation.find(({ name }) => name === view.name)?.register === false
      if (!left && servers.length > 0) await enrol(stateDir, view, servers)
    }
    // The last one: what it shows has to be there.
    if (pkcs11 && !(await runningPkcs11(stateDir))) await run('pkcs11', MOONLET, ['pkcs11', ...doorOptions(pkcs11)])
    if (io.signal.aborted) throw givenUp()
  } catch (error) {
    await stopAll(stateDir, (pid) => !old.has(pid))
    throw error
  }
}

function pedServerOptions(listen: string, { idle }: DescribedPed): string[] {
  const [, host = '', port = ''] = /^(.+):(\d+)$/.exec(listen) ?? []
  const address = ['-ip', host.replace(/^\[(.*)\]$/, '$1'), '-port', port]
  return [...address, ...(idle === undefined ? [] : ['-idletimeout', String(idle)])]
}

function doorOptions({ listen, workstation, backup }: DescribedPkcs11): string[] {
  return [
    ...(listen === undefined ? [] : ['--listen', listen]),
    ...(workstation === undefined ? [] : ['--view', workstation]),
    ...(backup ? [] : ['--no-backup']),
  ]
}

function planned(stateDir: string, { description, source }: Wanted): string {
  const isThere = existsSync(join(stateDir, LAB_FILE))
  const { hsms, views } = planOf(description)
  const { appliance, rbs, usb, ped, workstation, pkcs11 } = description
  const lines = [
    `${isThere ? 'Lab that is there' : 'To be made'}: ${stateDir}`,
    ...(source === undefined
      ? []
      : hsms.map(({ name, kind, record, partitions }) =>
          `  ${name.padEnd(12)} ${kind.padEnd(8)} serial number ${String(record.serial).padEnd(10)} ${partitions.join(', ')}`.trimEnd(),
        )),
    ...(source === undefined
      ? []
      : views.map(
          ({ name, slots }) => `  ${name.padEnd(12)} workstation with slot ${slots.map(({ slot }) => slot).join(', ')}`,
        )),
    'To be started, unless it runs:',
    ...(ped?.apart ? ['  PED          in a process of its own'] : []),
    ...(ped?.listen === undefined ? [] : [`  pedserver    at ${ped.listen}`]),
    ...(appliance ? [`  appliance    at ${appliance.listen ?? 'the address that it has'}`] : []),
    ...(rbs ? [`  rbs          at ${rbs.listen ?? 'the address that it has'}`] : []),
    ...(usb ? [`  usb          at ${usb.listen ?? 'the address that it has'}`] : []),
    ...(pkcs11 ? [`  pkcs11       at ${pkcs11.listen ?? 'pkcs11/socket in the state folder'}`] : []),
    ...workstation.filter(({ register }) => register === false).map(({ name }) => `  ${name}: to be registered by you`),
  ]
  return `${lines.join('\n')}\n`
}
