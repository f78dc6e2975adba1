// What the crypt commands have in common: the operation that a request asks for, its key, OAEP.

import { PLAIN } from '../arena'
import { load32be } from '../crypto/util'
import {
  RC_KEY_FUNCTION_NOT_PERMITTED,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
  SEALED_OVERHEAD,
  UNAVAILABLE,
} from '../protocol'
import { boolOf, plainSize } from '../token/attributes'
import { hashOf } from '../token/mechanisms'
import { objectKeyType, openObject } from '../token/objects'
import { modulusLength, rsaPrivate } from '../token/private-key'
import { decodeOaep } from '../token/rsa'
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
}

/** The same, and data. */
export function readOperation(): void {
  readKeyed()
  data = readBytes()
  dataLength = readLength()
}

/** Opens the key and checks that it may be used so. */
export function openKey(handle: u32, usage: u32, notThere: u32): u32 {
  const rc = openObject(access(), here(), handle)
  if (rc !== RC_OK) return rc === RC_OBJECT_HANDLE_INVALID ? notThere : rc
  if (objectKeyType === UNAVAILABLE) return notThere
  return boolOf(PLAIN, plainSize(), usage, false) ? RC_OK : RC_KEY_FUNCTION_NOT_PERMITTED
}

export function hasRoom(n: i32): bool {
  return n + 4 + SEALED_OVERHEAD <= writeRoom()
}

export function oaepHash(): i32 {
  return parameterLength === 4 ? hashOf(load32be(parameter)) : 0
}

/** Is the data as long as what OAEP makes with the RSA key in hand? That is no secret, so it may have a code of its own. */
export function oaepLengthFits(): bool {
  return dataLength === modulusLength()
}

/** Opens an OAEP message with the private key in hand; its length, or -1 whatever the fault. */
export function openOaep(): i32 {
  return rsaPrivate(data) ? decodeOaep(oaepHash(), dataLength) : -1
}
