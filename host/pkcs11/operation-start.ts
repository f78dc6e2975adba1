// What every Init call looks at before an operation begins.

import type { MechanismInfo } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { CKF } from './mechanisms.js'
import type { OperationKind, Session } from './sessions.js'

const FLAGS: Readonly<Record<OperationKind, number>> = {
  encrypt: CKF.ENCRYPT,
  decrypt: CKF.DECRYPT,
  digest: CKF.DIGEST,
  sign: CKF.SIGN,
  verify: CKF.VERIFY,
}

/** Nothing of this kind is under way, neither one operation nor one message after another. @throws Pkcs11Error OPERATION_ACTIVE */
export function needIdle(session: Session, kind: OperationKind): void {
  const under = session.operations.get(kind)
  if ((under && under.phase !== 'drained') || session.messages.has(kind)) throw new Pkcs11Error(CKR.OPERATION_ACTIVE)
  session.operations.delete(kind)
}

/** Asks the token for what is not known of it yet, and goes on at once where all is. */
export function knowing<Known, Result>(
  known: Known | Promise<Known>,
  work: (known: Known) => Result | Promise<Result>,
) {
  return known instanceof Promise ? known.then(work) : work(known)
}

/** Whether operations of this kind begin with this mechanism. @throws Pkcs11Error MECHANISM_INVALID */
export function needKind({ flags }: MechanismInfo, kind: OperationKind): void {
  if ((flags & FLAGS[kind]) === 0) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
}
