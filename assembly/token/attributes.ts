// Attribute lists (OBC-1 §5.4): reading, checking, building. A list is `type 4, length 4, value, zero padding to 4`, ascending.

import { PLAIN, PLAIN_MAX, usePlain } from '../arena'
import { load32be, store32be } from '../crypto/util'
import {
  CKA_ALWAYS_SENSITIVE,
  CKA_BASE,
  CKA_CERTIFICATE_CATEGORY,
  CKA_CERTIFICATE_TYPE,
  CKA_CLASS,
  CKA_DERIVE,
  CKA_ENCRYPT,
  CKA_EXTRACTABLE,
  CKA_KEY_GEN_MECHANISM,
  CKA_KEY_TYPE,
  CKA_MODIFIABLE,
  CKA_MODULUS_BITS,
  CKA_OUID,
  CKA_PRIME,
  CKA_PRIME_BITS,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN_RECOVER,
  CKA_SUBPRIME_BITS,
  CKA_TOKEN,
  CKA_TRUSTED,
  CKA_USAGE_COUNT,
  CKA_USAGE_LIMIT,
  CKA_VALUE_LEN,
  CKA_VERIFY_RECOVER,
  RC_ATTRIBUTE_TYPE_INVALID,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_DEVICE_MEMORY,
  RC_OK,
  RC_TEMPLATE_INCONSISTENT,
} from '../protocol'

export const KIND_BYTES: i32 = 0
export const KIND_BOOL: i32 = 1
export const KIND_ULONG: i32 = 2
export const KIND_UNKNOWN: i32 = -1

export function attributeKind(type: u32): i32 {
  if (type === CKA_CLASS || type === CKA_KEY_TYPE || type === CKA_CERTIFICATE_TYPE) return KIND_ULONG
  if (type === CKA_PRIME_BITS || type === CKA_SUBPRIME_BITS) return KIND_ULONG
  if (type === CKA_MODULUS_BITS || type === CKA_VALUE_LEN || type === CKA_KEY_GEN_MECHANISM) return KIND_ULONG
  if (type === CKA_CERTIFICATE_CATEGORY || type === CKA_USAGE_COUNT || type === CKA_USAGE_LIMIT) return KIND_ULONG
  if (type === CKA_TOKEN || type === CKA_PRIVATE || type === CKA_TRUSTED || type === CKA_SENSITIVE) return KIND_BOOL
  if (type >= <u32>CKA_ENCRYPT && type <= <u32>CKA_DERIVE) return KIND_BOOL
  if (type >= <u32>CKA_EXTRACTABLE && type <= <u32>CKA_ALWAYS_SENSITIVE) return KIND_BOOL
  if (type === CKA_MODIFIABLE) return KIND_BOOL
  // CKA_LABEL; application, value, object id; issuer, serial number; check value; subject, id; dates; RSA components; EC.
  if (type === 0x03 || (type >= 0x10 && type <= 0x12) || type === 0x81 || type === 0x82 || type === 0x90)
    return KIND_BYTES
  if (type === 0x101 || type === 0x102 || type === 0x110 || type === 0x111) return KIND_BYTES
  if (type === 0x120 || (type >= 0x122 && type <= 0x128) || type === 0x180 || type === 0x181) return KIND_BYTES
  if ((type >= <u32>CKA_PRIME && type <= <u32>CKA_BASE) || type === CKA_OUID) return KIND_BYTES
  return KIND_UNKNOWN
}

/** Carried by the header of a record or envelope, so never in its list. */
export function inHeader(type: u32): bool {
  if (type <= <u32>CKA_PRIVATE || type === CKA_KEY_TYPE || type === CKA_SENSITIVE) return true
  return (type >= <u32>CKA_EXTRACTABLE && type <= <u32>CKA_ALWAYS_SENSITIVE) || type === CKA_MODIFIABLE
}

export function isUsage(type: u32): bool {
  return type >= <u32>CKA_ENCRYPT && type <= <u32>CKA_DERIVE && type !== CKA_SIGN_RECOVER && type !== CKA_VERIFY_RECOVER
}

export function padded(n: u32): u32 {
  return (n + 3) & ~3
}

/** Form only: ascending types, lengths inside, zero padding. The wire rule of OBC-1; unknown types are let through. */
export function listIsWellFormed(list: usize, length: i32): bool {
  let at: u32 = 0
  const n = <u32>length
  let last: i64 = -1
  while (at < n) {
    if (n - at < 8) return false
    const type = load32be(list + at)
    const size = load32be(list + at + 4)
    if (<i64>type <= last || size > n - at - 8) return false
    const end = at + 8 + size
    const next = at + 8 + padded(size)
    if (next > n) return false
    for (let i = end; i < next; i++) if (load<u8>(list + i) !== 0) return false
    last = <i64>type
    at = next
  }
  return true
}

/** True where a list, already well formed, names an attribute that the header carries. */
export function listHasHeaderAttribute(list: usize, length: i32): bool {
  let at: u32 = 0
  while (at < <u32>length) {
    if (inHeader(load32be(list + at))) return true
    at += 8 + padded(load32be(list + at + 4))
  }
  return false
}

