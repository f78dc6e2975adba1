// Object command GENERATE_PAIR: RSA, elliptic curves, Edwards curves.

import { PKA_IN, PKA_OUT, PLAIN, SECRET, SECRET2 } from '../arena'
import { load32be, store32be } from '../crypto/util'
import {
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_MODULUS,
  CKA_MODULUS_BITS,
  CKA_PRIME_1,
  CKA_PRIVATE_EXPONENT,
  CKA_PUBLIC_EXPONENT,
  CKA_VALUE,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKK_RSA,
  CKM_DSA_KEY_PAIR_GEN,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_X9_31_KEY_PAIR_GEN,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  PKA_RSA_GENERATE,
  RC_ATTRIBUTE_VALUE_INVALID,
  RC_DOMAIN_PARAMS_INVALID,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_FAILED,
  RC_KEY_SIZE_RANGE,
  RC_MECHANISM_INVALID,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCOMPLETE,
} from '../protocol'
import { checkTemplate, plainFind, plainPut, plainSize, ulongOf, valueLength } from '../token/attributes'
import { curveOf, edwardsLength, edwardsOf } from '../token/curves'
import { edGenerate } from '../token/edwards'
import { canGenerate, nonFips, takeMechanism } from '../token/mechanisms'
import { EXPLICIT_MAX, namedField, namedGenerate, namedOrder, takeNamed } from '../token/named-curves'
import { newOuid } from '../token/objects'
import { accelerate, curveLength, ecGenerate } from '../token/pka'
import { completeObject, objectFrom } from '../token/template'
import { here, needOfficer } from './context'
import { read32, readBytes, readDone, readLength } from './frame'
import { generateDsa } from './object-dsa'
import { keepPrivate, keepPublic, mayKeep } from './object-keep'

/** Templates are read after the reader has moved on: their places. */
let list1: usize = 0
let length1: i32 = 0
let list2: usize = 0
let length2: i32 = 0
/** CKA_EC_PARAMS of the pair. */
const PARAMETERS: usize = memory.data(512, 4)

export function generatePair(): u32 {
  const mechanism = read32()
  list1 = readBytes()
  length1 = readLength()
  list2 = readBytes()
  length2 = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needOfficer()
  if (officer !== RC_OK) return officer
  let rc = checkTemplate(list1, length1)
  if (rc === RC_OK) rc = checkTemplate(list2, length2)
  if (rc !== RC_OK) return rc
  takeMechanism(mechanism, here())
  if (!canGenerate()) return RC_MECHANISM_INVALID
  if (mechanism === CKM_RSA_PKCS_KEY_PAIR_GEN || mechanism === CKM_RSA_X9_31_KEY_PAIR_GEN) return generateRsa(mechanism)
  if (mechanism === CKM_EC_EDWARDS_KEY_PAIR_GEN || mechanism === CKM_LUNA_EC_EDWARDS_KEY_PAIR_GEN) {
    return generateEc(mechanism, CKK_EC_EDWARDS)
  }
  if (mechanism === CKM_DSA_KEY_PAIR_GEN) return generateDsa(list1, length1, list2, length2)
  return mechanism === CKM_EC_KEY_PAIR_GEN ? generateEc(mechanism, CKK_EC) : RC_MECHANISM_INVALID
}

let partAt: usize = 0
let partLength: i32 = 0

function part(): usize {
  partLength = <i32>load32be(partAt)
  const p = partAt + 4
  partAt = p + <usize>partLength
  return p
}

const EXPONENT: usize = memory.data<u8>([1, 0, 1])

