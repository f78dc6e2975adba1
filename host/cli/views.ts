import {
  ADMIN_SLOT,
  type LabFile,
  type LabSlot,
  ownClientFolder,
  type RunningServer,
  runningPedServer,
  runningServers,
} from '../lab/index.js'

/** One line for each slot of a workstation, by slot number. `isGone`: whether its HSM has no such partition any more. */
export function slotLines(slots: readonly LabSlot[], isGone: (slot: LabSlot) => boolean = () => false): string[] {
  return [...slots]
    .sort((a, b) => a.slot - b.slot)
    .map((slot) => {
      const what = slot.partition === ADMIN_SLOT ? 'the HSM itself' : `partition ${slot.partition}`
      return `  slot ${String(slot.slot).padEnd(4)} ${slot.hsm.padEnd(10)} ${what}${isGone(slot) ? ', not there' : ''}`
    })
}

/** Where a server is reached, and which process it is. */
export function serverPlace({ cable, host, port, process: pid }: RunningServer): string {
  return `${cable === 'usb' ? 'USB/IP' : 'NTLS'} at ${host} port ${port}, process ${pid}`
}

/** What of a lab runs, and where: a line for each of its processes, for what none has switched on, and for each workstation. */
export async function runningLines(stateDir: string, { hsms, views, ped }: LabFile): Promise<string[]> {
  const servers = await runningServers(stateDir)
  const pedServer = await runningPedServer(stateDir)
  const where = (name: string): string => {
    const server = servers.find((one) => [...one.hsms.values()].includes(name))
    if (!server) return 'switched on by whoever works with it'
    return serverPlace(server)
  }
  return [
    ...hsms.map(({ name, kind }) => `  ${name.padEnd(12)} ${kind.padEnd(8)} ${where(name)}`),
    pedServer
      ? `  PED          remote   pedserver at ${pedServer.host} port ${pedServer.port}, process ${pedServer.pid}`
      : `  PED          at hand  answers at ${ped.addresses.join(', ')}, port ${ped.port}`,
    ...views.flatMap((view) => {
      const client = ownClientFolder(stateDir, view.name)
      return [
        '',
        `Workstation "${view.name}"${client === undefined ? '' : `, NTLS client ${client}`}`,
        ...slotLines(view.slots),
      ]
    }),
  ]
}
