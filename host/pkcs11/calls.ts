// The one table of calls of p11-kit's RPC: number, name, and the values of request and answer in the order of their signatures.

import { Writer } from '../client/index.js'
import { answers, requests, template } from './attribute-codec.js'
import { byte, byteRoom, bytes, type Codec, cstring, nothing, row, text, ulong, ulongRoom, ulongs } from './codec.js'
import { mechanism } from './mechanism-codec.js'
import { info, mechanismInfo, sessionInfo, slotInfo, tokenInfo } from './structures.js'

/** Whatever its values are. */
export interface AnyCall {
  readonly id: number
  readonly name: string
  readonly request: { readonly signature: string }
  readonly reply: { readonly signature: string }
  /** First bytes of a body: call id, length of the signature, signature. */
  readonly requestHead: Uint8Array
  readonly replyHead: Uint8Array
}

export interface Call<Request, Reply> extends AnyCall {
  readonly request: Codec<Request>
  readonly reply: Codec<Reply>
}

/** First bytes of a body. */
export function bodyHead(id: number, signature: string): Uint8Array {
  return new Writer().u32(id).text(signature).finish()
}

export function call<Request, Reply>(
  id: number,
  name: string,
  request: Codec<Request>,
  reply: Codec<Reply>,
): Call<Request, Reply> {
  const requestHead = bodyHead(id, request.signature)
  return { id, name, request, reply, requestHead, replyHead: bodyHead(id, reply.signature) }
}

const u = ulong
const uu = row(u, u)
const start = row(u, mechanism, u)
const transform = row(u, bytes, byteRoom)
const finish = row(u, byteRoom)
const feed = row(u, bytes)

export const calls = {
  initialize: call(1, 'C_Initialize', row(bytes, byte, bytes), nothing),
  finalize: call(2, 'C_Finalize', nothing, nothing),
  getInfo: call(3, 'C_GetInfo', nothing, info),
  getSlotList: call(4, 'C_GetSlotList', row(byte, ulongRoom), ulongs),
  getSlotInfo: call(5, 'C_GetSlotInfo', u, slotInfo),
  getTokenInfo: call(6, 'C_GetTokenInfo', u, tokenInfo),
  getMechanismList: call(7, 'C_GetMechanismList', row(u, ulongRoom), ulongs),
  getMechanismInfo: call(8, 'C_GetMechanismInfo', uu, mechanismInfo),
  initToken: call(9, 'C_InitToken', row(u, bytes, cstring), nothing),
  openSession: call(10, 'C_OpenSession', uu, u),
  closeSession: call(11, 'C_CloseSession', u, nothing),
  closeAllSessions: call(12, 'C_CloseAllSessions', u, nothing),
  getSessionInfo: call(13, 'C_GetSessionInfo', u, sessionInfo),
  initPin: call(14, 'C_InitPIN', feed, nothing),
  setPin: call(15, 'C_SetPIN', row(u, bytes, bytes), nothing),
  getOperationState: call(16, 'C_GetOperationState', finish, bytes),
  setOperationState: call(17, 'C_SetOperationState', row(u, bytes, u, u), nothing),
  login: call(18, 'C_Login', row(u, u, bytes), nothing),
  logout: call(19, 'C_Logout', u, nothing),
  createObject: call(20, 'C_CreateObject', row(u, template), u),
  copyObject: call(21, 'C_CopyObject', row(u, u, template), u),
  destroyObject: call(22, 'C_DestroyObject', uu, nothing),
  getObjectSize: call(23, 'C_GetObjectSize', uu, u),
  getAttributeValue: call(24, 'C_GetAttributeValue', row(u, u, requests), row(answers, u)),
  setAttributeValue: call(25, 'C_SetAttributeValue', row(u, u, template), nothing),
  findObjectsInit: call(26, 'C_FindObjectsInit', row(u, template), nothing),
  findObjects: call(27, 'C_FindObjects', row(u, ulongRoom), ulongs),
  findObjectsFinal: call(28, 'C_FindObjectsFinal', u, nothing),
  encryptInit: call(29, 'C_EncryptInit', start, nothing),
  encrypt: call(30, 'C_Encrypt', transform, bytes),
  encryptUpdate: call(31, 'C_EncryptUpdate', transform, bytes),
  encryptFinal: call(32, 'C_EncryptFinal', finish, bytes),
  decryptInit: call(33, 'C_DecryptInit', start, nothing),
  decrypt: call(34, 'C_Decrypt', transform, bytes),
  decryptUpdate: call(35, 'C_DecryptUpdate', transform, bytes),
  decryptFinal: call(36, 'C_DecryptFinal', finish, bytes),
  digestInit: call(37, 'C_DigestInit', row(u, mechanism), nothing),
  digest: call(38, 'C_Digest', transform, bytes),
  digestUpdate: call(39, 'C_DigestUpdate', feed, nothing),
  digestKey: call(40, 'C_DigestKey', uu, nothing),
  digestFinal: call(41, 'C_DigestFinal', finish, bytes),
  signInit: call(42, 'C_SignInit', start, nothing),
  sign: call(43, 'C_Sign', transform, bytes),
  signUpdate: call(44, 'C_SignUpdate', feed, nothing),
  signFinal: call(45, 'C_SignFinal', finish, bytes),
  signRecoverInit: call(46, 'C_SignRecoverInit', start, nothing),
  signRecover: call(47, 'C_SignRecover', transform, bytes),
  verifyInit: call(48, 'C_VerifyInit', start, nothing),
  verify: call(49, 'C_Verify', row(u, bytes, bytes), nothing),
  verifyUpdate: call(50, 'C_VerifyUpdate', feed, nothing),
  verifyFinal: call(51, 'C_VerifyFinal', feed, nothing),
  verifyRecoverInit: call(52, 'C_VerifyRecoverInit', start, nothing),
  verifyRecover: call(53, 'C_VerifyRecover', transform, bytes),
  digestEncryptUpdate: call(54, 'C_DigestEncryptUpdate', transform, bytes),
  decryptDigestUpdate: call(55, 'C_DecryptDigestUpdate', transform, bytes),
  signEncryptUpdate: call(56, 'C_SignEncryptUpdate', transform, bytes),
  decryptVerifyUpdate: call(57, 'C_DecryptVerifyUpdate', transform, bytes),
  generateKey: call(58, 'C_GenerateKey', row(u, mechanism, template), u),
  generateKeyPair: call(59, 'C_GenerateKeyPair', row(u, mechanism, template, template), uu),
  wrapKey: call(60, 'C_WrapKey', row(u, mechanism, u, u, byteRoom), bytes),
  unwrapKey: call(61, 'C_UnwrapKey', row(u, mechanism, u, bytes, template), u),
  deriveKey: call(62, 'C_DeriveKey', row(u, mechanism, u, template), u),
  seedRandom: call(63, 'C_SeedRandom', feed, nothing),
  generateRandom: call(64, 'C_GenerateRandom', finish, bytes),
  waitForSlotEvent: call(65, 'C_WaitForSlotEvent', u, u),
  loginUser: call(66, 'C_LoginUser', row(u, u, bytes, bytes), nothing),
  sessionCancel: call(67, 'C_SessionCancel', uu, nothing),
  initToken2: call(88, 'C_InitToken2', row(u, bytes, text(32)), nothing),
} as const
