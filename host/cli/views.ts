import { ADMIN_SLOT, type LabView } from '../lab/index.js'

/** One line for each slot of a workstation, by slot number. */
export function slotLines(view: LabView): string[] {
  const slots = [...view.slots].sort((a, b) => a.slot - b.slot)
  return slots.map(({ slot, hsm, partition }) => {
    const what = partition === ADMIN_SLOT ? 'the HSM itself' : `partition ${partition}`
    return `  slot ${String(slot).padEnd(4)} ${hsm.padEnd(10)} ${what}`
  })
}
