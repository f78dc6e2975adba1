export type PedErrorCode =
  /** The PED already serves an HSM. */
  | 'PED_IN_USE'
  /** No PED is plugged into the PED server, or it has gone. */
  | 'PED_ABSENT'
  /** A frame on the PED cable is not as SPEC.md §5 says, or does not open. */
  | 'PED_FRAME_INVALID'
  /** A request with the number of an earlier one. */
  | 'PED_FRAME_REPLAYED'
  /** A key file is damaged or not a key file. */
  | 'PED_KEY_INVALID'
  /** A key file was written by a newer version. */
  | 'PED_KEY_VERSION'
  /** The person gave up, the time is over, the HSM gave up or went away: how a question can end without an answer. */
  | 'PED_CANCELLED'
  | 'PED_TIMEOUT'
  | 'PED_GIVEN_UP'
  | 'PED_KEY_NOT_FOUND'
  /** The folder of the keys is not there or cannot be read. */
  | 'PED_BOX_UNREADABLE'
  | 'PED_KEY_EXISTS'
  | 'PED_KEY_NAME_INVALID'
  | 'OPERATOR_RULES_INVALID'
  /** The person at the terminal pressed Ctrl-C. */
  | 'PED_TERMINAL_INTERRUPTED'
  /** The terminal is gone: nobody can be asked. */
  | 'PED_TERMINAL_CLOSED'
  /** No PED server answers at the address, or it went away while it was asked. */
  | 'PED_UNREACHABLE'
  /** The PED server's certificate is not the one that is known. */
  | 'PED_SERVER_UNTRUSTED'
  /** The PED server ended the connection and said why. */
  | 'PED_REMOTE_REFUSED'
  /** The other end of a TLS connection does not speak as SPEC.md §5.3 says. */
  | 'PED_REMOTE_PROTOCOL'
  /** A PED server cannot listen where it should. */
  | 'PED_LISTEN'
  /** Serial lines need the package `serialport`, which is not installed. */
  | 'PED_SERIAL_UNAVAILABLE'
  /** The serial line cannot be opened. */
  | 'PED_SERIAL_OPEN'

/** Everything that goes wrong in this room; `code` is stable, the message is for people and holds no secret. */
export class PedError extends Error {
  override readonly name = 'PedError'
  constructor(
    readonly code: PedErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
