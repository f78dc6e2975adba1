import { type CloneEnd, clone } from '../client/index.js'
import type { ClonePlan } from './clone-plan.js'
import { CommandError, type Result } from './errors.js'
import { literals } from './literals.js'
import type { Output } from './output.js'

/** What a run has moved. */
export interface CloneOutcome {
  readonly cloned: number
  /** Objects that were refused, each with its line. */
  readonly failed: number
  /** Of the first object that failed. */
  readonly failure: Result | undefined
}

/** Says what will not be moved. */
export function sayLeftOut(output: Output, plan: ClonePlan): void {
  for (const [kind, count] of plan.skipped) output.say(literals.skipped, count, kind)
  if (plan.already > 0) output.say(literals.alreadyThere, plan.already)
}

/** Runs the job and prints a line per object, with `sayCloned` for those that were stored. */
export async function runClone(
  output: Output,
  source: CloneEnd,
  target: CloneEnd,
  plan: ClonePlan,
  sayCloned: (handle: number, newHandle: number) => void,
): Promise<CloneOutcome> {
  const { profile } = await source.client.status()
  let cloned = 0
  let failed = 0
  let failure: Result | undefined
  const handles = plan.rows.map((row) => row.handle)
  try {
    for await (const { handle, ckr, code, newHandle } of clone(source, target, { handles, profile })) {
      if (newHandle !== undefined) {
        cloned++
        sayCloned(handle, newHandle)
      } else {
        failed++
        failure ??= { value: ckr, name: code }
        output.say(literals.cloneFailed, handle, ckr, code)
      }
    }
  } catch (error) {
    // Results that were under way are not known.
    if (cloned > 0) output.paragraph(literals.clonedUntilThen, cloned)
    throw error
  }
  return { cloned, failed, failure }
}

/** The other half of the summary. */
export function sayFailed(output: Output, { failed }: CloneOutcome): void {
  if (failed > 0) output.say(literals.notCloned, failed)
}

/** Nothing was moved although something should have been: no summary, only the failure. */
export function failIfNothing(outcome: CloneOutcome): void {
  if (outcome.cloned === 0) failIfAny(outcome)
}

/** @throws CommandError with the first object's failure */
export function failIfAny(outcome: CloneOutcome): void {
  if (outcome.failure) throw new CommandError(outcome.failure)
}
