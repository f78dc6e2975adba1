import {
  AUTH_PED,
  FLASH_SIZE,
  MODEL_BACKUP,
  MODEL_NETWORK,
  MODEL_PCIE,
  PROFILE_6_27_0,
  PROFILE_6_28_0,
  PROFILE_7_0_3,
  PROFILE_7_7_1,
  PROFILE_7_8_0,
  SERIAL_OWN_MULTIPLIER,
} from '../../assembly/protocol.js'
import type { ManufacturingRecord } from '../board/index.js'
import { LabError } from './errors.js'
import { ADMIN_SLOT, type HsmKind } from './lab-file.js'

/** An HSM to be made. */
export interface PlannedHsm {
  readonly name: string
  readonly kind: HsmKind
  /** The HSM's own label. */
  readonly label: string
  readonly record: ManufacturingRecord
  /** Bytes of flash on its board. */
  readonly flashSize: number
  /** Labels of its application partitions; a Backup HSM has none yet. */
  readonly partitions: readonly string[]
}

/** A slot of a workstation to be made: an HSM's application partition, or the HSM itself. */
export interface PlannedSlot {
  readonly slot: number
  readonly hsm: string
  readonly shows: 'partition' | typeof ADMIN_SLOT
  /** Label of the partition: the HSM's first unless given. */
  readonly partition?: string
}

export interface PlannedView {
  readonly name: string
  readonly persona: 'A' | 'B'
  readonly slots: readonly PlannedSlot[]
}

export interface LabPlan {
  readonly hsms: readonly PlannedHsm[]
  readonly views: readonly PlannedView[]
}

/** Firmware versions that an HSM can be manufactured as. */
export const PROFILES: Readonly<Record<string, number>> = {
  '6.27.0': PROFILE_6_27_0,
  '6.28.0': PROFILE_6_28_0,
  '7.0.3': PROFILE_7_0_3,
  '7.7.1': PROFILE_7_7_1,
  '7.8.0': PROFILE_7_8_0,
}
export const DEFAULT_PROFILE = '6.27.0'

const MIB = 1024 * 1024
/** A K6 has 2 MiB for ten partitions (DESIGN.md "Behaviour"). */
const CARD_STORAGE = 2n * 1024n * 1024n
const CARD_PARTITIONS = 10
const CARD_FLASH = 8 * MIB
/** A G5 Backup HSM has 15.5 MiB for twenty (DESIGN.md "Behaviour"). */
const BACKUP_STORAGE = 16_252_928n
const BACKUP_PARTITIONS = 20

/** Bytes of the partition that a lab begins with: more than a K6's tenth, so that a user's own keys fit as well. */
export const PARTITION_SIZE = 1024n * 1024n
/** Bytes that several of them share. */
export const PARTITIONS_SIZE = (CARD_STORAGE * 9n) / 10n

/** The seed page's HSMs: partition serial numbers are 500409014 and, on the other Network HSM, 154438865288. */
const SERIALS = {
  network: { serial: 500409n, partitionBase: 14, partitionMultiplier: SERIAL_OWN_MULTIPLIER },
  restore: { serial: 154438n, partitionBase: 865288, partitionMultiplier: 1_000_000 },
  pcie: { serial: 150518n, partitionBase: 6, partitionMultiplier: SERIAL_OWN_MULTIPLIER },
  backup: { serial: 700101n, partitionBase: 1, partitionMultiplier: SERIAL_OWN_MULTIPLIER },
} as const

/** Slot of a PCIe HSM's SO, as in a vendor transcript (DESIGN.md "Behaviour"). */
const PCIE_ADMIN_SLOT = 103

/** What one has to say of an HSM to be made. */
export interface HsmWish {
  readonly name: string
  readonly kind: HsmKind
  readonly label: string
  /** One of PROFILES. */
  readonly profile: number
  readonly serials: Pick<ManufacturingRecord, 'serial' | 'partitionBase' | 'partitionMultiplier'>
  readonly partitions: readonly string[]
}

const HARDWARE = {
  network: { model: MODEL_NETWORK, maxPartitions: CARD_PARTITIONS, storage: CARD_STORAGE, flashSize: CARD_FLASH },
  pcie: { model: MODEL_PCIE, maxPartitions: CARD_PARTITIONS, storage: CARD_STORAGE, flashSize: CARD_FLASH },
  backup: { model: MODEL_BACKUP, maxPartitions: BACKUP_PARTITIONS, storage: BACKUP_STORAGE, flashSize: FLASH_SIZE },
} as const

