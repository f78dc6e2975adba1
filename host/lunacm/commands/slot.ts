import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { literals } from '../literals.js'
import { slotDescription, slotRecord } from '../slot-record.js'
import { slotOption } from './options.js'

/** The records of all slots and the current one, as the banner and `slot list` show them. */
export async function printSlots(context: Context): Promise<void> {
  const { output, persona } = context
  output.gap()
  const slots = await context.slots()
  for (const [index, slot] of slots.entries()) {
    if (index > 0) output.say(persona === 'A' ? literals.betweenRecordsA : literals.betweenRecordsB)
    output.say(literals.record, await slotRecord(slot, persona))
  }
  if (slots.length > 0) output.say(persona === 'A' ? literals.afterRecordsA : literals.afterRecordsB)
  const current = await context.currentId()
  if (current === undefined) output.say(literals.noSlot)
  else output.say(literals.currentSlot, current)
}

const list: Command = {
  words: [word('slot', 's'), word('list', 'l')],
  options: [],
  help: 'List the slots',
  run: printSlots,
}

const set: Command = {
  words: [word('slot', 's'), word('set', 's')],
  options: [slotOption(true, 'The slot to work with')],
  help: 'Choose the current slot',
  async run(context, args) {
    const slot = await context.choose(args.requiredNumber('slot'))
    context.output.paragraph(literals.slotSet, slot.id, await slotDescription(slot))
  },
}

export const slotCommands: readonly Command[] = [list, set]
