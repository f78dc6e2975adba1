import { BATTERY_REGIONS, FLASH_SECTOR } from '../../assembly/protocol.js'
import { asWords, BATTERY_CAPACITY, type Change, SPLIT_SIZE } from './changes.js'
import { BoardError } from './errors.js'
import { Flash } from './flash.js'

const EMPTY = new Uint8Array(0)

/** What a board keeps without power: flash, monotonic counter, battery RAM, key split, and two moments of its own. */
export class State {
  counter = 0n
  /** Undefined = nothing was ever stored. */
  split: Uint8Array | undefined
  randomPosition = 0n
  /** Milliseconds since 1970, 0 = the board never had power. */
  aliveAt = 0n
  readonly #battery: Uint8Array[] = Array.from({ length: BATTERY_REGIONS }, () => EMPTY)

  constructor(readonly flash: Flash) {}

  static blank(flashSize: number): State {
    return new State(Flash.erased(flashSize))
  }

  /** Empty = never written, or lost. */
  battery(region: number): Uint8Array {
    const bytes = this.#battery[region]
    if (!bytes) throw new BoardError('PERIPHERAL_ACCESS', `there is no battery region ${region}`)
    return bytes
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'program':
        this.flash.program(change.offset, change.data)
        return
      case 'words':
        this.flash.programWords(change.entries)
        return
      case 'erase':
        this.flash.erase(change.sector)
        return
      case 'counter':
        this.counter = change.value
        return
      case 'battery':
        if (change.data.length > BATTERY_CAPACITY) {
          throw new BoardError('PERIPHERAL_ACCESS', `a battery region holds ${BATTERY_CAPACITY} bytes at most`)
        }
        this.battery(change.region).fill(0)
        this.#battery[change.region] = change.data.length > 0 ? Uint8Array.from(change.data) : EMPTY
        return
      case 'split':
        if (change.data.length !== SPLIT_SIZE) {
          throw new BoardError('PERIPHERAL_ACCESS', `a key split has ${SPLIT_SIZE} bytes`)
        }
        this.split = Uint8Array.from(change.data)
        return
      case 'random':
        this.randomPosition = change.position
        return
      case 'alive':
        this.aliveAt = change.time
        return
    }
  }
}

/** The changes that turn one state into another of the same size; what has been stored once cannot become unstored. */
export function changesBetween(from: State, to: State): Change[] {
  const changes: Change[] = []
  for (let offset = 0; offset < to.flash.size; offset += FLASH_SECTOR) {
    const [before, after] = [from.flash.read(offset, FLASH_SECTOR), to.flash.read(offset, FLASH_SECTOR)]
    if (Buffer.compare(before, after) === 0) continue
    changes.push({ kind: 'erase', sector: offset / FLASH_SECTOR }, { kind: 'program', offset, data: after })
  }
  for (let region = 0; region < BATTERY_REGIONS; region++) {
    const data = to.battery(region)
    if (Buffer.compare(from.battery(region), data) !== 0) changes.push({ kind: 'battery', region, data })
  }
  if (to.split && (!from.split || Buffer.compare(from.split, to.split) !== 0)) {
    changes.push({ kind: 'split', data: to.split })
  }
  if (from.counter !== to.counter) changes.push({ kind: 'counter', value: to.counter })
  if (from.randomPosition !== to.randomPosition) changes.push({ kind: 'random', position: to.randomPosition })
  if (from.aliveAt !== to.aliveAt) changes.push({ kind: 'alive', time: to.aliveAt })
  return changes
}

/** Where changes become durable. Their bytes are the caller's again when a call returns. */
export interface Backing {
  /** Makes all changes durable, in order and as one, before it returns. Called after they were applied to the state. */
  commit(changes: readonly Change[]): void
  /**
   * Begins to, and returns; `done` is told when they are durable, or why they are not. One at a time: false, and nothing has
   * begun, where another is under way or these cannot wait.
   */
  begin?(changes: readonly Change[], done: Written): boolean
  /** Makes durable what was begun. */
  settle?(): void
}

/** Gets nothing where changes are durable now, else why they are not. */
export type Written = (failure?: BoardError) => void

/** The state as peripherals reach it; fault injectors wrap it. */
export interface NonVolatile {
  readonly state: State
  /** Changes were applied since the last sync. */
  readonly dirty: boolean
  apply(change: Change): void
  /** Makes everything applied so far durable, what was begun too. */
  sync(): void
  /** Begins to, as a backing does; not there where every sync is one operation. */
  begin?(done: Written): boolean
}

/** Bytes that the changes of most commands hold, and what their places are a multiple of. */
const [COMMON, ALIGNED] = [64 * 1024, 8]

/** The firmware's memory goes on changing: here what is pending keeps the bytes of its moment. */
class Copies {
  readonly #memory = new Uint8Array(COMMON)
  #used = 0

  of(change: Change): Change {
    switch (change.kind) {
      case 'program':
        return { kind: 'program', offset: change.offset, data: this.#copy(change.data) }
      case 'battery':
        return { kind: 'battery', region: change.region, data: this.#copy(change.data) }
      case 'split':
        return { kind: 'split', data: this.#copy(change.data) }
      default:
        return change
    }
  }

  /** None of them is needed any more. */
  wipe(): void {
    this.#memory.fill(0, 0, this.#used)
    this.#used = 0
  }

  #copy(data: Uint8Array): Uint8Array {
    const from = this.#used
    const end = from + data.length
    if (end > COMMON) return new Uint8Array(data)
    this.#used = Math.ceil(end / ALIGNED) * ALIGNED
    const copy = this.#memory.subarray(from, end)
    copy.set(data)
    return copy
  }
}

export class NonVolatileMemory implements NonVolatile {
  #pending: Change[] = []
  readonly #copies = new Copies()

  /** Without a backing the state lives as long as this object. */
  constructor(
    readonly state: State,
    private readonly backing?: Backing,
  ) {}

  get dirty(): boolean {
    return this.#pending.length > 0
  }

  apply(change: Change): void {
    const words = change.kind === 'program' ? asWords(change.offset, change.data) : undefined
    this.state.apply(words ?? change)
    // Only the last position counts, and a seeded board changes it with every byte it draws.
    if (change.kind === 'random' && this.#pending.at(-1)?.kind === 'random') this.#pending.pop()
    this.#pending.push(words ?? this.#copies.of(change))
  }

  sync(): void {
    if (!this.dirty) {
      this.backing?.settle?.()
      return
    }
    this.backing?.commit(this.#pending)
    this.#forget()
  }

  begin(done: Written): boolean {
    if (!this.backing?.begin?.(this.#pending, done)) return false
    this.#forget()
    return true
  }

  #forget(): void {
    this.#pending = []
    this.#copies.wipe()
  }
}
