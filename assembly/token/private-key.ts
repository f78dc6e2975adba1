// Private keys in and out of PKCS#8 PrivateKeyInfo (RFC 5208): RSAPrivateKey (RFC 8017 A.1.2), ECPrivateKey (RFC 5915),
// keys of Edwards curves (RFC 8410) and of DSA (private-key-dsa.ts).

import { PKA_IN, PKA_OUT, PLAIN_MAX, PLAIN2, SECRET, SECRET2, usePlain2 } from '../arena'
import { ctEqual, store32be, wipe } from '../crypto/util'
import {
  CKA_COEFFICIENT,
  CKA_EC_PARAMS,
  CKA_MODULUS,
  CKA_PRIME_1,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
  CKA_VALUE,
  CKK_DSA,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKK_RSA,
  PKA_RSA_PRIVATE,
  PKA_RSA_PUBLIC,
  RC_OK,
  RC_TEMPLATE_INCONSISTENT,
  RC_WRAPPED_KEY_INVALID,
} from '../protocol'
import { plainFind, plainPut, valueLength } from './attributes'
import { curveOf, edwardsLength, edwardsOf, edwardsOid } from './curves'
import {
  derBegin,
  derByte,
  derContent,
  derLength,
  derPut,
  derPutUnsigned,
  derRead,
  derStart,
  derTotal,
  derUnsigned,
  derWrap,
} from './der'
import { accelerate, curveLength, ecPublicOf } from './pka'
import { putDsaGroup, putDsaKey, takeDsa } from './private-key-dsa'

const OID_RSA: usize = memory.data<u8>([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01])
const OID_DSA: usize = memory.data<u8>([0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01])
const OID_EC: usize = memory.data<u8>([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01])

const SEQUENCE: i32 = 0x30
const INTEGER: i32 = 0x02
const OCTETS: i32 = 0x04
const OID: i32 = 0x06
const NULL: i32 = 0x05

let keyAt: usize = 0
let keyEnd: usize = 0
let curveAt: usize = 0
let curveSize: i32 = 0
let groupAt: usize = 0
let groupEnd: usize = 0

/** Opens the PrivateKeyInfo in PLAIN2: its key type, or -1 where it is none of ours. The key itself is then at keyAt to keyEnd. */
export function pkcs8Type(length: i32): i32 {
  const limit = PLAIN2 + <usize>length
  const whole = derRead(PLAIN2, limit, SEQUENCE)
  if (whole !== limit) return -1
  let p = derRead(derContent(), limit, INTEGER)
  if (p === 0 || derLength() !== 1 || load<u8>(derContent()) > 1) return -1
  const afterAlgorithm = derRead(p, limit, SEQUENCE)
  if (afterAlgorithm === 0) return -1
  p = derRead(derContent(), afterAlgorithm, OID)
  if (p === 0) return -1
  const rsa = derLength() === 9 && memory.compare(derContent(), OID_RSA, 9) === 0
  const ec = derLength() === 7 && memory.compare(derContent(), OID_EC, 7) === 0
  const dsa = derLength() === 7 && memory.compare(derContent(), OID_DSA, 7) === 0
  if (dsa) {
    if (derRead(p, afterAlgorithm, SEQUENCE) !== afterAlgorithm) return -1
    groupAt = derContent()
    groupEnd = afterAlgorithm
  } else if (rsa) {
    if (derRead(p, afterAlgorithm, NULL) !== afterAlgorithm || derLength() !== 0) return -1
  } else if (ec) {
    if (derRead(p, afterAlgorithm, OID) !== afterAlgorithm) return -1
    curveAt = p
    curveSize = <i32>(afterAlgorithm - p)
  } else if (edwardsOf(derContent() - 2, derLength() + 2) !== 0) {
    // RFC 8410 §3: no parameters.
    if (p !== afterAlgorithm) return -1
    curveAt = derContent() - 2
    curveSize = derLength() + 2
  } else return -1
  // Attributes and, in version 1, a public key may follow the key.
  if (derRead(afterAlgorithm, limit, OCTETS) === 0) return -1
  keyAt = derContent()
  keyEnd = keyAt + <usize>derLength()
  if (dsa) return CKK_DSA
  return rsa ? CKK_RSA : ec ? CKK_EC : CKK_EC_EDWARDS
}

/** Puts the components of the key that `pkcs8Type` opened into the object in hand, and tries it once. */
export function takePrivateKey(keyType: u32): u32 {
  if (keyType === CKK_EC_EDWARDS) return takeEdwards()
  if (keyType === CKK_DSA) return takeDsa(groupAt, groupEnd, keyAt, keyEnd)
  return keyType === CKK_RSA ? takeRsa() : takeEc()
}

