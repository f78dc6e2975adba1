// The peripherals of a machine: all in memory, all of it can be put back, and what the firmware changes is counted.
import { createHash } from 'node:crypto'
import {
  BATTERY_REGIONS,
  FLASH_SECTOR,
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

export interface Chips {
  readonly memory: WatchedMemory
  readonly clock: SetClock
  /** A set of PED_LINE_… bits. */
  pedLines: number
  /** Cause of the tamper line. */
  tamperLine: number
  /** Called with every operation of the accelerator, before it runs. */
  onAccelerate: () => void
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
    onAccelerate: () => undefined,
    secrets: [],
    imports(bytes) {
      const lines: Lines = { ped: () => chips.pedLines, tamper: () => chips.tamperLine }
      const board = boardImports({ memory, clock, trng }, lines, bytes)
      return { ...board, uptime: () => BigInt(clock.time - START), pka: accelerator(board, chips, bytes) }
    },
  }
  return chips
}

/** The board's accelerator, with RSA keys made once for each size, and an eye on what is secret. */
function accelerator(
  board: BoardImports,
  chips: Chips,
  bytes: (at: number, length: number) => Uint8Array,
): BoardImports['pka'] {
  return (op, input, inputLength, output, capacity) => {
    chips.onAccelerate()
    if (op === PKA_RSA_GENERATE) {
      const key = createHash('sha1').update(bytes(input, inputLength)).digest('hex')
      const known = RSA_KEYS.get(key)
      if (known && known.length <= capacity) {
        bytes(output, known.length).set(known)
        return known.length
      }
      const n = board.pka(op, input, inputLength, output, capacity)
      if (n > 0) RSA_KEYS.set(key, Buffer.from(bytes(output, n)))
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
