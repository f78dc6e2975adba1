import type { SlotSource } from '../client/index.js'
import { ClientConfig } from '../ntls/index.js'
import { Chance } from './chance.js'
import { LabError } from './errors.js'
import { FarPeds } from './far-peds.js'
import type { LabView } from './lab-file.js'
import { networkLines } from './network-lines.js'
import { RemotePeds } from './remote-peds.js'
import { UsbCables } from './usb-cables.js'
import { type UseLabOptions, unlessAborted, useLab } from './use-lab.js'
import { Workstation } from './workstation.js'

/** Workstations of a computer without a lab: what they see is what their servers show them. */
const ALONE: readonly LabView[] = [
  { name: 'lunacm-6', persona: 'A', slots: [] },
  { name: 'lunacm-7', persona: 'B', slots: [] },
]

/**
 * Works at a workstation: one of the lab in the state folder, or, where there is none, a computer that has nothing but an
 * NTLS client's configuration with servers in it, or a USB cable with a Backup HSM at its other end.
 * @throws what `useLab` throws; ClientConfigError
 */
export async function atWorkstation<Result>(
  stateDir: string,
  options: UseLabOptions,
  work: (slots: SlotSource, view: LabView) => Promise<Result>,
): Promise<Result> {
  try {
    return await useLab(stateDir, options, (lab) => work(lab, lab.view))
  } catch (error) {
    const config = options.ntls ?? options.ntlsConfig
    if (!(error instanceof LabError && error.code === 'LAB_MISSING')) throw error
    const serves = config !== undefined && ClientConfig.load(config).servers().length > 0
    if (serves || options.usb?.length) return atClient(stateDir, serves ? config : undefined, options, work)
    if (options.ntls === undefined) throw error
    const text = `${error.message}; nor does a Chrystoki.conf in ${config} name a server: 'vtl addServer'`
    throw new LabError('LAB_MISSING', text, { cause: error })
  }
}

/** @param config folder of the configuration whose servers are asked; undefined = none */
async function atClient<Result>(
  stateDir: string,
  config: string | undefined,
  options: UseLabOptions,
  work: (slots: SlotSource, view: LabView) => Promise<Result>,
): Promise<Result> {
  const { view: wanted = 'lunacm-6', recorder, onLink, seed, signal, capture } = options
  const view = ALONE.find(({ name }) => name === wanted)
  if (!view) {
    const known = ALONE.map(({ name }) => name).join(', ')
    throw new LabError('LAB_VIEW_UNKNOWN', `without a lab there is no view "${wanted}", only ${known}`)
  }
  const chance = new Chance(seed, `view ${wanted}`)
  const network =
    config === undefined
      ? undefined
      : await networkLines([], view, { config, chance, recorder, onLink, onKeys: capture?.onKeys })
  const peds = new RemotePeds({
    stateDir,
    knownIn: options.ntls ?? options.ntlsConfig,
    aliases: ['localhost', '127.0.0.1'],
    clock: options.pedClock,
    onEvent: options.onPedEvent,
  })
  const sockets = options.without === 'backup' ? [] : (options.usb ?? [])
  const usb = new UsbCables(sockets, { chance, recorder, desk: new FarPeds(peds), capture }, onLink)
  const workstation = new Workstation(
    () => view,
    network?.lines ?? [],
    () => usb.plugged(),
  )
  try {
    return await (signal ? unlessAborted(signal, () => work(workstation, view)) : work(workstation, view))
  } finally {
    await workstation.close()
    await network?.close()
    await usb.close()
  }
}
