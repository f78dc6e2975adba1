// Encryption, decryption, signatures (PKCS#11 2.40 §5.8 to §5.12); and the calls for what this token has not.

import type { Application } from './application.js'
import { calls } from './calls.js'
import { Cipher, type Direction } from './ciphers.js'
import type { Bytes, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, isShort, onSession } from './handlers.js'
import { keyFor } from './key-info.js'
import { CANCEL, type CkMechanism } from './mechanism-codec.js'
import { CKF, hashOf, tokenMechanism } from './mechanisms.js'
import { end, needBegun, type Operation, working } from './operations.js'
import type { OperationKind, Session } from './sessions.js'
import { SignedData, signatureLength, signWith, verifyWith } from './signing.js'

const FLAGS: Readonly<Record<OperationKind, number>> = {
  encrypt: CKF.ENCRYPT,
  decrypt: CKF.DECRYPT,
  sign: CKF.SIGN,
  verify: CKF.VERIFY,
}

async function begin(
  session: Session,
  kind: OperationKind,
  [wanted, key]: readonly [CkMechanism, number],
  app: Application,
): Promise<void> {
  if (wanted.type === CANCEL) {
    end(session, kind)
    return
  }
  const under = session.operations.get(kind)
  if (under && under.phase !== 'drained') throw new Pkcs11Error(CKR.OPERATION_ACTIVE)
  session.operations.delete(kind)
  const table = await app.mechanismsOf(session.slot)
  const row = table.find(({ mechanism }) => mechanism === wanted.type)
  if (!row || (row.flags & FLAGS[kind]) === 0) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
  const mechanism = tokenMechanism(wanted)
  const info = await keyFor(session, kind, wanted.type, key)
  const what: Partial<Operation> =
    kind === 'encrypt' || kind === 'decrypt'
      ? { cipher: new Cipher(session, kind, mechanism, info) }
      : { signed: new SignedData(mechanism) }
  session.operations.set(kind, { mechanism, key: info, phase: 'begun', ...what })
}

// ---- ciphers ------------------------------------------------------------------------------------------------------------

function cipherOf({ cipher }: Operation): Cipher {
  if (!cipher) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return cipher
}

function partsOf(operation: Operation): Cipher {
  const cipher = cipherOf(operation)
  if (!cipher.inParts) throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  return cipher
}

/** A length that was asked for, or the result; it ends the operation only where the program has got it. */
function settled(value: Bytes): { result: Bytes; over: boolean } {
  return { result: value, over: !isShort(value) }
}

function whole(session: Session, kind: Direction, data: Bytes, room: Room): Promise<Bytes> {
  return working(session, kind, async (operation) => {
    needBegun(operation)
    const cipher = cipherOf(operation)
    const input = given(data)
    if (room.query && cipher.wholeLength(input.length) > 0)
      return settled({ missing: cipher.wholeLength(input.length) })
    // What is encrypted has a known length, and is not made for nothing.
    const known = kind === 'encrypt' ? cipher.wholeLength(input.length) : 0
    if (known > room.capacity) return settled({ missing: known })
    return settled(fitted(await cipher.whole(input), room))
  })
}

function update(session: Session, kind: Direction, data: Bytes, room: Room): Promise<Bytes> {
  return working<Bytes>(session, kind, async (operation) => {
    const cipher = partsOf(operation)
    const input = given(data)
    const length = cipher.partLength(input.length)
    if (length > room.capacity) return { result: { missing: length }, over: false }
    operation.phase = 'parts'
    return { result: await cipher.update(input), over: false }
  })
}

async function final(session: Session, kind: Direction, room: Room, app: Application): Promise<Bytes> {
  if (isDrained(session, kind)) return new Uint8Array(0)
  const { result, drained } = await working(session, kind, async (operation) => {
    const cipher = partsOf(operation)
    const most = cipher.finalLength()
    if (room.query && (most > 0 || app.offered > 0))
      return { result: { result: { missing: most }, drained: false }, over: false }
    const value = fitted(await cipher.final(), room)
    return { result: { result: value, drained: room.query }, over: !isShort(value) }
  })
  // Version 0 sends the same for no room and for a question: what has ended may be asked for once more.
  if (drained) session.operations.set(kind, { ...DRAINED })
  return result
}

const DRAINED: Operation = { mechanism: { mechanism: 0 }, key: { handle: 0, width: 0 }, phase: 'drained' }

/** A Final call after one that may have been a question: there was nothing left, and there is nothing now. */
function isDrained(session: Session, kind: Direction): boolean {
  if (session.operations.get(kind)?.phase !== 'drained') return false
  session.operations.delete(kind)
  return true
}

// ---- signatures ---------------------------------------------------------------------------------------------------------

function signedBy({ signed }: Operation): SignedData {
  if (!signed) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return signed
}

