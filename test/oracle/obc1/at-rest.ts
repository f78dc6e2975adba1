// Keys and records at rest: OBC-1 §6.
import { pbkdf2Sync } from 'node:crypto'
import { cat, u8, u32, u64 } from './bytes.js'
import { H, HM, ITERATIONS, KDF, open, seal, unwrap, wrap } from './crypto.js'

/** Where a key belongs. */
export interface Place {
  serial: bigint
  partition: number
  role: number
  epoch: number
}

export interface DeviceKeys {
  kek: Buffer
  mtk: Buffer
}

export function rootKeys({ kek, mtk }: DeviceKeys, serial: bigint): { rsk: Buffer; rak: Buffer } {
  const keys = KDF(cat(kek, mtk), 'OBC1 root', u64(serial), 80)
  return { rsk: keys.subarray(0, 32), rak: keys.subarray(32) }
}

export const factoryKey = (mtk: Buffer, serial: bigint): Buffer => KDF(mtk, 'OBC1 factory', u64(serial), 32)
export const pinKeyOfPassword = (password: string, salt: Buffer, rounds = ITERATIONS): Buffer =>
  pbkdf2Sync(password, salt, rounds, 48, 'sha512')
export const pinKeyOfPed = (secret: Buffer, salt: Buffer): Buffer => KDF(secret, 'OBC1 ped pin', salt, 48)
export const roleKek = ({ kek, mtk }: DeviceKeys, { serial, partition, role, epoch }: Place, pinKey: Buffer): Buffer =>
  KDF(cat(kek, mtk), 'OBC1 role', cat(u64(serial), u32(partition), u8(role), u32(epoch), pinKey), 32)

const MAGIC = 'OBR1'
const COMMITTED = Buffer.from('5aa5c0de', 'hex')
/** Bytes before the ciphertext; the clear ones before the wrapped content key. */
const HEAD = 104
const CLEAR = 64
/** What opens a record. */
export const GSK_SLOT = 0
export const PSK_SLOT = 1
export const TOMBSTONE = 2
const TAG = 16

export interface RecordHeader {
  partition: number
  epoch: number
  handle: number
  generation: number
  ouid: Buffer
  class: number
  keyType: number
  bits: number
  slot: number
  /** Sequence of the superblock that first lists the record. */
  admission: bigint
}

/** `OBR1 ∥ handle ∥ generation`: unique only together with a fresh content key. */
const nonce = (head: Buffer) => cat(MAGIC, head.subarray(16, 24))

const clearHead = (r: RecordHeader, length: number, plaintext: number) =>
  cat(
    ...[
      cat(MAGIC),
      u32(length),
      u32(r.partition),
      u32(r.epoch),
      u32(r.handle),
      u32(r.generation),
      r.ouid,
      u32(r.class),
    ],
    ...[u32(r.keyType), u32(r.bits), u32(r.slot), u32(plaintext), u64(r.admission)],
  )

/** Room for the record and its commit word, in steps of 16. */
const recordLength = (plaintext: number) => Math.ceil((HEAD + plaintext + TAG + COMMITTED.length) / 16) * 16

const finish = (head: Buffer, sealed: Buffer, length: number) =>
  cat(head, sealed, Buffer.alloc(length - head.length - sealed.length - COMMITTED.length, 0xff), COMMITTED)

/** @param cek fresh for every call */
export function sealRecord(
  header: RecordHeader,
  plaintext: Buffer,
  { storageKey, cek }: { storageKey: Buffer; cek: Buffer },
): Buffer {
  const length = recordLength(plaintext.length)
  const head = cat(clearHead(header, length, plaintext.length), wrap(storageKey, cek))
  return finish(head, seal(cek, nonce(head), head, plaintext), length)
}

/** Marks a deletion: same header, no key, no data. */
export function tombstone(header: RecordHeader): Buffer {
  const length = recordLength(0)
  const head = cat(clearHead({ ...header, slot: TOMBSTONE }, length, 0), Buffer.alloc(HEAD - CLEAR))
  return finish(head, Buffer.alloc(TAG), length)
}

const sealedPart = (record: Buffer) => record.subarray(HEAD, HEAD + record.readUInt32BE(52) + TAG)

/** Plaintext, or null. */
export function openRecord(storageKey: Buffer, record: Buffer): Buffer | null {
  const head = record.subarray(0, HEAD)
  const cek = unwrap(storageKey, head.subarray(CLEAR))
  return cek && open(cek, nonce(head), head, sealedPart(record))
}

export const handleOf = (record: Buffer): number => record.readUInt32BE(16)
const generationOf = (record: Buffer) => record.readUInt32BE(20)
const slotOf = (record: Buffer) => record.readUInt32BE(48)
const admissionOf = (record: Buffer) => record.readBigUInt64BE(56)

/** Handles of a leaf. */
const LEAF = 512

/** Over the records that are listed, each by handle ∥ generation ∥ GCM tag, ascending handle; of several leaves over their hashes. */
export function directoryHash(records: readonly Buffer[]): Buffer {
  const leaves = new Map<number, Buffer[]>()
  for (const record of [...records].sort((a, b) => handleOf(a) - handleOf(b))) {
    const number = Math.floor(handleOf(record) / LEAF)
    leaves.set(number, [...(leaves.get(number) ?? []), record])
  }
  const hashes = [...leaves].map(([number, leaf]) => ({
    number: u32(number),
    hash: H(...leaf.map((record) => cat(record.subarray(16, 24), sealedPart(record).subarray(-TAG)))),
  }))
  const [first] = hashes
  if (hashes.length === 1 && first) return first.hash
  return first ? H(Buffer.from('OBDH'), ...hashes.flatMap(({ number, hash }) => [number, hash])) : H()
}

/** The records that count once the superblock says `sequence`: §6.3 "Boot". */
export function listed(records: readonly Buffer[], sequence: bigint): Buffer[] {
  const latest = new Map<number, Buffer>()
  for (const record of records) {
    if (!record.subarray(-COMMITTED.length).equals(COMMITTED) || admissionOf(record) > sequence) continue
    const other = latest.get(handleOf(record))
    if (!other || generationOf(other) < generationOf(record)) latest.set(handleOf(record), record)
  }
  return [...latest.values()].filter((record) => slotOf(record) !== TOMBSTONE)
}

export const superblockMac = (rak: Buffer, everythingBefore: Buffer): Buffer => HM(rak, everythingBefore)

/** 'step the counter': a cut fell between superblock and counter. */
export function sequenceVerdict(sequence: bigint, counter: bigint): 'current' | 'step the counter' | 'rolled back' {
  if (sequence === counter) return 'current'
  return sequence === counter + 1n ? 'step the counter' : 'rolled back'
}
