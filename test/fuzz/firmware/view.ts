// What anybody may ask a token: its state, and who is logged in on which session. Asked with commands of their own.
import * as protocol from '../../../assembly/protocol.js'
import { frameOf, type Station } from './station.js'

export interface SessionView {
  readonly partition: number
  readonly role: number
  /** Its secret was made by somebody else and has to be changed first (HSM policy 21). */
  readonly mustChange: boolean
}

export interface View {
  readonly state: number
  /** STATUS_… */
  readonly flags: number
  /** HSM policies that the order of checks depends on; what they are while the token is not functional nobody knows. */
  readonly fullFunction: boolean
  readonly tamperControlled: boolean
  readonly sessions: ReadonlyMap<number, SessionView>
}

function bodyOf(
  station: Station,
  command: number,
  session = 0,
  body: Uint8Array = Buffer.alloc(0),
): Buffer | undefined {
  const { answers } = station.machine.command(frameOf(command, 0, session, 0xffff_ffff, body))
  const [answer] = answers.filter((each) => each.readUInt32BE(8) === 0xffff_ffff)
  return answer?.readUInt32BE(4) === protocol.RC_OK ? answer.subarray(protocol.FRAME_HEADER) : undefined
}

function hsmPolicies(station: Station): ReadonlyMap<number, number> {
  const body = bodyOf(station, protocol.CMD_HSM_POLICIES) ?? Buffer.alloc(2)
  const values = new Map<number, number>()
  for (let at = 2; at + 11 <= body.length; at += 11) values.set(body.readUInt16BE(at), body.readUInt32BE(at + 7))
  return values
}

function sessionOf(station: Station, session: number): SessionView | undefined {
  const info = bodyOf(station, protocol.CMD_SESSION_INFO, session)
  if (!info) return undefined
  const [partition, role] = [info.readUInt32BE(), info.readUInt8(5)]
  const flags =
    role === protocol.ROLE_NONE
      ? 0
      : (bodyOf(station, protocol.CMD_ROLE_INFO, session, Buffer.of(role))?.readUInt32BE() ?? 0)
  return { partition, role, mustChange: (flags & (protocol.ROLE_PIN_CHANGE | protocol.ROLE_CHALLENGE_CHANGE)) !== 0 }
}

export function look(station: Station, sessions: Iterable<number>): View {
  const status = bodyOf(station, protocol.CMD_STATUS)
  if (!status) throw new Error('STATUS is always answered')
  const [state, flags] = [status.readUInt8(), status.readUInt32BE(5)]
  const seen = new Map<number, SessionView>()
  for (const session of sessions) {
    const view = sessionOf(station, session)
    if (view) seen.set(session, view)
  }
  const policies = state === protocol.STATE_FUNCTIONAL ? hsmPolicies(station) : new Map<number, number>()
  return {
    ...{ state, flags, sessions: seen },
    fullFunction: policies.get(protocol.HSM_POLICY_FULL_FUNCTION) !== 0,
    tamperControlled: (policies.get(protocol.HSM_POLICY_CONTROLLED_TAMPER) ?? 0) !== 0,
  }
}
