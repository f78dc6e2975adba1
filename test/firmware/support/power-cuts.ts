// Power cuts at every operation. The firmware is deterministic, so what a cut at operation n leaves behind is the state before the
// command with the changes 1 … n − 1 applied, and part of change n where that is a program or an erase. So one run of the command is recorded, and
// every cut is then a copy of a state: no log-in has to be repeated. `cuts-method.test.ts` holds this against FaultyMemory.
import { createHash, type Hash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { BATTERY_REGIONS, FLASH_FACTORY_SECTOR, FLASH_SECTOR } from '../../../assembly/protocol.js'
import type { Change, NonVolatile, State } from '../../../host/board/index.js'
import { logRecords, newestSuperblock, superblocks, timeless, wearless } from './flash-image.js'
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
  /** From 1; one more than there are where all were done. */
  readonly operation: number
  readonly state: State
}

type Mask = (index: number, length: number) => number

/**
 * Which bits of each byte a cut program still clears, or a cut erase still sets (1 = that bit), the harder ones last: none and all are
 * the states before and after the operation.
 */
function masks(kind: Change['kind'], numbers: () => number): [name: string, mask: Mask][] {
  const halves: [string, Mask][] = [
    ['front half', (index, length) => (index < length / 2 ? 0xff : 0)],
    ['back half', (index, length) => (index < length / 2 ? 0 : 0xff)],
  ]
  const random: [string, Mask][] = [
    ['few bits', () => numbers() & numbers() & numbers() & 0xff],
    ['random bits', () => numbers() & 0xff],
    ['all but few bits', () => (numbers() | numbers() | numbers()) & 0xff],
  ]
  if (kind === 'program') {
    const ends: [string, Mask][] = [
      ['all but the last word', (index, length) => (index < length - 4 ? 0xff : 0)],
      ['all but the first word', (index) => (index < 4 ? 0 : 0xff)],
    ]
    return [...halves, ...ends, ...random]
  }
  if (kind !== 'erase') return []
  // An erase that has hardly begun flips a bit here and there; one that is nearly done leaves a piece as it was.
  const early: [string, Mask][] = [
    ['a bit here and there', () => (numbers() % 256 === 0 ? 1 << (numbers() & 7) : 0)],
    ['all but the first page', (index) => (index < 4096 ? 0 : 0xff)],
  ]
  return [...halves, ...random, ...early]
}

/** The state after a part of a program or an erase. */
function torn(state: State, change: Change, mask: Mask): State {
  const half = copyState(state)
  if (change.kind === 'program') {
    const { data } = change
    half.apply({ ...change, data: data.map((byte, i) => byte | (~mask(i, data.length) & 0xff)) })
  } else if (change.kind === 'erase') {
    const sector = half.flash.image.subarray(change.sector * FLASH_SECTOR, (change.sector + 1) * FLASH_SECTOR)
    sector.forEach((byte, i) => {
      sector[i] = byte | mask(i, FLASH_SECTOR)
    })
  }
  return half
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
 * @param ways how many ways of half a program or half an erase are tried for each; all seven unless given
 */
export function* cutStates({ before, changes }: Recording, seed: number, ways = 7): Generator<Cut, void, undefined> {
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
      if (isNew(state)) yield { what: `before ${what}`, operation, state: copyState(state) }
      for (const [name, mask] of masks(change.kind, numbers).slice(ways === 0 ? 7 : -ways)) {
        const half = torn(state, change, mask)
        if (isNew(half)) yield { what: `in ${what}: ${name}`, operation, state: half }
      }
    }
    state.apply(change)
  }
  if (isNew(state)) yield { what: 'after the last operation', operation: operation + 1, state: copyState(state) }
}

function hashStore(state: State, log: (hash: Hash) => void): string {
  const { image } = state.flash
  const hash = createHash('sha1')
  hash.update(image.subarray(FLASH_FACTORY_SECTOR * FLASH_SECTOR, (FLASH_FACTORY_SECTOR + 1) * FLASH_SECTOR))
  if (superblocks(image).length > 0) hash.update(timeless(newestSuperblock(image)))
  log(hash)
  for (let region = 0; region < BATTERY_REGIONS; region++) hash.update(state.battery(region)).update('|')
  return hash.digest('hex')
}

/** What a token holds, without what every boot changes and without wear: two that are equal here are the same token. */
export function storeDigest(state: State): string {
  return hashStore(state, (hash) => hash.update(wearless(state.flash.image)))
}

/** The same without what is dead in the log and without the places of what is not: who logs in on two that are equal sees the same. */
export function contentDigest(state: State): string {
  const records = logRecords(state.flash.image).filter(({ committed, tombstone }) => committed && !tombstone)
  const sorted = records.map(({ bytes }) => bytes).sort(Buffer.compare)
  return hashStore(state, (hash) => {
    for (const bytes of sorted) hash.update(bytes)
  })
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
export async function cutRecovery(cut: Cut, seed: number, ways = 1, parts: TokenParts = {}): Promise<number> {
  const { token, recorder } = recordedToken(copyState(cut.state), parts)
  const boot = await recorder.record(() => token.board.powerOn())
  const expected = storeDigest(token.state)
  let cuts = 0
  for (const second of cutStates(boot, seed, ways)) {
    const again = TestToken.on(second.state, parts)
    assert.is(storeDigest(again.state), expected, `cut ${cut.what}; its recovery cut ${second.what}`)
    cuts++
  }
  return cuts
}

/** True where `copy` is what a write of `whole` that was cut may have left: bits that should be clear and are not. */
function isTornCopy(copy: Buffer, whole: Buffer): boolean {
  const length = Math.min(copy.length, whole.length)
  for (let i = 0; i < length; i++) if (((copy[i] ?? 0) & (whole[i] ?? 0)) !== whole[i]) return false
  return true
}

/** Asserts that no two records of the image have a content key in common, unless one is the copy of the other, torn perhaps. */
export function assertFreshKeys(image: Uint8Array, what: string): void {
  const seen = new Map<string, Buffer>()
  for (const { bytes, wrappedCek, tombstone } of logRecords(image)) {
    if (tombstone || /^(00|ff)+$/.test(wrappedCek)) continue
    const body = bytes.subarray(0, bytes.length - 4)
    const other = seen.get(wrappedCek) ?? body
    const copies = isTornCopy(body, other) || isTornCopy(other, body)
    if (!copies) assert.unreachable(`two records share a content key: ${what}`)
    seen.set(wrappedCek, body)
  }
}
