// The message calls of PKCS#11 3.0 as our own library sends them. p11-kit's client has numbers of its own for them, and sends C structures
// with addresses of the program's memory in them: to it they are calls that the door has not.

import { call } from './calls.js'
import { byteRoom, bytes, nothing, row, ulong } from './codec.js'
import { mechanism } from './mechanism-codec.js'

const u = ulong
const start = row(u, mechanism, u)

/** Which structure a message's parameter was: none, CK_GCM_MESSAGE_PARAMS, CK_CCM_MESSAGE_PARAMS. */
export const FORM = { none: 0, gcm: 1, ccm: 2 } as const

/** Form, length of the data (CCM), nonce; bits of it that stay, who makes the rest, length of the tag (GCM: bits; CCM: bytes). */
const parameter = row(row(u, u, bytes), row(u, u, u))
export type WireParameter = ReturnType<(typeof parameter)['read']>

/** Where there is more to sign, and where the signature is wanted. */
const signNext = row(u, u, bytes)

export const messageCalls = {
  messageEncryptInit: call(0x2000, 'C_MessageEncryptInit', start, nothing),
  /** Associated data, data; room for ciphertext, nonce and tag. */
  encryptMessage: call(
    0x2001,
    'C_EncryptMessage',
    row(u, parameter, bytes, bytes, row(byteRoom, byteRoom, byteRoom)),
    row(bytes, bytes, bytes),
  ),
  encryptMessageBegin: call(0x2002, 'C_EncryptMessageBegin', row(u, parameter, bytes, byteRoom), bytes),
  /** Data, flags; room for ciphertext and tag. */
  encryptMessageNext: call(
    0x2003,
    'C_EncryptMessageNext',
    row(u, bytes, u, row(byteRoom, byteRoom)),
    row(bytes, bytes),
  ),
  messageEncryptFinal: call(0x2004, 'C_MessageEncryptFinal', u, nothing),
  messageDecryptInit: call(0x2005, 'C_MessageDecryptInit', start, nothing),
  /** Tag, associated data, data. */
  decryptMessage: call(0x2006, 'C_DecryptMessage', row(u, parameter, row(bytes, bytes, bytes), byteRoom), bytes),
  decryptMessageBegin: call(0x2007, 'C_DecryptMessageBegin', row(u, parameter, bytes), nothing),
  /** Data, flags, tag. */
  decryptMessageNext: call(0x2008, 'C_DecryptMessageNext', row(u, bytes, u, bytes, byteRoom), bytes),
  messageDecryptFinal: call(0x2009, 'C_MessageDecryptFinal', u, nothing),
  /** Of a signature's message the length of the parameter is told: no mechanism has one. */
  messageSignInit: call(0x200a, 'C_MessageSignInit', start, nothing),
  signMessage: call(0x200b, 'C_SignMessage', row(u, u, bytes, byteRoom), bytes),
  signMessageBegin: call(0x200c, 'C_SignMessageBegin', row(u, u), nothing),
  signMessageNext: call(0x200d, 'C_SignMessageNext', signNext, nothing),
  signMessageEnd: call(0x200e, 'C_SignMessageEnd', row(u, u, bytes, byteRoom), bytes),
  messageSignFinal: call(0x200f, 'C_MessageSignFinal', u, nothing),
  messageVerifyInit: call(0x2010, 'C_MessageVerifyInit', start, nothing),
  verifyMessage: call(0x2011, 'C_VerifyMessage', row(u, u, bytes, bytes), nothing),
  verifyMessageBegin: call(0x2012, 'C_VerifyMessageBegin', row(u, u), nothing),
  verifyMessageNext: call(0x2013, 'C_VerifyMessageNext', signNext, nothing),
  verifyMessageEnd: call(0x2014, 'C_VerifyMessageEnd', row(u, u, bytes, bytes), nothing),
  messageVerifyFinal: call(0x2015, 'C_MessageVerifyFinal', u, nothing),
} as const
