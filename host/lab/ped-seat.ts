import { join } from 'node:path'
import {
  type Operator,
  Ped,
  type PedClock,
  type PedEvent,
  PedKeyBox,
  type PersonTerminal,
  RuleOperator,
  readOperatorRules,
  TerminalOperator,
  UnattendedOperator,
} from '../ped/index.js'
import { type LabPed, readLabFile } from './lab-file.js'

/** Who sits at a PED. */
export interface PedSeatOptions {
  /** File of operator rules that come before the lab's own. */
  readonly rules?: string | undefined
  /** The lab's own rules do not count: the person at the terminal is asked, if there is one. */
  readonly byHand?: boolean | undefined
  /** Terminal of a person who is asked where no rule says what to do at the PED. */
  readonly person?: PersonTerminal | undefined
  /** Where nobody is at the PED: gets the lines of what it shows to be read, such as a challenge, which then counts as read. */
  readonly pedScreen?: ((line: string) => void) | undefined
}

/** @param rules file of the lab's own rules, if there is a lab. @throws PedError OPERATOR_RULES_INVALID and what reading throws */
export async function seatedOperator(
  box: PedKeyBox,
  own: string | undefined,
  { rules: given, byHand, person, pedScreen }: PedSeatOptions,
): Promise<Operator> {
  const rules = [
    ...(given === undefined ? [] : await readOperatorRules(given)),
    ...(byHand || own === undefined ? [] : await readOperatorRules(own)),
  ]
  const fallback = person
    ? new TerminalOperator({ terminal: person, box })
    : pedScreen && new UnattendedOperator(pedScreen)
  return new RuleOperator({ rules, box, ...(fallback ? { fallback } : {}) })
}

export interface StandalonePedOptions extends PedSeatOptions {
  /** Folder of PED keys; the lab's unless given. */
  readonly keys?: string | undefined
  /** In remote mode: a pedserver's, not plugged into an HSM. */
  readonly remote?: boolean | undefined
  readonly clock?: PedClock | undefined
  readonly onEvent?: ((event: PedEvent) => void) | undefined
  /** Gets the display where it changes while nobody is asked anything. */
  readonly onIdle?: ((lcd: readonly string[]) => void) | undefined
}

/**
 * A PED of its own, away from any HSM, with the keys and rules of the lab in a state folder unless others are named.
 * @throws LabError LAB_MISSING and the like where neither a lab nor a folder of keys is there; PedError for the files
 */
export async function standalonePed(stateDir: string, options: StandalonePedOptions): Promise<Ped> {
  const { keys, remote = false, clock, onEvent, onIdle } = options
  const lab: LabPed | undefined = keys === undefined ? readLabFile(stateDir).ped : undefined
  const box = new PedKeyBox(keys ?? join(stateDir, lab?.keys ?? ''))
  // A folder that is not there is told now, not when the first key is wanted.
  await box.names()
  const operator = await seatedOperator(box, lab && join(stateDir, lab.rules), options)
  return new Ped({
    box,
    operator,
    remote,
    ...(clock ? { clock } : {}),
    ...(onEvent ? { onEvent } : {}),
    ...(onIdle ? { onIdle } : {}),
  })
}
