// A job between two tokens, written down command by command, so that it can be cut at every operation on either side.
import type { Change, NonVolatile, State } from '../../../host/board/index.js'
import { TokenClient, type Transport } from '../../../host/client/index.js'
import type { Recording } from './power-cuts.js'
import { copyState, TestToken, type TokenParts } from './test-token.js'

/** What one command of a job changed on one side. */
export interface Segment<Side extends string> extends Recording {
  readonly side: Side
  /** From 1. */
  readonly number: number
  /** CMD_… */
  readonly command: number
  /** What the other side holds meanwhile. */
  readonly other: State
}

/** Who changed something, in the order in which it happened on either side. */
interface Entry {
  readonly end: RecordedEnd
  /** Counts the commands of this end. */
  readonly turn: number
  readonly command: number
  readonly change: Change
}

/** Everything that both ends change from `start` on. */
export class Tape {
  readonly entries: Entry[] = []
  running = false

  /** Between firmware and peripherals of one end. */
  wrap(end: () => RecordedEnd | undefined): (inner: NonVolatile) => NonVolatile {
    return (inner) => ({
      get state() {
        return inner.state
      },
      get dirty() {
        return inner.dirty
      },
      apply: (change: Change) => {
        const it = end()
        const copy = 'data' in change ? { ...change, data: Uint8Array.from(change.data) } : change
        if (this.running && it) this.entries.push({ end: it, turn: it.turn, command: it.command, change: copy })
        inner.apply(change)
      },
      sync: () => inner.sync(),
    })
  }
}

/** A token whose changes go on a tape, and a client that counts the commands. */
export class RecordedEnd implements Transport {
  readonly closed = new Promise<void>(() => {})
  readonly token: TestToken
  readonly client: TokenClient
  turn = 0
  command = 0

  constructor(tape: Tape, state: State, parts: TokenParts) {
    this.token = TestToken.on(copyState(state), { ...parts, wrap: tape.wrap(() => this) })
    this.client = new TokenClient(this, { now: 0n })
  }

  exchange(frame: Uint8Array): Promise<Uint8Array> {
    this.turn++
    this.command = Buffer.from(frame).readUInt16BE()
    return this.token.exchange(frame)
  }

  close(): Promise<void> {
    return this.token.close()
  }
}

/** The job as commands that changed something, in order; `before` holds the states of both sides when the tape began. */
export function segments<Side extends string>(
  tape: Tape,
  sides: readonly { readonly side: Side; readonly end: RecordedEnd; readonly before: State }[],
): Segment<Side>[] {
  const found: Segment<Side>[] = []
  const states = new Map(sides.map(({ end, before }) => [end, copyState(before)]))
  let open: { end: RecordedEnd; turn: number; changes: Change[] } | undefined
  for (const { end, turn, command, change } of tape.entries) {
    const state = states.get(end)
    const mine = sides.find((one) => one.end === end)
    const [other] = sides.flatMap((one) => (one.end === end ? [] : (states.get(one.end) ?? [])))
    if (!state || !mine || !other) throw new Error('a change of nobody')
    if (open?.end !== end || open.turn !== turn) {
      open = { end, turn, changes: [] }
      const [side, number] = [mine.side, found.length + 1]
      found.push({ side, number, command, before: copyState(state), changes: open.changes, other: copyState(other) })
    }
    open.changes.push(change)
    state.apply(change)
  }
  return found
}
