// Power cuts at every operation. The firmware is deterministic, so what a cut at operation n leaves behind is the state before the
// command with the changes 1 … n − 1 applied, and part of change n where that is a program. So one run of the command is recorded, and
// every cut is then a copy of a state: no log-in has to be repeated. `cuts.test.ts` holds this against FaultyMemory.
import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { BATTERY_REGIONS, FLASH_FACTORY_SECTOR, FLASH_LOG, FLASH_SECTOR } from '../../../assembly/protocol.js'
import type { Change, NonVolatile, State } from '../../../host/board/index.js'
import { logRecords, newestSuperblock, superblocks, timeless } from './flash-image.js'
import { copyState, TestToken, type TokenParts } from './test-token.js'

/** What a piece of work changed, and the state that it began with. */
export interface Recording {
  readonly before: State
  readonly changes: readonly Change[]
}

/** Writes down every change on its way to the peripherals. */
export class ChangeRecorder implements NonVolatile {
  #before: State | undefined
  #changes: Change[] = []

  constructor(private readonly inner: NonVolatile) {}

  get state(): State {
    return this.inner.state
  }

  get dirty(): boolean {
    return this.inner.dirty
  }

  apply(change: Change): void {
    // The data is the firmware's memory and will be something else in a moment.
    if (this.#before) this.#changes.push('data' in change ? { ...change, data: Uint8Array.from(change.data) } : change)
    this.inner.apply(change)
  }

  sync(): void {
    this.inner.sync()
  }

  async record(work: () => unknown): Promise<Recording> {
    const before = copyState(this.state)
    this.#before = before
    this.#changes = []
    try {
      await work()
    } finally {
      this.#before = undefined
    }
    return { before, changes: this.#changes }
  }
}

/** Small, fast and the same everywhere: numbers from 0 to 2³² − 1 that a seed decides (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

export interface Cut {
  /** Which operation, and how much of it happened. */
  readonly what: string
  readonly state: State
}

type Mask = (index: number, length: number) => number

/** Which bits of each byte a cut program still clears (1 = that bit). */
function masks(numbers: () => number): [name: string, mask: Mask][] {
  return [
    ['front half', (index, length) => (index < length / 2 ? 0xff : 0)],
    ['back half', (index, length) => (index < length / 2 ? 0 : 0xff)],
    ['random bits', () => numbers() & 0xff],
    ['all but few bits', () => (numbers() | numbers() | numbers()) & 0xff],
  ]
}

/** Neither is an operation of the firmware's: the board keeps them itself. */
const isOperation = (change: Change): boolean => change.kind !== 'random' && change.kind !== 'alive'

const digestOf = (state: State): string => {
  const hash = createHash('sha1').update(state.flash.image).update(`${state.counter} ${state.split?.length}`)
  for (let region = 0; region < BATTERY_REGIONS; region++) hash.update(state.battery(region)).update('|')
  return hash.digest('hex')
}

/**
 * Every state that a cut during the recorded work can leave behind, the first and the last included, none twice.
 * @param torn how many ways of half a program are tried for each (0 to 4)
 */
export function* cutStates({ before, changes }: Recording, seed: number, torn = 4): Generator<Cut, void, undefined> {
  const numbers = seededNumbers(seed)
  const seen = new Set<string>()
  const state = copyState(before)
  const operations = changes.filter(isOperation).length
  let operation = 0
  const isNew = (candidate: State) => {
    const digest = digestOf(candidate)
    return !seen.has(digest) && seen.add(digest)
  }
  for (const change of changes) {
    if (isOperation(change)) {
      operation++
      const what = `${change.kind}, operation ${operation} of ${operations}`
      if (isNew(state)) yield { what: `before ${what}`, state: copyState(state) }
      if (change.kind === 'program') {
        const data = change.data
        for (const [name, mask] of masks(numbers).slice(4 - torn)) {
          const half = copyState(state)
          half.apply({ ...change, data: data.map((byte, i) => byte | (~mask(i, data.length) & 0xff)) })
          if (isNew(half)) yield { what: `in ${what}: ${name}`, state: half }
        }
      }
    }
    state.apply(change)
  }
  if (isNew(state)) yield { what: 'after the last operation', state: copyState(state) }
}

/** What a token holds, without what every boot changes: two that are equal here are the same token. */
export function storeDigest(state: State): string {
  const { image } = state.flash
  const hash = createHash('sha1')
  hash.update(image.subarray(FLASH_FACTORY_SECTOR * FLASH_SECTOR, (FLASH_FACTORY_SECTOR + 1) * FLASH_SECTOR))
  if (superblocks(image).length > 0) hash.update(timeless(newestSuperblock(image)))
  hash.update(image.subarray(FLASH_LOG * FLASH_SECTOR))
  for (let region = 0; region < BATTERY_REGIONS; region++) hash.update(state.battery(region)).update('|')
  return hash.digest('hex')
}

/** A token on this state with a recorder at its peripherals; still off. */
export function recordedToken(state: State, parts: TokenParts = {}): { token: TestToken; recorder: ChangeRecorder } {
  let recorder: ChangeRecorder | undefined
  const wrap = (memory: NonVolatile) => {
    recorder = new ChangeRecorder(memory)
    return recorder
  }
  const token = new TestToken(state, { ...parts, wrap })
  if (!recorder) throw new Error('a token without peripherals')
  return { token, recorder }
}

/**
 * Cuts the recovery of a cut again at every operation: the boot after that must lead to the same token.
 * @returns how many cuts that were
 */
export async function cutRecovery(cut: Cut, seed: number, torn = 1, parts: TokenParts = {}): Promise<number> {
  const { token, recorder } = recordedToken(copyState(cut.state), parts)
  const boot = await recorder.record(() => token.board.powerOn())
  token.board.powerOff()
  const expected = storeDigest(token.state)
  let cuts = 0
  for (const second of cutStates(boot, seed, torn)) {
    const again = TestToken.on(second.state, parts)
    again.board.powerOff()
    assert.is(storeDigest(again.state), expected, `cut ${cut.what}; its recovery cut ${second.what}`)
    cuts++
  }
  return cuts
}

/** Asserts that no two records of the image have a content key in common, unless one is the copy of the other. */
export function assertFreshKeys(image: Uint8Array, what: string): void {
  const seen = new Map<string, Buffer>()
  for (const { bytes, wrappedCek, tombstone } of logRecords(image)) {
    if (tombstone || /^(00|ff)+$/.test(wrappedCek)) continue
    const other = seen.get(wrappedCek)
    const body = bytes.subarray(0, bytes.length - 4)
    if (other && !other.equals(body)) assert.unreachable(`two records share a content key: ${what}`)
    seen.set(wrappedCek, body)
  }
}
