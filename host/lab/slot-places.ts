// In which slots of a workstation the partitions show: as lab.json names them, and those that it does not name.

import { ADMIN_SLOT, type HsmKind, type LabFile, type LabSlot, type LabView } from './lab-file.js'

/** The largest slot number that lab.json takes. */
export const SLOT_MAX = 0xffff

/** An HSM and what is on it. */
export interface ShownHsm {
  readonly name: string
  readonly kind: HsmKind
  readonly partitions: readonly { readonly serial: bigint }[]
  /** All of it is this workstation's, also what the view does not name: it was found on the network. */
  readonly everything?: boolean | undefined
}

/** Where the slots of each client generation begin, where a view says nothing. */
const FIRST_SLOT = { A: 1, B: 0 } as const

/**
 * The slots of a view: those that it names, and the next free ones for the partitions of a PCIe HSM in this computer, and
 * for all that was found on the network, that it does not name. Named slots are in the list whether or not their partition is (still) there.
 */
export function shownSlots({ slots, persona }: LabView, hsms: readonly ShownHsm[]): LabSlot[] {
  const shown = [...slots]
  const used = new Set(slots.map(({ slot }) => slot))
  const first = slots.length === 0 ? FIRST_SLOT[persona] : Math.min(...used) + 1
  for (const { name: hsm, kind, partitions, everything } of hsms) {
    if (!everything && (kind !== 'pcie' || slots.every((slot) => slot.hsm !== hsm))) continue
    const parts = kind === 'backup' ? [ADMIN_SLOT] : partitions.map(({ serial }) => String(serial))
    for (const partition of parts) {
      if (slots.some((slot) => slot.hsm === hsm && slot.partition === partition)) continue
      let slot = first
      while (used.has(slot)) slot++
      used.add(slot)
      shown.push({ slot, hsm, partition })
    }
  }
  return shown
}

/**
 * The lab with a partition in a slot: in every view that shows its HSM, since a PCIe HSM is in one computer. What these
 * views said of the partition, or of the slot, before gives way; a view where another HSM has the slot stays as it is.
 */
export function putPartition(file: LabFile, { slot, hsm, partition }: LabSlot): LabFile {
  return eachView(file, (view) => {
    const others = view.slots.filter((one) => one.hsm !== hsm)
    const own = view.slots.filter((one) => one.hsm === hsm && one.partition !== partition && one.slot !== slot)
    const hasRoom = others.every((one) => one.slot !== slot)
    if (others.length === view.slots.length || !hasRoom) return view
    return { ...view, slots: [...others, ...own, { slot, hsm, partition }].sort((a, b) => a.slot - b.slot) }
  })
}

/** The lab without a partition that is gone. A shell that would start in its slot starts in the lowest one. */
export function dropPartition(file: LabFile, hsm: string, partition: string): LabFile {
  const isGone = (one: LabSlot): boolean => one.hsm === hsm && one.partition === partition
  if (!file.views.some((view) => view.slots.some(isGone))) return file
  return eachView(file, (view) => {
    const slots = view.slots.filter((one) => !isGone(one))
    const { firstSlot, ...rest } = view
    const keeps = firstSlot !== undefined && slots.some(({ slot }) => slot === firstSlot)
    return { ...rest, slots, ...(keeps ? { firstSlot } : {}) }
  })
}

/** Whether a new partition of an HSM may have the slot, as far as the view knows; what is in the slots now is not asked. */
export function isOpen({ slots }: LabView, hsm: string, id: number): boolean {
  if (id > SLOT_MAX) return false
  return slots.every(({ slot, hsm: other, partition }) => slot !== id || (other === hsm && partition !== ADMIN_SLOT))
}

function eachView(file: LabFile, change: (view: LabView) => LabView): LabFile {
  return { ...file, views: file.views.map(change) }
}