function takeRsa(): u32 {
  if (derRead(keyAt, keyEnd, SEQUENCE) !== keyEnd) return RC_WRAPPED_KEY_INVALID
  let p = derRead(derContent(), keyEnd, INTEGER)
  if (p === 0 || derLength() !== 1 || load<u8>(derContent()) !== 0) return RC_WRAPPED_KEY_INVALID
  for (let i = 0; i < 8; i++) {
    // modulus, publicExponent, privateExponent, prime1, prime2, exponent1, exponent2, coefficient
    p = derUnsigned(p, keyEnd)
    if (p === 0) return RC_WRAPPED_KEY_INVALID
    const type: u32 =
      i === 0
        ? CKA_MODULUS
        : i === 1
          ? CKA_PUBLIC_EXPONENT
          : i === 2
            ? CKA_PRIVATE_EXPONENT
            : CKA_PRIME_1 + <u32>(i - 3)
    if (i === 0 && (derLength() < 128 || derLength() > 512)) return RC_WRAPPED_KEY_INVALID
    if (plainFind(type) !== 0) return RC_TEMPLATE_INCONSISTENT
    const rc = plainPut(type, derContent(), derLength())
    if (rc !== RC_OK) return rc
  }
  return p === keyEnd && rsaPairIsGood() ? RC_OK : RC_WRAPPED_KEY_INVALID
}

/** RFC 8410 §7: the seed in an OCTET STRING of its own. */
function takeEdwards(): u32 {
  const n = edwardsLength(edwardsOf(curveAt, curveSize))
  if (derRead(keyAt, keyEnd, OCTETS) !== keyEnd || derLength() !== n) return RC_WRAPPED_KEY_INVALID
  if (plainFind(CKA_EC_PARAMS) !== 0 || plainFind(CKA_VALUE) !== 0) return RC_TEMPLATE_INCONSISTENT
  const seed = derContent()
  let rc = plainPut(CKA_EC_PARAMS, curveAt, curveSize)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, seed, n)
  return rc
}

function takeEc(): u32 {
  const curve = curveOf(curveAt, curveSize)
  if (curve === 0) return RC_WRAPPED_KEY_INVALID
  if (derRead(keyAt, keyEnd, SEQUENCE) !== keyEnd) return RC_WRAPPED_KEY_INVALID
  let p = derRead(derContent(), keyEnd, INTEGER)
  if (p === 0 || derLength() !== 1 || load<u8>(derContent()) !== 1) return RC_WRAPPED_KEY_INVALID
  p = derRead(p, keyEnd, OCTETS)
  const L = curveLength(curve)
  if (p === 0 || derLength() === 0 || derLength() > L) return RC_WRAPPED_KEY_INVALID
  memory.fill(SECRET, 0, L)
  memory.copy(SECRET + <usize>(L - derLength()), derContent(), derLength())
  if (!ecPublicOf(curve, SECRET, SECRET2)) return RC_WRAPPED_KEY_INVALID
  if (!publicFits(p, L)) return RC_WRAPPED_KEY_INVALID
  if (plainFind(CKA_EC_PARAMS) !== 0 || plainFind(CKA_VALUE) !== 0) return RC_TEMPLATE_INCONSISTENT
  let rc = plainPut(CKA_EC_PARAMS, curveAt, curveSize)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, SECRET, L)
  return rc
}

/** The optional [0] parameters and [1] public key behind the scalar: where the public key is there it must be the scalar's. */
function publicFits(from: usize, L: i32): bool {
  let p = from
  if (p < keyEnd && load<u8>(p) === 0xa0) {
    p = derRead(p, keyEnd, 0xa0)
    if (p === 0 || derLength() !== curveSize || memory.compare(derContent(), curveAt, curveSize) !== 0) return false
  }
  if (p === keyEnd) return true
  if (derRead(p, keyEnd, 0xa1) !== keyEnd) return false
  if (derRead(derContent(), keyEnd, 0x03) !== keyEnd || derLength() !== 2 + 2 * L) return false
  return load<u8>(derContent()) === 0 && memory.compare(derContent() + 1, SECRET2, 1 + 2 * L) === 0
}

// ---- RSA through the accelerator ---------------------------------------------------------------------------------------

let inputAt: usize = 0

function component(type: u32): bool {
  const p = plainFind(type)
  const n = valueLength()
  if (p === 0 || inputAt + 4 + <usize>n > PKA_IN + 2600) return false
  store32be(inputAt, <u32>n)
  memory.copy(inputAt + 4, p, n)
  inputAt += 4 + <usize>n
  return true
}

/** Bytes of the modulus of the RSA key in hand. */
export function modulusLength(): i32 {
  plainFind(CKA_MODULUS)
  return valueLength()
}

/** Bits of that modulus. */
export function modulusBits(): i32 {
  const p = plainFind(CKA_MODULUS)
  return valueLength() * 8 - <i32>clz<u32>(<u32>load<u8>(p)) + 24
}

