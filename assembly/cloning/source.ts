// The giving side (OBC-1 §5.6, source). One session per partition; any failed check wipes it.

import { SHARED } from '../arena'
import { uptime } from '../board'
import { ctEqual, load16be, load32be, load64be, store16be, store32be, wipe } from '../crypto/util'
import {
  CKO_DATA,
  CLONE_LAST,
  CURVE_P384,
  OBC_BATCHES_OUT,
  OBC_IDLE_TIMEOUT,
  OBC_MAX_BATCH,
  RC_ARGUMENTS_BAD,
  RC_CLONE_SESSION_INVALID,
  RC_CLONING_PARAMETER_MISSING,
  RC_DEVICE_MEMORY,
  RC_NEGOTIATION_EXPIRED,
  RC_NEGOTIATION_INVALID,
  RC_NEGOTIATION_NO_ALGS,
  RC_NEGOTIATION_NO_PSK,
  RC_NEGOTIATION_NO_ROOTS,
  RC_OK,
  RC_RANDOM_NO_RNG,
  ROLE_CRYPTO_OFFICER,
} from '../protocol'
import { chainIsGood } from '../token/certificate'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from '../token/digest'
import { domainCount } from '../token/partitions'
import { ecGenerate } from '../token/pka'
import { fresh } from '../token/random'
import { roleOf, storageKeyOf } from '../token/sessions'
import { batchMac } from './envelope'
import {
  agree,
  BATCH,
  CLOSE,
  HEADER,
  ID_CERTIFICATES,
  KM_HKS,
  KM_HKT,
  KM_KEK,
  KM_SIZE,
  M1_EPH,
  M1_NONCE,
  M1_SID,
  M1_SIZE,
  M2_CORE,
  M2_EPH,
  M2_IDENTITY,
  M2_SID_SOURCE,
  M2_SUITE,
  M2_TAGS,
  m1Identity,
  m1Write,
  m2Domains,
  obcFrameIs,
  obcHeader,
  RESULT,
  SUITE,
  samePlace,
  sessionKeys,
  tagOfSource,
  tagOfTarget,
} from './handshake'
import { cloneVerdict } from './rules'
import { gather, sealedCount, sealGathered } from './source-seal'

const HELLO_SENT: u32 = 1
const ESTABLISHED: u32 = 2
/** Idle for too long: wiped, but its client is still told so. */
const EXPIRED: u32 = 3
/** Batches that it seals ahead of the results: as many as are under way to the target, and the one that it gets next. */
const AHEAD: u32 = OBC_BATCHES_OUT + 1
const MAX_OBJECTS: u32 = 1048576

@unmanaged
class Session {
  state: u32
  partition: u32
  access: u64
  touched: i64
  number: u32
  seq: u32
  slot: u32
  lastSent: u32
  waiting: u32
  firstNumber: u32
}

// Behind the struct: ephS 48, M1 704, SID 16, tagS 48, KM 176, then per waiting batch its first seq, its count and its handles.
const EPH: usize = 64
const M1: usize = 112
const SID: usize = 816
const TAG: usize = 832
const KM: usize = 880
const WAITING: usize = 1056
const WAIT_SIZE: usize = 4104
const SIZE: usize = WAITING + <usize>AHEAD * WAIT_SIZE
const COUNT: i32 = 8
const TABLE_SIZE: i32 = COUNT * <i32>SIZE
const TABLE: usize = memory.data(TABLE_SIZE, 16)

const TH: usize = memory.data(48, 16)
const EXPECTED: usize = memory.data(48, 16)
const CANDIDATE: usize = memory.data(176, 16)

function row(i: i32): Session {
  return changetype<Session>(TABLE + <usize>i * SIZE)
}

function base(s: Session): usize {
  return changetype<usize>(s)
}

function wipeSession(s: Session): void {
  wipe(base(s), <i32>SIZE)
}

function find(partition: u32): Session {
  for (let i = 0; i < COUNT; i++) if (row(i).state !== 0 && row(i).partition === partition) return row(i)
  return changetype<Session>(0)
}

export function sourcesClear(): void {
  for (let i = 0; i < COUNT; i++) wipeSession(row(i))
}

function isExpired(s: Session): bool {
  return uptime() - s.touched >= OBC_IDLE_TIMEOUT
}

function expire(s: Session): void {
  const partition = s.partition
  const access = s.access
  wipeSession(s)
  s.state = EXPIRED
  s.partition = partition
  s.access = access
}

/** Ends the sessions whose Crypto Officer is gone or that were idle for too long. */
export function sourcesSweep(): void {
  for (let i = 0; i < COUNT; i++) {
    const s = row(i)
    if (s.state === 0) continue
    if (roleOf(s.access, s.partition) !== ROLE_CRYPTO_OFFICER) wipeSession(s)
    else if (s.state !== EXPIRED && isExpired(s)) expire(s)
  }
}

