// Sealing a batch on the giving side: the records of the listed objects are read, their CEKs unwrapped in the lanes of key wrap, their
// bodies opened in place, and all of it sealed again with CEKs of the session.

import { BATCH_CEK, BATCH_RECORDS, KEY_GSK, useBatch } from '../arena'
import { flash_read } from '../board'
import { load32be, store32be } from '../crypto/util'
import { findHandle, ouidOf, row } from '../flash/directory'
import { SLOT_GSK, SLOT_PSK, SLOT_TOMBSTONE } from '../flash/mount'
import {
  BIT_TOKEN,
  MAX_BODY,
  OBC_MAX_MESSAGE,
  RC_DEVICE_ERROR,
  RC_DEVICE_MEMORY,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  SEALED_OVERHEAD,
} from '../protocol'
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
import { isUser, mayList } from '../token/objects'
import { RECORD_BODY, RECORD_CEK, recordHeadAt, recordLength, recordOpenBody, recordSize } from '../token/record'
import { findVolatile, SESSION_HANDLES, volatileData, volatileOuid } from '../token/session-objects'
import { ENVELOPE_CEK, envelopeCek, envelopeHead, envelopeSealBody, OVERHEAD } from './envelope'
import { HEADER } from './handshake'
import { cloneVerdict } from './rules'

/** Count, length of the message, and what sealing the answer adds. */
const ANSWER_FIXED: i32 = 6 + SEALED_OVERHEAD
/** Where the envelopes begin in M3. */
const ENVELOPES: i32 = HEADER + 56
const MAC: i32 = 32

/** A gathered object: its directory row, where its record stands in BATCH_RECORDS, its plaintext length, the place of its code. */
const GATHERED: usize = memory.data(16384, 16)
let gathered: i32 = 0

function entry(k: i32): usize {
  return GATHERED + ((<usize>k) << 4)
}

function recordOf(k: i32): usize {
  return BATCH_RECORDS + <usize>load<u32>(entry(k), 4)
}

function sizeOf(k: i32): i32 {
  return load<i32>(entry(k), 8)
}

/** A session object has no record: its list takes the place of one that was opened, behind the head that a record would have. */
function fetchVolatile(access: u64, partition: u32, handle: u32, at: usize): u32 {
  const v = findVolatile(access, partition, handle)
  if (changetype<usize>(v) === 0) return RC_OBJECT_HANDLE_INVALID
  const verdict = cloneVerdict(partition, v.cls)
  if (verdict !== RC_OK) return verdict
  recordHeadAt(
    at,
    partition,
    0,
    handle,
    0,
    volatileOuid(v),
    v.cls,
    v.keyType,
    v.bits | BIT_TOKEN,
    SLOT_TOMBSTONE,
    <i32>v.length,
    0,
  )
  memory.copy(at + RECORD_BODY, volatileData(v), v.length)
  return RC_OK
}

/** Why an object does not travel; RC_OK = its record stands at `at`. */
function fetch(access: u64, partition: u32, user: bool, handle: u32, at: usize): u32 {
  if (handle >= SESSION_HANDLES) return fetchVolatile(access, partition, handle, at)
  const index = findHandle(partition, handle)
  if (index === 0) return RC_OBJECT_HANDLE_INVALID
  const r = row(index)
  if (!mayList(r, user)) return RC_OBJECT_HANDLE_INVALID
  const verdict = cloneVerdict(partition, r.objectClass)
  if (verdict !== RC_OK) return verdict
  flash_read(r.offset, at, <i32>r.length)
  const n = recordSize(at, r)
  if (n < 0) return RC_DEVICE_ERROR
  return ENVELOPES + OVERHEAD + n + MAC > OBC_MAX_MESSAGE ? RC_DEVICE_MEMORY : RC_OK
}

/**
 * Reads the records of as many of the listed objects as one message holds, and answers how many handles that consumed. Each has a
 * code at `codes`.
 */
