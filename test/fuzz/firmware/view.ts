// What anybody may ask a token: its state, and who is logged in on which session. Asked with commands of their own.
import * as protocol from '../../../assembly/protocol.js'
import { frameOf, type Station } from './station.js'

export interface SessionView {
  readonly partition: number
  readonly role: number
}

export interface View {
  readonly state: number
  readonly backup: boolean
  readonly ped: boolean
  /** HSM policy 9. */
  readonly fullFunction: boolean
  readonly sessions: ReadonlyMap<number, SessionView>
}

function bodyOf(station: Station, command: number, session = 0): Buffer | undefined {
  const { answers } = station.machine.command(frameOf(command, 0, session, 0xffff_ffff, Buffer.alloc(0)))
  const [answer] = answers.filter((each) => each.readUInt32BE(8) === 0xffff_ffff)
  return answer?.readUInt32BE(4) === protocol.RC_OK ? answer.subarray(protocol.FRAME_HEADER) : undefined
}

function fullFunction(station: Station): boolean {
  const body = bodyOf(station, protocol.CMD_HSM_POLICIES) ?? Buffer.alloc(2)
  for (let at = 2; at + 11 <= body.length; at += 11) {
    if (body.readUInt16BE(at) === protocol.HSM_POLICY_FULL_FUNCTION) return body.readUInt32BE(at + 7) !== 0
  }
  return true
}

export function look(station: Station, sessions: Iterable<number>): View {
  const status = bodyOf(station, protocol.CMD_STATUS)
  if (!status) throw new Error('STATUS is always answered')
  const [state, flags] = [status.readUInt8(), status.readUInt32BE(5)]
  const seen = new Map<number, SessionView>()
  for (const session of sessions) {
    const info = bodyOf(station, protocol.CMD_SESSION_INFO, session)
    if (info) seen.set(session, { partition: info.readUInt32BE(), role: info.readUInt8(5) })
  }
  const functional = state === protocol.STATE_FUNCTIONAL
  return {
    ...{ state, backup: (flags & 1) !== 0, ped: (flags & 2) !== 0, sessions: seen },
    fullFunction: !functional || fullFunction(station),
  }
}
