// The order in which a request is refused (SPEC.md §2.5), and so what has to be the answer to a body that is malformed.
import * as protocol from '../../../assembly/protocol.js'
import { isAttributeList, takeApart } from '../engine/layout.js'
import { type CommandRow, commandOf } from '../engine/spec.js'
import type { View } from '../firmware/view.js'

export interface Sent {
  readonly command: number
  readonly flags: number
  readonly session: number
  /** Length of the body is what the header says. */
  readonly whole: boolean
  /** In the clear; undefined = it is sealed and does not open. */
  readonly body: Buffer | undefined
}

/** A code that it has to be; or whether RC_FRAME_MALFORMED has to be it. */
export type Expected =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'malformed' }
  /** Refused, with whatever code. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'well-formed'; readonly listsAreGood: boolean }

/** Longest body of a command that waits for the PED. */
const PARKED_MAX = 4096

const { RC_OK } = protocol
const code = (value: number): Expected => ({ kind: 'code', code: value })
const oneOf = (list: readonly number[], command: number): boolean => list.includes(command)

const WITHOUT_MTK = [
  ...[protocol.CMD_STATUS, protocol.CMD_TAMPER_SHOW, protocol.CMD_PED_GET],
  ...[protocol.CMD_SRK_SHOW, protocol.CMD_SRK_RECOVER],
]
const LOCKED_DOWN = [
  ...[protocol.CMD_HSM_INFO, protocol.CMD_HSM_POLICIES, protocol.CMD_HSM_FACTORY_RESET, protocol.CMD_PARTITION_LIST],
  ...[protocol.CMD_PARTITION_INFO, protocol.CMD_PARTITION_POLICIES, protocol.CMD_ROLE_LOGIN, protocol.CMD_ROLE_LOGOUT],
  ...[protocol.CMD_ROLE_INFO, protocol.CMD_PED_GET, protocol.CMD_PED_CONNECT, protocol.CMD_PED_DISCONNECT],
  ...[protocol.CMD_MECHANISM_LIST, protocol.CMD_AUDIT_STATUS],
]
const ZEROIZED = [
  ...[protocol.CMD_HSM_INFO, protocol.CMD_HSM_INIT, protocol.CMD_HSM_FACTORY_RESET, protocol.CMD_PARTITION_LIST],
  protocol.CMD_AUDIT_STATUS,
]

/** What runs in a state (SPEC.md §2.3). */
function stateFault(command: number, { state, flags, tamperControlled }: View): number {
  if (command === protocol.CMD_STATUS) return RC_OK
  const group = command >>> 8
  const inTransport = (flags & protocol.STATUS_TRANSPORT) !== 0
  const locked = inTransport ? protocol.RC_STM_CMD_NON_TRANSPORT : protocol.RC_HSM_TAMPERED
  if (state === protocol.STATE_ERROR) return protocol.RC_ERROR_STATE
  if (state === protocol.STATE_TAMPERED) return oneOf(WITHOUT_MTK, command) ? RC_OK : locked
  if (state === protocol.STATE_BLANK) {
    return oneOf([protocol.CMD_FACTORY_BEGIN, protocol.CMD_FACTORY_FINISH], command)
      ? RC_OK
      : protocol.RC_NOT_MANUFACTURED
  }
  const isLocked = inTransport || ((flags & protocol.STATUS_TAMPERED) !== 0 && tamperControlled)
  if (isLocked && group > 1 && group !== 10 && !oneOf(LOCKED_DOWN, command)) return locked
  if (state === protocol.STATE_FUNCTIONAL) return RC_OK
  return oneOf([0, 1, 5, 10], group) || oneOf(ZEROIZED, command) ? RC_OK : protocol.RC_TOKEN_NOT_RECOGNIZED
}

const READ_FIRST = [
  protocol.CMD_OBJECT_LIST,
  protocol.CMD_OBJECT_GET,
  protocol.CMD_OBJECT_DESTROY,
  protocol.CMD_MECHANISM_LIST,
]

