import { RC_ARGUMENTS_BAD, RC_DEVICE_ERROR, RC_TOKEN_NOT_PRESENT } from '../../assembly/protocol.js'
import { ClientError, ckrByName, ckrName, ckrOf, TokenError, TransportError } from '../client/index.js'
import { type Literal, literals, type RenderedLine, rendered } from './literals.js'

/** What stands after `Command Result :` when a command failed. */
export interface Result {
  readonly value: number
  readonly name: string
}

/** Host-level results, which are no PKCS#11 values; DESIGN.md "Behaviour" says where each was seen. */
export const HOST_RESULTS = {
  unknownCommand: { value: 0x1, name: 'Unknown command' },
  cancelled: { value: 0xb, name: 'User Cancelled Operation' },
  notBackupToken: { value: 0xc0000411, name: 'RC_NOT_HSM_BACKUP_TOKEN' },
} as const satisfies Record<string, Result>

/** A command ends with a failure frame; `code` is the name in that frame. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: string
  constructor(
    readonly result: Result,
    /** Lines to print before the frame. */
    readonly lines: readonly RenderedLine[] = [],
    options?: ErrorOptions,
  ) {
    super(`the command ended with ${result.name}`, options)
    this.code = result.name
  }
}

/** The result of a return code of the token's table (RC_…). */
export function resultOf(rc: number): Result {
  return { value: ckrOf(rc), name: ckrName(ckrOf(rc)) }
}

/** A refusal of the shell's own that looks like the token's. */
export function refusal<Args extends readonly unknown[]>(
  rc: number,
  literal: Literal<Args>,
  ...args: Args
): CommandError {
  return new CommandError(resultOf(rc), rendered(literal, ...args))
}

/** A refusal because of how the line was typed. */
export function badLine<Args extends readonly unknown[]>(literal: Literal<Args>, ...args: Args): CommandError {
  return refusal(RC_ARGUMENTS_BAD, literal, ...args)
}

/** What was typed is no command. */
export function unknownCommand(text: string): CommandError {
  return new CommandError(HOST_RESULTS.unknownCommand, rendered(literals.unknownCommand, text))
}

export function cancelled(): CommandError {
  return new CommandError(HOST_RESULTS.cancelled)
}

/**
 * The failure frame of whatever a command threw. Undefined where it is no error of a token, a cable or a connector: a
 * fault of the program itself, not to be hidden in a frame.
 */
export function asCommandError(error: unknown): CommandError | undefined {
  if (error instanceof CommandError) return error
  const options = { cause: error }
  if (error instanceof TokenError) {
    const explained = literals.reason(error.reason)
    return new CommandError({ value: error.ckr, name: error.code }, explained ? rendered(explained) : [], options)
  }
  if (error instanceof TransportError) {
    const gone = error.code === 'TRANSPORT_CLOSED' || error.code === 'TRANSPORT_REMOVED'
    const result = resultOf(gone ? RC_TOKEN_NOT_PRESENT : RC_DEVICE_ERROR)
    return new CommandError(result, rendered(literals.detail, error.message), options)
  }
  if (error instanceof ClientError) {
    return new CommandError(resultOf(RC_DEVICE_ERROR), rendered(literals.detail, error.message), options)
  }
  return undefined
}

/** The failure frame of a PED connector's error: its code where that is a CKR name, else `fallback`. */
export function connectorError(error: unknown, fallback: number): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error
  if (error instanceof ClientError || error instanceof CommandError || error instanceof TransportError) return error
  const value = ckrByName(error.code)
  const result = value === undefined ? resultOf(fallback) : { value, name: error.code }
  return new CommandError(result, rendered(literals.detail, error.message), { cause: error })
}
