// Operation state (PKCS#11 2.40 §5.6.5): a digest, or a signature that is made or checked in parts, put aside and taken up again. What is
// saved is the token's own state, wrapped by it for this program and this power-up (SPEC.md §2.4, PART).

import { type Mechanism, Reader, Writer } from '../client/index.js'
import { calls } from './calls.js'
import type { Bytes, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, onSession } from './handlers.js'
import { keyFor } from './key-info.js'
import { isStreamed } from './mechanism-kinds.js'
import { endAll, type Operation } from './operations.js'
import type { Session } from './sessions.js'
import { SignedData } from './signing.js'

const MAGIC = 0x4d4f5331
type Saved = 'digest' | 'sign' | 'verify'
const KINDS: readonly Saved[] = ['digest', 'sign', 'verify']
const NO_KEY = { handle: 0, width: 0 }

/** What is under way, where it can be saved. @throws Pkcs11Error OPERATION_NOT_INITIALIZED, STATE_UNSAVEABLE */
function savable({ operations, messages }: Session): { kind: Saved; operation: Operation; signed: SignedData } {
  const [first, another] = [...operations].filter(([, { phase }]) => phase !== 'drained')
  if (messages.size > 0) throw new Pkcs11Error(CKR.STATE_UNSAVEABLE)
  if (!first) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  const [kind, operation] = first
  const saved = KINDS.find((one) => one === kind)
  const { signed, mechanism } = operation
  if (another || !saved || !signed || !isStreamed(mechanism.mechanism)) throw new Pkcs11Error(CKR.STATE_UNSAVEABLE)
  return { kind: saved, operation, signed }
}

async function save(session: Session, room: Room): Promise<Bytes> {
  const { kind, operation, signed } = savable(session)
  const { mechanism, parameter } = operation.mechanism
  const state = await signed.save()
  const blob = new Writer()
    .u32(MAGIC)
    .u8(KINDS.indexOf(kind))
    .u32(mechanism)
    .bytes(parameter ?? new Uint8Array(0))
    .bytes(state)
  return fitted(blob.finish(), room)
}

interface State {
  readonly kind: Saved
  readonly mechanism: Mechanism
  readonly state: Uint8Array
}

/** @throws Pkcs11Error SAVED_STATE_INVALID */
function parse(blob: Uint8Array): State {
  try {
    const reader = new Reader(blob)
    const magic = reader.u32()
    const kind = KINDS[reader.u8()]
    const type = reader.u32()
    const parameter = reader.bytes()
    const state = reader.bytes()
    reader.end()
    if (magic === MAGIC && kind && isStreamed(type))
      return { kind, mechanism: { mechanism: type, ...(parameter.length > 0 ? { parameter } : {}) }, state }
  } catch {
    // A state of some other make.
  }
  throw new Pkcs11Error(CKR.SAVED_STATE_INVALID)
}

/** @throws Pkcs11Error KEY_NEEDED, KEY_NOT_NEEDED, SAVED_STATE_INVALID; what the token answers */
async function restore(session: Session, blob: Uint8Array, encryption: number, authentication: number): Promise<void> {
  const { kind, mechanism, state } = parse(blob)
  if (encryption !== 0 || (kind === 'digest' && authentication !== 0)) throw new Pkcs11Error(CKR.KEY_NOT_NEEDED)
  if (kind !== 'digest' && authentication === 0) throw new Pkcs11Error(CKR.KEY_NEEDED)
  const key = kind === 'digest' ? NO_KEY : await keyFor(session, kind, mechanism.mechanism, authentication)
  const signed = new SignedData(session, kind, mechanism, key.handle)
  await signed.restore(state)
  endAll(session)
  session.operations.set(kind, {
    mechanism,
    key,
    phase: state.length > 0 ? 'parts' : 'begun',
    cipher: undefined,
    signed,
  })
}

export const stateHandlers: readonly Handler[] = [
  onSession(calls.getOperationState, (session, [, room]) => save(session, room)),
  onSession(calls.setOperationState, (session, [, state, encryption, authentication]) =>
    restore(session, given(state), encryption, authentication),
  ),
]
