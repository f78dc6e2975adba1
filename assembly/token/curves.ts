// Named curves by their object identifiers, as CKA_EC_PARAMS and PKCS#8 carry them (RFC 5480 §2.1.1.1, SEC 2).

import { CURVE_P256, CURVE_P384, CURVE_P521, CURVE_SECP256K1 } from '../protocol'

const P256: usize = memory.data<u8>([0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07])
const P384: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22])
const P521: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23])
const K256: usize = memory.data<u8>([0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a])

/** Curve of a DER object identifier, 0 = none we know. */
export function curveOf(oid: usize, length: i32): i32 {
  if (length === 10 && memory.compare(oid, P256, 10) === 0) return CURVE_P256
  if (length !== 7) return 0
  if (memory.compare(oid, P384, 7) === 0) return CURVE_P384
  if (memory.compare(oid, P521, 7) === 0) return CURVE_P521
  return memory.compare(oid, K256, 7) === 0 ? CURVE_SECP256K1 : 0
}
