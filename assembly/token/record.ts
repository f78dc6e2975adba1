// One object at rest: the record of OBC-1 §6.3. The CEK is fresh for every record ever programmed; handle and generation come back
// after a cut, so it alone keeps the GCM key and nonce unique (and proposal 1 of §16 keeps it so under a restored TRNG).

import { CEK, KEY_GSK, PLAIN, PLAIN_MAX, usePlain } from '../arena'
import { flash_read } from '../board'
import { kdf } from '../crypto/kdf'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { load32be, store32be, store64be, wipe } from '../crypto/util'
import { Row } from '../flash/directory'
import { RECORD_MAGIC, RECORD_MAX } from '../flash/log'
import { SLOT_GSK, SLOT_TOMBSTONE } from '../flash/mount'
import { hash384 } from './digest'
import { L_CEK, L_CEK_LENGTH, L_OBR1 } from './labels'
import { fresh } from './random'

export const RECORD: usize = memory.data(65536, 16)
const NONCE: usize = memory.data(16, 16)
const SEED: usize = memory.data(32, 16)
const CONTEXT: usize = memory.data(128, 16)

const HEAD: i32 = 104

/** Bytes of a record whose plaintext has `n` bytes, commit word included. */
export function recordLength(n: i32): u32 {
  return <u32>((HEAD + n + 16 + 4 + 15) & ~15)
}

/** True where a plaintext of `n` bytes has a place in the log. */
export function recordFits(n: i32): bool {
  return n <= PLAIN_MAX && recordLength(n) <= RECORD_MAX
}

/** Writes bytes 0 to 63 of a record. */
export function recordHead(
  partition: u32,
  epoch: u32,
  handle: u32,
  generation: u32,
  ouid: usize,
  objectClass: u32,
  keyType: u32,
  bits: u32,
  slot: u32,
  n: i32,
  admission: u64,
): void {
  store32be(RECORD, RECORD_MAGIC)
  store32be(RECORD + 4, recordLength(n))
  store32be(RECORD + 8, partition)
  store32be(RECORD + 12, epoch)
  store32be(RECORD + 16, handle)
  store32be(RECORD + 20, generation)
  memory.copy(RECORD + 24, ouid, 12)
  store32be(RECORD + 36, objectClass)
  store32be(RECORD + 40, keyType)
  store32be(RECORD + 44, bits)
  store32be(RECORD + 48, slot)
  store32be(RECORD + 52, <u32>n)
  store64be(RECORD + 56, admission)
}

/**
 * CEK = KDF(32 TRNG bytes, "OBC1 cek", place ∥ H(plaintext), 32): a snapshot that holds the TRNG too cannot make two different
 * objects share it (OBC-1 §16, proposal 1). Answers false where the TRNG failed.
 */
export function freshCek(place: usize, placeLength: i32, plaintext: usize, n: i32, out: usize): bool {
  if (!fresh(SEED, 32)) return false
  memory.copy(CONTEXT, place, placeLength)
  hash384(plaintext, n, CONTEXT + <usize>placeLength)
  kdf(SEED, 32, L_CEK, L_CEK_LENGTH, CONTEXT, placeLength + 48, out, 32)
  wipe(SEED, 32)
  wipe(CONTEXT, 128)
  return true
}

function nonce(): void {
  memory.copy(NONCE, L_OBR1, 4)
  memory.copy(NONCE + 4, RECORD + 16, 8)
}

/** Completes the record whose head is written, with the CEK in its slot. The commit word stays FF. */
export function recordSealWith(storageKey: usize, plaintext: usize, n: i32): u32 {
  const length = recordLength(n)
  kwWrap(storageKey, 32, CEK, 32, RECORD + 64)
  nonce()
  gcmSeal(CEK, 32, NONCE, 12, RECORD, HEAD, plaintext, n, RECORD + HEAD, RECORD + <usize>(HEAD + n), 16)
  const used = <usize>(HEAD + n + 16)
  memory.fill(RECORD + used, 0xff, <usize>length - used)
  wipe(CEK, 32)
  return length
}

/** The same with a fresh CEK; 0 where the TRNG failed. */
export function recordSeal(storageKey: usize, plaintext: usize, n: i32): u32 {
  if (!freshCek(RECORD + 8, 56, plaintext, n, CEK)) return 0
  return recordSealWith(storageKey, plaintext, n)
}

/** Marks a deletion; the head is written with slot SLOT_TOMBSTONE and n = 0. */
export function recordTombstone(): u32 {
  const length = recordLength(0)
  memory.fill(RECORD + 64, 0, 56)
  memory.fill(RECORD + 120, 0xff, length - 120)
  return length
}

/** GCM tag of the record just sealed. */
export function recordTag(n: i32): usize {
  return RECORD + <usize>(HEAD + n)
}

/**
 * Opens a listed object into PLAIN with its storage key; the length of its attribute list, or -1 where the record does not open.
 */
export function recordOpen(r: Row, psk: usize): i32 {
  flash_read(r.offset, RECORD, <i32>r.length)
  const n = <i32>load32be(RECORD + 52)
  if (n < 0 || n > PLAIN_MAX || r.slot === SLOT_TOMBSTONE || recordLength(n) !== r.length) return -1
  const key = r.slot === SLOT_GSK ? KEY_GSK : psk
  if (key === 0 || !kwUnwrap(key, 32, RECORD + 64, 40, CEK)) return -1
  nonce()
  usePlain(n)
  const good = gcmOpen(CEK, 32, NONCE, 12, RECORD, HEAD, RECORD + HEAD, n, PLAIN, RECORD + <usize>(HEAD + n), 16)
  wipe(CEK, 32)
  return good ? n : -1
}