/** Booleans and numbers of a well-formed list have their sizes; of unknown types nothing is known. */
export function valuesFit(list: usize, length: i32): bool {
  let at: u32 = 0
  while (at < <u32>length) {
    const size = load32be(list + at + 4)
    const kind = attributeKind(load32be(list + at))
    if (kind === KIND_BOOL && (size !== 1 || load<u8>(list + at + 8) > 1)) return false
    if (kind === KIND_ULONG && size !== 4) return false
    at += 8 + padded(size)
  }
  return true
}

/** A template from the command port: well formed, known types, values of the right size. */
export function checkTemplate(list: usize, length: i32): u32 {
  if (!listIsWellFormed(list, length)) return RC_TEMPLATE_INCONSISTENT
  let at: u32 = 0
  while (at < <u32>length) {
    if (attributeKind(load32be(list + at)) === KIND_UNKNOWN) return RC_ATTRIBUTE_TYPE_INVALID
    at += 8 + padded(load32be(list + at + 4))
  }
  return valuesFit(list, length) ? RC_OK : RC_ATTRIBUTE_VALUE_INVALID
}

let foundLength: i32 = 0

/** Length of the value that `find` found last. */
export function valueLength(): i32 {
  return foundLength
}

/** Address of an attribute's value in a well-formed list, 0 = not there. */
export function find(list: usize, length: i32, type: u32): usize {
  let at: u32 = 0
  while (at < <u32>length) {
    const t = load32be(list + at)
    const size = load32be(list + at + 4)
    if (t === type) {
      foundLength = <i32>size
      return list + at + 8
    }
    if (t > type) break
    at += 8 + padded(size)
  }
  foundLength = 0
  return 0
}

/** A boolean of a template, or `otherwise`. */
export function boolOf(list: usize, length: i32, type: u32, otherwise: bool): bool {
  const p = find(list, length, type)
  return p === 0 ? otherwise : load<u8>(p) === 1
}

export function ulongOf(list: usize, length: i32, type: u32, otherwise: u32): u32 {
  const p = find(list, length, type)
  return p === 0 ? otherwise : load32be(p)
}

// ---- the list of the object in hand, in PLAIN -------------------------------------------------------------------------

let plainLength: i32 = 0

export function plainBegin(): void {
  plainLength = 0
}

export function setPlainLength(n: i32): void {
  plainLength = n
  usePlain(n)
}

export function plainSize(): i32 {
  return plainLength
}

export function plainFind(type: u32): usize {
  return find(PLAIN, plainLength, type)
}

/** Sets one attribute in PLAIN, in its place. RC_DEVICE_MEMORY where the object grows too large. */
export function plainPut(type: u32, value: usize, length: i32): u32 {
  let at: u32 = 0
  while (at < <u32>plainLength && load32be(PLAIN + at) < type) at += 8 + padded(load32be(PLAIN + at + 4))
  let old: u32 = 0
  if (at < <u32>plainLength && load32be(PLAIN + at) === type) old = 8 + padded(load32be(PLAIN + at + 4))
  // A tamper has wiped the list in hand: no length in it is one.
  if (at + old > <u32>plainLength) return RC_DEVICE_MEMORY
  const size: u32 = 8 + padded(<u32>length)
  const total = <u32>plainLength - old + size
  if (total > <u32>PLAIN_MAX) return RC_DEVICE_MEMORY
  const rest = <u32>plainLength - at - old
  // `value` may lie in PLAIN itself only where it does not move; callers pass other buffers.
  memory.copy(PLAIN + at + size, PLAIN + at + old, rest)
  store32be(PLAIN + at, type)
  store32be(PLAIN + at + 4, <u32>length)
  memory.copy(PLAIN + at + 8, value, length)
  memory.fill(PLAIN + at + 8 + <usize>length, 0, padded(<u32>length) - <u32>length)
  plainLength = <i32>total
  usePlain(<i32>total)
  return RC_OK
}

/** Takes one attribute out of PLAIN, where it is there. */
export function plainDrop(type: u32): void {
  const value = plainFind(type)
  if (value === 0) return
  const size = <usize>(8 + padded(<u32>foundLength))
  const end = PLAIN + <usize>plainLength
  const next = value - 8 + size
  memory.copy(value - 8, next, end - next)
  memory.fill(end - size, 0, size)
  plainLength -= <i32>size
}

const SMALL: usize = memory.data(4, 4)

export function plainPutBool(type: u32, value: bool): u32 {
  store<u8>(SMALL, value ? 1 : 0)
  return plainPut(type, SMALL, 1)
}

export function plainPutUlong(type: u32, value: u32): u32 {
  store32be(SMALL, value)
  return plainPut(type, SMALL, 4)
}

/** Copies every attribute of a template that is no header attribute. */
export function plainTake(list: usize, length: i32): u32 {
  let at: u32 = 0
  while (at < <u32>length) {
    const type = load32be(list + at)
    const size = load32be(list + at + 4)
    if (!inHeader(type)) {
      const rc = plainPut(type, list + at + 8, <i32>size)
      if (rc !== RC_OK) return rc
    }
    at += 8 + padded(size)
  }
  return RC_OK
}
