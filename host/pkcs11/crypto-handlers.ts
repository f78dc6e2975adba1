// Encryption, decryption, digests, signatures (PKCS#11 2.40 §5.8 to §5.12), derivation; and the calls for what this token has not.

import { AeadCipher } from './aead-cipher.js'
import type { Application } from './application.js'
import type { CkAttribute } from './attribute-codec.js'
import { calls } from './calls.js'
import type { Ciphering, Direction } from './ciphering.js'
import { cipherFor } from './ciphers.js'
import type { Bytes, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, isShort, onSession, tokenHandle } from './handlers.js'
import { type KeyedKind, keyFor } from './key-info.js'
import { CANCEL, type CkMechanism } from './mechanism-codec.js'
import { tokenMechanism } from './mechanisms.js'
import { made } from './object-handlers.js'
import { knowing, needIdle, needKind } from './operation-start.js'
import { end, needBegun, type Operation, working } from './operations.js'
import type { Session } from './sessions.js'
import { SignedData, signatureLength } from './signing.js'
import { tokenTemplate } from './templates.js'

function begin(
  session: Session,
  kind: KeyedKind,
  [wanted, key]: readonly [CkMechanism, number],
  app: Application,
): void | Promise<void> {
  if (wanted.type === CANCEL) return end(session, kind)
  needIdle(session, kind)
  return knowing(app.mechanism(session.slot, wanted.type), (row) => {
    needKind(row, kind)
    const mechanism = tokenMechanism(wanted)
    return knowing(keyFor(session, kind, wanted.type, key), (info) => {
      const begun = { mechanism, key: info, phase: 'begun' } as const
      if (kind !== 'encrypt' && kind !== 'decrypt') {
        const signed = new SignedData(session, kind, mechanism, info.handle)
        session.operations.set(kind, { ...begun, cipher: undefined, signed })
        return
      }
      return knowing(cipherFor(session, kind, mechanism, info), (cipher) => {
        session.operations.set(kind, { ...begun, cipher, signed: undefined })
      })
    })
  })
}

// ---- ciphers ------------------------------------------------------------------------------------------------------------

function cipherOf({ cipher }: Operation): Ciphering {
  if (!cipher) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return cipher
}

function partsOf(operation: Operation): Ciphering {
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
    const known = cipher.exact ? cipher.wholeLength(input.length) : 0
    if (known > room.capacity) return settled({ missing: known })
    return settled(fitted(await cipher.whole(input), room))
  })
}

function update(session: Session, kind: Direction, data: Bytes, room: Room, app: Application): Promise<Bytes> {
  return working<Bytes>(session, kind, async (operation) => {
    const cipher = partsOf(operation)
    const input = given(data)
    const length = cipher.partLength(input.length)
    // Version 0 sends a question for no room, too: of a part from which nothing comes out that is the call itself.
    if (length > room.capacity || (room.query && app.offered > 0)) return { result: { missing: length }, over: false }
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
    // Of what AEAD has in hand nothing is done twice.
    if (cipher instanceof AeadCipher && most > room.capacity)
      return { result: { result: { missing: most }, drained: false }, over: false }
    const value = fitted(await cipher.final(), room)
    return { result: { result: value, drained: room.query }, over: !isShort(value) }
  })
  // Version 0 sends the same for no room and for a question: what has ended may be asked for once more.
  if (drained) session.operations.set(kind, { ...DRAINED })
  return result
}

const DRAINED: Operation = {
  mechanism: { mechanism: 0 },
  key: { handle: 0, width: 0 },
  phase: 'drained',
  cipher: undefined,
  signed: undefined,
}

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
  const signed = signedBy(operation)
  // Mechanisms without a hash of their own take one digest.
  if (!signed.inParts) throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  return signed
}

/** A digest or signature, where there is room for it. */
async function result(operation: Operation, room: Room, all?: Bytes): Promise<{ result: Bytes; over: boolean }> {
  const { mechanism, key } = operation
  const length = signatureLength(mechanism, key)
  if (length > room.capacity) return { result: { missing: length }, over: false }
  const signed = signedBy(operation)
  if (all) await signed.add(given(all))
  return { result: await signed.finish(), over: true }
}

type Making = 'digest' | 'sign'

function make(session: Session, kind: Making, data: Bytes, room: Room): Promise<Bytes> {
  return working<Bytes>(session, kind, async (operation) => {
    needBegun(operation)
    return result(operation, room, data)
  })
}

function feed(session: Session, kind: Making | 'verify', data: Bytes): Promise<void> {
  return working(session, kind, async (operation) => {
    await signedInParts(operation).add(given(data))
    operation.phase = 'parts'
    return { result: undefined, over: false }
  })
}

