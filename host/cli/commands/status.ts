import {
  ADMIN_SLOT,
  commandName,
  type HsmStatus,
  type KeyStatus,
  type LabFile,
  type LabSlot,
  labStatus,
  runningPed,
  runningPedServer,
  runningPkcs11,
  shownSlots,
  useLab,
} from '../../lab/index.js'
import { refusePositionals, stateFolder } from '../command-line.js'
import { defineCommand } from '../define-command.js'
import { pkcs11Lines, serverPlace, slotLines } from '../views.js'

export const status = defineCommand({
  name: 'status',
  summary: 'Show what is in the lab',
  help: `Usage: moonlet status [options]

Shows the HSMs of the lab with their partitions, the workstations with their
slots, and the PED with its keys. It asks only; but it switches the HSMs on for
that, and every power-up is written down in an HSM's flash.
Where the watchdog has reset an HSM, the last time is shown, with the place in
the firmware; crash.json in the HSM's folder has the last sixteen.

Options:
  --state DIR    state folder of the lab
  --debug        show the stack of an error
  -h, --help     show this help
`,
  options: {},
  async run({ values, positionals }, io) {
    refusePositionals(positionals)
    const stateDir = stateFolder(values.state, io.env)
    const lines = await useLab(stateDir, { all: true, signal: io.signal }, async (lab) => {
      const { hsms, keys } = await labStatus(lab)
      return [
        `Lab in ${stateDir}, made by ${lab.file.madeBy}`,
        ...hsms.flatMap(hsmLines),
        ...fileLines(lab.file, hsms, keys, await running(stateDir)),
      ]
    })
    io.stdout.write(`${lines.join('\n')}\n`)
    return 0
  },
})

interface Running {
  readonly pedServer: Awaited<ReturnType<typeof runningPedServer>>
  readonly ped: Awaited<ReturnType<typeof runningPed>>
  readonly door: Awaited<ReturnType<typeof runningPkcs11>>
}

async function running(stateDir: string): Promise<Running> {
  const [pedServer, ped, door] = [runningPedServer(stateDir), runningPed(stateDir), runningPkcs11(stateDir)]
  return { pedServer: await pedServer, ped: await ped, door: await door }
}

/** Client generation of each persona. */
const CLIENTS = { A: '6.3', B: '7.0' } as const

const KINDS = { network: 'Network HSM', pcie: 'PCIe HSM', backup: 'Backup HSM' } as const

function hsmLines({
  name,
  kind,
  label,
  serial,
  profile,
  state,
  server,
  crashes,
  flash,
  partitions,
}: HsmStatus): string[] {
  return [
    '',
    `${KINDS[kind]} "${name}": serial number ${serial}, label ${label || '-'}, firmware ${profile}, ${state}`,
    ...(server ? [`  on: ${serverPlace(server)}`] : []),
    ...crashLines(crashes),
    ...flashLines(flash),
    ...partitions.map(
      (one) =>
        `  partition ${one.label || '-'}: serial number ${one.serial}, ${one.objects} objects, ${one.used} of ${one.total} bytes used, Crypto Officer: ${one.officer ?? 'none'}`,
    ),
  ]
}

function flashLines(flash: HsmStatus['flash']): string[] {
  if (!flash) return []
  const { sectors, free, live, leastErases, mostErases } = flash
  const erases = leastErases === mostErases ? `${mostErases}` : `${leastErases} to ${mostErases}`
  return [`  flash: ${free} of ${sectors} sectors free, ${live} bytes in use, each sector erased ${erases} times`]
}

function crashLines({ count, last }: HsmStatus['crashes']): string[] {
  if (!last) return []
  const { code, message, time, command, stack } = last
  const [place] = stack
  const parts = [
    `  last crash, of ${count}: ${new Date(time).toISOString()} ${code}: ${message}`,
    ...(place ? [`function ${place.function} at 0x${place.offset.toString(16)}`] : []),
    ...(command === undefined ? [] : [`after ${commandName(command)}`]),
  ]
  return [parts.join(', ')]
}

/** The partition that a slot is to show is not on its HSM, which works and would know. */
function isGone({ hsm: name, partition }: LabSlot, hsms: readonly HsmStatus[]): boolean {
  const hsm = hsms.find((one) => one.name === name)
  if (partition === ADMIN_SLOT || hsm?.state !== 'OK') return false
  return hsm.partitions.every(({ serial }) => String(serial) !== partition)
}

function fileLines(
  { views, ped, challenge }: LabFile,
  hsms: readonly HsmStatus[],
  keys: readonly KeyStatus[],
  { pedServer, ped: apart, door }: Running,
): string[] {
  return [
    ...views.flatMap((view) => [
      '',
      `Workstation "${view.name}" (LunaCM ${CLIENTS[view.persona]})`,
      ...slotLines(shownSlots(view, hsms), (slot) => isGone(slot, hsms)),
    ]),
    '',
    `PED: answers at ${ped.addresses.join(', ')}, port ${ped.port}`,
    ...(pedServer ? [`  pedserver at ${pedServer.host} port ${pedServer.port}, process ${pedServer.pid}`] : []),
    ...(apart ? [`  in a process of its own, 'moonlet ped', process ${apart.pid}`] : []),
    ...keys.map(({ name, label, state }) => `  ${name.padEnd(18)} ${state.padEnd(13)} ${label}`.trimEnd()),
    ...pkcs11Lines(door),
    ...(challenge ? ['', `Crypto Officers' challenge, as it was made: ${challenge.secret}`] : []),
  ]
}
