import {
  ADMIN_SLOT,
  type LabFile,
  type LabSlot,
  ownClientFolder,
  type RunningPed,
  type RunningPkcs11,
  type RunningServer,
  runningPed,
  runningPedServer,
  runningPkcs11,
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
export function serverPlace({ cable, host, port, process: pid, peds }: RunningServer): string {
  const calls = peds ? `, PED servers may call ${peds.host} port ${peds.port}` : ''
  return `${cable === 'usb' ? 'USB/IP' : 'NTLS'} at ${host} port ${port}${calls}, process ${pid}`
}

/** A line for the PED where it is a process of its own. */
export const pedLines = (ped: RunningPed | undefined): string[] =>
  ped ? [`  PED          apart    'moonlet ped', process ${ped.pid}`] : []

/** Lines for the PKCS#11 door, where one is open: its place, and a line for each slot that it shows. */
export function pkcs11Lines(door: RunningPkcs11 | undefined): string[] {
  if (!door) return []
  return [
    '',
    `PKCS#11 at ${door.socket}, process ${door.pid}`,
    ...door.slots.map(
      ({ slot, label, serial }) => `  slot ${String(slot).padEnd(4)} token ${label || '-'}, serial number ${serial}`,
    ),
  ]
}

/** What of a lab runs, and where: a line for each of its processes, for what none has switched on, and for each workstation. */
export async function runningLines(stateDir: string, { hsms, views, ped }: LabFile): Promise<string[]> {
  const servers = await runningServers(stateDir)
  const [pedServer, door] = [await runningPedServer(stateDir), await runningPkcs11(stateDir)]
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
    ...pedLines(await runningPed(stateDir)),
    ...views.flatMap((view) => {
      const client = ownClientFolder(stateDir, view.name)
      return [
        '',
        `Workstation "${view.name}"${client === undefined ? '' : `, NTLS client ${client}`}`,
        ...slotLines(view.slots),
      ]
    }),
    ...pkcs11Lines(door),
  ]
}
