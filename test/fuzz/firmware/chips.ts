// The peripherals of a machine: all in memory, all of it can be put back, and what the firmware changes is counted.
import { createHash } from 'node:crypto'
import {
  BATTERY_REGIONS,
  FLASH_SECTOR,
  PERIPHERAL_FAILED,
  PKA_EC_GENERATE,
  PKA_ECDH,
  PKA_RSA_GENERATE,
} from '../../../assembly/protocol.js'
import type { Change } from '../../../host/board/changes.js'
import type { BoardImports } from '../../../host/board/firmware.js'
import { boardImports, type Lines } from '../../../host/board/imports.js'
import { type Clock, type NonVolatile, SeededTrng, State } from '../../../host/board/index.js'

const START = Date.UTC(2026, 0, 1)

/** Everything that a board keeps without power, as a value. */
export interface KeptState {
  readonly flash: Uint8Array
  readonly counter: bigint
  readonly split: Uint8Array | undefined
  readonly randomPosition: bigint
  readonly battery: readonly Uint8Array[]
}

/** The state in place, watched: which sectors were touched, and how much the firmware changed. */
export class WatchedMemory implements NonVolatile {
  readonly dirty = false
  /** Changes since the last `watch`, the bookkeeping of the board left out. */
  changes: Change['kind'][] = []
  readonly #touched = new Set<number>()
  #base: KeptState | undefined

  constructor(readonly state: State) {}

  watch(): void {
    this.changes = []
  }

  apply(change: Change): void {
    this.state.apply(change)
    if (change.kind === 'random' || change.kind === 'alive') return
    this.changes.push(change.kind)
    if (change.kind === 'erase') this.#touched.add(change.sector)
    if (change.kind !== 'program') return
    const last = Math.floor((change.offset + Math.max(change.data.length, 1) - 1) / FLASH_SECTOR)
    for (let sector = Math.floor(change.offset / FLASH_SECTOR); sector <= last; sector++) this.#touched.add(sector)
  }

  sync(): void {}

  keep(): KeptState {
    const { flash, counter, split, randomPosition } = this.state
    const battery = Array.from({ length: BATTERY_REGIONS }, (_, region) => Uint8Array.from(this.state.battery(region)))
    return {
      flash: Uint8Array.from(flash.image),
      counter,
      split: split && Uint8Array.from(split),
      randomPosition,
      battery,
    }
  }

  /** Puts a state back; only the sectors that were touched since, where it is the same one as last time. */
  putBack(kept: KeptState): void {
    const { image } = this.state.flash
    if (this.#base === kept) {
      for (const sector of this.#touched) {
        const at = sector * FLASH_SECTOR
        image.set(kept.flash.subarray(at, at + FLASH_SECTOR), at)
      }
    } else image.set(kept.flash)
    this.#base = kept
    this.#touched.clear()
    this.state.counter = kept.counter
    this.state.split = kept.split && Uint8Array.from(kept.split)
    this.state.randomPosition = kept.randomPosition
    this.state.aliveAt = 0n
    for (const [region, data] of kept.battery.entries()) this.state.apply({ kind: 'battery', region, data })
    this.watch()
  }

  /** Writes to the image from outside, as no firmware can: any byte to any value. What lies behind the end is left out. */
  tinker(offset: number, bytes: Uint8Array): void {
    const { image } = this.state.flash
    const area = image.subarray(offset, offset + bytes.length)
    area.set(bytes.subarray(0, area.length))
    for (let sector = Math.floor(offset / FLASH_SECTOR); sector * FLASH_SECTOR < offset + area.length; sector++) {
      this.#touched.add(sector)
    }
  }
}

/** Time that stands where it is put. */
export class SetClock implements Clock {
  time = START

  now(): number {
    return this.time
  }

  steady(): number {
    return this.time
  }

  advance(milliseconds: number): void {
    this.time += milliseconds
  }
}

/** A number that the accelerator made or found and that has no business in memory once its command is over. */
export interface AcceleratorSecret {
  readonly name: string
  readonly bytes: Buffer
}

const CALLS = [
  'pka',
  'trng',
  'flash_program',
  'flash_erase',
  'flash_sync',
  'battery_write',
  'split_write',
  'mono_inc',
] as const
export type CallName = (typeof CALLS)[number]

