// What the crypt commands have in common: the operation that a request asks for, its mechanism and key, and block ciphers.

import { PLAIN } from '../arena'
import { blockKey, cipherBlock } from '../crypto/block-cipher'
import { rc2Key } from '../crypto/rc2'
import { load32be } from '../crypto/util'
import {
  CKK_RC2,
  CKO_SECRET_KEY,
  RC_KEY_FUNCTION_NOT_PERMITTED,
  RC_KEY_SIZE_RANGE,
  RC_KEY_TYPE_INCONSISTENT,
  RC_MECHANISM_PARAM_INVALID,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  SEALED_OVERHEAD,
  UNAVAILABLE,
} from '../protocol'
import { boolOf, plainSize } from '../token/attributes'
import { cipherOf, typeServes } from '../token/key-types'
import { FAMILY_CBC, FAMILY_CBC_PAD, FAMILY_CTR, FAMILY_KW, FAMILY_KWP } from '../token/mechanism-families'
import { RC2_LEAST, RC2_MOST } from '../token/mechanism-rows-old'
import { ANY_SECRET } from '../token/mechanism-table'
import { mechFamily, mechKeyType, takeMechanism } from '../token/mechanisms'
import { objectClass, objectKeyType, openObject } from '../token/objects'
import { access, here } from './context'
import { usageOf } from './crypt-usage'
import { read32, readBytes, readLength, writeRoom } from './frame'

export const CTX: usize = memory.data(8192, 16)
export const IV: usize = memory.data(16, 16)

export let mechanism: u32 = 0
export let parameter: usize = 0
export let parameterLength: i32 = 0
export let key: u32 = 0
export let data: usize = 0
export let dataLength: i32 = 0

/** Mechanism, parameter and key. */
export function readKeyed(): void {
  mechanism = read32()
  parameter = readBytes()
  parameterLength = readLength()
  key = read32()
  takeMechanism(mechanism, here())
}

/** The data that follows. */
export function readData(): void {
  data = readBytes()
  dataLength = readLength()
}

/** Mechanism, parameter, key and data. */
export function readOperation(): void {
  readKeyed()
  readData()
}

/** Opens the key and checks that it may be used so. */
export function openKey(handle: u32, usage: u32, notThere: u32): u32 {
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc === RC_OBJECT_HANDLE_INVALID ? notThere : rc
  if (objectKeyType === UNAVAILABLE) return notThere
  return boolOf(PLAIN, plainSize(), usage, false) ? usageOf(handle) : RC_KEY_FUNCTION_NOT_PERMITTED
}

/** Whether the key in hand is a secret one that the mechanism works with. */
export function secretFits(): u32 {
  if (objectClass !== CKO_SECRET_KEY) return RC_KEY_TYPE_INCONSISTENT
  return mechKeyType === ANY_SECRET || typeServes(objectKeyType, mechKeyType) ? RC_OK : RC_KEY_TYPE_INCONSISTENT
}

/** Whether the key in hand is the private or public key that the mechanism works with. */
export function pairFits(cls: u32): u32 {
  return objectClass === cls && objectKeyType === mechKeyType ? RC_OK : RC_KEY_TYPE_INCONSISTENT
}

export function hasRoom(n: i32): bool {
  return n + 4 + SEALED_OVERHEAD <= writeRoom()
}

/** CIPHER_… of the mechanism, 0 = it has no block cipher. */
export function cipher(): i32 {
  return cipherOf(mechKeyType)
}

/** Bytes of a block of the mechanism's cipher. */
export function blockSize(): i32 {
  return cipherBlock(cipher())
}

/** Bytes before the initial value: for RC2 the number of bits of the key that count, u32. */
export function parameterHead(): i32 {
  return mechKeyType === CKK_RC2 ? 4 : 0
}

/** Whether so many bits of a key of RC2 may count, where the parameter is long enough to say so. */
export function effectiveBitsFit(): bool {
  if (mechKeyType !== CKK_RC2) return true
  const bits = load32be(parameter)
  return bits >= RC2_LEAST && bits <= RC2_MOST
}

/** Whether the parameter is an initial value of the length that the mechanism's mode takes; KW and KWP have one of their own. */
export function ivFits(): u32 {
  let fits = false
  if (mechFamily === FAMILY_KW) fits = parameterLength === 0 || parameterLength === 8
  else if (mechFamily === FAMILY_KWP) fits = parameterLength === 0 || parameterLength === 4 || parameterLength === 8
  else {
    const takes = mechFamily === FAMILY_CBC || mechFamily === FAMILY_CBC_PAD || mechFamily === FAMILY_CTR
    fits = parameterLength === parameterHead() + (takes ? blockSize() : 0)
  }
  if (!fits) return RC_MECHANISM_PARAM_INVALID
  return effectiveBitsFit() ? RC_OK : RC_KEY_SIZE_RANGE
}

/** Expands the key of the mechanism's cipher and takes the initial value out of the way. */
export function expandKey(value: usize, n: i32): void {
  if (mechKeyType === CKK_RC2) rc2Key(CTX, value, n, load32be(parameter))
  else blockKey(CTX, cipher(), value, n)
  const head = parameterHead()
  memory.copy(IV, parameter + <usize>head, min(16, max(0, parameterLength - head)))
}

// ---- initial values of key wrap ---------------------------------------------------------------------------------------

const KW_INITIAL: u64 = (u64.MAX_VALUE / 255) * 0xa6
const KWP_INITIAL: u32 = 0xa65959a6

export function kwInitial(): u64 {
  return parameterLength === 0 ? KW_INITIAL : load<u64>(parameter)
}

/** Of eight bytes the first four: the length stands in the place of the others (RFC 5649 §3). */
export function kwpInitial(): u32 {
  return parameterLength === 0 ? KWP_INITIAL : load32be(parameter)
}