function generateRsa(mechanism: u32): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_RSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, CKK_RSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  const bits = ulongOf(PLAIN, plainSize(), CKA_MODULUS_BITS, 0)
  if (bits === 0) return RC_TEMPLATE_INCOMPLETE
  const least: u32 = nonFips(here()) ? 1024 : 2048
  if (bits < least || bits > 4096 || (bits & 255) !== 0) return RC_KEY_SIZE_RANGE
  // An exponent of 0 leaves the choice to the HSM, as the vendor's own programs have it.
  const given = plainFind(CKA_PUBLIC_EXPONENT)
  if (given === 0 || (valueLength() === 1 && load<u8>(given) === 0)) {
    rc = plainPut(CKA_PUBLIC_EXPONENT, EXPONENT, 3)
    if (rc !== RC_OK) return rc
  }
  const e = plainFind(CKA_PUBLIC_EXPONENT)
  const eLength = valueLength()
  if (eLength < 1 || eLength > 8 || (load<u8>(e + <usize>(eLength - 1)) & 1) === 0) return RC_ATTRIBUTE_VALUE_INVALID
  memory.copy(SECRET2, e, eLength)
  store32be(PKA_IN, bits)
  store32be(PKA_IN + 4, <u32>eLength)
  memory.copy(PKA_IN + 8, e, eLength)
  const n = accelerate(PKA_RSA_GENERATE, 8 + eLength)
  if (n <= 0) return RC_FUNCTION_FAILED
  partAt = PKA_OUT
  let p = part()
  rc = plainPut(CKA_MODULUS, p, partLength)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc, length2)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_RSA, true)
  partAt = PKA_OUT
  p = part()
  if (rc === RC_OK) rc = plainPut(CKA_MODULUS, p, partLength)
  if (rc === RC_OK) rc = plainPut(CKA_PUBLIC_EXPONENT, SECRET2, eLength)
  p = part()
  if (rc === RC_OK) rc = plainPut(CKA_PRIVATE_EXPONENT, p, partLength)
  for (let type: u32 = CKA_PRIME_1; type < <u32>CKA_PRIME_1 + 5; type++) {
    p = part()
    if (rc === RC_OK) rc = plainPut(type, p, partLength)
  }
  if (rc === RC_OK) rc = completeObject(mechanism)
  return keepPrivate(rc)
}

function generateEc(mechanism: u32, keyType: u32): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, keyType, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  const params = plainFind(CKA_EC_PARAMS)
  if (params === 0) return RC_TEMPLATE_INCOMPLETE
  const paramsLength = valueLength()
  const edwards = keyType === CKK_EC_EDWARDS
  const curve = edwards ? edwardsOf(params, paramsLength) : curveOf(params, paramsLength)
  const named = curve === 0 && keyType === CKK_EC && takeNamed(params, paramsLength)
  if ((curve === 0 && !named) || paramsLength > EXPLICIT_MAX) return RC_ATTRIBUTE_VALUE_INVALID
  if (named && !nonFips(here())) return RC_ATTRIBUTE_VALUE_INVALID
  memory.copy(PARAMETERS, params, paramsLength)
  // DER OCTET STRING around the point: CKA_EC_POINT is encoded so.
  const L = edwards ? edwardsLength(curve) : named ? namedOrder() : curveLength(curve)
  const pointLength = edwards ? L : 1 + 2 * (named ? namedField() : L)
  const head: usize = pointLength > 127 ? 3 : 2
  const made = edwards
    ? edGenerate(curve, SECRET, SECRET2 + head)
    : named
      ? namedGenerate(PARAMETERS, paramsLength, SECRET, SECRET2 + head)
      : ecGenerate(curve, SECRET, SECRET2 + head)
  if (!made) return named ? RC_DOMAIN_PARAMS_INVALID : RC_RANDOM_NO_RNG
  store<u8>(SECRET2, 4)
  if (head === 3) store<u8>(SECRET2 + 1, 0x81)
  store<u8>(SECRET2 + head - 1, <u8>pointLength)
  rc = plainPut(CKA_EC_POINT, SECRET2, <i32>head + pointLength)
  if (rc === RC_OK) rc = completeObject(mechanism)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc, length2)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, keyType, true)
  if (rc === RC_OK) rc = plainPut(CKA_EC_PARAMS, PARAMETERS, paramsLength)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, SECRET, L)
  if (rc === RC_OK) rc = completeObject(mechanism)
  return keepPrivate(rc)
}
