// The order in which a request is refused (SPEC.md §2.5), and so what has to be the answer to a body that is malformed.
import * as protocol from '../../../assembly/protocol.js'
import { isAttributeList, takeApart } from '../engine/layout.js'
import { commandOf } from '../engine/spec.js'
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

const code = (value: number): Expected => ({ kind: 'code', code: value })

/** What runs on a token that is not functional. */
function stateFault(command: number, state: number): number {
  if (command === protocol.CMD_STATUS || state === protocol.STATE_FUNCTIONAL) return protocol.RC_OK
  if (state === protocol.STATE_ERROR) return protocol.RC_ERROR_STATE
  if (state === protocol.STATE_TAMPERED) return protocol.RC_HSM_TAMPERED
  if (state === protocol.STATE_BLANK) {
    const factory = command === protocol.CMD_FACTORY_BEGIN || command === protocol.CMD_FACTORY_FINISH
    return factory ? protocol.RC_OK : protocol.RC_NOT_MANUFACTURED
  }
  const admitted: readonly number[] = [
    ...[protocol.CMD_HSM_INFO, protocol.CMD_HSM_INIT, protocol.CMD_HSM_FACTORY_RESET, protocol.CMD_PARTITION_LIST],
  ]
  const group = command >>> 8
  const open = group === 0 || group === 1 || group === 5
  return open || admitted.includes(command) ? protocol.RC_OK : protocol.RC_TOKEN_NOT_RECOGNIZED
}

/** What a group of commands asks for before it looks at a body. */
function groupFault({ command, session }: Sent, view: View): number {
  const row = commandOf(command)
  const group = command >>> 8
  const readsFirst: readonly number[] = [protocol.CMD_OBJECT_LIST, protocol.CMD_OBJECT_GET, protocol.CMD_OBJECT_DESTROY]
  if (group === 6 && view.backup && !readsFirst.includes(command)) return protocol.RC_COMMAND_NON_BACKUP
  if (group === 7 && row?.session && (view.backup || !view.fullFunction)) return protocol.RC_COMMAND_NON_BACKUP
  if (group === 8) {
    const here = view.sessions.get(session)
    if (here?.partition === protocol.ADMIN_PARTITION) return protocol.RC_CONTAINER_HANDLE_INVALID
    if (here?.role !== protocol.ROLE_CRYPTO_OFFICER) return protocol.RC_USER_NOT_LOGGED_IN
  }
  return protocol.RC_OK
}

/** What the answer has to be, by SPEC.md alone. The view knows all sessions that were ever given out. */
export function expected(sent: Sent, view: View): Expected {
  const { command, flags, session, body } = sent
  const row = commandOf(command)
  if (!sent.whole || flags > protocol.FLAG_SEALED) return code(protocol.RC_FRAME_MALFORMED)
  const state = stateFault(command, view.state)
  if (state !== protocol.RC_OK) return code(state)
  if (body === undefined) return code(protocol.RC_CHANNEL_INVALID)
  if (flags === 0 && row?.sealed === 'always') return code(protocol.RC_CHANNEL_REQUIRED)
  // Commands that nobody knows are looked at like those of their group.
  const needsSession = row ? row.session : command >>> 8 !== 0 && command >>> 8 !== 5
  if (needsSession && !view.sessions.has(session)) return code(protocol.RC_SESSION_HANDLE_INVALID)
  if (!needsSession && session !== 0) return code(protocol.RC_FRAME_MALFORMED)
  if (!row) return { kind: 'refused' }
  const group = groupFault(sent, view)
  if (group !== protocol.RC_OK) return code(group)
  // A batch says how many handles it has; too many of them are refused before they are read.
  const tooMany =
    command === protocol.CMD_CLONE_SOURCE_BATCH && body.length >= 3 && body.readUInt16BE(1) > protocol.OBC_MAX_BATCH
  if (tooMany) return code(protocol.RC_ARGUMENTS_BAD)
  const spans = takeApart(row.request, body)
  if (!spans) return { kind: 'malformed' }
  if (row.parks && view.ped && body.length > PARKED_MAX) return { kind: 'refused' }
  const lists = spans.filter(({ field }) => field.kind === 'attrs')
  const listsAreGood = lists.every(({ at, length }) => isAttributeList(body.subarray(at + 4, at + length)))
  return { kind: 'well-formed', listsAreGood }
}