/** What a group of commands asks for before it looks at a body. */
function groupFault({ command, session }: Sent, view: View): number {
  const group = command >>> 8
  const here = view.sessions.get(session)
  const admin = here?.partition === protocol.ADMIN_PARTITION
  const backup = (view.flags & protocol.STATUS_BACKUP) !== 0
  if (group === 3 && command > protocol.CMD_PARTITION_SET_DOMAIN && admin) return protocol.RC_CONTAINER_HANDLE_INVALID
  if (group === 6 && backup && !oneOf(READ_FIRST, command)) return protocol.RC_COMMAND_NON_BACKUP
  if (group === 7 && !oneOf(READ_FIRST, command) && (backup || !view.fullFunction))
    return protocol.RC_COMMAND_NON_BACKUP
  if (group === 8) {
    if (admin) return protocol.RC_CONTAINER_HANDLE_INVALID
    if (here?.role !== protocol.ROLE_CRYPTO_OFFICER) return protocol.RC_USER_NOT_LOGGED_IN
  }
  if (group === 9 && command !== protocol.CMD_AUDIT_STATUS) {
    if (!admin) return protocol.RC_ARGUMENTS_BAD
    if ((view.flags & protocol.STATUS_AUDITOR) === 0) return protocol.RC_LOG_AUDIT_NOT_INITIALIZED
    if (here?.role !== protocol.ROLE_AUDITOR) return protocol.RC_USER_NOT_LOGGED_IN
  }
  const stm = (view.flags & protocol.STATUS_STM) !== 0
  const isStm = command >= protocol.CMD_STM_TRANSPORT && command <= protocol.CMD_STM_RECOVER
  if (group === 10 && command > protocol.CMD_TAMPER_CLEAR && isStm !== stm) return protocol.RC_FUNCTION_NOT_SUPPORTED
  return RC_OK
}

/** A role whose secret somebody else made changes it before anything else. */
function changeFault({ command, session }: Sent, view: View): number {
  const group = command >>> 8
  if (session === 0 || group < 3 || group === 4 || group === 5) return RC_OK
  return view.sessions.get(session)?.mustChange ? protocol.RC_PIN_EXPIRED : RC_OK
}

function needsSession(command: number, row: CommandRow | undefined): boolean {
  // Commands that nobody knows are looked at like those of their group.
  return row ? row.session : !oneOf([0, 5], command >>> 8)
}

/** What the answer has to be, by SPEC.md alone. The view knows all sessions that were ever given out. */
export function expected(sent: Sent, view: View): Expected {
  const { command, flags, session, body } = sent
  const row = commandOf(command)
  if (!sent.whole || flags > protocol.FLAG_SEALED) return code(protocol.RC_FRAME_MALFORMED)
  const state = stateFault(command, view)
  if (state !== RC_OK) return code(state)
  if (body === undefined) return code(protocol.RC_CHANNEL_INVALID)
  if (flags === 0 && row?.sealed === 'always') return code(protocol.RC_CHANNEL_REQUIRED)
  const needed = needsSession(command, row)
  if (needed && !view.sessions.has(session)) return code(protocol.RC_SESSION_HANDLE_INVALID)
  if (!needed && session !== 0) return code(protocol.RC_FRAME_MALFORMED)
  const change = changeFault(sent, view)
  if (change !== RC_OK) return code(change)
  if (!row) return { kind: 'refused' }
  const group = groupFault(sent, view)
  if (group !== RC_OK) return code(group)
  return ofBody(row, body, view)
}

function ofBody(row: CommandRow, body: Buffer, view: View): Expected {
  const spans = takeApart(row.request, body)
  if (!spans) return { kind: 'malformed' }
  const parks = row.parks && (view.flags & protocol.STATUS_PED) !== 0
  if (parks && body.length > PARKED_MAX) return { kind: 'refused' }
  const lists = spans.filter(({ field }) => field.kind === 'attrs')
  const listsAreGood = lists.every(({ at, length }) => isAttributeList(body.subarray(at + 4, at + length)))
  return { kind: 'well-formed', listsAreGood }
}
