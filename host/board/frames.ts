import * as protocol from '../../assembly/protocol.js'

const { ANSWER, FRAME_HEADER, MAX_FRAME, PED_HEADER, PED_MAGIC, PED_MAX_FRAME } = protocol

/** Whatever takes command frames and gives the answers: a token, or what stands for one. */
export interface CommandDoor {
  /** Resolves with the answer to one command frame (SPEC.md §2); rejects where the frame is malformed or the board broke. */
  exchange(frame: Uint8Array): Promise<Uint8Array>
}

const viewOf = (frame: Uint8Array): DataView => new DataView(frame.buffer, frame.byteOffset, frame.length)

/** Whether the frame has a header, the body that the header says, and no more than MAX_FRAME bytes. */
export function isCommandFrame(frame: Uint8Array): boolean {
  return (
    frame.length >= FRAME_HEADER &&
    frame.length <= MAX_FRAME &&
    frame.length === FRAME_HEADER + viewOf(frame).getUint32(12)
  )
}

/** Command id of a request. */
export const commandOf = (frame: Uint8Array): number => viewOf(frame).getUint16(0)

/** Name of a command in protocol.ts, without its CMD_. */
export function commandName(id: number): string {
  const name = Object.entries(protocol).find(([known, value]) => known.startsWith('CMD_') && value === id)?.[0]
  return name?.slice('CMD_'.length) ?? `command 0x${id.toString(16)}`
}

export const tagOf = (frame: Uint8Array): number => viewOf(frame).getUint32(8)

/** A copy with another tag. Tags belong to the cable and are in no authentication code, so every hop may use its own. */
export function withTag(frame: Uint8Array, tag: number): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(frame)
  viewOf(copy).setUint32(8, tag)
  return copy
}

/** The answer of a hop that refuses a request itself: the request's command and tag, a code, no body, never sealed. */
export function refusal(request: Uint8Array, code: number): Uint8Array {
  const answer = new Uint8Array(FRAME_HEADER)
  const header = viewOf(answer)
  header.setUint16(0, viewOf(request).getUint16(0) | ANSWER)
  header.setUint32(4, code)
  header.setUint32(8, tagOf(request))
  return answer
}

/** The PED id of a frame (SPEC.md §5), undefined where it is none. */
export function pedIdOf(frame: Uint8Array): number | undefined {
  if (frame.length < PED_HEADER || frame.length > PED_MAX_FRAME) return undefined
  const header = viewOf(frame)
  if (header.getUint32(0) !== PED_MAGIC || header.getUint32(12) !== frame.length - PED_HEADER) return undefined
  return header.getUint16(6)
}
