// Crypt command AEAD_PART: GCM and CCM over data that comes in parts, or does not fit in one command (SP 800-38D, SP 800-38C).
// Encryption gives each part as it comes. Of a decryption nothing may leave before the tag was right (SP 800-38D §7.2), so there are two
// passes. The first one, CHECK, only hashes, gives the state after each part, and for the right tag a proof of the last state. The second
// one, OPEN, goes from the end to the beginning: the part that leads from the state before it to the proved one is the part of the first
// pass, for another would have to collide with it under the secret hash key (CCM: the secret MAC). Its plaintext goes out with a proof of
// the state before it. Nobody can exchange or leave out anything between the passes, and the token keeps nothing.

import {
  ccmAbsorb,
  ccmAbsorbOpened,
  ccmBegin,
  ccmCrypt,
  ccmEnd,
  ccmGoOn,
  ccmKeep,
  ccmLength,
  ccmTag,
  ccmTotal,
} from '../crypto/ccm'
import {
  GCM_MOST,
  GCM_RUNNING,
  gcmAbsorb,
  gcmBegin,
  gcmCrypt,
  gcmEnd,
  gcmGoOn,
  gcmKeep,
  gcmLength,
  gcmTag,
} from '../crypto/gcm'
import { ctEqual, wipe } from '../crypto/util'
import {
  AEAD_CHECK,
  AEAD_LAST,
  AEAD_MESSAGE,
  AEAD_OPEN,
  AEAD_SEAL,
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKA_VALUE,
  RC_ARGUMENTS_BAD,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_KEY_HANDLE_INVALID,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_SAVED_STATE_INVALID,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { FAMILY_GCM } from '../token/mechanism-families'
import { canDecrypt, canEncrypt, mechFamily } from '../token/mechanisms'
import { streamNext, streamTake } from '../token/streams'
import { currentSession, needUser } from './context'
import {
  aadLength,
  aeadAad,
  aeadCounts,
  aeadNonce,
  aeadNonceLength,
  aeadTag,
  drawIv,
  ivMade,
  MADE_IV,
  makesIv,
  readAead,
} from './crypt-aead'
import { isAead, openCipher } from './crypt-cipher'
import { messageBegins, messageFields } from './crypt-message'
import { data, dataLength, hasRoom, key, readData, readKeyed } from './crypt-operation'
import { CHECK, statesReady, stateUnwrap, stateWrap, WRAPPING } from './crypt-state'
import { usageCounted, usageGoesOn } from './crypt-usage'
import { read8, read64, readBytes, readDone, readLength, write32, writeFixed, writeSkip } from './frame'

/** A state: check 16, number u64 (native), IV that was made 16 and whether one was u64, what is running, of which CCM needs less. */
const NUMBER: usize = <usize>CHECK
const IV: usize = NUMBER + 8
const HAS_IV: usize = IV + 16
const RUNNING: usize = HAS_IV + 8
const SIZE: i32 = <i32>RUNNING + GCM_RUNNING
const WRAPPED: i32 = SIZE + WRAPPING
/** Purposes of states, beside those of PART. */
const LABEL: u32 = 16

const STATE: usize = memory.data(128, 16)
const PROOF: usize = memory.data(128, 16)
const AFTER: usize = memory.data(GCM_RUNNING, 16)
const TAG: usize = memory.data(16, 16)

let used: bool = false
let state: usize = 0
let stateLength: i32 = 0
let proof: usize = 0
let proofLength: i32 = 0
let total: u64 = 0
let isMessage: bool = false

export function wipeStream(): void {
  if (!used) return
  used = false
  gcmEnd()
  ccmEnd()
  wipe(STATE, 128)
  wipe(PROOF, 128)
  wipe(AFTER, GCM_RUNNING)
  wipe(TAG, 16)
}

function begin(seals: bool): u32 {
  const gcm = mechFamily === FAMILY_GCM
  if (!gcm && (total > <u64>i32.MAX_VALUE || !aeadCounts(<i32>total))) return tooLong(seals)
  let rc: u32 = RC_OK
  if (isMessage) rc = messageBegins()
  else if (seals && makesIv()) rc = drawIv()
  if (rc !== RC_OK) return rc
  // A tamper that came while something was drawn has taken the key.
  const value = plainFind(CKA_VALUE)
  if (value === 0) return RC_KEY_HANDLE_INVALID
  const n = valueLength()
  if (gcm) gcmBegin(value, n, aeadNonce(), aeadNonceLength(), aeadAad(), aadLength)
  else ccmBegin(value, n, aeadNonce(), aeadNonceLength(), aeadAad(), aadLength, <i32>total, aeadTag())
  return RC_OK
}

/** Goes on from STATE. */
function goOn(): u32 {
  const value = plainFind(CKA_VALUE)
  if (value === 0) return RC_KEY_HANDLE_INVALID
  if (mechFamily === FAMILY_GCM) gcmGoOn(value, valueLength(), STATE + RUNNING)
  else ccmGoOn(value, valueLength(), STATE + RUNNING)
  return RC_OK
}

function tooLong(seals: bool): u32 {
  return seals ? RC_DATA_LEN_RANGE : RC_ENCRYPTED_DATA_LEN_RANGE
}

/** Whether the part in hand is as long as what was said beforehand, or what can be counted, leaves it. */
function lengthFits(last: bool): bool {
  const n = <u64>dataLength
  if (mechFamily === FAMILY_GCM) return gcmLength() + n <= GCM_MOST
  const left = ccmTotal() - ccmLength()
  return last ? n === left : n <= left
}

function keep(running: usize): void {
  if (mechFamily === FAMILY_GCM) gcmKeep(running)
  else ccmKeep(running)
}

function tagTo(out: usize): void {
  if (mechFamily === FAMILY_GCM) gcmTag(out)
  else ccmTag(out)
}

/** Takes the ciphertext of the part in hand into the hash. */
function absorb(): void {
  if (mechFamily === FAMILY_GCM) gcmAbsorb(data, dataLength)
  else ccmAbsorbOpened(data, dataLength)
}

/** Writes STATE, wrapped, as a field. */
function give(purpose: u32): void {
  write32(<u32>WRAPPED)
  stateWrap(LABEL + purpose, key, STATE, SIZE, writeSkip(WRAPPED))
}

function take(purpose: u32, from: usize, n: i32, to: usize): bool {
  return stateUnwrap(LABEL + purpose, key, from, n, to, SIZE)
}

export function aeadPart(): u32 {
  const purpose = read8()
  const flags = read8()
  readKeyed()
  total = read64()
  state = readBytes()
  stateLength = readLength()
  readData()
  proof = readBytes()
  proofLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const seals = purpose === AEAD_SEAL
  const last = (flags & AEAD_LAST) !== 0
  const first = stateLength === 0
  isMessage = (flags & AEAD_MESSAGE) !== 0
  if (purpose > <u32>AEAD_OPEN || flags > <u32>(AEAD_LAST | AEAD_MESSAGE) || (isMessage && !seals))
    return RC_ARGUMENTS_BAD
  if (!isAead() || (seals ? !canEncrypt() : !canDecrypt())) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  // An encryption is a use when its first part goes out, a decryption when its tag is looked at.
  if (seals ? !first : purpose === AEAD_OPEN) usageCounted()
  rc = openCipher(seals ? CKA_ENCRYPT : CKA_DECRYPT)
  if (rc !== RC_OK) return rc
  if (purpose === AEAD_CHECK && !last) usageGoesOn()
  if (isMessage) rc = messageFields()
  else if (!readAead(seals)) rc = RC_MECHANISM_PARAM_INVALID
  if (rc !== RC_OK) return rc
  const tagged = purpose === AEAD_CHECK && last
  if (purpose !== AEAD_OPEN && proofLength !== (tagged ? aeadTag() : 0)) return RC_ARGUMENTS_BAD
  if (purpose !== AEAD_OPEN && !last && mechFamily !== FAMILY_GCM && (dataLength & 15) !== 0) return tooLong(seals)
  if (!hasRoom(4 + WRAPPED + dataLength + (seals ? aeadTag() + 16 : 0))) return tooLong(seals)
  used = true
  wipe(STATE, 128)
  if (!first && !take(seals ? AEAD_SEAL : AEAD_CHECK, state, stateLength, STATE)) return RC_SAVED_STATE_INVALID
  if (seals) return seal(first, last)
  return purpose === AEAD_CHECK ? checkPart(first, last) : open(first)
}

function seal(first: bool, last: bool): u32 {
  const session = currentSession()
  if (!first && !streamTake(session, load<u64>(STATE + NUMBER))) return RC_SAVED_STATE_INVALID
  const rc = first ? begin(true) : goOn()
  if (rc !== RC_OK) return rc
  if (!lengthFits(last)) return RC_DATA_LEN_RANGE
  if (!last && !statesReady()) return RC_RANDOM_NO_RNG
  if (first && ivMade()) {
    store<u64>(STATE + HAS_IV, 1)
    memory.copy(STATE + IV, MADE_IV, 16)
  }
  const wrapped = last ? 0 : writeSkip(4 + WRAPPED)
  if (last) write32(0)
  const ivLength = last && load<u64>(STATE + HAS_IV) !== 0 ? 16 : 0
  const tagLength = last ? aeadTag() : 0
  write32(<u32>(dataLength + tagLength + ivLength))
  const out = writeSkip(dataLength)
  if (mechFamily === FAMILY_GCM) {
    gcmCrypt(data, dataLength, out)
    gcmAbsorb(out, dataLength)
  } else {
    ccmAbsorb(data, dataLength)
    ccmCrypt(data, dataLength, out)
  }
  if (last) {
    tagTo(TAG)
    writeFixed(TAG, tagLength)
    writeFixed(STATE + IV, ivLength)
    return RC_OK
  }
  store<u64>(STATE + NUMBER, streamNext(session))
  keep(STATE + RUNNING)
  store<u32>(wrapped, bswap<u32>(<u32>WRAPPED))
  stateWrap(LABEL + AEAD_SEAL, key, STATE, SIZE, wrapped + 4)
  return RC_OK
}

function checkPart(first: bool, last: bool): u32 {
  const rc = first ? begin(false) : goOn()
  if (rc !== RC_OK) return rc
  if (!lengthFits(last)) return RC_ENCRYPTED_DATA_LEN_RANGE
  absorb()
  keep(STATE + RUNNING)
  if (last) {
    tagTo(TAG)
    if (!ctEqual(TAG, proof, proofLength)) return RC_ENCRYPTED_DATA_INVALID
  }
  if (!statesReady()) return RC_RANDOM_NO_RNG
  give(last ? AEAD_OPEN : AEAD_CHECK)
  write32(0)
  return RC_OK
}

function open(first: bool): u32 {
  if (!take(AEAD_OPEN, proof, proofLength, PROOF)) return RC_SAVED_STATE_INVALID
  const rc = first ? begin(false) : goOn()
  if (rc !== RC_OK) return rc
  absorb()
  keep(AFTER)
  if (!ctEqual(AFTER, PROOF + RUNNING, GCM_RUNNING)) return RC_SAVED_STATE_INVALID
  if (first) write32(0)
  else give(AEAD_OPEN)
  write32(<u32>dataLength)
  const out = writeSkip(dataLength)
  if (mechFamily === FAMILY_GCM) gcmCrypt(data, dataLength, out)
  else ccmCrypt(data, dataLength, out)
  return RC_OK
}
