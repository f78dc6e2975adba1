// Storing a batch on the taking side (OBC-1 §5.6 "Processing one envelope"): every envelope is opened, judged and given a place, then all
// records are sealed and admitted by one superblock.

import { BATCH_CEK, BATCH_RECORDS, KEY_GSK, PLAIN, useBatch } from '../arena'
import { load32be, store32be } from '../crypto/util'
import { row } from '../flash/directory'
import { SLOT_GSK, SLOT_PSK } from '../flash/mount'
import { txBegin, txCommit } from '../flash/transaction'
import {
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_CERTIFICATE_DATA_INVALID,
  RC_CLONE_NOT_ATTEMPTED,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCONSISTENT,
} from '../protocol'
import { listHasHeaderAttribute, listIsWellFormed, plainSize, valuesFit } from '../token/attributes'
import {
  cekGroup,
  cekIsGood,
  cekJoin,
  cekKeep,
  cekOf,
  cekSeed,
  cekSeeds,
  cekSlot,
  cekUnwrap,
  cekWrap,
} from '../token/cek-batch'
import { addStaged, objectBits, objectClass, objectHandle, stagedRow, stageObject } from '../token/objects'
import { RECORD_BODY, RECORD_CEK, recordCek, recordLength, recordSealBody } from '../token/record'
import { isKnownClass, objectIsSound } from '../token/template'
import { ENVELOPE_CEK, envelopeOpenBody } from './envelope'
import { cloneVerdict } from './rules'

/** CKR value of a return code, as M4 carries it. */
function ckr(rc: u32): u32 {
  return (rc & 0x80000000) !== 0 ? rc : rc >>> 16
}

/** One envelope: open, ask the rules, give it a place. Its handle is in `objectHandle` where RC_OK, its record's head at `at`. */
function place1(partition: u32, sid: usize, envelope: usize, i: i32, at: usize): u32 {
  if (!cekIsGood(i) || !envelopeOpenBody(envelope, cekOf(i), sid)) return RC_CERTIFICATE_DATA_INVALID
  if ((objectBits & ~0xff) !== 0) return RC_TEMPLATE_INCONSISTENT
  if (!isKnownClass(objectClass)) return RC_ATTRIBUTE_VALUE_INVALID
  const verdict = cloneVerdict(partition, objectClass)
  if (verdict !== RC_OK) return verdict
  if (!listIsWellFormed(PLAIN, plainSize()) || listHasHeaderAttribute(PLAIN, plainSize()))
    return RC_TEMPLATE_INCONSISTENT
  if (!valuesFit(PLAIN, plainSize())) return RC_ATTRIBUTE_VALUE_INVALID
  const sound = objectIsSound()
  return sound === RC_OK ? stageObject(partition, at) : sound
}

function writeResult(at: usize, seq: u32, rc: u32): void {
  store32be(at, seq)
  store32be(at + 4, ckr(rc))
  store32be(at + 8, rc === RC_OK ? objectHandle : 0xffffffff)
  store32be(at + 12, 0)
}

/** A placed object: its directory row, where its record stands in BATCH_RECORDS, its number in the batch. */
const PLACED: usize = memory.data(12288, 16)
let placed: i32 = 0
let recordsLength: i32 = 0

function placedRow(k: i32): u32 {
  return load<u32>(PLACED + <usize>k * 12)
}

function placedRecord(k: i32): usize {
  return BATCH_RECORDS + <usize>load<u32>(PLACED + <usize>k * 12, 4)
}

function placedNumber(k: i32): i32 {
  return load<i32>(PLACED + <usize>k * 12, 8)
}

/**
 * The object in hand keeps its place: its plaintext moves behind the head of its record, and a CEK of its own takes the place of
 * the one it came with.
 */
function keepPlace(i: i32): void {
  const at = BATCH_RECORDS + <usize>recordsLength
  const n = plainSize()
  memory.copy(at + RECORD_BODY, PLAIN, n)
  recordCek(at, cekSeed(i), PLAIN, n, cekOf(i))
  cekKeep(i)
  const entry = PLACED + <usize>placed * 12
  store<u32>(entry, stagedRow())
  store<u32>(entry, recordsLength, 4)
  store<i32>(entry, i, 8)
  recordsLength += <i32>recordLength(n)
  placed++
}

/** Wraps the CEKs of the placed objects that one storage key protects. */
function wrapSlot(slot: u32, key: usize): void {
  cekGroup()
  for (let k = 0; k < placed; k++) if (row(placedRow(k)).slot === slot) cekJoin(placedNumber(k))
  cekWrap(key)
}

/** All placed objects become records of the open transaction. */
function sealPlaced(psk: usize): void {
  wrapSlot(SLOT_GSK, KEY_GSK)
  wrapSlot(SLOT_PSK, psk)
  for (let k = 0; k < placed; k++) {
    const at = placedRecord(k)
    const i = placedNumber(k)
    const n = <i32>load32be(at + 52)
    memory.copy(at + RECORD_CEK, cekSlot(i), BATCH_CEK)
    recordSealBody(at, cekSeed(i), at + RECORD_BODY, n)
    addStaged(row(placedRow(k)), at, n)
  }
}

/** Unwraps the CEKs of all envelopes in the lanes. */
function openCeks(kek: usize, envelopes: usize, count: i32): void {
  cekGroup()
  let p = envelopes
  for (let i = 0; i < count; i++) {
    memory.copy(cekSlot(i), p + ENVELOPE_CEK, BATCH_CEK)
    cekJoin(i)
    p += <usize>load32be(p + 4)
  }
  cekUnwrap(kek)
}

/**
 * Group commit: all records of the batch, one superblock, one step of the counter, then the answer (OBC-1 §5.8). A row per envelope goes to
 * `results`. The keys of the batch are opened, and those of the new records wrapped, in the lanes of key wrap.
 */
export function storeAll(
  partition: u32,
  psk: usize,
  kek: usize,
  sid: usize,
  firstSeq: u32,
  envelopes: usize,
  count: i32,
  results: usize,
  goOn: bool,
): void {
  let bytes: u32 = 0
  let p = envelopes
  for (let i = 0; i < count; i++) {
    const size = load32be(p + 4)
    bytes += size + 48
    p += <usize>size
  }
  placed = 0
  recordsLength = 0
  useBatch(count, <i32>bytes)
  let begun = cekSeeds(count) ? RC_OK : RC_RANDOM_NO_RNG
  if (begun === RC_OK) begun = txBegin(bytes)
  if (begun === RC_OK) openCeks(kek, envelopes, count)
  let stopped = false
  p = envelopes
  for (let i = 0; i < count; i++) {
    let rc: u32 = begun
    if (rc === RC_OK) {
      rc = stopped ? RC_CLONE_NOT_ATTEMPTED : place1(partition, sid, p, i, BATCH_RECORDS + <usize>recordsLength)
    }
    if (rc === RC_OK) keepPlace(i)
    else if (!goOn) stopped = true
    writeResult(results + <usize>(16 * i), firstSeq + <u32>i, rc)
    p += <usize>load32be(p + 4)
  }
  if (placed === 0) return
  sealPlaced(psk)
  txCommit()
}
