import * as protocol from '../../assembly/protocol.js'

/** Every error of this room: `code` is stable and may be compared. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError'
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** What came from the other side is not what SPEC.md describes, or what was asked for cannot be put into a frame. */
export class FrameError extends ClientError {
  override readonly name = 'FrameError'
  constructor(
    override readonly code: 'FRAME_MALFORMED' | 'ARGUMENT_RANGE',
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options)
  }
}

/** The other end is not a token that our root vouches for, or somebody on the way changes frames. */
export class ChannelError extends ClientError {
  override readonly name = 'ChannelError'
  constructor(
    override readonly code: 'CHANNEL_CERTIFICATE' | 'CHANNEL_HANDSHAKE' | 'CHANNEL_ANSWER',
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options)
  }
}

const RC_PREFIX = 'RC_'
const VENDOR = 0x80000000

/** Rows of protocol.ts whose published CKR name is longer than ours. */
const PUBLISHED_NAMES: Readonly<Record<string, string>> = {
  CONTAINER_STORAGE_FULL: 'CONTAINER_OBJECT_STORAGE_FULL',
  CLONE_FAILED: 'FAILED_TO_CLONE_AN_OBJECT',
  NEGOTIATION_NO_PSK: 'SESSION_NEGOTIATION_NO_PSK',
  NEGOTIATION_NO_ROOTS: 'SESSION_NEGOTIATION_NO_ROOTS',
  NEGOTIATION_NO_ALGS: 'SESSION_NEGOTIATION_NO_ALGS',
  NEGOTIATION_EXPIRED: 'SESSION_NEGOTIATION_EXPIRED',
  NEGOTIATION_INVALID: 'SESSION_NEGOTIATION_INVALID',
}

const reasons = new Map<number, string>()
const ckrNames = new Map<number, string>()
for (const [key, value] of Object.entries(protocol)) {
  if (!key.startsWith(RC_PREFIX) || value === protocol.RC_PARKED) continue
  const reason = key.slice(RC_PREFIX.length)
  reasons.set(value, reason)
  const refined = value < VENDOR && (value & 0xffff) !== 0
  if (!refined) ckrNames.set(ckrOf(value), `CKR_${PUBLISHED_NAMES[reason] ?? reason}`)
}

/** The CKR value of a token's return code (SPEC.md §3). */
export function ckrOf(rc: number): number {
  return rc >= VENDOR ? rc : rc >>> 16
}

/** `CKR_PIN_INCORRECT` for 0xa0; a value without a name answers its number in hexadecimal. */
export function ckrName(ckr: number): string {
  return ckrNames.get(ckr) ?? `CKR_0x${ckr.toString(16)}`
}

/** The CKR value that belongs to a name, if it is one a token may answer. */
export function ckrByName(name: string): number | undefined {
  for (const [value, known] of ckrNames) if (known === name) return value
  return undefined
}

/** The exact row of the return code table, refinement included: `PIN_INCORRECT_LOCKED` for 0x00a00002. */
export function reasonOf(rc: number): string {
  return reasons.get(rc) ?? `0x${rc.toString(16).padStart(8, '0')}`
}

/** A token refused a command. `code` is the CKR name, `ckr` its value, `reason` the exact row of the table. */
export class TokenError extends ClientError {
  override readonly name = 'TokenError'
  readonly ckr: number
  readonly reason: string
  constructor(
    readonly rc: number,
    /** Command id (CMD_…) that was refused; 0 where no command was sent. */
    readonly command: number,
    options?: ErrorOptions,
  ) {
    const code = ckrName(ckrOf(rc))
    const reason = reasonOf(rc)
    super(code, `the token answered ${code}${code.endsWith(reason) ? '' : ` (${reason})`}`, options)
    this.ckr = ckrOf(rc)
    this.reason = reason
  }
}
