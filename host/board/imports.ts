import { ACTIVATION_POWER_OFF, BATTERY_ACTIVATION, PERIPHERAL_FAILED, PERIPHERAL_OK } from '../../assembly/protocol.js'
import { SPLIT_SIZE } from './changes.js'
import type { Clock } from './clock.js'
import type { BoardImports, MemoryAccess } from './firmware.js'
import { Monitor } from './monitor.js'
import type { NonVolatile, Written } from './non-volatile.js'
import { Pka } from './pka.js'
import type { Trng } from './trng.js'

/** What a public-key accelerator does; see Pka. */
export interface Accelerator {
  run(op: number, input: Uint8Array, output: Uint8Array): number
}

/** The chips of a board. */
export interface Peripherals {
  readonly memory: NonVolatile
  readonly trng: Trng
  readonly clock: Clock
  /** A Pka with the board's TRNG unless given. */
  readonly pka?: Accelerator
}

/** Lines that others drive and the firmware reads. */
export interface Lines {
  /** A set of PED_LINE_… bits. */
  ped(): number
  /** Cause of the tamper signal, 0 = quiet. */
  tamper(): number
}

/** What a board knows of one firmware instance. */
export interface Run {
  /** `steady` of the clock at power-up. */
  readonly poweredOn: number
  readonly monitor: Monitor
}

const EMPTY = new Uint8Array(0)

/** Writes down that the board has power now, and makes everything durable. */
export function syncAlive({ memory, clock }: Peripherals): void {
  if (memory.dirty) memory.apply({ kind: 'alive', time: BigInt(clock.now()) })
  memory.sync()
}

/** Begins to, where the memory can go on meanwhile; false = nothing has begun. */
export function beginAlive({ memory, clock }: Peripherals, done: Written): boolean {
  if (!memory.begin) return false
  memory.apply({ kind: 'alive', time: BigInt(clock.now()) })
  return memory.begin(done)
}

/** What the time without power did to the battery-backed RAM. */
export function afterPowerOff({ memory, clock }: Peripherals): void {
  const { state } = memory
  const off = BigInt(clock.now()) - state.aliveAt
  if (off > BigInt(ACTIVATION_POWER_OFF) && state.battery(BATTERY_ACTIVATION).length > 0) {
    memory.apply({ kind: 'battery', region: BATTERY_ACTIVATION, data: EMPTY })
  }
}

/** The imports of one firmware instance (SPEC.md §1). */
export function boardImports(chips: Peripherals, lines: Lines, bytes: MemoryAccess, run?: Run): BoardImports {
  const { memory, trng, clock } = chips
  const { poweredOn, monitor } = run ?? { poweredOn: clock.steady(), monitor: new Monitor() }
  const { state } = memory
  const pka = chips.pka ?? new Pka(trng)
  return {
    flash_size: () => state.flash.size,
    flash_read: (offset, ptr, length) => bytes(ptr, length).set(state.flash.read(offset >>> 0, length >>> 0)),
    flash_program: (offset, ptr, length) =>
      memory.apply({ kind: 'program', offset: offset >>> 0, data: bytes(ptr, length) }),
    flash_erase: (sector) => memory.apply({ kind: 'erase', sector: sector >>> 0 }),
    flash_sync: () => syncAlive(chips),
    mono_get: () => state.counter,
    mono_inc: () => {
      memory.apply({ kind: 'counter', value: state.counter + 1n })
      return state.counter
    },
    battery_read: (region, ptr, capacity) => {
      const data = state.battery(region)
      // A region that does not fit is as good as lost, never half a secret.
      if (data.length > capacity >>> 0) return 0
      bytes(ptr, data.length).set(data)
      return data.length
    },
    battery_write: (region, ptr, length) => memory.apply({ kind: 'battery', region, data: bytes(ptr, length) }),
    battery_zeroize: (region) => memory.apply({ kind: 'battery', region, data: EMPTY }),
    split_read: (ptr) => {
      if (!state.split) return 0
      bytes(ptr, SPLIT_SIZE).set(state.split)
      return 1
    },
    split_write: (ptr) => memory.apply({ kind: 'split', data: bytes(ptr, SPLIT_SIZE) }),
    trng: (ptr, length) => {
      const target = bytes(ptr, length)
      try {
        trng.fill(target)
        return PERIPHERAL_OK
      } catch {
        target.fill(0)
        return PERIPHERAL_FAILED
      }
    },
    rtc: () => BigInt(Math.floor(clock.now() / 1000)),
    uptime: () => BigInt(clock.steady() - poweredOn),
    ped_line: () => lines.ped(),
    tamper_line: () => lines.tamper(),
    pka: (op, input, inputLength, output, capacity) => {
      const operands = Uint8Array.from(bytes(input, inputLength))
      try {
        return monitor.pka(() => pka.run(op, operands, bytes(output, capacity)))
      } finally {
        operands.fill(0)
      }
    },
  }
}
