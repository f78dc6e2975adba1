import { parseArgs } from 'node:util'
import {
  orderPedServer,
  type RunningServer,
  readLabFile,
  runningPedServer,
  runningServers,
  stopServer,
} from '../../lab/index.js'
import { COMMON_OPTIONS, readArguments, refusePositionals, stateFolder } from '../command-line.js'
import type { CliCommand } from '../program.js'

export const down: CliCommand = {
  name: 'down',
  summary: 'End the processes of a lab',
  help: `Usage: moonlet down [options]

Ends what runs on a lab's state folder: the appliance, what lends Backup HSMs out,
the PED's server. What is under way is finished first; the lab itself stays.

Options:
  --state DIR    state folder of the lab
  --debug        show the stack of an error
  -h, --help     show this help
`,
  async run(args, io) {
    const { values, positionals } = readArguments(() =>
      parseArgs({ args: [...args], options: COMMON_OPTIONS, allowPositionals: true }),
    )
    if (values.help) {
      io.stdout.write(this.help)
      return 0
    }
    refusePositionals(positionals)
    const stateDir = stateFolder(values.state, io.env)
    readLabFile(stateDir)
    const ended = await stopAll(stateDir)
    io.stdout.write(ended.length === 0 ? 'Nothing runs.\n' : ended.map((line) => `ended ${line}\n`).join(''))
    return 0
  },
}

/** Ends the servers that are meant, and with all of them the PED's; answers what has ended. */
export async function stopAll(
  stateDir: string,
  isMeant: (server: RunningServer) => boolean = () => true,
): Promise<string[]> {
  const ended: string[] = []
  for (const server of await runningServers(stateDir)) {
    if (!isMeant(server)) continue
    await stopServer(server)
    ended.push(`${[...server.hsms.values()].join(', ')}, process ${server.process}`)
  }
  const ped = await runningPedServer(stateDir)
  if (ped) {
    await orderPedServer(stateDir, 'stop force')
    ended.push(`pedserver, process ${ped.pid}`)
  }
  return ended
}