/** Raw private operation of the key in hand on k bytes at `block`; the result is in PKA_OUT. */
export function rsaPrivate(block: usize): bool {
  const k = modulusLength()
  inputAt = PKA_IN
  if (!component(CKA_MODULUS) || !component(CKA_PUBLIC_EXPONENT) || !component(CKA_PRIVATE_EXPONENT)) return false
  for (let type: u32 = CKA_PRIME_1; type <= <u32>CKA_COEFFICIENT; type++) if (!component(type)) return false
  memory.copy(inputAt, block, k)
  return accelerate(PKA_RSA_PRIVATE, <i32>(inputAt - PKA_IN) + k) === k
}

/** Raw public operation of the key in hand; the result is in PKA_OUT. */
export function rsaPublic(block: usize): bool {
  const k = modulusLength()
  inputAt = PKA_IN
  if (!component(CKA_MODULUS) || !component(CKA_PUBLIC_EXPONENT)) return false
  memory.copy(inputAt, block, k)
  return accelerate(PKA_RSA_PUBLIC, <i32>(inputAt - PKA_IN) + k) === k
}

/** Pairwise consistency of the RSA key in hand: a block comes back. */
function rsaPairIsGood(): bool {
  const k = modulusLength()
  const block = PLAIN2 + <usize>PLAIN_MAX - 1024
  memory.fill(block, 0x5a, k)
  store<u8>(block, 0)
  usePlain2(PLAIN_MAX)
  if (!rsaPrivate(block)) return false
  memory.copy(block + 512, PKA_OUT, k)
  const back = rsaPublic(block + 512) && ctEqual(PKA_OUT, block, k)
  wipe(block, 1024)
  return back
}

// ---- out --------------------------------------------------------------------------------------------------------------

/** Writes the private key in hand as PrivateKeyInfo; it ends at the end of PLAIN2. Its length, 0 where it cannot be written. */
export function pkcs8Write(keyType: u32): i32 {
  usePlain2(PLAIN_MAX)
  derBegin(PLAIN2 + <usize>PLAIN_MAX)
  const whole = derStart()
  if (keyType === CKK_RSA) {
    for (let i = 7; i >= 0; i--) {
      const type: u32 =
        i === 0
          ? CKA_MODULUS
          : i === 1
            ? CKA_PUBLIC_EXPONENT
            : i === 2
              ? CKA_PRIVATE_EXPONENT
              : CKA_PRIME_1 + <u32>(i - 3)
      const p = plainFind(type)
      if (p === 0) return 0
      derPutUnsigned(p, valueLength())
    }
    putVersion(0)
    derWrap(SEQUENCE, whole)
    derWrap(OCTETS, whole)
    const mark = derStart()
    derByte(0)
    derByte(NULL)
    derPut(OID_RSA, 9)
    derByte(9)
    derByte(OID)
    derWrap(SEQUENCE, mark)
  } else if (keyType === CKK_DSA) {
    if (!putDsaKey()) return 0
    derWrap(OCTETS, whole)
    const mark = derStart()
    putDsaGroup()
    derPut(OID_DSA, 7)
    derByte(7)
    derByte(OID)
    derWrap(SEQUENCE, mark)
  } else if (keyType === CKK_EC_EDWARDS) {
    const params = plainFind(CKA_EC_PARAMS)
    const curve = edwardsOf(params, valueLength())
    const p = plainFind(CKA_VALUE)
    if (curve === 0 || p === 0 || valueLength() !== edwardsLength(curve)) return 0
    derPut(p, edwardsLength(curve))
    derWrap(OCTETS, whole)
    derWrap(OCTETS, whole)
    const mark = derStart()
    derPut(edwardsOid(curve), 5)
    derWrap(SEQUENCE, mark)
  } else {
    const params = plainFind(CKA_EC_PARAMS)
    const paramsLength = valueLength()
    const p = plainFind(CKA_VALUE)
    const L = valueLength()
    const curve = params === 0 ? 0 : curveOf(params, paramsLength)
    if (p === 0 || curve === 0 || !ecPublicOf(curve, p, SECRET2)) return 0
    derPut(SECRET2, 1 + 2 * L)
    derByte(0)
    derWrap(0x03, whole)
    derWrap(0xa1, whole)
    const mark = derStart()
    derPut(p, L)
    derWrap(OCTETS, mark)
    putVersion(1)
    derWrap(SEQUENCE, whole)
    derWrap(OCTETS, whole)
    const algorithm = derStart()
    derPut(params, paramsLength)
    derPut(OID_EC, 7)
    derByte(7)
    derByte(OID)
    derWrap(SEQUENCE, algorithm)
  }
  putVersion(0)
  derWrap(SEQUENCE, whole)
  return derTotal()
}

export function pkcs8Start(): usize {
  return derStart()
}

function putVersion(v: i32): void {
  derByte(v)
  derByte(1)
  derByte(INTEGER)
}
