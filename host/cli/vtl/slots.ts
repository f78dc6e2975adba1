import type { ClientConfig, ConfiguredServer } from '../../lab/index.js'
import type { Action, Say } from './action.js'
import { type FoundSlot, literals } from './literals.js'

/** Connects to one appliance and answers the partitions that it shows. @throws an error with a stable `code` */
export type SlotFinder = (config: ClientConfig, server: ConfiguredServer) => Promise<readonly FoundSlot[]>

interface Answer {
  readonly slots: readonly FoundSlot[]
  readonly reached: boolean
}

/** `verify` and `listSlots`. Exit code 1 where an appliance did not answer, or `verify` found nothing. */
export function slotActions(find: SlotFinder): Readonly<Record<'listSlots' | 'verify', Action>> {
  return {
    async listSlots({ config }, say) {
      const answers = await ask(config, find, say)
      if (answers.length === 0) return 1
      // An appliance that does not answer keeps the place of a slot.
      const slots = answers.flatMap(({ slots: shown, reached }): readonly (FoundSlot | undefined)[] =>
        reached ? shown : [undefined],
      )
      say(literals.slots, slots.length)
      say(literals.slotHead)
      for (const [index, slot] of slots.entries()) say(literals.slot, index + 1, slot)
      return answers.every(({ reached }) => reached) ? 0 : 1
    },

    async verify({ config }, say) {
      const answers = await ask(config, find, say)
      if (answers.length === 0) return 1
      const slots = answers.flatMap((answer) => answer.slots)
      const reached = answers.every((answer) => answer.reached)
      if (slots.length === 0) {
        if (reached) say(literals.noneFound)
        return 1
      }
      say(literals.found)
      for (const [index, slot] of slots.entries()) say(literals.foundSlot, index, slot)
      return reached ? 0 : 1
    },
  }
}

/** All appliances at once, in their order; those that do not answer are said. */
async function ask(config: ClientConfig, find: SlotFinder, say: Say): Promise<Answer[]> {
  const servers = config.servers()
  if (servers.length === 0) say(literals.noServers)
  const results = await Promise.allSettled(servers.map((server) => find(config, server)))
  return results.map((result, index) => {
    if (result.status === 'fulfilled') return { slots: result.value, reached: true }
    const { reason } = result
    if (!(reason instanceof Error && 'code' in reason && typeof reason.code === 'string')) throw reason
    say(literals.unreachable, servers[index]?.host ?? '', reason.code, reason.message)
    return { slots: [], reached: false }
  })
}
