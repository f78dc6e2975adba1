// Reads a flash image as SPEC.md §6 lays it out, without any key: for tests that edit images, or look for what should not be in them.
import {
  FLASH_KEPT,
  FLASH_LOG,
  FLASH_SECTOR,
  FLASH_SUPERBLOCK_A,
  FLASH_SUPERBLOCK_B,
} from '../../../assembly/protocol.js'

/** The second is a sector that is being cleaned. */
const SECTOR_MAGICS = ['OBL1', 'OBL0']
const SECTOR_HEADER = 16
const RECORD_MAGIC = 'OBR1'
const RECORD_HEAD = 104
const COMMITTED = 0x5aa5c0de
const SUPERBLOCK_MAGIC = 'OBS1'
const SUPERBLOCK_HEADER = 512
const ROW = 1280
const MAC = 48

/** Offsets in a record. */
export const RECORD = {
  partition: 8,
  epoch: 12,
  handle: 16,
  generation: 20,
  ouid: 24,
  objectClass: 36,
  bits: 44,
  slot: 48,
  length: 52,
  admission: 56,
  wrappedCek: 64,
  ciphertext: RECORD_HEAD,
} as const

/** Offsets in a superblock, and in one of its rows. */
export const SUPERBLOCK = {
  sequence: 4,
  layout: 24,
  rows: 28,
  policies: 128,
  firstRow: SUPERBLOCK_HEADER,
  row: ROW,
} as const
export const PARTITION_ROW = { role: 324, roleSize: 160, roleFailures: 4, domains: 968, domainSize: 60 } as const

/** Wrapped keys in a superblock, in one of its role rows and in one of its domain slots: offset, length. */
const WRAPPED_GSK = [76, 40] as const
const WRAPPED_PSK = [48, 40] as const
const WRAPPED_CHALLENGE = [120, 40] as const
const WRAPPED_VECTOR = [4, 56] as const
const ROLES = 4
const DOMAINS = 3

/** A record in the log: from its head to its commit word. */
export interface LogRecord {
  readonly offset: number
  /** In the image itself: what is written here changes it. */
  readonly bytes: Buffer
  readonly partition: number
  readonly handle: number
  readonly generation: number
  readonly tombstone: boolean
  readonly committed: boolean
  /** Its 40 bytes in hex. */
  readonly wrappedCek: string
}

/** The records of one sector, as far as their heads lead from one to the next; torn ones too. */
function recordsIn(sector: Buffer, base: number): LogRecord[] {
  if (!SECTOR_MAGICS.includes(sector.toString('latin1', 0, 4))) return []
  const records: LogRecord[] = []
  for (let at = SECTOR_HEADER; at + RECORD_HEAD <= sector.length; ) {
    if (sector.toString('latin1', at, at + 4) !== RECORD_MAGIC) break
    const length = sector.readUInt32BE(at + 4)
    if (length < 128 || at + length > sector.length || length % 16 !== 0) break
    const bytes = sector.subarray(at, at + length)
    records.push({
      offset: base + at,
      bytes,
      partition: bytes.readUInt32BE(RECORD.partition),
      handle: bytes.readUInt32BE(RECORD.handle),
      generation: bytes.readUInt32BE(RECORD.generation),
      tombstone: bytes.readUInt32BE(RECORD.slot) === 2,
      committed: bytes.readUInt32BE(length - 4) === COMMITTED,
      wrappedCek: bytes.toString('hex', RECORD.wrappedCek, RECORD.ciphertext),
    })
    at += length
  }
  return records
}

const view = (image: Uint8Array): Buffer => Buffer.from(image.buffer, image.byteOffset, image.length)

/** The header of a sector of the log. */
export interface SectorHeader {
  readonly sector: number
  /** Undefined where there is no whole header. */
  readonly erases: number | undefined
}

/** The headers of the log, in the order of its sectors. */
export function sectorHeaders(image: Uint8Array): SectorHeader[] {
  const bytes = view(image)
  const headers: SectorHeader[] = []
  for (let sector = FLASH_LOG; sector * FLASH_SECTOR < bytes.length; sector++) {
    const at = sector * FLASH_SECTOR
    const erases = bytes.readUInt32BE(at + 4)
    const whole =
      SECTOR_MAGICS.includes(bytes.toString('latin1', at, at + 4)) && ~erases >>> 0 === bytes.readUInt32BE(at + 8)
    headers.push({ sector, erases: whole ? erases : undefined })
  }
  return headers
}

