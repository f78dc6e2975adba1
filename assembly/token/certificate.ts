// The fixed 256-byte certificate "OTC1" (OBC-1 §3): making one, and the checks in their order.

import { rtc } from '../board'
import { ctEqual, load16be, load32be, load64be, store16be, store32be, store64be } from '../crypto/util'
import { CURVE_P384, MODEL_BACKUP } from '../protocol'
import { hash384, hashBegin, hashEnd, hashPart } from './digest'
import { ecdsaSign, ecdsaVerify } from './pka'

export const ROOT: i32 = 1
export const HOC: i32 = 2
export const TWC: i32 = 3
export const USAGE_SIGN: u32 = 1
export const USAGE_AGREE: u32 = 2

const MAGIC: u32 = 0x4f544331
const KEY: usize = 48
const ZERO: usize = 145
const SIGNATURE: usize = 160
const HARDWARE_G5: u32 = 0x4735
const HARDWARE_K6: u32 = 0x4b36

const DIGEST: usize = memory.data(48, 16)

/** Public key of the published test root; its private key is the first 48 bytes of SHA-512("OBC1-KAT:root"). */
const ROOT_KEY: usize = memory.data<u8>([
  0x04, 0xf5, 0xb0, 0x72, 0x15, 0xd8, 0x6d, 0x2f, 0x8c, 0x3d, 0x20, 0xaf, 0x22, 0xed, 0x94, 0x5a, 0x36, 0xc3, 0xe8,
  0xdc, 0x81, 0xe9, 0xcd, 0xcf, 0x31, 0xd8, 0xf7, 0xd3, 0xa4, 0x19, 0x6c, 0x18, 0xb0, 0x16, 0x9e, 0xcb, 0xec, 0xf0,
  0x20, 0xdd, 0x5d, 0x87, 0x3a, 0x5c, 0xff, 0x4d, 0xe2, 0x79, 0x51, 0x20, 0xd1, 0x81, 0x31, 0xbc, 0xc9, 0x55, 0x9b,
  0x41, 0xd6, 0xf1, 0x75, 0x83, 0x71, 0xf1, 0xd3, 0xa9, 0x42, 0xa9, 0xdc, 0x5f, 0x8f, 0xf6, 0x0e, 0xb0, 0x4f, 0xf9,
  0xb4, 0xf0, 0x2c, 0x10, 0x34, 0x8d, 0x7c, 0x10, 0x5f, 0xfc, 0xeb, 0x6c, 0xe2, 0x80, 0x6e, 0x2f, 0x86, 0x97, 0x54,
  0xdc, 0xef,
])

export function rootKey(): usize {
  return ROOT_KEY
}

/** Hardware of a personality, as certificates name it. */
export function hardware(model: u32): u32 {
  return model === MODEL_BACKUP ? HARDWARE_G5 : HARDWARE_K6
}

function keyId(key: usize, out: usize): void {
  hash384(key, 97, DIGEST)
  memory.copy(out, DIGEST, 8)
}

/** Everything but the signature. */
export function certificateBody(
  out: usize,
  type: i32,
  usage: u32,
  issuerKey: usize,
  serial: u64,
  model: u32,
  firmware: u32,
  key: usize,
): void {
  memory.fill(out, 0, 256)
  store32be(out, MAGIC)
  store<u8>(out + 4, <u8>type)
  store<u8>(out + 5, 1)
  store16be(out + 6, usage)
  keyId(issuerKey, out + 8)
  store64be(out + 16, serial)
  store64be(out + 24, 0)
  store64be(out + 32, 0xffffffffffffffff)
  store32be(out + 40, hardware(model))
  store32be(out + 44, firmware)
  memory.copy(out + KEY, key, 97)
}

export function signCertificate(certificate: usize, scalar: usize): bool {
  hash384(certificate, <i32>SIGNATURE, DIGEST)
  return ecdsaSign(CURVE_P384, scalar, DIGEST, 48, certificate + SIGNATURE)
}

/** The signature alone. */
export function certificateIsFrom(certificate: usize, issuerKey: usize): bool {
  hash384(certificate, <i32>SIGNATURE, DIGEST)
  return ecdsaVerify(CURVE_P384, issuerKey, certificate + SIGNATURE, DIGEST, 48) === 0
}

/** H(certificate ∥ issuer's key) of the signatures that verified last: a pair of tokens meets again and again (OBC-1 §3). */
const VERIFIED: usize = memory.data(768, 16)
const VERIFIED_COUNT: i32 = 16
const PAIR: usize = memory.data(48, 16)
let nextVerified: i32 = 0

/** `certificateIsFrom`, remembered; a signature that does not verify is not. */
function isFrom(certificate: usize, issuerKey: usize): bool {
  hashBegin()
  hashPart(certificate, 256)
  hashPart(issuerKey, 97)
  hashEnd(PAIR)
  for (let i = 0; i < VERIFIED_COUNT; i++) if (ctEqual(VERIFIED + <usize>(48 * i), PAIR, 48)) return true
  if (!certificateIsFrom(certificate, issuerKey)) return false
  memory.copy(VERIFIED + <usize>(48 * nextVerified), PAIR, 48)
  nextVerified = (nextVerified + 1) % VERIFIED_COUNT
  return true
}

export function certifiedKey(certificate: usize): usize {
  return certificate + KEY
}

const ID: usize = memory.data(8, 8)

/**
 * All checks of OBC-1 §3: form, type and usage, issuer, serial, validity, signature. That the public key is a point is checked by the
 * accelerator, which refuses to verify with or to agree with anything else.
 */
export function certificateIsGood(certificate: usize, type: i32, serial: u64, issuerKey: usize): bool {
  if (load32be(certificate) !== MAGIC || load<u8>(certificate + 5) !== 1) return false
  for (let i: usize = ZERO; i < SIGNATURE; i++) if (load<u8>(certificate + i) !== 0) return false
  const usage: u32 = type === HOC ? USAGE_SIGN : USAGE_AGREE
  if (load<u8>(certificate + 4) !== <u8>type || load16be(certificate + 6) !== usage) return false
  keyId(issuerKey, ID)
  if (!ctEqual(ID, certificate + 8, 8) || load64be(certificate + 16) !== serial) return false
  const now = <u64>rtc()
  if (now !== 0 && (now < load64be(certificate + 24) || now > load64be(certificate + 32))) return false
  return isFrom(certificate, issuerKey)
}

/** root → HOC → TWC, both lying at `certificates` one behind the other. */
export function chainIsGood(certificates: usize, serial: u64): bool {
  return (
    certificateIsGood(certificates, HOC, serial, ROOT_KEY) &&
    certificateIsGood(certificates + 256, TWC, serial, certifiedKey(certificates))
  )
}
