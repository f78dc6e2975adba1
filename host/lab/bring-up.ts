// From a lab file to a lab: what is made once, and what is set each time it is started.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DescribedHsm,
  type DescribedWorkstation,
  type LabDescription,
  type LabSource,
  parseDescription,
  seenFrom,
} from './description.js'
import { LabError } from './errors.js'
import { importItems } from './import.js'
import type { KeyItem } from './key-items.js'
import { changeLabFile, LAB_FILE, type LabFile, readLabFile } from './lab-file.js'
import { officerAt } from './officer.js'
import { DEFAULT_PROFILE, type LabPlan, type PlannedHsm, plannedHsm, profileNamed, serialsOf } from './plan.js'
import { DEFAULT_CHALLENGE, initLab, type SetupOptions } from './setup.js'
import { useLab } from './use-lab.js'
import { writeWholeFile } from './whole-file.js'

/** The lab file that a lab was made from, in its state folder. */
const COPY = 'lab.toml'

/** @throws LabError LAB_FILE_INVALID: two HSMs have one serial number */
export function planOf({ hsm: hsms, workstation }: LabDescription): LabPlan {
  const planned: PlannedHsm[] = []
  for (const hsm of hsms) planned.push(planHsm(hsm, planned))
  return {
    hsms: planned,
    views: workstation.map(({ name, client, slots }) => ({
      name,
      persona: client === '7' ? 'B' : 'A',
      slots: slots.map(({ slot, hsm, partition, admin }) => ({
        slot,
        hsm,
        shows: admin || kindOf(hsms, hsm) === 'backup' ? 'admin' : 'partition',
        ...(partition === undefined ? {} : { partition }),
      })),
    })),
  }
}

const kindOf = (hsms: readonly DescribedHsm[], name: string) => hsms.find((hsm) => hsm.name === name)?.kind

function planHsm(
  { name, kind, label = name, serial, firmware, partitions = [] }: DescribedHsm,
  before: readonly PlannedHsm[],
): PlannedHsm {
  const taken = new Set(before.map(({ record }) => Number(record.serial)))
  let number = serial ?? Number(serialsOf(kind).serial)
  while (serial === undefined && taken.has(number)) number++
  if (taken.has(number))
    throw new LabError('LAB_FILE_INVALID', `the HSM "${name}" has the serial number of another one: ${number}`)
  const profile = profileNamed(firmware ?? DEFAULT_PROFILE)
  return plannedHsm({ name, kind, label, profile, serials: serialsOf(kind, number), partitions })
}

export interface BringUpOptions extends Pick<SetupOptions, 'onProgress' | 'signal'> {
  /** Reads the keys that files and folders hold. @throws LabError */
  readonly readKeys: (paths: readonly string[]) => Promise<readonly KeyItem[]>
}

/**
 * Makes the lab if there is none, and sets what may change from one start to the next.
 * @throws LabError LAB_EXISTS where there is another lab than the file says, LAB_FILE_INVALID; what `initLab` throws
 */
export async function bringUp(stateDir: string, source: LabSource, options: BringUpOptions): Promise<LabFile> {
  const { description } = source
  if (existsSync(join(stateDir, LAB_FILE))) checkSame(stateDir, description)
  else await make(stateDir, source, options)
  return changeLabFile(stateDir, (file) => ({
    ...file,
    hsms: file.hsms.map(({ latency: _latency, powerCut: _powerCut, ...hsm }) => {
      const { latency, 'power-cut': powerCut } = description.hsm.find(({ name }) => name === hsm.name) ?? {}
      return { ...hsm, ...(latency ? { latency } : {}), ...(powerCut === undefined ? {} : { powerCut }) }
    }),
    ped: { ...file.ped, ...(description.ped?.addresses ? { addresses: description.ped.addresses } : {}) },
  }))
}

/** The lab file that a lab was made from; undefined = it was made by `moonlet init`, or is not there. @throws LabError LAB_FILE_INVALID */
export function madeFrom(stateDir: string): LabSource | undefined {
  const path = join(stateDir, COPY)
  if (!existsSync(path) || !existsSync(join(stateDir, LAB_FILE))) return undefined
  const content = readFileSync(path, 'utf8')
  const { sourceFolder: folder = stateDir } = readLabFile(stateDir)
  return { description: seenFrom(folder, parseDescription(content, path)), content, folder }
}

async function make(
  stateDir: string,
  { description, content, folder }: LabSource,
  { readKeys, ...options }: BringUpOptions,
): Promise<void> {
  const { challenge, seed, hsm: hsms } = description
  // Before anything is made: a file that is no key is found now.
  const keys = new Map<string, readonly KeyItem[]>()
  for (const { name, import: paths = [] } of hsms) if (paths.length > 0) keys.set(name, await readKeys(paths))
  await initLab(stateDir, planOf(description), { challenge, seed, ...options })
  await useLab(stateDir, { all: true, signal: options.signal }, async (lab) => {
    for (const [hsm, items] of keys) {
      const { console: client } = lab.hsm(hsm)
      const partition = (await client.partitions.list())[0]?.id
      if (partition === undefined) continue
      const objects = await officerAt(lab, { client, partition, hsm }, challenge ?? DEFAULT_CHALLENGE, (end) =>
        importItems(end, items),
      )
      options.onProgress?.(`${hsm}: ${objects.length} objects imported`)
    }
  })
  await changeLabFile(stateDir, (file) => ({ ...file, sourceFolder: folder }))
  writeWholeFile(join(stateDir, COPY), content)
}

/** What a lab is made of cannot be changed in the file. */
function checkSame(stateDir: string, description: LabDescription): void {
  const before = madeFrom(stateDir)?.description
  if (!before)
    throw new LabError(
      'LAB_EXISTS',
      `the lab in ${stateDir} was not made from a lab file: start it without one, or elsewhere ('--state')`,
    )
  const different = (['hsm', 'workstation', 'challenge', 'seed'] as const).find(
    (part) => JSON.stringify(lasting(before)[part]) !== JSON.stringify(lasting(description)[part]),
  )
  if (different !== undefined) {
    throw new LabError(
      'LAB_EXISTS',
      `the lab in ${stateDir} was made with another "${different}": remove it first, or start this one elsewhere ('--state')`,
    )
  }
}

function lasting({ hsm, workstation, challenge, seed }: LabDescription) {
  return {
    hsm: hsm.map(({ latency: _latency, 'power-cut': _cut, import: _import, ...rest }) => rest),
    workstation: workstation.map(({ register: _register, ...rest }: DescribedWorkstation) => rest),
    challenge,
    seed,
  }
}
