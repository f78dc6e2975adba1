// Crypt commands: MACs of the secret key in hand, of a message at once or in parts.

import { CMAC_CTX, cmacFinal, cmacInitWith, cmacResume, cmacUpdate } from '../crypto/cmac'
import { HMAC_CTX, hmacFinal, hmacInit, hmacResume, hmacUpdate } from '../crypto/hmac'
import { gcmSeal } from '../crypto/modes'
import { HASH_CTX, hashLength } from '../crypto/sha2'
import { load32be, wipe } from '../crypto/util'
import { CKA_VALUE } from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { FAMILY_CBC_MAC, FAMILY_GMAC, FAMILY_HMAC } from '../token/mechanism-families'
import { mechFamily, mechHash, mechIsGeneral } from '../token/mechanisms'
import {
  blockSize,
  CTX,
  cipher,
  effectiveBitsFit,
  expandKey,
  parameter,
  parameterHead,
  parameterLength,
} from './crypt-operation'

const HMAC: usize = memory.data(HMAC_CTX, 16)
const CMAC: usize = memory.data(CMAC_CTX, 16)

/** Bytes of what has to be kept of a message between two parts: its running hash, or a CMAC context. */
export const RUNNING: i32 = HASH_CTX

export function wipeMac(): void {
  wipe(HMAC, HMAC_CTX)
  wipe(CMAC, CMAC_CTX)
}

/** Bytes of the whole MAC. */
function wholeLength(): i32 {
  return mechFamily === FAMILY_HMAC ? hashLength(mechHash) : mechFamily === FAMILY_GMAC ? 16 : blockSize()
}

/** Bytes of the MAC that the mechanism and its parameter ask for; 0 where the parameter is none of its own. */
export function macLength(): i32 {
  const most = wholeLength()
  if (mechFamily === FAMILY_GMAC) return parameterLength >= 1 && parameterLength <= 256 ? 16 : 0
  if (mechIsGeneral) {
    if (parameterLength !== 4) return 0
    const n = load32be(parameter)
    return n >= 1 && n <= <u32>most ? <i32>n : 0
  }
  if (parameterLength !== parameterHead() || !effectiveBitsFit()) return 0
  // The older MACs are half a block (PKCS#11 3.0 §6.20.6).
  return mechFamily === FAMILY_CBC_MAC ? most >> 1 : most
}

export function macBegin(): void {
  const value = plainFind(CKA_VALUE)
  if (mechFamily === FAMILY_HMAC) hmacInit(HMAC, mechHash, value, valueLength())
  else {
    expandKey(value, valueLength())
    cmacInitWith(CMAC, CTX, cipher(), mechFamily === FAMILY_CBC_MAC)
  }
}

/** Goes on where `macKeep` has ended, under the same key. */
export function macGoOn(running: usize): void {
  macBegin()
  if (mechFamily === FAMILY_HMAC) {
    hmacResume(HMAC, running)
    return
  }
  memory.copy(CMAC, running, CMAC_CTX)
  cmacResume(CMAC, CTX)
}

export function macKeep(running: usize): void {
  memory.copy(running, mechFamily === FAMILY_HMAC ? HMAC : CMAC, mechFamily === FAMILY_HMAC ? HASH_CTX : CMAC_CTX)
}

export function macUpdate(p: usize, n: i32): void {
  if (mechFamily === FAMILY_HMAC) hmacUpdate(HMAC, p, n)
  else cmacUpdate(CMAC, p, n)
}

/** Writes the whole MAC, at most 64 bytes. */
export function macEnd(out: usize): void {
  if (mechFamily === FAMILY_HMAC) hmacFinal(HMAC, out)
  else cmacFinal(CMAC, out)
}

/** The MAC of a whole message. */
export function macOf(p: usize, n: i32, out: usize): void {
  if (mechFamily === FAMILY_GMAC) {
    const value = plainFind(CKA_VALUE)
    gcmSeal(value, valueLength(), parameter, parameterLength, p, n, p, 0, out, out, 16)
    return
  }
  macBegin()
  macUpdate(p, n)
  macEnd(out)
}