/** The session of this client on this partition, in the state that the step needs. */
function take(access: u64, partition: u32, state: u32): u32 {
  const s = find(partition)
  if (base(s) === 0 || s.access !== access) return RC_CLONE_SESSION_INVALID
  if (s.state === EXPIRED || isExpired(s)) return failed(s, RC_NEGOTIATION_EXPIRED)
  if (s.state !== state) return failed(s, RC_NEGOTIATION_INVALID)
  s.touched = uptime()
  return RC_OK
}

function failed(s: Session, rc: u32): u32 {
  wipeSession(s)
  return rc
}

/** SourceInit: M1 into `out`, M1_SIZE bytes. */
export function sourceInit(access: u64, partition: u32, out: usize): u32 {
  const old = find(partition)
  if (base(old) !== 0) wipeSession(old)
  const verdict = cloneVerdict(partition, CKO_DATA)
  if (verdict !== RC_OK) return verdict
  if (domainCount(partition) === 0) return RC_CLONING_PARAMETER_MISSING
  let i = 0
  while (i < COUNT && row(i).state !== 0 && row(i).state !== EXPIRED) i++
  if (i === COUNT) return RC_DEVICE_MEMORY
  const s = row(i)
  const m1 = base(s) + M1
  if (!fresh(m1 + M1_SID, 16) || !fresh(m1 + M1_NONCE, 32) || !ecGenerate(CURVE_P384, base(s) + EPH, m1 + M1_EPH)) {
    return failed(s, RC_RANDOM_NO_RNG)
  }
  m1Write(m1, partition)
  s.state = HELLO_SENT
  s.partition = partition
  s.access = access
  s.touched = uptime()
  memory.copy(out, m1, M1_SIZE)
  return RC_OK
}

/** M2 arrives: certificates, key agreement, and the first pair of own domain and tag that verifies. */
export function sourceHello(access: u64, partition: u32, m2: usize, length: i32): u32 {
  const rc = take(access, partition, HELLO_SENT)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  const m1 = base(s) + M1
  const domains = m2Domains(m2, length)
  if (domains === 0 || !ctEqual(m2 + M2_SID_SOURCE, m1 + M1_SID, 16)) return failed(s, RC_NEGOTIATION_INVALID)
  if (load16be(m2 + M2_SUITE) !== SUITE) return failed(s, RC_NEGOTIATION_NO_ALGS)
  const peer = m2 + M2_IDENTITY
  if (!chainIsGood(peer + ID_CERTIFICATES, load64be(peer))) return failed(s, RC_NEGOTIATION_NO_ROOTS)
  if (samePlace(peer, partition)) return failed(s, RC_NEGOTIATION_INVALID)
  hashBegin()
  hashPart(m1, M1_SIZE)
  hashPart(m2, M2_CORE)
  hashEnd(TH)
  const agreed = agree(base(s) + EPH, m2 + M2_EPH, peer)
  wipe(base(s) + EPH, 48)
  if (agreed !== RC_OK) return failed(s, agreed)

  // Every pair is compared, whatever was found before.
  const me = m1Identity(m1, M1_SIZE)
  let found = false
  for (let j = 0; j < domainCount(partition); j++) {
    if (!sessionKeys(partition, j, TH, CANDIDATE)) return failed(s, RC_CLONING_PARAMETER_MISSING)
    tagOfTarget(CANDIDATE, peer, me, m2 + M2_EPH, m1 + M1_EPH, TH, EXPECTED)
    for (let k = 0; k < domains; k++) {
      const fits = ctEqual(EXPECTED, m2 + M2_TAGS + <usize>(32 * k), 32)
      if (fits && !found) {
        found = true
        s.slot = <u32>k
        memory.copy(base(s) + KM, CANDIDATE, KM_SIZE)
      }
    }
  }
  wipe(CANDIDATE, KM_SIZE)
  wipe(SHARED, 96)
  if (!found) return failed(s, RC_NEGOTIATION_NO_PSK)
  const tags = m2 + M2_TAGS
  tagOfSource(base(s) + KM, me, peer, m1 + M1_EPH, m2 + M2_EPH, TH, tags, domains, base(s) + TAG)
  wipe(base(s) + KM, 48)
  memory.copy(base(s) + SID, TH, 16)
  s.state = ESTABLISHED
  return RC_OK
}

let consumed: u32 = 0
let messageLength: i32 = 0

/** Handles that `sourceBatch` consumed, and the length of its M3. */
export function batchConsumed(): u32 {
  return consumed
}

export function batchLength(): i32 {
  return messageLength
}

/**
 * Seals as many of the listed objects as one message holds. Per handle consumed a code at `codes`; refused ones are not in M3.
 */
