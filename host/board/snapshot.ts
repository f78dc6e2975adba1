import { createHash } from 'node:crypto'
import { BATTERY_REGIONS, FLASH_SECTOR } from '../../assembly/protocol.js'
import { BATTERY_CAPACITY, SPLIT_SIZE } from './changes.js'
import { BoardError } from './errors.js'
import { ERASED } from './flash.js'
import { State } from './non-volatile.js'
import { PAGE, type PageRun, pagesLength, usedPages } from './pages.js'

/** Version of the file (SPEC.md §8.2). */
export const SNAPSHOT_FORMAT = 1
/** Version of what a board's peripherals keep. With the firmware's SHA-384 the build that a snapshot belongs to. */
export const BOARD_LAYOUT = 1

const MAGIC = Buffer.from('MLS1')
const DIGEST = 48
/** Magic, format, length. */
const PREFIX = 16
const SEED = 64
/** A flash that is larger is no flash of ours: nothing is allocated for it. */
const LARGEST_FLASH = 2 ** 30

/** Value of a WebAssembly global: a number for i32, f32 and f64, a bigint for i64. */
export type GlobalValue = number | bigint

/** A command that was parked for the PED, or waited for it: its answer will have no receiver. */
export interface PendingRequest {
  /** The tag inside the board. */
  readonly inner: number
  /** The tag that its sender gave it. */
  readonly tag: number
}

/** A board that was on, as it stood between two steps of its firmware. */
export interface Snapshot {
  /** SHA-384 of the firmware module, in hex. */
  readonly firmware: string
  /** Program and version that took it. */
  readonly madeBy: string
  /** Milliseconds since 1970 on the board's clock. */
  readonly taken: number
  /** Milliseconds since power-up. */
  readonly uptime: number
  readonly virtualClock: boolean
  /** SHA-512 of the seed of a seeded TRNG; undefined = random bytes of the system. */
  readonly seed: Uint8Array | undefined
  /** Cause at the tamper line, 0 = quiet. */
  readonly tamperLine: number
  /** RC_SELF_TEST_… of an injected fault, 0 = none. */
  readonly selfTestFault: number
  /** What `boot` answered. */
  readonly bootCode: number
  readonly lastTag: number
  readonly pending: readonly PendingRequest[]
  readonly globals: readonly GlobalValue[]
  /** Bytes of linear memory. */
  readonly memorySize: number
  readonly memory: readonly PageRun[]
  /** What the board keeps without power. */
  readonly state: State
}

// ---- writing ----------------------------------------------------------------------------------------------------------

const u8 = (value: number): Buffer => Buffer.of(value)
function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value))
  return bytes
}
const sized = (bytes: Uint8Array): Uint8Array[] => [u32(bytes.length), bytes]

function globalBytes(value: GlobalValue): Uint8Array[] {
  if (typeof value === 'bigint') return [u8(1), u64(value)]
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return [u8(0), bytes]
}

function pageBytes(size: number, runs: readonly PageRun[]): Uint8Array[] {
  const rows = runs.flatMap(({ first, bytes }) => [u32(first), u32(bytes.length / PAGE), bytes])
  return [u32(size), u32(runs.length), ...rows]
}

function fields(snapshot: Snapshot): Uint8Array[] {
  const { state, pending, globals } = snapshot
  const batteries = Array.from({ length: BATTERY_REGIONS }, (_, region) => state.battery(region))
  return [
    Buffer.from(snapshot.firmware, 'hex'),
    u32(BOARD_LAYOUT),
    u64(BigInt(snapshot.taken)),
    u64(BigInt(snapshot.uptime)),
    u8(snapshot.virtualClock ? 1 : 0),
    u8(snapshot.seed ? 1 : 0),
    snapshot.seed ?? Buffer.alloc(SEED),
    u64(state.randomPosition),
    u64(state.counter),
    u32(snapshot.tamperLine),
    u32(snapshot.selfTestFault),
    u32(snapshot.bootCode),
    u32(snapshot.lastTag),
    u8(state.split ? 1 : 0),
    state.split ?? Buffer.alloc(SPLIT_SIZE),
    ...sized(Buffer.from(snapshot.madeBy)),
    ...batteries.flatMap(sized),
    u32(pending.length),
    ...pending.flatMap(({ inner, tag }) => [u32(inner), u32(tag)]),
    u32(globals.length),
    ...globals.flatMap(globalBytes),
    ...pageBytes(snapshot.memorySize, snapshot.memory),
    ...pageBytes(state.flash.size, usedPages(state.flash.image, ERASED)),
  ]
}

