import {
  endProcess,
  orderPedServer,
  readLabFile,
  runningPed,
  runningPedServer,
  runningPkcs11,
  runningServers,
  stopServer,
} from '../../lab/index.js'
import { refusePositionals, stateFolder } from '../command-line.js'
import { defineCommand } from '../define-command.js'

export const down = defineCommand({
  name: 'down',
  summary: 'End the processes of a lab',
  help: `Usage: moonlet down [options]

Ends what runs on a lab's state folder: the PKCS#11 door, the appliance, what
lends Backup HSMs out, the PED's server, the PED. What is under way is finished
first; the lab itself stays.

Options:
  --state DIR    state folder of the lab
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: {},
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const stateDir = stateFolder(values.state, io.env)
    readLabFile(stateDir)
    const ended = await stopAll(stateDir)
    io.stdout.write(ended.length === 0 ? 'Nothing runs.\n' : ended.map((line) => `ended ${line}\n`).join(''))
    return 0
  },
})

/** The numbers of the processes that run on a state folder. */
export async function runningProcesses(stateDir: string): Promise<ReadonlySet<number>> {
  const servers = await runningServers(stateDir)
  const others = await Promise.all([runningPkcs11(stateDir), runningPedServer(stateDir), runningPed(stateDir)])
  return new Set([...servers.map((one) => one.process), ...others.flatMap((one) => (one ? [one.pid] : []))])
}

/** Ends the processes that are meant, those first that use others; answers what has ended. */
export async function stopAll(stateDir: string, isMeant: (process: number) => boolean = () => true): Promise<string[]> {
  const ended: string[] = []
  const door = await runningPkcs11(stateDir)
  if (door && isMeant(door.pid)) {
    await endProcess(door.pid)
    ended.push(`PKCS#11 door, process ${door.pid}`)
  }
  for (const server of await runningServers(stateDir)) {
    if (!isMeant(server.process)) continue
    await stopServer(server)
    ended.push(`${[...server.hsms.values()].join(', ')}, process ${server.process}`)
  }
  const pedServer = await runningPedServer(stateDir)
  if (pedServer && isMeant(pedServer.pid)) {
    await orderPedServer(stateDir, 'stop force')
    ended.push(`pedserver, process ${pedServer.pid}`)
  }
  const ped = await runningPed(stateDir)
  if (ped && isMeant(ped.pid)) {
    await endProcess(ped.pid)
    ended.push(`PED, process ${ped.pid}`)
  }
  return ended
}
