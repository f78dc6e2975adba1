// Crypt command PART: digests, MACs and signatures of messages that come in parts (crypt-state.ts has what goes on between them).

import { SHARED } from '../arena'
import { hashFinal, hashInit, hashLength, hashUpdate } from '../crypto/sha2'
import { wipe } from '../crypto/util'
import {
  CKA_VALUE,
  CKO_SECRET_KEY,
  PART_DIGEST,
  PART_KEY,
  PART_LAST,
  PART_SIGN,
  PART_VERIFY,
  RC_ARGUMENTS_BAD,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_KEY_HANDLE_INVALID,
  RC_KEY_INDIGESTIBLE,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_SAVED_STATE_INVALID,
} from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { FAMILY_GMAC } from '../token/mechanism-families'
import { canDigest, canSign, canVerify, mechFamily, mechHash } from '../token/mechanisms'
import { objectClass, openObject } from '../token/objects'
import { access, here, needUser } from './context'
import { macBegin, macEnd, macGoOn, macKeep, macLength, macUpdate, RUNNING } from './crypt-mac'
import { data, dataLength, key, parameterLength, readData, readKeyed } from './crypt-operation'
import { isMac, macIsRight, openSigner, openVerifier, setDigested, signPair, verifyPair } from './crypt-sign'
import { CHECK, statesReady, stateUnwrap, stateWrap, WRAPPING } from './crypt-state'
import { usageGoesOn } from './crypt-usage'
import { read8, readBytes, readDone, readLength, write32, writeFixed, writeSkip } from './frame'

/** Check ∥ what is running. */
const STATE: usize = memory.data(512, 16)
const STATE_SIZE: i32 = CHECK + RUNNING

let purpose: u32 = 0

export function wipeParts(): void {
  wipe(STATE, 512)
}

/** A digest has no key, but may take in several. */
function keyOfState(): u32 {
  return purpose === PART_DIGEST ? 0 : key
}

/** Writes what is running behind the check, wrapped. */
function give(): u32 {
  if (!statesReady()) return RC_RANDOM_NO_RNG
  write32(<u32>(STATE_SIZE + WRAPPING))
  stateWrap(purpose, keyOfState(), STATE, STATE_SIZE, writeSkip(STATE_SIZE + WRAPPING))
  return RC_OK
}

/** Opens what `give` has given; false where it is of another operation, client or power-up. */
function take(state: usize, n: i32): bool {
  return stateUnwrap(purpose, keyOfState(), state, n, STATE, STATE_SIZE)
}

/** Works on the running hash of a digest or of a signature of a digest. */
function hashPart(first: bool, p: usize, n: i32, last: bool): void {
  const running = STATE + <usize>CHECK
  if (first) {
    wipe(STATE, 512)
    hashInit(running, mechHash)
  }
  hashUpdate(running, p, n)
  if (last) hashFinal(running, SHARED)
}

function macPart(first: bool, last: bool): void {
  const running = STATE + <usize>CHECK
  if (first) {
    wipe(STATE, 512)
    macBegin()
  } else macGoOn(running)
  macUpdate(data, dataLength)
  if (last) macEnd(SHARED)
  else macKeep(running)
}

export function part(): u32 {
  purpose = read8()
  const flags = read8()
  readKeyed()
  const state = readBytes()
  const stateLength = readLength()
  readData()
  const signature = readBytes()
  const signatureLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (purpose > <u32>PART_VERIFY || flags > <u32>(PART_LAST | PART_KEY)) return RC_ARGUMENTS_BAD
  const last = (flags & PART_LAST) !== 0
  const first = stateLength === 0
  if (purpose === PART_DIGEST) return digestPart(flags, state, stateLength)
  if ((flags & PART_KEY) !== 0) return RC_ARGUMENTS_BAD
  const signs = purpose === PART_SIGN
  if (signs ? !canSign() : !canVerify()) return RC_MECHANISM_INVALID
  let rc = signs ? needUser() : RC_OK
  if (rc === RC_OK) rc = signs ? openSigner() : openVerifier()
  if (rc !== RC_OK) return rc
  const mac = isMac()
  if (mac ? mechFamily === FAMILY_GMAC : mechHash === 0) return RC_FUNCTION_NOT_SUPPORTED
  if (mac && macLength() === 0) return RC_MECHANISM_PARAM_INVALID
  if (!first && !take(state, stateLength)) return RC_SAVED_STATE_INVALID
  if (mac) macPart(first, last)
  else hashPart(first, data, dataLength, last)
  if (!last) {
    usageGoesOn()
    return give()
  }
  if (mac) {
    if (!signs) return macIsRight(signature, signatureLength)
    write32(<u32>macLength())
    writeFixed(SHARED, macLength())
    return RC_OK
  }
  setDigested(hashLength(mechHash))
  return signs ? signPair() : verifyPair(signature, signatureLength)
}

/** Digests need nobody logged in; a key that goes into one has to be there for whoever asks. */
function digestPart(flags: u32, state: usize, stateLength: i32): u32 {
  if (!canDigest()) return RC_MECHANISM_INVALID
  if (parameterLength !== 0) return RC_MECHANISM_PARAM_INVALID
  let p = data
  let n = dataLength
  if ((flags & PART_KEY) !== 0) {
    if (n !== 0) return RC_ARGUMENTS_BAD
    let rc = needUser()
    if (rc === RC_OK) rc = openObject(access(), here(), key)
    if (rc !== RC_OK) return rc === RC_OBJECT_HANDLE_INVALID ? RC_KEY_HANDLE_INVALID : rc
    if (objectClass !== CKO_SECRET_KEY) return RC_KEY_INDIGESTIBLE
    p = plainFind(CKA_VALUE)
    n = valueLength()
  }
  if (stateLength !== 0 && !take(state, stateLength)) return RC_SAVED_STATE_INVALID
  const last = (flags & PART_LAST) !== 0
  hashPart(stateLength === 0, p, n, last)
  if (!last) return give()
  write32(<u32>hashLength(mechHash))
  writeFixed(SHARED, hashLength(mechHash))
  return RC_OK
}
