// Object commands GENERATE and GENERATE_PAIR: domain parameters and key pairs of DSA.

import { PKA_OUT, PLAIN } from '../arena'
import {
  CKA_BASE,
  CKA_PRIME,
  CKA_PRIME_BITS,
  CKA_SUBPRIME,
  CKA_SUBPRIME_BITS,
  CKA_VALUE,
  CKK_DSA,
  CKM_DSA_KEY_PAIR_GEN,
  CKM_DSA_PARAMETER_GEN,
  CKO_DOMAIN_PARAMETERS,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  RC_DOMAIN_PARAMS_INVALID,
  RC_FUNCTION_FAILED,
  RC_KEY_SIZE_RANGE,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_TEMPLATE_INCOMPLETE,
} from '../protocol'
import { find, plainFind, plainPut, plainSize, ulongOf, valueLength } from '../token/attributes'
import { dsaGenerate, dsaOrder, dsaParameters } from '../token/dsa'
import { newOuid, objectHandle } from '../token/objects'
import { completeObject, objectFrom } from '../token/template'
import { write32 } from './frame'
import { keepObject, keepPrivate, keepPublic, mayKeep } from './object-keep'

/** CKM_DSA_PARAMETER_GEN: CKA_PRIME_BITS says how large, CKA_SUBPRIME_BITS where there is a choice. */
export function generateParameters(list: usize, length: i32): u32 {
  let rc = objectFrom(list, length, CKO_DOMAIN_PARAMETERS, CKK_DSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  const bits = ulongOf(PLAIN, plainSize(), CKA_PRIME_BITS, 0)
  if (bits === 0) return RC_TEMPLATE_INCOMPLETE
  const subprime = ulongOf(PLAIN, plainSize(), CKA_SUBPRIME_BITS, bits === 1024 ? 160 : 256)
  const fits = bits === 1024 ? subprime === 160 : bits === 2048 ? subprime === 224 || subprime === 256 : bits === 3072
  if (!fits || (bits === 3072 && subprime !== 256)) return RC_KEY_SIZE_RANGE
  if (!dsaParameters(bits, subprime)) return RC_FUNCTION_FAILED
  const p = <i32>(bits >>> 3)
  const q = <i32>(subprime >>> 3)
  rc = plainPut(CKA_PRIME, PKA_OUT, p)
  if (rc === RC_OK) rc = plainPut(CKA_SUBPRIME, PKA_OUT + <usize>p, q)
  if (rc === RC_OK) rc = plainPut(CKA_BASE, PKA_OUT + <usize>(p + q), p)
  if (rc === RC_OK) rc = completeObject(CKM_DSA_PARAMETER_GEN)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  if (rc === RC_OK) rc = keepObject()
  if (rc === RC_OK) write32(objectHandle)
  return rc
}

/** A number of the group from the template of the public key. */
function putFrom(type: u32, list: usize, length: i32): u32 {
  const p = find(list, length, type)
  return plainPut(type, p, valueLength())
}

export function generateDsa(list1: usize, length1: i32, list2: usize, length2: i32): u32 {
  let rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_DSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc === RC_OK) rc = objectFrom(list1, length1, CKO_PUBLIC_KEY, CKK_DSA, true)
  if (rc === RC_OK) rc = mayKeep()
  if (rc !== RC_OK) return rc
  if (plainFind(CKA_PRIME) === 0 || plainFind(CKA_SUBPRIME) === 0 || plainFind(CKA_BASE) === 0) {
    return RC_TEMPLATE_INCOMPLETE
  }
  const q = dsaOrder()
  plainFind(CKA_PRIME)
  const p = valueLength()
  if (p > 384 || q > 32 || !dsaGenerate()) return RC_DOMAIN_PARAMS_INVALID
  rc = plainPut(CKA_VALUE, PKA_OUT + <usize>q, p)
  if (rc === RC_OK) rc = completeObject(CKM_DSA_KEY_PAIR_GEN)
  if (rc === RC_OK && !newOuid()) rc = RC_RANDOM_NO_RNG
  rc = keepPublic(rc, length2)
  if (rc !== RC_OK) return rc

  rc = objectFrom(list2, length2, CKO_PRIVATE_KEY, CKK_DSA, true)
  if (rc === RC_OK) rc = putFrom(CKA_PRIME, list1, length1)
  if (rc === RC_OK) rc = putFrom(CKA_SUBPRIME, list1, length1)
  if (rc === RC_OK) rc = putFrom(CKA_BASE, list1, length1)
  if (rc === RC_OK) rc = plainPut(CKA_VALUE, PKA_OUT, q)
  if (rc === RC_OK) rc = completeObject(CKM_DSA_KEY_PAIR_GEN)
  return keepPrivate(rc)
}
