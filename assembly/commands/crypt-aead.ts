// Crypt commands: parameters of GCM (SP 800-38D) and CCM (SP 800-38C), and their work under the key in hand.

import { ccmLengthsValid, ccmOpen, ccmSeal } from '../crypto/ccm'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { load32be } from '../crypto/util'
import { CKA_VALUE, GCM_MADE_IV, RC_OK, RC_RANDOM_NO_RNG } from '../protocol'
import { plainFind, valueLength } from '../token/attributes'
import { FAMILY_GCM } from '../token/mechanism-families'
import { mechFamily, nonFips } from '../token/mechanisms'
import { random } from '../token/random'
import { here } from './context'
import { data, dataLength, parameter, parameterLength } from './crypt-operation'

let nonce: usize = 0
let nonceLength: i32 = 0
let aad: usize = 0
export let aadLength: i32 = 0
let tag: i32 = 0
let made: bool = false

/** The IV that was made last. */
export const MADE_IV: usize = memory.data(GCM_MADE_IV, 16)

export function aeadNonce(): usize {
  return nonce
}

export function aeadNonceLength(): i32 {
  return nonceLength
}

export function aeadAad(): usize {
  return aad
}

/** Whether the IV of what is encrypted is the token's to make (SP 800-38D §8.2): whatever the client has brought is not looked at then. */
export function makesIv(): bool {
  return mechFamily === FAMILY_GCM && !nonFips(here())
}

/** Draws it (SP 800-38D §8.2.2). */
export function drawIv(): u32 {
  if (!random(MADE_IV, GCM_MADE_IV)) return RC_RANDOM_NO_RNG
  nonce = MADE_IV
  nonceLength = GCM_MADE_IV
  made = true
  return RC_OK
}

/** Whether the IV in hand was drawn. */
export function ivMade(): bool {
  return made
}

/** Bytes of the tag, once the parameter was read. */
export function aeadTag(): i32 {
  return tag
}

/** nonce bytes, aad bytes, tag length u32: bits for GCM, bytes for CCM. The nonce may be empty where `seals` and the token makes it. */
export function readAead(seals: bool): bool {
  made = false
  if (parameterLength < 12) return false
  const end = parameter + <usize>parameterLength
  const first = load32be(parameter)
  if ((first === 0 && !(seals && makesIv())) || first > 256 || first > <u32>parameterLength - 12) return false
  nonce = parameter + 4
  nonceLength = <i32>first
  const p = nonce + <usize>first
  const second = load32be(p)
  aad = p + 4
  if (<usize>second > end - aad || aad + <usize>second + 4 !== end) return false
  aadLength = <i32>second
  return tagFits(load32be(aad + <usize>second))
}

/** The same from elsewhere. */
export function setAead(from: usize, length: i32, associated: usize, n: i32, last: u32): bool {
  made = false
  if (length < 1 || length > 256) return false
  nonce = from
  nonceLength = length
  aad = associated
  aadLength = n
  return tagFits(last)
}

function tagFits(last: u32): bool {
  if (mechFamily === FAMILY_GCM) {
    if (last > 128 || (last & 7) !== 0 || (last < 96 && last !== 64 && last !== 32)) return false
    tag = <i32>(last >>> 3)
    return true
  }
  if (last > 16) return false
  tag = <i32>last
  return ccmLengthsValid(16, nonceLength, 0, tag)
}

/** Whether data of so many bytes can be counted. */
export function aeadCounts(n: i32): bool {
  return mechFamily === FAMILY_GCM || ccmLengthsValid(16, nonceLength, n, tag)
}

export function aeadSeal(out: usize): void {
  const value = plainFind(CKA_VALUE)
  const n = valueLength()
  const end = out + <usize>dataLength
  if (mechFamily === FAMILY_GCM) {
    gcmSeal(value, n, nonce, nonceLength, aad, aadLength, data, dataLength, out, end, tag)
  } else ccmSeal(value, n, nonce, nonceLength, aad, aadLength, data, dataLength, out, end, tag)
}

/** False, and nothing written, where the tag is wrong. */
export function aeadOpen(n: i32, out: usize): bool {
  const value = plainFind(CKA_VALUE)
  const length = valueLength()
  const end = data + <usize>n
  if (mechFamily === FAMILY_GCM)
    return gcmOpen(value, length, nonce, nonceLength, aad, aadLength, data, n, out, end, tag)
  return ccmOpen(value, length, nonce, nonceLength, aad, aadLength, data, n, out, end, tag)
}
