// Named curves by their object identifiers, as CKA_EC_PARAMS and PKCS#8 carry them (RFC 5480 §2.1.1.1, SEC 2).

import { CURVE_ED448, CURVE_ED25519, CURVE_P256, CURVE_P384, CURVE_P521, CURVE_SECP256K1 } from '../protocol'

const P256: usize = memory.data<u8>([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07])
const P384: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22])
const P521: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23])
const K256: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a])

const ED25519: usize = memory.data<u8>([0x06, 0x03, 0x2b, 0x65, 0x70])
const ED448: usize = memory.data<u8>([0x06, 0x03, 0x2b, 0x65, 0x71])
/** PrintableString "edwards25519" and "edwards448" (PKCS#11 3.0 §6.3.5), and an older object identifier of Ed25519. */
const NAME_25519: usize = memory.data<u8>([
  0x13, 0x0c, 0x65, 0x64, 0x77, 0x61, 0x72, 0x64, 0x73, 0x32, 0x35, 0x35, 0x31, 0x39,
])
const NAME_448: usize = memory.data<u8>([0x13, 0x0a, 0x65, 0x64, 0x77, 0x61, 0x72, 0x64, 0x73, 0x34, 0x34, 0x38])
const OLD_25519: usize = memory.data<u8>([0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01])

function is(oid: usize, length: i32, known: usize, n: i32): bool {
  return length === n && memory.compare(oid, known, n) === 0
}

/** Edwards curve of CKA_EC_PARAMS (RFC 8410 §3), 0 = none we know. */
export function edwardsOf(oid: usize, length: i32): i32 {
  if (is(oid, length, ED25519, 5) || is(oid, length, NAME_25519, 14) || is(oid, length, OLD_25519, 11)) {
    return CURVE_ED25519
  }
  return is(oid, length, ED448, 5) || is(oid, length, NAME_448, 12) ? CURVE_ED448 : 0
}

/** Bytes of a seed and of a public key. */
export function edwardsLength(curve: i32): i32 {
  return curve === CURVE_ED25519 ? 32 : curve === CURVE_ED448 ? 57 : 0
}

/** DER object identifier of an Edwards curve, 5 bytes. */
export function edwardsOid(curve: i32): usize {
  return curve === CURVE_ED25519 ? ED25519 : ED448
}

/** Curve of a DER object identifier, 0 = none we know. */
export function curveOf(oid: usize, length: i32): i32 {
  if (length === 10 && memory.compare(oid, P256, 10) === 0) return CURVE_P256
  if (length !== 7) return 0
  if (memory.compare(oid, P384, 7) === 0) return CURVE_P384
  if (memory.compare(oid, P521, 7) === 0) return CURVE_P521
  return memory.compare(oid, K256, 7) === 0 ? CURVE_SECP256K1 : 0
}