/** Gives a sector a header with this erase count: no key protects it. */
export function setErases(image: Uint8Array, sector: number, erases: number): void {
  const header = view(image).subarray(sector * FLASH_SECTOR, sector * FLASH_SECTOR + SECTOR_HEADER)
  header.write('OBL1', 'latin1')
  header.writeUInt32BE(erases, 4)
  header.writeUInt32BE(~erases >>> 0, 8)
  header.writeUInt32BE(0, 12)
}

/** A copy of the log without what it says of wear: erase counts, and the headers of sectors that hold nothing. */
export function wearless(image: Uint8Array): Buffer {
  const log = Buffer.from(image.subarray(FLASH_LOG * FLASH_SECTOR))
  for (let at = 0; at < log.length; at += FLASH_SECTOR) {
    const isFree = log.subarray(at + SECTOR_HEADER, at + FLASH_SECTOR).every((byte) => byte === 0xff)
    if (isFree) log.fill(0xff, at, at + SECTOR_HEADER)
    else log.fill(0, at + 4, at + 12)
  }
  return log
}

/**
 * Offset of the first byte behind the factory record's sector that is not blank, headers of the log and what zeroization keeps apart;
 * -1 = all is.
 */
export function firstTrace(image: Uint8Array): number {
  for (let at = FLASH_SUPERBLOCK_A * FLASH_SECTOR; at < image.length; at += FLASH_SECTOR) {
    if (at === FLASH_KEPT * FLASH_SECTOR) continue
    const from = at < FLASH_LOG * FLASH_SECTOR ? at : at + SECTOR_HEADER
    const found = image.subarray(from, at + FLASH_SECTOR).findIndex((byte) => byte !== 0xff)
    if (found >= 0) return from + found
  }
  return -1
}

/** Every record of the log, in the order of its sectors. */
export function logRecords(image: Uint8Array): LogRecord[] {
  const bytes = view(image)
  const records: LogRecord[] = []
  for (let at = FLASH_LOG * FLASH_SECTOR; at < bytes.length; at += FLASH_SECTOR) {
    records.push(...recordsIn(bytes.subarray(at, at + FLASH_SECTOR), at))
  }
  return records
}

/** The committed record with the highest generation of a handle. */
export function recordOf(image: Uint8Array, partition: number, handle: number): LogRecord {
  const found = logRecords(image)
    .filter((record) => record.committed && record.partition === partition && record.handle === handle)
    .sort((a, b) => a.generation - b.generation)
    .at(-1)
  if (!found) throw new Error(`partition ${partition} has no record of handle ${handle} in the image`)
  return found
}

/** Bytes after the last record of the log where nothing was ever programmed. */
export function blankSpace(image: Uint8Array): { readonly offset: number; readonly length: number } {
  const last = logRecords(image).at(-1)
  if (!last) throw new Error('the log is empty')
  const offset = last.offset + last.bytes.length
  const end = (Math.floor(last.offset / FLASH_SECTOR) + 1) * FLASH_SECTOR
  if (
    view(image)
      .subarray(offset, end)
      .some((byte) => byte !== 0xff)
  )
    throw new Error('the sector is not blank')
  return { offset, length: end - offset }
}

export interface Superblock {
  readonly offset: number
  readonly sequence: bigint
  /** In the image itself, MAC included. */
  readonly bytes: Buffer
}

/** The superblocks that have a head, newest first; whether their MAC is right only the firmware knows. */
export function superblocks(image: Uint8Array): Superblock[] {
  const bytes = view(image)
  return [FLASH_SUPERBLOCK_A, FLASH_SUPERBLOCK_B]
    .map((sector) => sector * FLASH_SECTOR)
    .filter((at) => bytes.toString('latin1', at, at + 4) === SUPERBLOCK_MAGIC)
    .map((offset) => {
      const rows = bytes.readUInt32BE(offset + SUPERBLOCK.rows)
      const length = Math.min(SUPERBLOCK_HEADER + ROW * rows + MAC, 2 * FLASH_SECTOR)
      const sequence = bytes.readBigUInt64BE(offset + SUPERBLOCK.sequence)
      return { offset, sequence, bytes: bytes.subarray(offset, offset + length) }
    })
    .sort((a, b) => (a.sequence < b.sequence ? 1 : -1))
}

