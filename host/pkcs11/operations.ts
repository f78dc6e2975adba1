import type { Mechanism } from '../client/index.js'
import type { Ciphering } from './ciphering.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import type { OperationKind, Session } from './sessions.js'
import type { SignedData } from './signing.js'

/** How far an operation is: begun, fed with parts, or (clients of version 0) ended by a Final call that may have been a question for a length. */
export type Phase = 'begun' | 'parts' | 'drained'

export interface Operation {
  readonly mechanism: Mechanism
  readonly key: KeyInfo
  phase: Phase
  /** Of `encrypt` and `decrypt`. */
  readonly cipher: Ciphering | undefined
  /** Of `digest`, `sign` and `verify`. */
  readonly signed: SignedData | undefined
}

export function end(session: Session, kind: OperationKind): void {
  const operation = session.operations.get(kind)
  operation?.cipher?.wipe()
  operation?.signed?.wipe()
  session.operations.delete(kind)
}

/** Ends message after message, and the message under way. */
export function endMessages(session: Session, kind: OperationKind): void {
  session.messages.get(kind)?.endMessage()
  session.messages.delete(kind)
}

/** Ends whatever is under way. */
export function endAll(session: Session): void {
  for (const kind of [...session.operations.keys()]) end(session, kind)
  for (const kind of [...session.messages.keys()]) endMessages(session, kind)
}

/** @throws Pkcs11Error OPERATION_NOT_INITIALIZED */
export function current(session: Session, kind: OperationKind): Operation {
  const operation = session.operations.get(kind)
  if (!operation || operation.phase === 'drained') throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return operation
}

/**
 * Works on what is under way: whatever goes wrong ends it (PKCS#11 2.40 §5.2); what only asks for a length, or has too little
 * room, is no failure. `over`: whether the operation has ended with this call.
 */
export async function working<Result>(
  session: Session,
  kind: OperationKind,
  work: (operation: Operation) => Promise<{ result: Result; over: boolean }>,
): Promise<Result> {
  const operation = current(session, kind)
  try {
    const { result, over } = await work(operation)
    if (over) end(session, kind)
    return result
  } catch (error) {
    end(session, kind)
    throw error
  }
}

/** A call that takes all data, where parts have been given before. @throws Pkcs11Error OPERATION_ACTIVE */
export function needBegun({ phase }: Operation): void {
  if (phase !== 'begun') throw new Pkcs11Error(CKR.OPERATION_ACTIVE)
}
