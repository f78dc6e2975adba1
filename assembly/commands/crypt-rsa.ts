// Crypt commands: RSA encryption (RFC 8017 §7), and the raw operation.

import { PKA_OUT } from '../arena'
import { load32be } from '../crypto/util'
import {
  CKA_DECRYPT,
  CKA_ENCRYPT,
  CKM_RSA_PKCS,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  POLICY_RAW_RSA,
  POLICY_RSA_PKCS,
  RC_DATA_INVALID,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_FUNCTION_FAILED,
  RC_KEY_HANDLE_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_RANDOM_NO_RNG,
} from '../protocol'
import { FAMILY_RSA_OAEP, FAMILY_RSA_PKCS, FAMILY_RSA_RAW } from '../token/mechanism-families'
import { hashOf, mechFamily } from '../token/mechanisms'
import { partitionPolicy } from '../token/policies'
import { modulusLength, rsaPrivate, rsaPublic } from '../token/private-key'
import { BLOCK, decodeOaepOf, decodePkcs1, encodeOaepOf, encodePkcs1Random, oaepFits, rsaMessage } from '../token/rsa'
import { here } from './context'
import { data, dataLength, key, mechanism, openKey, pairFits, parameter, parameterLength } from './crypt-operation'
import { write32, writeSkip } from './frame'

let oaepHash: i32 = 0
let oaepMgf: i32 = 0
let oaepLabel: usize = 0
let oaepLabelLength: i32 = 0

/** The hash alone, or hash, hash of MGF1 and label. */
function readOaep(): bool {
  if (parameterLength !== 4 && parameterLength < 12) return false
  oaepHash = hashOf(load32be(parameter))
  oaepMgf = oaepHash
  oaepLabel = parameter
  oaepLabelLength = 0
  if (parameterLength > 4) {
    oaepMgf = hashOf(load32be(parameter + 4))
    const n = load32be(parameter + 8)
    if (n !== <u32>(parameterLength - 12)) return false
    oaepLabel = parameter + 12
    oaepLabelLength = <i32>n
  }
  return oaepHash !== 0 && oaepMgf !== 0
}

/** Policies of the partition that have to do with RSA's bare mechanisms. */
export function rsaAllowed(): u32 {
  if (mechFamily === FAMILY_RSA_RAW && partitionPolicy(here(), POLICY_RAW_RSA) === 0) return RC_OPERATION_NOT_ALLOWED
  if (mechanism === CKM_RSA_PKCS && partitionPolicy(here(), POLICY_RSA_PKCS) === 0) return RC_OPERATION_NOT_ALLOWED
  return RC_OK
}

export function rsaParameterFits(): bool {
  return mechFamily === FAMILY_RSA_OAEP ? readOaep() : parameterLength === 0
}

/** Is the data as long as what encryption makes with the RSA key in hand? That is no secret, so it may have a code of its own. */
export function rsaLengthFits(): bool {
  return dataLength === modulusLength()
}

/** BLOCK = an encoded message of the mechanism for the public key in hand; `tooLong` where it does not fit. */
export function encodeMessage(p: usize, n: i32, tooLong: u32): u32 {
  const k = modulusLength()
  if (mechFamily === FAMILY_RSA_OAEP) {
    if (!oaepFits(oaepHash, n, k)) return tooLong
    return encodeOaepOf(oaepHash, oaepMgf, oaepLabel, oaepLabelLength, p, n, k) ? RC_OK : RC_RANDOM_NO_RNG
  }
  if (mechFamily === FAMILY_RSA_PKCS) {
    if (n > k - 11) return tooLong
    return encodePkcs1Random(p, n, k) ? RC_OK : RC_RANDOM_NO_RNG
  }
  if (n < 1 || n > k) return tooLong
  encodeRaw(p, n, k)
  return RC_OK
}

/** BLOCK = the data with zeros before it. */
export function encodeRaw(p: usize, n: i32, k: i32): void {
  memory.fill(BLOCK, 0, k - n)
  memory.copy(BLOCK + <usize>(k - n), p, n)
}

/** Opens the data with the private key in hand; its length, or -1 whatever the fault. The message is at `rsaMessage`. */
export function openMessage(): i32 {
  const k = modulusLength()
  if (!rsaPrivate(data)) return -1
  if (mechFamily === FAMILY_RSA_OAEP) return decodeOaepOf(oaepHash, oaepMgf, oaepLabel, oaepLabelLength, k)
  return decodePkcs1(k)
}

export function encryptRsa(): u32 {
  let rc = openKey(key, CKA_ENCRYPT, RC_KEY_HANDLE_INVALID)
  if (rc === RC_OK) rc = pairFits(CKO_PUBLIC_KEY)
  if (rc === RC_OK) rc = rsaAllowed()
  if (rc !== RC_OK) return rc
  if (!rsaParameterFits()) return RC_MECHANISM_PARAM_INVALID
  rc = encodeMessage(data, dataLength, RC_DATA_LEN_RANGE)
  if (rc !== RC_OK) return rc
  const k = modulusLength()
  if (!rsaPublic(BLOCK)) return mechFamily === FAMILY_RSA_RAW ? RC_DATA_INVALID : RC_FUNCTION_FAILED
  write32(<u32>k)
  memory.copy(writeSkip(k), PKA_OUT, k)
  return RC_OK
}

export function decryptRsa(): u32 {
  let rc = openKey(key, CKA_DECRYPT, RC_KEY_HANDLE_INVALID)
  if (rc === RC_OK) rc = pairFits(CKO_PRIVATE_KEY)
  if (rc === RC_OK) rc = rsaAllowed()
  if (rc !== RC_OK) return rc
  if (!rsaParameterFits()) return RC_MECHANISM_PARAM_INVALID
  if (!rsaLengthFits()) return RC_ENCRYPTED_DATA_LEN_RANGE
  if (mechFamily === FAMILY_RSA_RAW) {
    const k = modulusLength()
    if (!rsaPrivate(data)) return RC_ENCRYPTED_DATA_INVALID
    write32(<u32>k)
    memory.copy(writeSkip(k), PKA_OUT, k)
    return RC_OK
  }
  const n = openMessage()
  if (n < 0) return RC_ENCRYPTED_DATA_INVALID
  write32(<u32>n)
  memory.copy(writeSkip(n), rsaMessage(), n)
  return RC_OK
}
