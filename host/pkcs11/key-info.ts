import * as protocol from '../../assembly/protocol.js'
import { TokenError, ulongValue } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { keyTypesOf } from './mechanisms.js'
import { tokenHandle } from './object-handlers.js'
import type { OperationKind, Session } from './sessions.js'

const { CKA_CLASS, CKA_EC_PARAMS, CKA_KEY_TYPE, CKA_MODULUS, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY } =
  protocol

const USAGES: Readonly<Record<OperationKind, { usage: number; keyClass: number }>> = {
  encrypt: { usage: protocol.CKA_ENCRYPT, keyClass: CKO_PUBLIC_KEY },
  decrypt: { usage: protocol.CKA_DECRYPT, keyClass: CKO_PRIVATE_KEY },
  sign: { usage: protocol.CKA_SIGN, keyClass: CKO_PRIVATE_KEY },
  verify: { usage: protocol.CKA_VERIFY, keyClass: CKO_PUBLIC_KEY },
}

/** Bytes of a coordinate, by the DER of the curve's name. */
const CURVES: Readonly<Record<string, number>> = {
  '06082a8648ce3d030107': 32,
  '06052b8104000a': 32,
  '06052b81040022': 48,
  '06052b81040023': 66,
}

/** What an operation has to know of its key. */
export interface KeyInfo {
  readonly handle: number
  /** Bytes of an RSA modulus, or of a coordinate of an EC point; 0 for secret keys. */
  readonly width: number
}

/**
 * Looks at the key that an operation begins with; the token looks again when it uses it.
 * @throws Pkcs11Error KEY_HANDLE_INVALID, KEY_TYPE_INCONSISTENT, KEY_FUNCTION_NOT_PERMITTED; what the token answers
 */
export async function keyFor(session: Session, kind: OperationKind, type: number, key: number): Promise<KeyInfo> {
  const handle = tokenHandle(key, CKR.KEY_HANDLE_INVALID)
  const { usage, keyClass } = USAGES[kind]
  const types = [CKA_CLASS, CKA_KEY_TYPE, usage, CKA_MODULUS, CKA_EC_PARAMS]
  const rows = await session.client.objects.get(session.token, handle, types).catch((error: unknown) => {
    const unknown = error instanceof TokenError && error.ckr === CKR.OBJECT_HANDLE_INVALID
    throw unknown ? new Pkcs11Error(CKR.KEY_HANDLE_INVALID, undefined, { cause: error }) : error
  })
  const [is, keyType, may, modulus, curve] = rows.map(({ code, value }) =>
    code === protocol.RC_OK ? value : undefined,
  )
  // Data and certificates are no keys.
  if (!is || !keyType || ulongValue(keyType) === protocol.UNAVAILABLE) throw new Pkcs11Error(CKR.KEY_HANDLE_INVALID)
  const fits = [keyClass, CKO_SECRET_KEY].includes(ulongValue(is)) && keyTypesOf(type).includes(ulongValue(keyType))
  if (!fits) throw new Pkcs11Error(CKR.KEY_TYPE_INCONSISTENT)
  if (may?.[0] !== 1) throw new Pkcs11Error(CKR.KEY_FUNCTION_NOT_PERMITTED)
  const width = modulus?.length ?? (curve && CURVES[Buffer.from(curve).toString('hex')]) ?? 0
  return { handle, width }
}