export interface Chips {
  readonly memory: WatchedMemory
  readonly clock: SetClock
  /** A set of PED_LINE_… bits. */
  pedLines: number
  /** Cause of the tamper line. */
  tamperLine: number
  /** Called before every peripheral call that can change something or fail; true = it fails, where it can. */
  onCall: (name: CallName) => boolean
  /** Scalars and shared secrets that the accelerator gave out. */
  readonly secrets: AcceleratorSecret[]
  imports(bytes: (at: number, length: number) => Uint8Array): BoardImports
}

const RSA_KEYS = new Map<string, Buffer>()

export function makeChips(sectors: number, seed: string): Chips {
  const memory = new WatchedMemory(State.blank(sectors * FLASH_SECTOR))
  const clock = new SetClock()
  const trng = new SeededTrng(seed, memory)
  const chips: Chips = {
    memory,
    clock,
    pedLines: 0,
    tamperLine: 0,
    onCall: () => false,
    secrets: [],
    imports(bytes) {
      const lines: Lines = { ped: () => chips.pedLines, tamper: () => chips.tamperLine }
      const board = boardImports({ memory, clock, trng }, lines, bytes)
      const accelerate = accelerator(board, chips, bytes)
      return {
        ...board,
        uptime: () => BigInt(clock.time - START),
        pka: (...call) => (chips.onCall('pka') ? -PERIPHERAL_FAILED : accelerate(...call)),
        trng: (...call) => (chips.onCall('trng') ? PERIPHERAL_FAILED : board.trng(...call)),
        // What a peripheral is called with it has, whatever happens to the firmware's memory meanwhile.
        flash_program: (offset, ptr, length) => {
          const data = Uint8Array.from(bytes(ptr, length))
          chips.onCall('flash_program')
          memory.apply({ kind: 'program', offset: offset >>> 0, data })
        },
        flash_erase: (...call) => {
          chips.onCall('flash_erase')
          board.flash_erase(...call)
        },
        flash_sync: () => {
          chips.onCall('flash_sync')
          board.flash_sync()
        },
        battery_write: (region, ptr, length) => {
          const data = Uint8Array.from(bytes(ptr, length))
          chips.onCall('battery_write')
          memory.apply({ kind: 'battery', region, data })
        },
        split_write: (ptr) => {
          const data = Uint8Array.from(bytes(ptr, 32))
          chips.onCall('split_write')
          memory.apply({ kind: 'split', data })
        },
        mono_inc: () => {
          chips.onCall('mono_inc')
          return board.mono_inc()
        },
      }
    },
  }
  return chips
}

/** `length u32 ∥ bytes`, one behind the other. */
function numbersOf(bytes: Buffer): Buffer[] {
  const numbers: Buffer[] = []
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    numbers.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return numbers
}

/** The board's accelerator, with RSA keys made once for each size, and an eye on what is secret. */
function accelerator(
  board: BoardImports,
  chips: Chips,
  bytes: (at: number, length: number) => Uint8Array,
): BoardImports['pka'] {
  return (op, input, inputLength, output, capacity) => {
    if (op === PKA_RSA_GENERATE) {
      const key = createHash('sha1').update(bytes(input, inputLength)).digest('hex')
      const known = RSA_KEYS.get(key)
      let n = known?.length ?? 0
      if (known && n <= capacity) bytes(output, n).set(known)
      else n = board.pka(op, input, inputLength, output, capacity)
      if (n <= 0) return n
      const made = Buffer.from(bytes(output, n))
      RSA_KEYS.set(key, made)
      // The modulus comes first, and is no secret.
      for (const bytes_ of numbersOf(made).slice(1)) chips.secrets.push({ name: 'RSA number', bytes: bytes_ })
      return n
    }
    const n = board.pka(op, input, inputLength, output, capacity)
    if (op === PKA_ECDH && n > 0) chips.secrets.push({ name: 'ECDH result', bytes: Buffer.from(bytes(output, n)) })
    if (op === PKA_EC_GENERATE && n > 0) {
      chips.secrets.push({ name: 'EC scalar', bytes: Buffer.from(bytes(output, Math.floor((n - 1) / 3))) })
    }
    return n
  }
}
