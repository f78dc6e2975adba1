// Reads a flash image as SPEC.md §6 lays it out, without any key: for tests that edit images, or look for what should not be in them.
import { FLASH_LOG, FLASH_SECTOR, FLASH_SUPERBLOCK_A, FLASH_SUPERBLOCK_B } from '../../../assembly/protocol.js'

const SECTOR_MAGIC = 'OBL1'
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
  if (sector.toString('latin1', 0, 4) !== SECTOR_MAGIC) return []
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