export function gather(access: u64, partition: u32, handles: usize, n: u32, codes: usize): u32 {
  const user = isUser(access, partition)
  let consumed: u32 = 0
  let end = ENVELOPES
  let records = 0
  gathered = 0
  while (consumed < n) {
    const handle = load32be(handles + <usize>consumed * 4)
    const at = BATCH_RECORDS + <usize>records
    const code = fetch(access, partition, user, handle, at)
    if (code === RC_OK) {
      // 0 for a session object, which has no row.
      const index = handle >= SESSION_HANDLES ? 0 : findHandle(partition, handle)
      const size = <i32>load32be(at + 52)
      // The answer carries one code per handle besides the message.
      const room = MAX_BODY - ANSWER_FIXED - 4 * (<i32>consumed + 1)
      if (end + OVERHEAD + size + MAC > min(room, OBC_MAX_MESSAGE)) break
      const e = entry(gathered)
      store<u32>(e, index)
      store<u32>(e, records, 4)
      store<i32>(e, size, 8)
      store<u32>(e, consumed, 12)
      end += OVERHEAD + size
      records += <i32>recordLength(size)
      gathered++
    }
    store32be(codes + <usize>consumed * 4, code)
    consumed++
  }
  useBatch(gathered, records + <i32>RECORD_BODY)
  return consumed
}

function unwrapSlot(slot: u32, key: usize): void {
  cekGroup()
  if (key === 0) return
  for (let k = 0; k < gathered; k++) {
    const index = load<u32>(entry(k))
    if (index === 0 || row(index).slot !== slot) continue
    memory.copy(cekSlot(k), recordOf(k) + RECORD_CEK, BATCH_CEK)
    cekJoin(k)
  }
  cekUnwrap(key)
}

/** The head of an envelope from that of a record (`recordHeadAt`). */
function envelopeOf(at: usize, seq: u32, record: usize, n: i32): void {
  const handle = load32be(record + 16)
  const cls = load32be(record + 36)
  envelopeHead(at, seq, handle, record + 24, cls, load32be(record + 40), load32be(record + 44), n)
}

let sealed: u32 = 0

/** Envelopes that `sealGathered` made. */
export function sealedCount(): u32 {
  return sealed
}

/**
 * Seals the gathered objects into the envelopes of M3, numbered from `seq`; their handles go to `sent`. An object that does not open
 * gets RC_DEVICE_ERROR as its code and no envelope. Answers where the envelopes end in M3, 0 = the TRNG failed.
 */
export function sealGathered(psk: usize, kek: usize, sid: usize, seq: u32, codes: usize, sent: usize, out: usize): i32 {
  sealed = 0
  if (!cekSeeds(gathered)) return 0
  unwrapSlot(SLOT_GSK, KEY_GSK)
  unwrapSlot(SLOT_PSK, psk)
  cekGroup()
  let at = out + <usize>ENVELOPES
  for (let k = 0; k < gathered; k++) {
    const index = load<u32>(entry(k))
    const n = sizeOf(k)
    const body = recordOf(k) + RECORD_BODY
    if (index !== 0 && (!cekIsGood(k) || !recordOpenBody(recordOf(k), cekOf(k), n, body))) {
      store32be(codes + <usize>load<u32>(entry(k), 12) * 4, RC_DEVICE_ERROR)
      store<i32>(entry(k), -1, 8)
      continue
    }
    if (index === 0) envelopeOf(at, seq + sealed, recordOf(k), n)
    else {
      const r = row(index)
      envelopeHead(at, seq + sealed, r.handle, ouidOf(r), r.objectClass, r.keyType, r.bits, n)
    }
    envelopeCek(cekSeed(k), sid, seq + sealed, body, n, cekOf(k))
    cekKeep(k)
    cekJoin(k)
    store<u32>(sent + <usize>sealed * 4, index === 0 ? load32be(recordOf(k) + 16) : row(index).handle)
    at += <usize>(OVERHEAD + n)
    sealed++
  }
  cekWrap(kek)
  at = out + <usize>ENVELOPES
  for (let k = 0; k < gathered; k++) {
    const n = sizeOf(k)
    if (n < 0) continue
    memory.copy(at + ENVELOPE_CEK, cekSlot(k), BATCH_CEK)
    envelopeSealBody(at, sid, cekSeed(k), recordOf(k) + RECORD_BODY, n)
    at += <usize>(OVERHEAD + n)
  }
  return <i32>(at - out)
}
