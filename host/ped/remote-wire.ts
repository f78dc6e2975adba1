import { PED_MAX_FRAME } from '../../assembly/protocol.js'
import { PedError } from './errors.js'

/** A message of the remote PED's TLS connection (SPEC.md §5.3): `length 2 ∥ type 1 ∥ body`, the length without its own two bytes. */
export interface RemoteMessage {
  readonly type: number
  readonly body: Buffer
}

export const REMOTE_VERSION = 1
/** pedclient → pedserver, first: version u8. */
export const REMOTE_PLUG = 1
/** pedserver → pedclient: the PED is this HSM's now. */
export const REMOTE_READY = 2
/** pedserver → pedclient: reason u8 (REFUSED_…); then it hangs up. */
export const REMOTE_REFUSED = 3
/** Either way: a frame of the PED cable. */
export const REMOTE_FRAME = 4
/** pedserver → appliance, first where the pedserver calls: version u8. */
export const REMOTE_CALL = 5
/** appliance → pedserver: it is known, and may wait for the appliance's PLUG. */
export const REMOTE_WAIT = 6

/** The PED serves another HSM. */
export const REFUSED_BUSY = 1
/** The first message is not a PLUG of this version. */
export const REFUSED_VERSION = 2
/** The connection was idle for too long. */
export const REFUSED_IDLE = 3
/** pedserver ends, or its person pulled the cable. */
export const REFUSED_STOPPED = 4
/** pedserver has no PED, or it was pulled out. */
export const REFUSED_ABSENT = 5
/** The pedserver that calls is not registered. */
export const REFUSED_UNKNOWN = 6

const LENGTH = 2
const LONGEST = 1 + PED_MAX_FRAME

export function encodeMessage(type: number, body: Uint8Array = new Uint8Array(0)): Buffer {
  const message = Buffer.alloc(LENGTH + 1 + body.length)
  message.writeUInt16BE(1 + body.length, 0)
  message.writeUInt8(type, LENGTH)
  message.set(body, LENGTH + 1)
  return message
}

/** Takes messages out of a stream that loses nothing, in any pieces. What is kept is never longer than the longest message. */
export class MessageReader {
  #kept: Buffer = Buffer.alloc(0)

  /** @throws PedError PED_REMOTE_PROTOCOL: the length of a message is none; the stream means nothing from there on */
  push(bytes: Uint8Array): RemoteMessage[] {
    const messages: RemoteMessage[] = []
    let rest = Buffer.concat([this.#kept, bytes])
    while (rest.length >= LENGTH) {
      const length = rest.readUInt16BE(0)
      if (length === 0 || length > LONGEST) {
        throw new PedError('PED_REMOTE_PROTOCOL', `a message of ${length} bytes where ${LONGEST} are the most`)
      }
      if (rest.length < LENGTH + length) break
      messages.push({ type: rest.readUInt8(LENGTH), body: rest.subarray(LENGTH + 1, LENGTH + length) })
      rest = rest.subarray(LENGTH + length)
    }
    this.#kept = Buffer.from(rest)
    return messages
  }

  /** Whether a message has begun and not ended. */
  get begun(): boolean {
    return this.#kept.length > 0
  }
}
