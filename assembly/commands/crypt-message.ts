// Crypt commands MESSAGE_NONCE and MESSAGE_SEAL: messages of GCM and CCM whose nonces the token makes (PKCS#11 3.0 §5.9), with the nonce
// given out before the message, or together with it.

import {
  CKA_ENCRYPT,
  CKA_VALUE,
  CKG_NO_GENERATE,
  MESSAGE_BEGUN,
  MESSAGE_FIRST,
  RC_ARGUMENTS_BAD,
  RC_DATA_LEN_RANGE,
  RC_FRAME_MALFORMED,
  RC_KEY_HANDLE_INVALID,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
  RC_OK,
} from '../protocol'
import { plainFind } from '../token/attributes'
import { FAMILY_GCM } from '../token/mechanism-families'
import { canEncrypt, mechFamily, nonFips } from '../token/mechanisms'
import {
  givenLength,
  givenNonce,
  makeNonce,
  nonceFits,
  nonceServed,
  nonceWaits,
  noteOwn,
  takeProcess,
} from '../token/nonces'
import { currentSession, here, needUser } from './context'
import { aeadCounts, aeadSeal, aeadTag, setAead } from './crypt-aead'
import { isAead, openCipher } from './crypt-cipher'
import { dataLength, hasRoom, key, mechanism, readOperation } from './crypt-operation'
import { field8, field32, fieldBytes, fieldLength, fieldsBegin, fieldsDone } from './crypt-parameter'
import { usageGoesOn } from './crypt-usage'
import { readDone, write32, writeBytes, writeSkip } from './frame'

let begun: bool = false
let opens: bool = false
let generator: u32 = 0
let fixed: u32 = 0
let nonce: usize = 0
let nonceLength: i32 = 0
let aad: usize = 0
let aadLength: i32 = 0
let tag: u32 = 0

/** Reads the request and looks at everything that a nonce need not be made for. */
function readMessage(): u32 {
  readOperation()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!canEncrypt() || !isAead()) return RC_MECHANISM_INVALID
  let rc = needUser()
  if (rc !== RC_OK) return rc
  rc = openCipher(CKA_ENCRYPT)
  if (rc !== RC_OK) return rc
  rc = messageFields()
  return rc === RC_OK ? joinProcess() : rc
}

/** Reads the parameter of a message. */
export function messageFields(): u32 {
  fieldsBegin()
  const flags = field8()
  generator = field8()
  fixed = field32()
  nonce = fieldBytes()
  nonceLength = fieldLength()
  aad = fieldBytes()
  aadLength = fieldLength()
  tag = field32()
  if (!fieldsDone() || flags > <u32>(MESSAGE_FIRST | MESSAGE_BEGUN)) return RC_MECHANISM_PARAM_INVALID
  if (!setAead(nonce, nonceLength, aad, aadLength, tag)) return RC_MECHANISM_PARAM_INVALID
  begun = (flags & MESSAGE_BEGUN) !== 0
  opens = (flags & MESSAGE_FIRST) !== 0
  return RC_OK
}

/** Whether the message goes on with the session's process, or begins one. */
function joinProcess(): u32 {
  if (!takeProcess(currentSession(), mechanism, key, opens)) return RC_ARGUMENTS_BAD
  // SP 800-38D §8: where FIPS holds nobody but the token makes an IV of GCM, and a counter that begins anew would make one twice.
  const own = mechFamily !== FAMILY_GCM || nonFips(here())
  return nonceFits(generator, fixed, nonceLength, own) ? RC_OK : RC_MECHANISM_PARAM_INVALID
}

/** The message's nonce in the place of what the client has brought. */
function takeNonce(): u32 {
  if (begun) {
    if (!nonceWaits()) return RC_ARGUMENTS_BAD
  } else if (generator === CKG_NO_GENERATE) noteOwn()
  else {
    const rc = makeNonce(generator, fixed, nonce, nonceLength)
    if (rc !== RC_OK) return rc
  }
  if (generator !== CKG_NO_GENERATE) {
    nonce = givenNonce()
    nonceLength = givenLength()
  }
  return RC_OK
}

/** Takes the nonce that was given out for a message of which the first part has come. */
export function messageBegins(): u32 {
  let rc = joinProcess()
  if (rc !== RC_OK) return rc
  if (!begun) return RC_ARGUMENTS_BAD
  rc = takeNonce()
  if (rc !== RC_OK) return rc
  nonceServed()
  setAead(nonce, nonceLength, aad, aadLength, tag)
  return RC_OK
}

export function messageNonce(): u32 {
  let rc = readMessage()
  if (rc !== RC_OK) return rc
  if (begun || dataLength !== 0) return RC_ARGUMENTS_BAD
  // The message counts as a use, not its nonce.
  usageGoesOn()
  rc = takeNonce()
  if (rc === RC_OK) writeBytes(nonce, nonceLength)
  return rc
}

export function messageSeal(): u32 {
  let rc = readMessage()
  if (rc !== RC_OK) return rc
  const n = dataLength + aeadTag()
  if (!aeadCounts(dataLength) || !hasRoom(n + 4 + nonceLength)) return RC_DATA_LEN_RANGE
  rc = takeNonce()
  if (rc !== RC_OK) return rc
  // A tamper that came while the nonce was drawn has taken the key.
  if (plainFind(CKA_VALUE) === 0) return RC_KEY_HANDLE_INVALID
  nonceServed()
  setAead(nonce, nonceLength, aad, aadLength, tag)
  writeBytes(nonce, nonceLength)
  write32(<u32>n)
  aeadSeal(writeSkip(n))
  return RC_OK
}