export function plannedHsm({ name, kind, label, profile, serials, partitions }: HsmWish): PlannedHsm {
  const { model, maxPartitions, storage, flashSize } = HARDWARE[kind]
  const record = { ...serials, model, profile, auth: AUTH_PED, maxPartitions, storage }
  return { name, kind, label, record, flashSize, partitions }
}

/** Serial numbers of the seed page's HSM of a kind; with a serial number of one's own its partitions are counted from 1. */
export function serialsOf(kind: HsmKind, serial?: number): HsmWish['serials'] {
  const usual = SERIALS[kind]
  if (serial === undefined || BigInt(serial) === usual.serial) return usual
  return { serial: BigInt(serial), partitionBase: 1, partitionMultiplier: SERIAL_OWN_MULTIPLIER }
}

function networkHsm(profile: number): PlannedHsm {
  const serials = SERIALS.network
  return plannedHsm({ name: 'network', kind: 'network', label: 'Network', profile, serials, partitions: ['SA52_P1'] })
}

/** The Network HSM that a backup is restored to. */
function restoreHsm(profile: number): PlannedHsm {
  const serials = SERIALS.restore
  return plannedHsm({ name: 'restore', kind: 'network', label: 'Restore', profile, serials, partitions: ['par1'] })
}

function pcieHsm(profile: number): PlannedHsm {
  const serials = SERIALS.pcie
  return plannedHsm({ name: 'pcie', kind: 'pcie', label: 'PCIe', profile, serials, partitions: ['PCI_P1'] })
}

function backupHsm(profile: number): PlannedHsm {
  const serials = SERIALS.backup
  return plannedHsm({ name: 'backup', kind: 'backup', label: 'Backup', profile, serials, partitions: [] })
}

/** @throws LabError LAB_OPTION_INVALID */
export function profileNamed(name: string): number {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined
  if (profile !== undefined) return profile
  const known = Object.keys(PROFILES).join(', ')
  throw new LabError('LAB_OPTION_INVALID', `there is no firmware profile ${name}, only ${known}`)
}

/**
 * The seed page's workstation: the Network HSM's partition, then a PCIe HSM if wanted, then the Backup HSM; seen by
 * either client generation.
 * @throws LabError LAB_OPTION_INVALID for an unknown profile
 */
export function standardPlan(options: { readonly profile?: string; readonly pcie?: boolean } = {}): LabPlan {
  const profile = profileNamed(options.profile ?? DEFAULT_PROFILE)
  const cards = options.pcie ? [networkHsm(profile), pcieHsm(profile)] : [networkHsm(profile)]
  const backup = backupHsm(profile)
  const slots: PlannedSlot[] = cards.map(({ name }, index) => ({ slot: index + 1, hsm: name, shows: 'partition' }))
  slots.push({ slot: slots.length + 1, hsm: backup.name, shows: ADMIN_SLOT })
  if (options.pcie) slots.push({ slot: PCIE_ADMIN_SLOT, hsm: 'pcie', shows: ADMIN_SLOT })
  return {
    hsms: [...cards, backup],
    views: [
      { name: 'lunacm-6', persona: 'A', slots },
      { name: 'lunacm-7', persona: 'B', slots },
    ],
  }
}

/** The seed page's two workstations: one that backs up and one, at another Network HSM, that restores. */
export function demoPlan(options: { readonly profile?: string } = {}): LabPlan {
  const profile = profileNamed(options.profile ?? DEFAULT_PROFILE)
  const [source, target, backup] = [networkHsm(profile), restoreHsm(profile), backupHsm(profile)]
  return {
    hsms: [source, target, backup],
    views: [
      {
        name: 'backup',
        persona: 'A',
        slots: [
          { slot: 1, hsm: source.name, shows: 'partition' },
          { slot: 2, hsm: backup.name, shows: ADMIN_SLOT },
        ],
      },
      {
        name: 'restore',
        persona: 'B',
        slots: [
          { slot: 0, hsm: target.name, shows: 'partition' },
          { slot: 21, hsm: backup.name, shows: ADMIN_SLOT },
        ],
      },
    ],
  }
}
