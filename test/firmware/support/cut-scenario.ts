// One command, cut at every operation: what the token is after the recovery must be what it was before the command or after it.
import * as assert from 'uvu/assert'
import { RC_OK } from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { tracesOf, wrappedKeys } from './flash-image.js'
import { officerOn } from './officer.js'
import { assertFreshKeys, type Cut, contentDigest, cutStates, type Recording, recordedToken } from './power-cuts.js'
import { dataObject } from './templates.js'
import { copyState, TestToken, type TokenParts } from './test-token.js'
import { viewOf } from './token-view.js'

export interface Scenario {
  /** The state that the token boots from. */
  readonly from: State
  /** Log-ins and the like; answers the command that is cut. */
  readonly prepare: (token: TestToken) => Promise<() => Promise<unknown>>
  readonly parts?: TokenParts
  /** Passwords with which the Crypto Officer may log in afterwards. */
  readonly passwords?: readonly string[]
  /** How much of what is seen has to be as before or after; all unless given. */
  readonly view?: (token: TestToken) => Promise<string>
  /** Further checks after the recovery of a cut. */
  readonly check?: (token: TestToken, outcome: Outcome, cut: Cut) => Promise<void>
}

export type Outcome = 'before' | 'after'

/** Seed of the torn writes; printed with every failure as part of the name of a cut. */
export const TORN_SEED = 20260101

/** Runs the command once and answers what it changed. */
export async function recordScenario({ from, prepare, parts = {} }: Scenario): Promise<Recording> {
  const { token, recorder } = recordedToken(copyState(from), parts)
  token.board.powerOn()
  const command = await prepare(token)
  const recording = await recorder.record(command)
  token.board.powerOff()
  return recording
}

/** Asserts that the token can be worked with: an object can be made, read and destroyed on every partition with an officer. */
export async function assertUsable(token: TestToken, partition: number, what: string): Promise<void> {
  const client = token.newClient()
  const session = await officerOn(client, partition)
  const handle = await client.objects.create(session, dataObject('probe', 'probe'))
  assert.ok(
    (await client.objects.list(session)).some((row) => row.handle === handle),
    what,
  )
  assert.equal(await client.objects.destroy(session, [handle]), [RC_OK], what)
  await client.closeSession(session)
}

/**
 * Cuts at every operation, in every way. After each recovery the token holds what it held before or after the command, and never
 * "before" once it was "after"; whoever logs in sees it too, asked once for all recoveries that hold the same. Further checks are
 * made for those, and once for each operation at least.
 * @returns how many cuts led to which state
 */
export async function cutEverywhere(scenario: Scenario): Promise<Record<Outcome, number>> {
  const { parts = {}, passwords, check } = scenario
  const view = scenario.view ?? ((token: TestToken) => viewOf(token.client, passwords))
  const recording = await recordScenario(scenario)
  const seenAt = (state: State) => view(TestToken.on(copyState(state), parts))
  const after = copyState(recording.before)
  for (const change of recording.changes) after.apply(change)
  const views: Record<Outcome, string> = { before: await seenAt(recording.before), after: await seenAt(after) }
  assert.is.not(views.before, views.after, 'the command changes something')
  // What the command removes is nowhere in the image once it is answered, nor after any cut that it survives.
  const kept = wrappedKeys(after.flash.image)
  const removed = [...wrappedKeys(recording.before.flash.image)].filter((key) => !kept.has(key))
  assert.equal(tracesOf(after.flash.image, removed), [], 'removed keys')
  const outcomes = { before: 0, after: 0 }
  const known = new Map<string, Outcome>()
  let checked = 0
  for (const cut of cutStates(recording, TORN_SEED)) {
    const what = `cut ${cut.what}`
    assertFreshKeys(cut.state.flash.image, what)
    const token = TestToken.on(cut.state, parts)
    const content = contentDigest(token.state)
    let outcome = known.get(content)
    const due = check && cut.operation !== checked
    if (outcome === undefined || due) {
      const seen = await view(token)
      outcome = seen === views.after ? 'after' : 'before'
      assert.is(seen, views[outcome], what)
      known.set(content, outcome)
      await check?.(token, outcome, cut)
      checked = cut.operation
    }
    assert.not(outcome === 'before' && outcomes.after > 0, `${what}: what was done is undone`)
    if (outcome === 'after') assert.equal(tracesOf(token.state.flash.image, removed), [], `${what}: removed keys`)
    assertFreshKeys(token.state.flash.image, what)
    outcomes[outcome]++
  }
  assert.ok(outcomes.before > 0 && outcomes.after > 0, 'there are cuts before and after the moment that counts')
  return outcomes
}
