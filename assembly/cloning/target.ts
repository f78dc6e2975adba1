// The taking side (OBC-1 §5.6, target). One session per partition; any failed check wipes it. An object that fails alone fails alone.

import { SHARED } from '../arena'
import { uptime } from '../board'
import { ctEqual, load16be, load32be, load64be, store16be, store32be, wipe } from '../crypto/util'
import {
  CKO_DATA,
  CLONE_CONTINUE,
  CURVE_P384,
  OBC_BATCHES_OUT,
  OBC_IDLE_TIMEOUT,
  OBC_MAX_BATCH,
  OBC_MAX_MESSAGE,
  OBC_TOKEN_PED,
  RC_ARGUMENTS_BAD,
  RC_CLONE_SESSION_INVALID,
  RC_CLONING_PARAMETER_MISSING,
  RC_DEVICE_MEMORY,
  RC_NEGOTIATION_EXPIRED,
  RC_NEGOTIATION_INVALID,
  RC_NEGOTIATION_NO_ALGS,
  RC_NEGOTIATION_NO_ROOTS,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_RANDOM_NO_RNG,
  ROLE_CRYPTO_OFFICER,
} from '../protocol'
import { chainIsGood } from '../token/certificate'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from '../token/digest'
import { domainCount } from '../token/partitions'
import { ecGenerate } from '../token/pka'
import { fresh } from '../token/random'
import { roleOf, storageKeyOf } from '../token/sessions'
import { isPed, profile } from '../token/state'
import { batchMac, envelopesFit } from './envelope'
import {
  agree,
  BATCH,
  HEADER,
  ID_CERTIFICATES,
  ID_FLAGS,
  KM_HKS,
  KM_HKT,
  KM_KEK,
  KM_SIZE,
  M1_EPH,
  M1_SID,
  M2_CORE,
  M2_EPH,
  M2_IDENTITY,
  M2_NONCE,
  M2_SID,
  M2_TAGS,
  m1Identity,
  m1Offers,
  m2Write,
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
import { CLOSE_SIZE, closeWrite } from './source'
import { storeAll } from './target-store'

const REPLIED: u32 = 1
const ESTABLISHED: u32 = 2
/** Idle for too long: wiped, but its client is still told so. */
const EXPIRED: u32 = 3
const MAX_OBJECTS: u32 = 1048576
const MAX_DOMAINS: i32 = 3
const FIRST: u32 = 1
const LAST: u32 = 2

@unmanaged
class Session {
  state: u32
  partition: u32
  access: u64
  touched: i64
  number: u32
  seq: u32
  slot: u32
  lastSeen: u32
  domains: u32
  /** Batch that was answered last. */
  answered: u32
}

// Behind the struct: SID 16, expected tagS 3 × 48, KM 3 × 176; of the last OBC_BATCHES_OUT batches, in the place of their number modulo that:
// lengths of M3 and M4, u32 each, M4 (16,456 bytes for a full batch).
const SID: usize = 64
const EXPECTED: usize = 80
const KM: usize = 224
const CACHE: usize = 752
const CACHE_MESSAGE: usize = 0
const CACHE_LENGTH: usize = 4
const CACHE_ANSWER: usize = 16
const CACHE_SIZE: usize = 16480
const SIZE: usize = CACHE + <usize>OBC_BATCHES_OUT * CACHE_SIZE
const COUNT: i32 = 8
const TABLE_SIZE: i32 = COUNT * <i32>SIZE
const TABLE: usize = memory.data(TABLE_SIZE, 16)
/** M3 of the last batches of every session: sealed as it came, so nothing here is a secret. */
const MESSAGES: usize = memory.data(COUNT * OBC_BATCHES_OUT * OBC_MAX_MESSAGE, 16)

const TH: usize = memory.data(48, 16)
const MAC: usize = memory.data(48, 16)
const CLOSING: usize = memory.data(72, 16)

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

export function targetsClear(): void {
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
export function targetsSweep(): void {
  for (let i = 0; i < COUNT; i++) {
    const s = row(i)
    if (s.state === 0) continue
    if (roleOf(s.access, s.partition) !== ROLE_CRYPTO_OFFICER) wipeSession(s)
    else if (s.state !== EXPIRED && isExpired(s)) expire(s)
  }
}

function failed(s: Session, rc: u32): u32 {
  wipeSession(s)
  return rc
}

function take(access: u64, partition: u32): u32 {
  const s = find(partition)
  if (base(s) === 0 || s.access !== access) return RC_CLONE_SESSION_INVALID
  if (s.state === EXPIRED || isExpired(s)) return failed(s, RC_NEGOTIATION_EXPIRED)
  s.touched = uptime()
  return RC_OK
}

let messageLength: i32 = 0

/** Length of the message that the last step wrote. */
export function targetLength(): i32 {
  return messageLength
}

/** TargetInit: M1 arrives, M2 goes to `out`. */
export function targetInit(access: u64, partition: u32, m1: usize, length: i32, out: usize): u32 {
  const old = find(partition)
  if (base(old) !== 0) wipeSession(old)
  const verdict = cloneVerdict(partition, CKO_DATA)
  if (verdict !== RC_OK) return verdict
  const peer = m1Identity(m1, length)
  if (peer === 0) return RC_NEGOTIATION_INVALID
  if (!m1Offers(m1, SUITE)) return RC_NEGOTIATION_NO_ALGS
  const domains = domainCount(partition)
  if (domains === 0) return RC_CLONING_PARAMETER_MISSING
  if (!chainIsGood(peer + ID_CERTIFICATES, load64be(peer))) return RC_NEGOTIATION_NO_ROOTS
  if (samePlace(peer, partition)) return RC_NEGOTIATION_INVALID
  // Same authentication method on both sides before 7.8.
  const other = (load32be(peer + ID_FLAGS) & OBC_TOKEN_PED) !== <u32>(isPed() ? OBC_TOKEN_PED : 0)
  if (other && profile().mixedAuthentication === 0) return RC_OPERATION_NOT_ALLOWED
  let i = 0
  while (i < COUNT && row(i).state !== 0 && row(i).state !== EXPIRED) i++
  if (i === COUNT) return RC_DEVICE_MEMORY
  const s = row(i)

  const ephemeral = SHARED + 288
  if (!fresh(out + M2_SID, 16) || !fresh(out + M2_NONCE, 32) || !ecGenerate(CURVE_P384, ephemeral, out + M2_EPH)) {
    return RC_RANDOM_NO_RNG
  }
  m2Write(out, m1 + M1_SID, partition, domains)
  hashBegin()
  hashPart(m1, length)
  hashPart(out, M2_CORE)
  hashEnd(TH)
  const agreed = agree(ephemeral, m1 + M1_EPH, peer)
  wipe(ephemeral, 48)
  if (agreed !== RC_OK) return agreed
  const me = out + M2_IDENTITY
  for (let j = 0; j < domains; j++) {
    const km = base(s) + KM + <usize>(j * KM_SIZE)
    if (!sessionKeys(partition, j, TH, km)) return failed(s, RC_CLONING_PARAMETER_MISSING)
    tagOfTarget(km, me, peer, out + M2_EPH, m1 + M1_EPH, TH, MAC)
    memory.copy(out + M2_TAGS + <usize>(32 * j), MAC, 32)
  }
  // tagS covers all tags, so it is computed when the last of them stands.
  for (let j = 0; j < domains; j++) {
    const km = base(s) + KM + <usize>(j * KM_SIZE)
    const expected = base(s) + EXPECTED + <usize>(48 * j)
    tagOfSource(km, peer, me, m1 + M1_EPH, out + M2_EPH, TH, out + M2_TAGS, domains, expected)
    wipe(km, 48)
  }
  wipe(SHARED, 96)
  memory.copy(base(s) + SID, TH, 16)
  s.state = REPLIED
  s.partition = partition
  s.access = access
  s.touched = uptime()
  s.domains = <u32>domains
  messageLength = M2_CORE + 32 * domains
  return RC_OK
}

/** The checks of OBC-1 §5.4 and §5.5 that concern the batch as a whole. RC_OK or why the session ends. */
function batchIsGood(s: Session, m3: usize, length: i32): u32 {
  const first = s.state === REPLIED
  if (s.lastSeen !== 0 || length < HEADER + 88 || length > OBC_MAX_MESSAGE) return RC_NEGOTIATION_INVALID
  if (!obcFrameIs(m3, length, BATCH, s.number + 1)) return RC_NEGOTIATION_INVALID
  const body = m3 + <usize>HEADER
  if (!ctEqual(body, base(s) + SID, 16)) return RC_CLONE_SESSION_INVALID
  const slot = <u32>load<u8>(body + 20)
  const flags = <u32>load<u8>(body + 21)
  const count = <i32>load16be(body + 22)
  if (load32be(body + 16) !== s.number || flags > (FIRST | LAST) || count > OBC_MAX_BATCH) return RC_NEGOTIATION_INVALID
  if (((flags & FIRST) !== 0) !== first) return RC_NEGOTIATION_INVALID
  if (first ? slot >= s.domains : slot !== s.slot) return RC_NEGOTIATION_INVALID
  const envelopes = body + 56
  const room = length - HEADER - 88
  if (!envelopesFit(envelopes, room, count)) return RC_NEGOTIATION_INVALID
  const km = base(s) + KM + <usize>slot * KM_SIZE
  batchMac(km + KM_HKS, m3, count, MAC)
  if (!ctEqual(MAC, m3 + <usize>(length - 32), 32)) return RC_NEGOTIATION_INVALID
  if (first) {
    if (!ctEqual(base(s) + EXPECTED + <usize>(48 * slot), body + 24, 32)) return RC_NEGOTIATION_INVALID
  } else {
    for (let i: usize = 24; i < 56; i++) if (load<u8>(body + i) !== 0) return RC_NEGOTIATION_INVALID
  }
  let p = envelopes
  for (let i = 0; i < count; i++) {
    if (load32be(p) !== s.seq + <u32>i) return RC_NEGOTIATION_INVALID
    p += <usize>load32be(p + 4)
  }
  return s.seq + <u32>count > MAX_OBJECTS ? RC_NEGOTIATION_EXPIRED : RC_OK
}

/** The first batch names the domain: its keys move to the front, the others go. */
function establish(s: Session, slot: u32): void {
  s.slot = slot
  s.state = ESTABLISHED
  for (let j: u32 = 0; j < <u32>MAX_DOMAINS; j++) {
    if (j !== slot) wipe(base(s) + KM + <usize>(j * KM_SIZE), KM_SIZE)
  }
  wipe(base(s) + EXPECTED, 48 * MAX_DOMAINS)
}

/** What a batch was answered: the courier may give the next ones before it has the answer to this one. */
function cacheOf(s: Session, number: u32): usize {
  return base(s) + CACHE + <usize>(number % OBC_BATCHES_OUT) * CACHE_SIZE
}

/** Where M3 of the batch is kept, to be known again. */
function messageOf(s: Session, number: u32): usize {
  const session = (base(s) - TABLE) / SIZE
  return MESSAGES + (session * <usize>OBC_BATCHES_OUT + <usize>(number % OBC_BATCHES_OUT)) * <usize>OBC_MAX_MESSAGE
}

/** The message is one of the last: its answer is the last again. */
function isRepeat(s: Session, m3: usize, length: i32): bool {
  for (let number: u32 = 0; number < <u32>OBC_BATCHES_OUT; number++) {
    const cache = cacheOf(s, number)
    if (load<u32>(cache + CACHE_LENGTH) === 0 || load<u32>(cache + CACHE_MESSAGE) !== <u32>length) continue
    if (memory.compare(m3, messageOf(s, number), length) !== 0) continue
    s.answered = number
    return true
  }
  return false
}

/** M3 arrives: everything is stored in one transaction, then M4 stands at `targetAnswer`. */
export function targetBatch(access: u64, partition: u32, flags: u32, m3: usize, length: i32): u32 {
  const rc = take(access, partition)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  if (flags > <u32>CLONE_CONTINUE) return RC_ARGUMENTS_BAD
  if (isRepeat(s, m3, length)) return RC_OK
  const good = batchIsGood(s, m3, length)
  if (good !== RC_OK) return failed(s, good)
  const body = m3 + <usize>HEADER
  if (s.state === REPLIED) establish(s, <u32>load<u8>(body + 20))
  const count = <i32>load16be(body + 22)
  const cache = cacheOf(s, s.number)
  const answer = cache + CACHE_ANSWER
  const answerLength = HEADER + 24 + 16 * count + 32
  obcHeader(answer, RESULT, answerLength - HEADER, s.number + 1)
  const out = answer + <usize>HEADER
  memory.copy(out, base(s) + SID, 16)
  store32be(out + 16, s.number)
  store16be(out + 20, <u32>count)
  store16be(out + 22, 0)
  if (count > 0) {
    const kek = base(s) + KM + <usize>s.slot * KM_SIZE + KM_KEK
    const psk = storageKeyOf(access, partition)
    storeAll(partition, psk, kek, base(s) + SID, s.seq, body + 56, count, out + 24, flags === CLONE_CONTINUE)
  }
  // A tamper has ended the session meanwhile.
  if (s.state !== ESTABLISHED) return failed(s, RC_CLONE_SESSION_INVALID)
  macBegin(base(s) + KM + <usize>s.slot * KM_SIZE + KM_HKT, 48)
  macPart(answer, answerLength - 32)
  macEnd(MAC)
  memory.copy(answer + <usize>(answerLength - 32), MAC, 32)
  memory.copy(messageOf(s, s.number), m3, length)
  store<u32>(cache + CACHE_MESSAGE, <u32>length)
  store<u32>(cache + CACHE_LENGTH, <u32>answerLength)
  s.answered = s.number
  s.seq += <u32>count
  s.number++
  if ((load<u8>(body + 21) & <u8>LAST) !== 0) s.lastSeen = 1
  return RC_OK
}

/** M4 of the batch that was answered last. */
export function targetAnswer(partition: u32): usize {
  const s = find(partition)
  return cacheOf(s, s.answered) + CACHE_ANSWER
}

export function targetAnswerLength(partition: u32): i32 {
  const s = find(partition)
  return <i32>load<u32>(cacheOf(s, s.answered) + CACHE_LENGTH)
}

/** M5 arrives: the source's count of objects must be ours; the session ends either way. */
export function targetClose(access: u64, partition: u32, m5: usize, length: i32): u32 {
  const rc = take(access, partition)
  if (rc !== RC_OK) return rc
  const s = find(partition)
  if (s.state !== ESTABLISHED || length !== CLOSE_SIZE) return failed(s, RC_NEGOTIATION_INVALID)
  const km = base(s) + KM + <usize>s.slot * KM_SIZE
  closeWrite(CLOSING, km + KM_HKS, base(s) + SID, s.number + 1, s.seq)
  const same = ctEqual(CLOSING, m5, CLOSE_SIZE)
  wipeSession(s)
  return same ? RC_OK : RC_NEGOTIATION_INVALID
}
