import * as protocol from '../../assembly/protocol.js'
import { ckrName, ckrOf, FrameError, TokenError, TransportError } from '../client/index.js'

/** Values of PKCS#11 that a library answers of its own accord; those of the token are the rows of protocol.ts. */
export const CKR = {
  OK: 0,
  SLOT_ID_INVALID: ckrOf(protocol.RC_SLOT_ID_INVALID),
  GENERAL_ERROR: ckrOf(protocol.RC_GENERAL_ERROR),
  ARGUMENTS_BAD: ckrOf(protocol.RC_ARGUMENTS_BAD),
  NO_EVENT: 0x08,
  ATTRIBUTE_SENSITIVE: ckrOf(protocol.RC_ATTRIBUTE_SENSITIVE),
  ATTRIBUTE_TYPE_INVALID: ckrOf(protocol.RC_ATTRIBUTE_TYPE_INVALID),
  ATTRIBUTE_VALUE_INVALID: ckrOf(protocol.RC_ATTRIBUTE_VALUE_INVALID),
  DATA_LEN_RANGE: ckrOf(protocol.RC_DATA_LEN_RANGE),
  DEVICE_ERROR: ckrOf(protocol.RC_DEVICE_ERROR),
  DEVICE_REMOVED: 0x32,
  ENCRYPTED_DATA_INVALID: ckrOf(protocol.RC_ENCRYPTED_DATA_INVALID),
  AEAD_DECRYPT_FAILED: 0x42,
  ENCRYPTED_DATA_LEN_RANGE: ckrOf(protocol.RC_ENCRYPTED_DATA_LEN_RANGE),
  FUNCTION_NOT_SUPPORTED: ckrOf(protocol.RC_FUNCTION_NOT_SUPPORTED),
  KEY_HANDLE_INVALID: ckrOf(protocol.RC_KEY_HANDLE_INVALID),
  KEY_TYPE_INCONSISTENT: ckrOf(protocol.RC_KEY_TYPE_INCONSISTENT),
  KEY_FUNCTION_NOT_PERMITTED: ckrOf(protocol.RC_KEY_FUNCTION_NOT_PERMITTED),
  MECHANISM_INVALID: ckrOf(protocol.RC_MECHANISM_INVALID),
  MECHANISM_PARAM_INVALID: ckrOf(protocol.RC_MECHANISM_PARAM_INVALID),
  OBJECT_HANDLE_INVALID: ckrOf(protocol.RC_OBJECT_HANDLE_INVALID),
  OPERATION_ACTIVE: 0x90,
  OPERATION_NOT_INITIALIZED: 0x91,
  PIN_INVALID: ckrOf(protocol.RC_PIN_INVALID),
  SESSION_EXISTS: 0xb6,
  SESSION_HANDLE_INVALID: ckrOf(protocol.RC_SESSION_HANDLE_INVALID),
  SESSION_PARALLEL_NOT_SUPPORTED: 0xb4,
  SESSION_READ_ONLY: ckrOf(protocol.RC_SESSION_READ_ONLY),
  SESSION_READ_ONLY_EXISTS: 0xb7,
  SESSION_READ_WRITE_SO_EXISTS: 0xb8,
  TEMPLATE_INCONSISTENT: ckrOf(protocol.RC_TEMPLATE_INCONSISTENT),
  TOKEN_NOT_PRESENT: ckrOf(protocol.RC_TOKEN_NOT_PRESENT),
  USER_NOT_LOGGED_IN: ckrOf(protocol.RC_USER_NOT_LOGGED_IN),
  USER_TYPE_INVALID: ckrOf(protocol.RC_USER_TYPE_INVALID),
  RANDOM_SEED_NOT_SUPPORTED: 0x120,
  BUFFER_TOO_SMALL: ckrOf(protocol.RC_BUFFER_TOO_SMALL),
  KEY_NOT_NEEDED: 0x64,
  KEY_NEEDED: 0x66,
  SAVED_STATE_INVALID: 0x160,
  STATE_UNSAVEABLE: 0x180,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
} as const

/** A call that is answered with a CK_RV other than CKR_OK by the door itself. */
export class Pkcs11Error extends Error {
  override readonly name = 'Pkcs11Error'
  readonly code: string
  constructor(
    readonly ckr: number,
    message?: string,
    options?: ErrorOptions,
  ) {
    const code = nameOf(ckr)
    super(message ?? code, options)
    this.code = code
  }
}

function nameOf(ckr: number): string {
  for (const [name, value] of Object.entries(CKR)) if (value === ckr) return `CKR_${name}`
  return ckrName(ckr)
}

/** Whether a failure means that there is no way to the token any more. */
export function isGone(error: unknown): boolean {
  return error instanceof TransportError && error.code !== 'TRANSPORT_FRAME'
}

/** The CK_RV of whatever went wrong: the token's own where it has answered. */
export function ckrOfError(error: unknown): number {
  if (error instanceof Pkcs11Error || error instanceof TokenError) return error.ckr
  if (isGone(error)) return CKR.DEVICE_REMOVED
  // What was asked for fits in no command.
  if (error instanceof FrameError && error.code === 'ARGUMENT_RANGE') return CKR.DATA_LEN_RANGE
  if (error instanceof Error && 'code' in error) return CKR.DEVICE_ERROR
  return CKR.GENERAL_ERROR
}