/** The newest superblock. */
export function newestSuperblock(image: Uint8Array): Superblock {
  const [newest] = superblocks(image)
  if (!newest) throw new Error('there is no superblock in the image')
  return newest
}

/** Offset in a superblock of the row of a partition. */
export const rowOffset = (partition: number): number => SUPERBLOCK.firstRow + partition * SUPERBLOCK.row

/** The superblock without what every boot changes: its sequence and so its MAC. */
export function timeless(superblock: Superblock): Buffer {
  const copy = Buffer.from(superblock.bytes)
  copy.fill(0, SUPERBLOCK.sequence, SUPERBLOCK.sequence + 8)
  return copy.subarray(0, copy.length - MAC)
}

/** Every wrapped key that counts in this image, in hex: those of its records and those of its newest superblock. */
export function wrappedKeys(image: Uint8Array): Set<string> {
  const records = logRecords(image).filter(({ committed, tombstone }) => committed && !tombstone)
  const keys = records.map(({ wrappedCek }) => wrappedCek)
  const [newest] = superblocks(image)
  if (newest) {
    const { bytes } = newest
    const at = (base: number, [offset, length]: readonly [number, number]) =>
      keys.push(bytes.toString('hex', base + offset, base + offset + length))
    at(0, WRAPPED_GSK)
    for (let row = SUPERBLOCK.firstRow; row + ROW <= bytes.length; row += ROW) {
      for (let role = 0; role < ROLES; role++) {
        const base = row + PARTITION_ROW.role + role * PARTITION_ROW.roleSize
        at(base, WRAPPED_PSK)
        at(base, WRAPPED_CHALLENGE)
      }
      for (let i = 0; i < DOMAINS; i++) at(row + PARTITION_ROW.domains + i * PARTITION_ROW.domainSize, WRAPPED_VECTOR)
    }
  }
  return new Set(keys.filter((key) => !/^0*$/.test(key)))
}

/**
 * How often any piece of each wrapped key is in the image, at most. A piece has eight bytes, which no image holds by accident, and
 * everything that the firmware programs stands at a multiple of four.
 */
function occurrences(image: Uint8Array, keys: readonly string[]): number[] {
  const words = new Uint32Array(image.buffer, image.byteOffset, image.length / 4)
  const pieces: { key: number; second: number; count: number }[] = []
  const byFirst = new Map<number, typeof pieces>()
  keys.forEach((hex, key) => {
    const bytes = Buffer.from(hex, 'hex')
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const piece = { key, second: bytes.readUInt32LE(at + 4), count: 0 }
      const first = bytes.readUInt32LE(at)
      pieces.push(piece)
      byFirst.set(first, [...(byFirst.get(first) ?? []), piece])
    }
  })
  words.forEach((word, i) => {
    if (word === 0xffffffff || word === 0) return
    for (const piece of byFirst.get(word) ?? []) if (words[i + 1] === piece.second) piece.count++
  })
  const most = keys.map(() => 0)
  for (const { key, count } of pieces) most[key] = Math.max(most[key] ?? 0, count)
  return most
}

/** Those of the wrapped keys of which a piece is in the image, wherever. */
export function tracesOf(image: Uint8Array, keys: readonly string[]): string[] {
  const counts = occurrences(image, keys)
  return keys.filter((_, i) => counts[i] !== 0)
}

/** Wrapped keys of objects that stand in the image more than once, as a whole or in part: destroying the object would leave one. */
export function strayCopies(image: Uint8Array): string[] {
  const listed = logRecords(image).filter(({ committed, tombstone }) => committed && !tombstone)
  const keys = listed.map(({ wrappedCek }) => wrappedCek)
  const counts = occurrences(image, keys)
  return keys.filter((_, i) => (counts[i] ?? 0) > 1)
}
