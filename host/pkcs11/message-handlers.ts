// The message calls of PKCS#11 3.0: encryption and decryption with GCM and CCM (§5.9, §5.11), whose nonces the token makes; signatures
// and MACs (§5.13, §5.15).

import {
  type AeadKey,
  AeadSealing,
  concat,
  type Mechanism,
  messageMechanism,
  openAead,
  TokenError,
} from '../client/index.js'
import type { Application } from './application.js'
import type { Bytes, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { given, type Handler, onSession } from './handlers.js'
import { type KeyedKind, keyFor } from './key-info.js'
import { CANCEL, type CkMechanism } from './mechanism-codec.js'
import { inMessages } from './mechanism-kinds.js'
import { tokenMechanism } from './mechanisms.js'
import { messageCalls, type WireParameter } from './message-calls.js'
import {
  type MessageParameter,
  messageParameter,
  needLength,
  openingMechanism,
  tokenMessage,
} from './message-parameters.js'
import {
  betweenMessages,
  GatheredMessage,
  MessageProcess,
  processOf,
  StreamedMessage,
  workingOn,
} from './message-process.js'
import { knowing, needIdle, needKind } from './operation-start.js'
import { endMessages } from './operations.js'
import type { Session } from './sessions.js'
import { COMMAND_DATA, SignedData, signatureLength } from './signing.js'

const END_OF_MESSAGE = 1
const NONE = new Uint8Array(0)

function begin(
  session: Session,
  kind: KeyedKind,
  [wanted, key]: readonly [CkMechanism, number],
  app: Application,
): void | Promise<void> {
  if (wanted.type === CANCEL) return endMessages(session, kind)
  needIdle(session, kind)
  return knowing(app.mechanism(session.slot, wanted.type), (row) => {
    needKind(row, kind)
    const { encrypts, signs } = inMessages(wanted.type)
    const ciphers = kind === 'encrypt' || kind === 'decrypt'
    if (!(ciphers ? encrypts : signs)) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
    // A cipher's parameter comes with each message.
    const mechanism = ciphers ? { mechanism: wanted.type } : tokenMechanism(wanted)
    return knowing(keyFor(session, kind, wanted.type, key), (info) => {
      session.messages.set(kind, new MessageProcess(mechanism, info))
    })
  })
}

function finish(session: Session, kind: KeyedKind): void {
  betweenMessages(session, kind)
  endMessages(session, kind)
}

/** Whether the program only asks, or has too little room: a result of no bytes needs none. */
const isShort = (length: number, room: Room): boolean => length > 0 && (room.query || length > room.capacity)

const isLast = (flags: number): boolean => {
  if (flags > END_OF_MESSAGE) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return flags === END_OF_MESSAGE
}

function gathered({ message }: MessageProcess): GatheredMessage {
  if (!(message instanceof GatheredMessage)) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return message
}

/** A message that begins now. @throws Pkcs11Error OPERATION_NOT_INITIALIZED, OPERATION_ACTIVE, MECHANISM_PARAM_INVALID */
function newMessage(
  session: Session,
  kind: KeyedKind,
  wire: WireParameter,
  aad: Bytes,
): [MessageProcess, GatheredMessage] {
  const process = betweenMessages(session, kind)
  return [process, new GatheredMessage(messageParameter(process, wire), given(aad).slice())]
}

/**
 * Adds what has come to a message. Answers undefined where it goes on, all of it at its end; where there is no room for the result, how
 * much is missing, and the message is as it was.
 * @param tooLong CKR_… for more than one command takes
 */
function gather(
  message: GatheredMessage,
  [data, flags]: readonly [Bytes, number],
  room: Room,
  tooLong: number,
): Uint8Array | { readonly missing: number } | undefined {
  const input = given(data)
  message.needRoom(input.length, tooLong)
  if (!isLast(flags)) {
    // Nothing comes out before the end, and a question leaves all as it is.
    if (!room.query) message.add(input)
    return undefined
  }
  const length = message.length + input.length
  if (isShort(length, room)) return { missing: length }
  needLength(message.parameter, length)
  return message.whole(input)
}

// ---- encryption ---------------------------------------------------------------------------------------------------------

type Sealed = [ciphertext: Bytes, nonce: Bytes, tag: Bytes]

const aeadKey = ({ client, token }: Session, process: MessageProcess, mechanism: Mechanism): AeadKey => ({
  ...{ crypto: client.crypto, session: token, mechanism, key: process.key.handle },
})

/** An encryption of a message whose nonce the token has given out. `length` is that of all data. */
function sealing(
  session: Session,
  process: MessageProcess,
  { parameter, aad }: GatheredMessage,
  length: number,
): AeadSealing {
  const mechanism = messageMechanism(tokenMessage(process, parameter, aad), true)
  return new AeadSealing(aeadKey(session, process, mechanism), length, true)
}

const apart = (sealed: Uint8Array, nonce: Uint8Array, length: number): Sealed => [
  sealed.slice(0, length),
  nonce.slice(),
  sealed.slice(length),
]

async function giveNonce(
  { client, token }: Session,
  process: MessageProcess,
  parameter: MessageParameter,
): Promise<Uint8Array> {
  const nonce = await client.crypto.messageNonce(token, tokenMessage(process, parameter, NONE))
  process.first = false
  return nonce
}

/** A message whose data has all come. */
async function seal(
  session: Session,
  process: MessageProcess,
  message: GatheredMessage,
  data: Uint8Array,
  begun: boolean,
): Promise<Sealed> {
  const { client, token } = session
  const { parameter, aad } = message
  if (data.length + aad.length <= COMMAND_DATA) {
    const asked = tokenMessage(process, parameter, aad)
    const [nonce, sealed] = await client.crypto.messageSeal(token, asked, begun, data)
    process.first = false
    return apart(sealed, nonce, data.length)
  }
  const nonce = begun ? NONE : await giveNonce(session, process, parameter)
  return apart(await sealing(session, process, message, data.length).add(data, true), nonce, data.length)
}

async function encryptMessage(
  session: Session,
  wire: WireParameter,
  aad: Bytes,
  data: Bytes,
  room: Room,
): Promise<Sealed> {
  const [process, message] = newMessage(session, 'encrypt', wire, aad)
  const input = given(data)
  message.needRoom(input.length, CKR.DATA_LEN_RANGE)
  needLength(message.parameter, input.length)
  // What is only asked for takes no nonce.
  if (isShort(input.length, room)) return [{ missing: input.length }, NONE, NONE]
  return seal(session, process, message, input, false)
}

async function encryptBegin(session: Session, wire: WireParameter, aad: Bytes): Promise<Bytes> {
  const [process, message] = newMessage(session, 'encrypt', wire, aad)
  const nonce = await giveNonce(session, process, message.parameter)
  const streams = message.parameter.dataLength === undefined
  process.message = streams ? new StreamedMessage(sealing(session, process, message, 0)) : message
  return nonce.slice()
}

async function streamed(
  { sealing }: StreamedMessage,
  data: Bytes,
  flags: number,
  room: Room,
): Promise<{ result: [Bytes, Bytes]; over: boolean }> {
  const input = given(data)
  const last = isLast(flags)
  if (isShort(input.length, room)) return { result: [{ missing: input.length }, NONE], over: false }
  const [ciphertext, , tag] = apart(await sealing.add(input, last), NONE, input.length)
  return { result: [ciphertext, tag], over: last }
}

function encryptNext(session: Session, data: Bytes, flags: number, room: Room): Promise<[Bytes, Bytes]> {
  const process = processOf(session, 'encrypt')
  const { message } = process
  if (message instanceof StreamedMessage) return workingOn(process, () => streamed(message, data, flags, room))
  const all = gathered(process)
  return workingOn<[Bytes, Bytes]>(process, async () => {
    const whole = gather(all, [data, flags], room, CKR.DATA_LEN_RANGE)
    if (!(whole instanceof Uint8Array)) return { result: [whole ?? NONE, NONE], over: false }
    const [ciphertext, , tag] = await seal(session, process, all, whole, true)
    return { result: [ciphertext, tag], over: true }
  })
}

// ---- decryption ---------------------------------------------------------------------------------------------------------

/** @throws Pkcs11Error AEAD_DECRYPT_FAILED: the tag is not that of this message */
async function open(
  session: Session,
  process: MessageProcess,
  message: GatheredMessage,
  data: Uint8Array,
  tag: Bytes,
): Promise<Uint8Array> {
  const { client, token } = session
  const checked = given(tag)
  if (checked.length !== message.parameter.tagBytes) throw new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
  const mechanism = openingMechanism(process, message.parameter, message.aad)
  try {
    const sealed = concat(data, checked)
    if (data.length + message.aad.length > COMMAND_DATA) {
      return await openAead(aeadKey(session, process, mechanism), sealed, checked.length)
    }
    return await client.crypto.decrypt(token, mechanism, process.key.handle, sealed)
  } catch (error) {
    const wrong = error instanceof TokenError && error.ckr === CKR.ENCRYPTED_DATA_INVALID
    throw wrong ? new Pkcs11Error(CKR.AEAD_DECRYPT_FAILED, undefined, { cause: error }) : error
  }
}

async function decryptMessage(
  session: Session,
  wire: WireParameter,
  [tag, aad, data]: readonly [Bytes, Bytes, Bytes],
  room: Room,
): Promise<Bytes> {
  const [process, message] = newMessage(session, 'decrypt', wire, aad)
  const input = given(data)
  message.needRoom(input.length, CKR.ENCRYPTED_DATA_LEN_RANGE)
  needLength(message.parameter, input.length)
  if (isShort(input.length, room)) return { missing: input.length }
  return open(session, process, message, input, tag)
}

function decryptBegin(session: Session, wire: WireParameter, aad: Bytes): void {
  const [process, message] = newMessage(session, 'decrypt', wire, aad)
  process.message = message
}

function decryptNext(session: Session, data: Bytes, flags: number, tag: Bytes, room: Room): Promise<Bytes> {
  const process = processOf(session, 'decrypt')
  const message = gathered(process)
  return workingOn<Bytes>(process, async () => {
    const whole = gather(message, [data, flags], room, CKR.ENCRYPTED_DATA_LEN_RANGE)
    if (!(whole instanceof Uint8Array)) return { result: whole ?? NONE, over: false }
    return { result: await open(session, process, message, whole, tag), over: true }
  })
}

// ---- signatures ---------------------------------------------------------------------------------------------------------

type Signing = 'sign' | 'verify'

/** No mechanism that signs has a parameter of its own for a message. @throws Pkcs11Error MECHANISM_PARAM_INVALID */
function needNone(parameterLength: number): void {
  if (parameterLength !== 0) throw new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
}

function signedData(session: Session, kind: Signing, { mechanism, key }: MessageProcess): SignedData {
  return new SignedData(session, kind, mechanism, key.handle)
}

function signedPart({ message }: MessageProcess): SignedData {
  if (!(message instanceof SignedData)) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return message
}

/** The signature of all that `signed` has, and of `data`; only its length where there is no room. */
async function signature(
  process: MessageProcess,
  signed: SignedData,
  data: Bytes,
  room: Room,
): Promise<{ result: Bytes; over: boolean }> {
  const length = signatureLength(process.mechanism, process.key)
  if (room.query || length > room.capacity) return { result: { missing: length }, over: false }
  await signed.add(given(data))
  return { result: await signed.finish(), over: true }
}

async function signMessage(session: Session, parameterLength: number, data: Bytes, room: Room): Promise<Bytes> {
  const process = betweenMessages(session, 'sign')
  needNone(parameterLength)
  return (await signature(process, signedData(session, 'sign', process), data, room)).result
}

async function verifyMessage(session: Session, parameterLength: number, data: Bytes, against: Bytes): Promise<void> {
  const process = betweenMessages(session, 'verify')
  needNone(parameterLength)
  const signed = signedData(session, 'verify', process)
  await signed.add(given(data))
  await signed.finish(given(against))
}

function signBegin(session: Session, kind: Signing, parameterLength: number): void {
  const process = betweenMessages(session, kind)
  needNone(parameterLength)
  const signed = signedData(session, kind, process)
  if (!signed.inParts) throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  process.message = signed
}

function signNext(session: Session, kind: Signing, parameterLength: number, data: Bytes): Promise<void> {
  const process = processOf(session, kind)
  const signed = signedPart(process)
  return workingOn(process, async () => {
    needNone(parameterLength)
    await signed.add(given(data))
    return { result: undefined, over: false }
  })
}

function signEnd(session: Session, parameterLength: number, data: Bytes, room: Room): Promise<Bytes> {
  const process = processOf(session, 'sign')
  const signed = signedPart(process)
  return workingOn<Bytes>(process, async () => {
    needNone(parameterLength)
    return signature(process, signed, data, room)
  })
}

function verifyEnd(session: Session, parameterLength: number, data: Bytes, against: Bytes): Promise<void> {
  const process = processOf(session, 'verify')
  const signed = signedPart(process)
  return workingOn(process, async () => {
    needNone(parameterLength)
    await signed.add(given(data))
    await signed.finish(given(against))
    return { result: undefined, over: true }
  })
}

const c = messageCalls

export const messageHandlers: readonly Handler[] = [
  onSession(c.messageEncryptInit, (session, [, mechanism, key], app) =>
    begin(session, 'encrypt', [mechanism, key], app),
  ),
  onSession(c.encryptMessage, (session, [, wire, aad, data, [room]]) => encryptMessage(session, wire, aad, data, room)),
  onSession(c.encryptMessageBegin, (session, [, wire, aad]) => encryptBegin(session, wire, aad)),
  onSession(c.encryptMessageNext, (session, [, data, flags, [room]]) => encryptNext(session, data, flags, room)),
  onSession(c.messageEncryptFinal, (session) => finish(session, 'encrypt')),
  onSession(c.messageDecryptInit, (session, [, mechanism, key], app) =>
    begin(session, 'decrypt', [mechanism, key], app),
  ),
  onSession(c.decryptMessage, (session, [, wire, values, room]) => decryptMessage(session, wire, values, room)),
  onSession(c.decryptMessageBegin, (session, [, wire, aad]) => decryptBegin(session, wire, aad)),
  onSession(c.decryptMessageNext, (session, [, data, flags, tag, room]) =>
    decryptNext(session, data, flags, tag, room),
  ),
  onSession(c.messageDecryptFinal, (session) => finish(session, 'decrypt')),
  onSession(c.messageSignInit, (session, [, mechanism, key], app) => begin(session, 'sign', [mechanism, key], app)),
  onSession(c.signMessage, (session, [, length, data, room]) => signMessage(session, length, data, room)),
  onSession(c.signMessageBegin, (session, [, length]) => signBegin(session, 'sign', length)),
  onSession(c.signMessageNext, (session, [, length, data]) => signNext(session, 'sign', length, data)),
  onSession(c.signMessageEnd, (session, [, length, data, room]) => signEnd(session, length, data, room)),
  onSession(c.messageSignFinal, (session) => finish(session, 'sign')),
  onSession(c.messageVerifyInit, (session, [, mechanism, key], app) => begin(session, 'verify', [mechanism, key], app)),
  onSession(c.verifyMessage, (session, [, length, data, against]) => verifyMessage(session, length, data, against)),
  onSession(c.verifyMessageBegin, (session, [, length]) => signBegin(session, 'verify', length)),
  onSession(c.verifyMessageNext, (session, [, length, data]) => signNext(session, 'verify', length, data)),
  onSession(c.verifyMessageEnd, (session, [, length, data, against]) => verifyEnd(session, length, data, against)),
  onSession(c.messageVerifyFinal, (session) => finish(session, 'verify')),
]
