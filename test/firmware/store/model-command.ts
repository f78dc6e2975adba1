// What every command for the model and the token beside it has in common: it says what the contents are after it, does it, perhaps under a
// power cut, and holds what came of it against the model.
import type fc from 'fast-check'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { TokenError } from '../../../host/client/index.js'
import { adopt, type Contents, type ModelPartition } from './model.js'
import { type CutPlan, type ModelToken, type Outcome, STORAGE } from './model-token.js'

export interface Model {
  contents: Contents
  /** Images from before, each with the contents that it held. */
  readonly images: Uint8Array[]
  labels: number
  /** How often something happened, for the last line of the test. */
  readonly tally: Map<string, number>
}

export type Command = fc.AsyncCommand<Model, ModelToken>

/** Codes that mean "full"; only a store that holds this much may answer them. */
export const FULL: readonly number[] = [protocol.RC_HSM_STORAGE_FULL, protocol.RC_CONTAINER_STORAGE_FULL]
const FULL_ENOUGH = 0.5
const RECORD_OVERHEAD = 400n

export function count({ tally }: Model, what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1)
}

/** The id of the n-th partition, modulo how many there are. */
export function pick(model: Model, n: number): { id: number; partition: ModelPartition } {
  const entries = [...model.contents]
  const [id, partition] = entries[n % entries.length] ?? []
  if (id === undefined || !partition) throw new Error('there is no partition')
  return { id, partition }
}

export const handleOf = ({ objects }: ModelPartition, n: number): number => [...objects.keys()][n % objects.size] ?? 0

export const hasPartition = (model: Readonly<Model>): boolean => model.contents.size > 0
export const hasObject = (model: Readonly<Model>): boolean =>
  [...model.contents.values()].some(({ objects }) => objects.size > 0)

/** A partition with objects, the n-th or the next one. */
export function pickFilled(model: Model, n: number): { id: number; partition: ModelPartition } {
  for (let i = n; ; i++) {
    const found = pick(model, i)
    if (found.partition.objects.size > 0) return found
  }
}

export async function codeOf(command: Promise<unknown>): Promise<number> {
  try {
    await command
    return protocol.RC_OK
  } catch (error) {
    if (error instanceof TokenError) return error.rc
    throw error
  }
}

/** A command that changes the contents from the model's to `after`, or answers one of `refusals` and changes nothing. */
export interface Change {
  readonly after: Contents
  readonly run: () => Promise<number>
  readonly refusals?: readonly number[]
}

/** Holds the outcome against the model: answered = after; refused = before; cut = one of the two. */
export async function settle(
  model: Model,
  real: ModelToken,
  outcome: Outcome,
  { after, refusals = [] }: Change,
): Promise<void> {
  const seen = await real.contents()
  const changed = adopt(after, seen)
  const kept = adopt(model.contents, seen)
  if (outcome === 'cut') {
    const found = typeof changed === 'string' ? kept : changed
    if (typeof found === 'string') assert.unreachable(`cut: neither after (${changed}) nor before (${found})`)
    else model.contents = found
    count(model, found === changed ? 'cuts that came after' : 'cuts that came before')
  } else if (outcome === protocol.RC_OK) {
    if (typeof changed === 'string') assert.unreachable(changed)
    else model.contents = changed
  } else {
    assert.ok(refusals.includes(outcome), `code 0x${outcome.toString(16)}`)
    if (typeof kept === 'string') assert.unreachable(`refused, and yet changed: ${kept}`)
    count(model, 'refusals')
  }
}

/** Any command that may be cut. */
export abstract class Changing implements Command {
  constructor(
    private readonly name: string,
    private readonly cut: CutPlan | undefined,
    private readonly details: string,
  ) {}

  abstract check(model: Readonly<Model>): boolean
  protected abstract change(model: Model, real: ModelToken): Promise<Change> | Change

  async run(model: Model, real: ModelToken): Promise<void> {
    const change = await this.change(model, real)
    const outcome = await real.run(change.run, this.cut)
    await settle(model, real, outcome, change)
    count(model, this.name)
    if (outcome === 'cut') count(model, 'cuts')
    if (FULL.includes(outcome === 'cut' ? 0 : outcome)) await this.#isReallyFull(model, real, change)
  }

  /** "Full" is believed of a store that is, not of one that has only been busy. */
  async #isReallyFull(model: Model, real: ModelToken, { after }: Change): Promise<void> {
    count(model, 'full')
    if ((await real.fullness()) >= FULL_ENOUGH) return
    for (const { id, used, total } of await real.client.partitions.list()) {
      // Smaller than what is in it.
      if (used > (after.get(id)?.size ?? total)) return
      const wanted = (after.get(id)?.fresh ?? []).reduce(
        (sum, { content = '' }) => sum + BigInt(content.length / 2),
        0n,
      )
      if (used + wanted + 2n * RECORD_OVERHEAD > total) return
    }
    const allocated = [...after.values()].reduce((sum, { size }) => sum + size, 0n)
    assert.ok(allocated > STORAGE, 'full, although there is room')
  }

  toString(): string {
    return `${this.name}(${this.details}${this.cut ? `, cut ${JSON.stringify(this.cut)}` : ''})`
  }
}
