// Power cuts that lose what was not synced. A board writes its journal in frames, one per sync (SPEC.md §8), so what a cut leaves is the
// state at the last sync that came back, and nothing of what was written since. A chip that is slower to forget is in power-cuts.ts.
import type { Change, NonVolatile, State } from '../../../host/board/index.js'
import { copyState, TestToken, type TokenParts } from './test-token.js'

export type Operation = Exclude<Change['kind'], 'random' | 'alive'> | 'sync'

/** An operation of the firmware or the board on the peripherals. */
export interface Moment {
  readonly operation: Operation
  /** The firmware itself is at work, not the board before it lets an answer out. */
  readonly byFirmware: boolean
  /** What a power cut right before this operation leaves behind. Shared by the moments between two syncs. */
  readonly left: State
  /** What the probe saw. */
  readonly seen: boolean
}

/** A frame of WebAssembly on the stack: an import of the firmware has been called. */
const firmwareIsRunning = (): boolean => /wasm/.test(new Error().stack ?? '')

/** Writes down every operation, with what a cut would leave of the ones before it. */
export class SyncRecorder implements NonVolatile {
  #moments: Moment[] | undefined
  #left: State | undefined
  /** Operations wait for a sync. */
  #waiting = false
  #probe: () => boolean = () => false

  constructor(private readonly inner: NonVolatile) {}

  get state(): State {
    return this.inner.state
  }

  get dirty(): boolean {
    return this.inner.dirty
  }

  apply(change: Change): void {
    // Neither is an operation of the firmware's: the board keeps them itself.
    if (change.kind !== 'random' && change.kind !== 'alive') {
      this.#note(change.kind)
      this.#waiting = true
    }
    this.inner.apply(change)
  }

  sync(): void {
    if (this.#waiting) this.#note('sync')
    this.inner.sync()
    if (this.#waiting && this.#moments) this.#left = copyState(this.state)
    this.#waiting = false
  }

  /**
   * @param probe looked at before every operation
   * @returns the operations, and what a cut after the last of them leaves
   */
  async record(work: () => unknown, probe: () => boolean): Promise<{ moments: Moment[]; after: State }> {
    const moments: Moment[] = []
    this.#left = copyState(this.state)
    this.#moments = moments
    this.#probe = probe
    try {
      await work()
      return { moments, after: this.#left }
    } finally {
      this.#moments = undefined
    }
  }

  #note(operation: Operation): void {
    if (!this.#moments || !this.#left) return
    this.#moments.push({ operation, byFirmware: firmwareIsRunning(), left: this.#left, seen: this.#probe() })
  }
}

/** A token on this state, switched on, with a recorder at its peripherals. */
export function syncRecordedToken(state: State, parts: TokenParts = {}): { token: TestToken; recorder: SyncRecorder } {
  let recorder: SyncRecorder | undefined
  const wrap = (memory: NonVolatile) => {
    recorder = new SyncRecorder(memory)
    return recorder
  }
  const token = TestToken.on(state, { ...parts, wrap })
  if (!recorder) throw new Error('a token without peripherals')
  return { token, recorder }
}
