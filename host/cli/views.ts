import { ADMIN_SLOT, type LabSlot } from '../lab/index.js'

/** One line for each slot of a workstation, by slot number. `isGone`: whether its HSM has no such partition any more. */
export function slotLines(slots: readonly LabSlot[], isGone: (slot: LabSlot) => boolean = () => false): string[] {
  return [...slots]
    .sort((a, b) => a.slot - b.slot)
    .map((slot) => {
      const what = slot.partition === ADMIN_SLOT ? 'the HSM itself' : `partition ${slot.partition}`
      return `  slot ${String(slot.slot).padEnd(4)} ${slot.hsm.padEnd(10)} ${what}${isGone(slot) ? ', not there' : ''}`
    })
}
