import type { SlotSource } from '../client/index.js'
import { ClientConfig } from '../ntls/index.js'
import { Chance } from './chance.js'
import { LabError } from './errors.js'
import type { LabView } from './lab-file.js'
import { networkLines } from './network-lines.js'
import { type UseLabOptions, unlessAborted, useLab } from './use-lab.js'
import { Workstation } from './workstation.js'

/** Workstations of a computer without a lab: what they see is what their servers show them. */
const ALONE: readonly LabView[] = [
  { name: 'lunacm-6', persona: 'A', slots: [] },
  { name: 'lunacm-7', persona: 'B', slots: [] },
]

/**
 * Works at a workstation: one of the lab in the state folder, or, where there is none, a computer that has nothing but an
 * NTLS client's configuration with servers in it.
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
    const alone = error instanceof LabError && error.code === 'LAB_MISSING'
    if (!alone || config === undefined) throw error
    if (ClientConfig.load(config).servers().length > 0) return atClient(config, options, work)
    if (options.ntls === undefined) throw error
    const text = `${error.message}; nor does a Chrystoki.conf in ${config} name a server: 'vtl addServer'`
    throw new LabError('LAB_MISSING', text, { cause: error })
  }
}

async function atClient<Result>(
  config: string,
  { view: wanted = 'lunacm-6', recorder, onLink, seed, signal, capture }: UseLabOptions,
  work: (slots: SlotSource, view: LabView) => Promise<Result>,
): Promise<Result> {
  const view = ALONE.find(({ name }) => name === wanted)
  if (!view) {
    const known = ALONE.map(({ name }) => name).join(', ')
    throw new LabError('LAB_VIEW_UNKNOWN', `without a lab there is no view "${wanted}", only ${known}`)
  }
  const network = await networkLines([], view, {
    config,
    chance: new Chance(seed, `view ${wanted}`),
    recorder,
    onLink,
    onKeys: capture?.onKeys,
  })
  const workstation = new Workstation(() => view, network.lines)
  try {
    return await (signal ? unlessAborted(signal, () => work(workstation, view)) : work(workstation, view))
  } finally {
    await workstation.close()
    await network.close()
  }
}