/** The bytes of a snapshot file. They hold every key of the token in the clear. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array<ArrayBuffer> {
  const parts = fields(snapshot)
  const length = parts.reduce((sum, part) => sum + part.length, PREFIX + DIGEST)
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of [MAGIC, u32(SNAPSHOT_FORMAT), u64(BigInt(length)), ...parts]) {
    bytes.set(part, at)
    at += part.length
  }
  bytes.set(createHash('sha384').update(bytes.subarray(0, at)).digest(), at)
  return bytes
}

// ---- reading ----------------------------------------------------------------------------------------------------------

const damaged = (why: string): BoardError => new BoardError('SNAPSHOT_DAMAGED', `the snapshot is damaged: ${why}`)

/** Takes fields off the front; every length is checked before use. */
class Fields {
  #at = 0
  constructor(private readonly bytes: Buffer) {}

  take(length: number): Buffer {
    if (length > this.bytes.length - this.#at) throw damaged('a field is longer than the file')
    this.#at += length
    return this.bytes.subarray(this.#at - length, this.#at)
  }

  u8(): number {
    return this.take(1).readUInt8()
  }

  u32(): number {
    return this.take(4).readUInt32BE()
  }

  u64(): bigint {
    return this.take(8).readBigUInt64BE()
  }

  /** Milliseconds: a whole number that JavaScript has exactly. */
  time(): number {
    const value = this.u64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged('a time is out of range')
    return Number(value)
  }

  flag(): boolean {
    const value = this.u8()
    if (value > 1) throw damaged('a flag is neither 0 nor 1')
    return value === 1
  }

  sized(most: number): Buffer {
    const length = this.u32()
    if (length > most) throw damaged('a field is too long')
    return this.take(length)
  }

  /** `row` reads at least `least` bytes, so that a number of rows that cannot be is refused before anything is made of it. */
  rows<Row>(least: number, row: () => Row): Row[] {
    const count = this.u32()
    if (count > (this.bytes.length - this.#at) / least) throw damaged('more rows than the file holds')
    return Array.from({ length: count }, row)
  }

  pages(unit: number, most: number): { readonly size: number; readonly runs: PageRun[] } {
    const size = this.u32()
    if (size === 0 || size % unit !== 0 || size > most) throw damaged('a memory of an impossible size')
    let next = 0
    const runs = this.rows(8 + PAGE, (): PageRun => {
      const first = this.u32()
      const count = this.u32()
      if (first < next || count === 0 || first + count > size / PAGE) throw damaged('pages out of order')
      next = first + count
      return { first, bytes: this.take(count * PAGE) }
    })
    return { size, runs }
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw damaged('bytes that belong to nothing')
  }
}

/** Everything that can be said of the file before its content: what it is, its version, that it is whole. */
function content(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new BoardError('SNAPSHOT_INVALID', 'this is no snapshot of a board')
  }
  const truncated = (): BoardError => new BoardError('SNAPSHOT_TRUNCATED', 'the snapshot is cut short')
  if (bytes.length < PREFIX) throw truncated()
  const format = bytes.readUInt32BE(4)
  if (format > SNAPSHOT_FORMAT) {
    throw new BoardError(
      'SNAPSHOT_NEWER',
      `the snapshot has format ${format}; this version reads formats up to ${SNAPSHOT_FORMAT}`,
    )
  }
  if (bytes.readBigUInt64BE(8) > BigInt(bytes.length)) throw truncated()
  if (bytes.readBigUInt64BE(8) < BigInt(bytes.length) || bytes.length < PREFIX + DIGEST) throw damaged('wrong length')
  const digest = bytes.length - DIGEST
  if (!createHash('sha384').update(bytes.subarray(0, digest)).digest().equals(bytes.subarray(digest))) {
    throw damaged('its hash is not that of its content')
  }
  if (format === 0) throw damaged('there is no format 0')
  return bytes.subarray(PREFIX, digest)
}

/**
 * Reads the bytes of a snapshot file; nothing of them is copied but the flash image.
 * Throws SNAPSHOT_INVALID, SNAPSHOT_NEWER, SNAPSHOT_TRUNCATED or SNAPSHOT_DAMAGED.
 */
export function decodeSnapshot(file: Uint8Array): Snapshot {
  const from = new Fields(content(Buffer.from(file.buffer, file.byteOffset, file.length)))
  const firmware = from.take(48).toString('hex')
  const layout = from.u32()
  if (layout > BOARD_LAYOUT) {
    throw new BoardError(
      'SNAPSHOT_NEWER',
      `the snapshot is of a board of layout ${layout}; this version has ${BOARD_LAYOUT}`,
    )
  }
  const [taken, uptime] = [from.time(), from.time()]
  const [virtualClock, seeded] = [from.flag(), from.flag()]
  const seed = from.take(SEED)
  const [randomPosition, counter] = [from.u64(), from.u64()]
  const [tamperLine, selfTestFault] = [from.u32() | 0, from.u32()]
  const [bootCode, lastTag] = [from.u32(), from.u32()]
  const [hasSplit, split] = [from.flag(), from.take(SPLIT_SIZE)]
  const madeBy = from.sized(256).toString('utf8')
  const batteries = Array.from({ length: BATTERY_REGIONS }, () => from.sized(BATTERY_CAPACITY))
  const pending = from.rows(8, () => ({ inner: from.u32(), tag: from.u32() }))
  const globals = from.rows(9, () => (from.flag() ? from.take(8).readBigInt64BE() : from.take(8).readDoubleBE()))
  const memory = from.pages(PAGE, 0xffffffff)
  const flash = from.pages(FLASH_SECTOR, LARGEST_FLASH)
  from.end()

  const state = State.blank(flash.size)
  for (const { first, bytes } of flash.runs) state.flash.load(first * PAGE, bytes)
  state.randomPosition = randomPosition
  state.counter = counter
  // It had power when the snapshot was taken.
  state.aliveAt = BigInt(taken)
  if (hasSplit) state.apply({ kind: 'split', data: split })
  for (const [region, data] of batteries.entries()) state.apply({ kind: 'battery', region, data })
  return {
    firmware,
    madeBy,
    taken,
    uptime,
    virtualClock,
    seed: seeded ? seed : undefined,
    tamperLine,
    selfTestFault,
    bootCode,
    lastTag,
    pending,
    globals,
    memorySize: memory.size,
    memory: memory.runs,
    state,
  }
}

/** Throws SNAPSHOT_FOREIGN where the snapshot is of another firmware than this. */
export function requireBuild(
  { firmware, madeBy }: Snapshot,
  running: { readonly sha384: string; readonly version: string },
): void {
  if (firmware === running.sha384) return
  const short = (hash: string): string => `${hash.slice(0, 16)}...`
  throw new BoardError(
    'SNAPSHOT_FOREIGN',
    `the snapshot was taken by ${madeBy} from firmware ${short(firmware)}; this is ${running.version} with firmware ${short(running.sha384)}`,
  )
}

/** Bytes of linear memory and of flash that the snapshot holds; what it leaves out is blank. */
export function usedBytes({ memory, state }: Snapshot): { readonly memory: number; readonly flash: number } {
  return { memory: pagesLength(memory), flash: pagesLength(usedPages(state.flash.image, ERASED)) }
}