function makeFinal(session: Session, kind: Making, room: Room): Promise<Bytes> {
  return working<Bytes>(session, kind, async (operation) => {
    signedInParts(operation)
    return result(operation, room)
  })
}

function verify(session: Session, data: Bytes, signature: Bytes): Promise<void> {
  return working(session, 'verify', async (operation) => {
    needBegun(operation)
    const signed = signedBy(operation)
    await signed.add(given(data))
    await signed.finish(given(signature))
    return { result: undefined, over: true }
  })
}

function verifyFinal(session: Session, signature: Bytes): Promise<void> {
  return working(session, 'verify', async (operation) => {
    await signedInParts(operation).finish(given(signature))
    return { result: undefined, over: true }
  })
}

// ---- digests and derivation ---------------------------------------------------------------------------------------------

const NO_KEY = { handle: 0, width: 0 }

function beginDigest(session: Session, wanted: CkMechanism, app: Application): void | Promise<void> {
  if (wanted.type === CANCEL) return end(session, 'digest')
  needIdle(session, 'digest')
  return knowing(app.mechanism(session.slot, wanted.type), (row) => {
    needKind(row, 'digest')
    const mechanism = tokenMechanism(wanted)
    const signed = new SignedData(session, 'digest', mechanism, 0)
    session.operations.set('digest', { mechanism, key: NO_KEY, phase: 'begun', cipher: undefined, signed })
  })
}

function digestKey(session: Session, key: number): Promise<void> {
  return working(session, 'digest', async (operation) => {
    await signedBy(operation).addKey(tokenHandle(key, CKR.KEY_HANDLE_INVALID))
    operation.phase = 'parts'
    return { result: undefined, over: false }
  })
}

async function derive(
  session: Session,
  [wanted, key, list]: readonly [CkMechanism, number, readonly CkAttribute[]],
): Promise<number> {
  const template = tokenTemplate(list)
  const base = tokenHandle(key, CKR.KEY_HANDLE_INVALID)
  const { crypto } = session.client
  return made(session, await crypto.derive(session.token, tokenMechanism(wanted), base, template), template)
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
  onSession(calls.encryptUpdate, (session, [, data, room], app) => update(session, 'encrypt', data, room, app)),
  onSession(calls.encryptFinal, (session, [, room], app) => final(session, 'encrypt', room, app)),
  onSession(calls.decryptInit, (session, [, mechanism, key], app) => begin(session, 'decrypt', [mechanism, key], app)),
  onSession(calls.decrypt, (session, [, data, room]) => whole(session, 'decrypt', data, room)),
  onSession(calls.decryptUpdate, (session, [, data, room], app) => update(session, 'decrypt', data, room, app)),
  onSession(calls.decryptFinal, (session, [, room], app) => final(session, 'decrypt', room, app)),
  onSession(calls.signInit, (session, [, mechanism, key], app) => begin(session, 'sign', [mechanism, key], app)),
  onSession(calls.sign, (session, [, data, room]) => make(session, 'sign', data, room)),
  onSession(calls.signUpdate, (session, [, data]) => feed(session, 'sign', data)),
  onSession(calls.signFinal, (session, [, room]) => makeFinal(session, 'sign', room)),
  onSession(calls.verifyInit, (session, [, mechanism, key], app) => begin(session, 'verify', [mechanism, key], app)),
  onSession(calls.verify, (session, [, data, signature]) => verify(session, data, signature)),
  onSession(calls.verifyUpdate, (session, [, data]) => feed(session, 'verify', data)),
  onSession(calls.verifyFinal, (session, [, signature]) => verifyFinal(session, signature)),
  onSession(calls.digestInit, (session, [, mechanism], app) => beginDigest(session, mechanism, app)),
  onSession(calls.digest, (session, [, data, room]) => make(session, 'digest', data, room)),
  onSession(calls.digestUpdate, (session, [, data]) => feed(session, 'digest', data)),
  onSession(calls.digestKey, (session, [, key]) => digestKey(session, key)),
  onSession(calls.digestFinal, (session, [, room]) => makeFinal(session, 'digest', room)),
  onSession(calls.signRecoverInit, noMechanism),
  onSession(calls.signRecover, notBegun),
  onSession(calls.verifyRecoverInit, noMechanism),
  onSession(calls.verifyRecover, notBegun),
  onSession(calls.digestEncryptUpdate, notSupported),
  onSession(calls.decryptDigestUpdate, notSupported),
  onSession(calls.signEncryptUpdate, notSupported),
  onSession(calls.decryptVerifyUpdate, notSupported),
  onSession(calls.deriveKey, (session, [, mechanism, key, list]) => derive(session, [mechanism, key, list])),
]