function signedInParts(operation: Operation): SignedData {
  // Mechanisms without a hash of their own take one digest.
  if (hashOf(operation.mechanism.mechanism) === undefined) throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  return signedBy(operation)
}

function sign(session: Session, data: Bytes, room: Room): Promise<Bytes> {
  return working<Bytes>(session, 'sign', async (operation) => {
    needBegun(operation)
    const { mechanism, key } = operation
    const length = signatureLength(mechanism, key)
    if (length > room.capacity) return { result: { missing: length }, over: false }
    const signed = signedBy(operation)
    signed.add(given(data))
    return { result: await signWith(session, key, signed), over: true }
  })
}

function feed(session: Session, kind: 'sign' | 'verify', data: Bytes): Promise<void> {
  return working(session, kind, async (operation) => {
    signedInParts(operation).add(given(data))
    operation.phase = 'parts'
    return { result: undefined, over: false }
  })
}

function signFinal(session: Session, room: Room): Promise<Bytes> {
  return working<Bytes>(session, 'sign', async (operation) => {
    const signed = signedInParts(operation)
    const length = signatureLength(operation.mechanism, operation.key)
    if (length > room.capacity) return { result: { missing: length }, over: false }
    return { result: await signWith(session, operation.key, signed), over: true }
  })
}

function verify(session: Session, data: Bytes, signature: Bytes): Promise<void> {
  return working(session, 'verify', async (operation) => {
    needBegun(operation)
    const signed = signedBy(operation)
    signed.add(given(data))
    return { result: await verifyWith(session, operation.key, signed, given(signature)), over: true }
  })
}

function verifyFinal(session: Session, signature: Bytes): Promise<void> {
  return working(session, 'verify', async (operation) => {
    const signed = signedInParts(operation)
    return { result: await verifyWith(session, operation.key, signed, given(signature)), over: true }
  })
}

// ---- what this token has not --------------------------------------------------------------------------------------------

function refused(ckr: number): () => never {
  return () => {
    throw new Pkcs11Error(ckr)
  }
}

const noMechanism = refused(CKR.MECHANISM_INVALID)
const notBegun = refused(CKR.OPERATION_NOT_INITIALIZED)
const notSupported = refused(CKR.FUNCTION_NOT_SUPPORTED)

export const cryptoHandlers: readonly Handler[] = [
  onSession(calls.encryptInit, (session, [, mechanism, key], app) => begin(session, 'encrypt', [mechanism, key], app)),
  onSession(calls.encrypt, (session, [, data, room]) => whole(session, 'encrypt', data, room)),
  onSession(calls.encryptUpdate, (session, [, data, room]) => update(session, 'encrypt', data, room)),
  onSession(calls.encryptFinal, (session, [, room], app) => final(session, 'encrypt', room, app)),
  onSession(calls.decryptInit, (session, [, mechanism, key], app) => begin(session, 'decrypt', [mechanism, key], app)),
  onSession(calls.decrypt, (session, [, data, room]) => whole(session, 'decrypt', data, room)),
  onSession(calls.decryptUpdate, (session, [, data, room]) => update(session, 'decrypt', data, room)),
  onSession(calls.decryptFinal, (session, [, room], app) => final(session, 'decrypt', room, app)),
  onSession(calls.signInit, (session, [, mechanism, key], app) => begin(session, 'sign', [mechanism, key], app)),
  onSession(calls.sign, (session, [, data, room]) => sign(session, data, room)),
  onSession(calls.signUpdate, (session, [, data]) => feed(session, 'sign', data)),
  onSession(calls.signFinal, (session, [, room]) => signFinal(session, room)),
  onSession(calls.verifyInit, (session, [, mechanism, key], app) => begin(session, 'verify', [mechanism, key], app)),
  onSession(calls.verify, (session, [, data, signature]) => verify(session, data, signature)),
  onSession(calls.verifyUpdate, (session, [, data]) => feed(session, 'verify', data)),
  onSession(calls.verifyFinal, (session, [, signature]) => verifyFinal(session, signature)),
  onSession(calls.digestInit, noMechanism),
  onSession(calls.digest, notBegun),
  onSession(calls.digestUpdate, notBegun),
  onSession(calls.digestKey, notBegun),
  onSession(calls.digestFinal, notBegun),
  onSession(calls.signRecoverInit, noMechanism),
  onSession(calls.signRecover, notBegun),
  onSession(calls.verifyRecoverInit, noMechanism),
  onSession(calls.verifyRecover, notBegun),
  onSession(calls.digestEncryptUpdate, notSupported),
  onSession(calls.decryptDigestUpdate, notSupported),
  onSession(calls.signEncryptUpdate, notSupported),
  onSession(calls.decryptVerifyUpdate, notSupported),
  onSession(calls.deriveKey, noMechanism),
]
