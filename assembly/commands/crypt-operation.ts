// What the crypt commands have in common: the operation that a request asks for, its mechanism and key, and block ciphers.

import { PLAIN } from '../arena'
import { load32be } from '../crypto/util'
import {
  CKK_AES,
  CKK_DES2,
  CKK_DES3,
  CKO_SECRET_KEY,
  RC_KEY_FUNCTION_NOT_PERMITTED,
  RC_KEY_TYPE_INCONSISTENT,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  SEALED_OVERHEAD,
  UNAVAILABLE,
} from '../protocol'
import { boolOf, plainSize } from '../token/attributes'
import { FAMILY_CBC, FAMILY_CBC_PAD, FAMILY_CTR, FAMILY_KW, FAMILY_KWP } from '../token/mechanism-families'
import { ANY_SECRET } from '../token/mechanism-table'
import { mechFamily, mechKeyType, takeMechanism } from '../token/mechanisms'
import { objectClass, objectKeyType, openObject } from '../token/objects'
import { access, here } from './context'
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
  return boolOf(PLAIN, plainSize(), usage, false) ? RC_OK : RC_KEY_FUNCTION_NOT_PERMITTED
}

/** Whether the key in hand is a secret one that the mechanism works with. */
export function secretFits(): u32 {
  if (objectClass !== CKO_SECRET_KEY) return RC_KEY_TYPE_INCONSISTENT
  if (mechKeyType === ANY_SECRET || mechKeyType === objectKeyType) return RC_OK
  // A double-length key is a Triple DES key too.
  return mechKeyType === CKK_DES3 && objectKeyType === CKK_DES2 ? RC_OK : RC_KEY_TYPE_INCONSISTENT
}

/** Whether the key in hand is the private or public key that the mechanism works with. */
export function pairFits(cls: u32): u32 {
  return objectClass === cls && objectKeyType === mechKeyType ? RC_OK : RC_KEY_TYPE_INCONSISTENT
}

export function hasRoom(n: i32): bool {
  return n + 4 + SEALED_OVERHEAD <= writeRoom()
}

/** Bytes of a block of the mechanism's cipher. */
export function blockSize(): i32 {
  return mechKeyType === CKK_AES ? 16 : 8
}

/** Whether the parameter is an initial value of the length that the mechanism's mode takes; KW and KWP have one of their own. */
export function ivFits(): bool {
  if (mechFamily === FAMILY_KW) return parameterLength === 0 || parameterLength === 8
  if (mechFamily === FAMILY_KWP) return parameterLength === 0 || parameterLength === 4 || parameterLength === 8
  const takes = mechFamily === FAMILY_CBC || mechFamily === FAMILY_CBC_PAD || mechFamily === FAMILY_CTR
  return parameterLength === (takes ? blockSize() : 0)
}

export function takeIv(): void {
  if (parameterLength !== 0) memory.copy(IV, parameter, parameterLength)
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
