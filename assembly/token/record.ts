// One object at rest: the record of OBC-1 §6.3. The CEK is fresh for every record ever programmed; handle and generation come back
// after a cut, so it alone keeps the GCM key and nonce unique (and proposal 1 of §16 keeps it so under a restored TRNG).

import { CEK, KEY_GSK, PLAIN, PLAIN_MAX, usePlain } from '../arena'
import { flash_read } from '../board'
import { HMAC_CTX, hmacDigest, hmacInit, hmacRestart, hmacUpdate } from '../crypto/hmac'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { HASH_CTX, HASH_SHA384 } from '../crypto/sha2'
import { load32be, store32be, store64be, wipe } from '../crypto/util'
import { Row } from '../flash/directory'
import { RECORD_MAGIC, RECORD_MAX } from '../flash/log'
import { SLOT_GSK, SLOT_TOMBSTONE } from '../flash/mount'
import { L_CEK, L_CEK_LENGTH, L_OBR1 } from './labels'
import { fresh } from './random'

export const RECORD: usize = memory.data(65536, 16)
const NONCE: usize = memory.data(16, 16)
const SEED: usize = memory.data(32, 16)
/** HMAC under the label of CEKs, which is no secret: its pads are hashed once. */
const DERIVING: usize = memory.data(HMAC_CTX, 16)
let derives: bool = false
const DERIVED: usize = memory.data(48, 16)

const HEAD: i32 = 104
/** Where the wrapped CEK stands, 40 bytes. */
export const RECORD_CEK: usize = 64
/** Where the plaintext or ciphertext stands. */
export const RECORD_BODY: usize = 104

/** Bytes of a record whose plaintext has `n` bytes, commit word included. */
export function recordLength(n: i32): u32 {
  return <u32>((HEAD + n + 16 + 4 + 15) & ~15)
}

/** True where a plaintext of `n` bytes has a place in the log. */
export function recordFits(n: i32): bool {
  return n <= PLAIN_MAX && recordLength(n) <= RECORD_MAX
}

/** Writes bytes 0 to 63 of a record at `at`. */
export function recordHeadAt(
  at: usize,
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
  store32be(at, RECORD_MAGIC)
  store32be(at + 4, recordLength(n))
  store32be(at + 8, partition)
  store32be(at + 12, epoch)
  store32be(at + 16, handle)
  store32be(at + 20, generation)
  memory.copy(at + 24, ouid, 12)
  store32be(at + 36, objectClass)
  store32be(at + 40, keyType)
  store32be(at + 44, bits)
  store32be(at + 48, slot)
  store32be(at + 52, <u32>n)
  store64be(at + 56, admission)
}

/** The same in RECORD. */
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
  recordHeadAt(RECORD, partition, epoch, handle, generation, ouid, objectClass, keyType, bits, slot, n, admission)
}

/**
 * CEK = HM("OBC1 cek", 32 TRNG bytes ∥ place ∥ plaintext)[0..32], a key extracted as in SP 800-133 r2 §6.3: a snapshot that holds the TRNG
 * too cannot make two different objects share it (OBC-1 §16, proposal 1).
 */
export function deriveCek(seed: usize, place: usize, placeLength: i32, plaintext: usize, n: i32, out: usize): void {
  if (derives) hmacRestart(DERIVING)
  else hmacInit(DERIVING, HASH_SHA384, L_CEK, L_CEK_LENGTH)
  derives = true
  hmacUpdate(DERIVING, seed, 32)
  hmacUpdate(DERIVING, place, placeLength)
  hmacUpdate(DERIVING, plaintext, n)
  hmacDigest(DERIVING, DERIVED)
  memory.copy(out, DERIVED, 32)
  wipe(DERIVING, HASH_CTX)
  wipe(DERIVED, 48)
}

/** The same from fresh TRNG bytes. Answers false where the TRNG failed. */
export function freshCek(place: usize, placeLength: i32, plaintext: usize, n: i32, out: usize): bool {
  if (!fresh(SEED, 32)) return false
  deriveCek(SEED, place, placeLength, plaintext, n, out)
  wipe(SEED, 32)
  return true
}

/** CEK of the record whose head is written at `at`. */
export function recordCek(at: usize, seed: usize, plaintext: usize, n: i32, out: usize): void {
  deriveCek(seed, at + 8, 56, plaintext, n, out)
}

function nonceOf(at: usize): void {
  memory.copy(NONCE, L_OBR1, 4)
  memory.copy(NONCE + 4, at + 16, 8)
}

/** Completes the record at `at`, whose head and wrapped CEK are written; the plaintext may stand in its place. The commit word stays FF. */
export function recordSealBody(at: usize, cek: usize, plaintext: usize, n: i32): u32 {
  const length = recordLength(n)
  nonceOf(at)
  gcmSeal(cek, 32, NONCE, 12, at, HEAD, plaintext, n, at + <usize>HEAD, at + <usize>(HEAD + n), 16)
  const used = <usize>(HEAD + n + 16)
  memory.fill(at + used, 0xff, <usize>length - used)
  return length
}

/** Completes the record whose head is written, with the CEK in its slot. */
export function recordSealWith(storageKey: usize, plaintext: usize, n: i32): u32 {
  kwWrap(storageKey, 32, CEK, 32, RECORD + RECORD_CEK)
  const length = recordSealBody(RECORD, CEK, plaintext, n)
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

/** GCM tag of the record in RECORD. */
export function recordTag(n: i32): usize {
  return recordTagAt(RECORD, n)
}

export function recordTagAt(at: usize, n: i32): usize {
  return at + <usize>(HEAD + n)
}

/** Plaintext length of the listed object's record, which stands at `at`; -1 where it is not the one that was listed. */
export function recordSize(at: usize, r: Row): i32 {
  const n = <i32>load32be(at + 52)
  return n < 0 || n > PLAIN_MAX || r.slot === SLOT_TOMBSTONE || recordLength(n) !== r.length ? -1 : n
}

/** Opens the body of the record at `at` to `out`, which may be its own place. */
export function recordOpenBody(at: usize, cek: usize, n: i32, out: usize): bool {
  nonceOf(at)
  return gcmOpen(cek, 32, NONCE, 12, at, HEAD, at + <usize>HEAD, n, out, at + <usize>(HEAD + n), 16)
}

/**
 * Opens a listed object into PLAIN with its storage key; the length of its attribute list, or -1 where the record does not open.
 */
export function recordOpen(r: Row, psk: usize): i32 {
  flash_read(r.offset, RECORD, <i32>r.length)
  const n = recordSize(RECORD, r)
  const key = r.slot === SLOT_GSK ? KEY_GSK : psk
  if (n < 0 || key === 0 || !kwUnwrap(key, 32, RECORD + RECORD_CEK, 40, CEK)) return -1
  usePlain(n)
  const good = recordOpenBody(RECORD, CEK, n, PLAIN)
  wipe(CEK, 32)
  return good ? n : -1
}