export function sourceBatch(
  access: u64,
  partition: u32,
  flags: u32,
  handles: usize,
  n: u32,
  codes: usize,
  out: usize,
): u32 {
  const rc = take(access, partition, ESTABLISHED)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  if (flags > <u32>CLONE_LAST || n > <u32>OBC_MAX_BATCH) return RC_ARGUMENTS_BAD
  if (s.lastSent !== 0 || s.waiting >= AHEAD) return failed(s, RC_NEGOTIATION_INVALID)
  if (s.seq + n > MAX_OBJECTS) return failed(s, RC_NEGOTIATION_EXPIRED)
  const wait = base(s) + WAITING + <usize>s.waiting * WAIT_SIZE
  store<u32>(wait, s.seq)
  consumed = gather(access, partition, handles, n, codes)
  const end = sealGathered(
    storageKeyOf(access, partition),
    base(s) + KM + KM_KEK,
    base(s) + SID,
    s.seq,
    codes,
    wait + 8,
    out,
  )
  if (end === 0) return failed(s, RC_RANDOM_NO_RNG)
  const count = sealedCount()
  s.seq += count
  const last = flags === CLONE_LAST && consumed === n
  finishBatch(s, out, end, count, last)
  store<u32>(wait, count, 4)
  return RC_OK
}

/** Header, fixed part and MAC around the envelopes that stand in place. */
function finishBatch(s: Session, out: usize, at: i32, count: u32, last: bool): void {
  const first = s.number === 0
  messageLength = at + 32
  obcHeader(out, BATCH, messageLength - HEADER, s.number + 1)
  const body = out + <usize>HEADER
  memory.copy(body, base(s) + SID, 16)
  store32be(body + 16, s.number)
  store<u8>(body + 20, <u8>s.slot)
  store<u8>(body + 21, <u8>((first ? 1 : 0) | (last ? 2 : 0)))
  store16be(body + 22, count)
  memory.fill(body + 24, 0, 32)
  if (first) memory.copy(body + 24, base(s) + TAG, 32)
  batchMac(base(s) + KM + KM_HKS, out, <i32>count, EXPECTED)
  memory.copy(out + <usize>at, EXPECTED, 32)
  if (s.waiting === 0) s.firstNumber = s.number
  s.number++
  s.waiting++
  s.lastSent = last ? 1 : 0
}

let resultHandles: usize = 0
let resultRows: usize = 0
let resultCount: u32 = 0

/** After `sourceResult`: count, source handle i, and the 16-byte row i of M4. */
export function resultsCount(): u32 {
  return resultCount
}

export function resultHandle(i: u32): u32 {
  return load<u32>(resultHandles + <usize>i * 4)
}

export function resultRow(i: u32): usize {
  return resultRows + <usize>i * 16
}

const HANDLES: usize = memory.data(4096, 16)

/** M4 of the oldest batch that is out. */
export function sourceResult(access: u64, partition: u32, m4: usize, length: i32): u32 {
  const rc = take(access, partition, ESTABLISHED)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  if (s.waiting === 0) return failed(s, RC_NEGOTIATION_INVALID)
  const wait = base(s) + WAITING
  const firstSeq = load<u32>(wait)
  const count = load<u32>(wait, 4)
  const expectedLength = HEADER + 24 + 16 * <i32>count + 32
  if (length !== expectedLength || !obcFrameIs(m4, length, RESULT, s.firstNumber + 1)) {
    return failed(s, RC_NEGOTIATION_INVALID)
  }
  macBegin(base(s) + KM + KM_HKT, 48)
  macPart(m4, length - 32)
  macEnd(EXPECTED)
  if (!ctEqual(EXPECTED, m4 + <usize>(length - 32), 32)) return failed(s, RC_NEGOTIATION_INVALID)
  const body = m4 + <usize>HEADER
  if (!ctEqual(body, base(s) + SID, 16) || load32be(body + 16) !== s.firstNumber) {
    return failed(s, RC_NEGOTIATION_INVALID)
  }
  if (load16be(body + 20) !== count || load16be(body + 22) !== 0) return failed(s, RC_NEGOTIATION_INVALID)
  for (let i: u32 = 0; i < count; i++) {
    const r = body + 24 + <usize>i * 16
    const handleFits = load32be(r + 4) === RC_OK || load32be(r + 8) === 0xffffffff
    if (load32be(r) !== firstSeq + i || load32be(r + 12) !== 0 || !handleFits) return failed(s, RC_NEGOTIATION_INVALID)
  }
  memory.copy(HANDLES, wait + 8, <usize>count * 4)
  resultHandles = HANDLES
  resultRows = body + 24
  resultCount = count
  memory.copy(wait, wait + WAIT_SIZE, (AHEAD - 1) * WAIT_SIZE)
  s.waiting--
  s.firstNumber++
  return RC_OK
}

/** M5 into `out`, 68 bytes; the session ends. */
export const CLOSE_SIZE: i32 = 68

export function closeWrite(out: usize, key: usize, sid: usize, number: u32, total: u32): void {
  obcHeader(out, CLOSE, CLOSE_SIZE - HEADER, number)
  memory.copy(out + 16, sid, 16)
  store32be(out + 32, total)
  macBegin(key, 48)
  macPart(out, 36)
  macEnd(EXPECTED)
  memory.copy(out + 36, EXPECTED, 32)
}

export function sourceClose(access: u64, partition: u32, out: usize): u32 {
  const rc = take(access, partition, ESTABLISHED)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  closeWrite(out, base(s) + KM + KM_HKS, base(s) + SID, s.number + 1, s.seq)
  wipeSession(s)
  return RC_OK
}
