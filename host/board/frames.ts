import * as protocol from '../../assembly/protocol.js'

const { ANSWER, FRAME_HEADER, MAX_FRAME, PED_HEADER, PED_MAGIC, PED_MAX_FRAME } = protocol

/** Whatever takes command frames and gives the answers: a token, or what stands for one. */
export interface CommandDoor {
  /** Resolves with the answer to one command frame (SPEC.md §2); rejects where the frame is malformed or the board broke. */
  exchange(frame: Uint8Array): Promise<Uint8Array>
}

// Byte by byte: a DataView for a short array costs more than all else that is done to a frame on its way.

function u16(frame: Uint8Array, at: number): number {
  return ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0)
}

function u32(frame: Uint8Array, at: number): number {
  return ((u16(frame, at) << 16) | u16(frame, at + 2)) >>> 0
}

function setU32(frame: Uint8Array, at: number, value: number): void {
  frame[at] = value >>> 24
  frame[at + 1] = value >>> 16
  frame[at + 2] = value >>> 8
  frame[at + 3] = value
}

/** Whether the frame has a header, the body that the header says, and no more than MAX_FRAME bytes. */
export function isCommandFrame(frame: Uint8Array): boolean {
  return frame.length >= FRAME_HEADER && frame.length <= MAX_FRAME && frame.length === FRAME_HEADER + u32(frame, 12)
}

/** Command id of a request. */
export const commandOf = (frame: Uint8Array): number => u16(frame, 0)

/** Name of a command in protocol.ts, without its CMD_. */
export function commandName(id: number): string {
  const name = Object.entries(protocol).find(([known, value]) => known.startsWith('CMD_') && value === id)?.[0]
  return name?.slice('CMD_'.length) ?? `command 0x${id.toString(16)}`
}

export const tagOf = (frame: Uint8Array): number => u32(frame, 8)

/** A copy with another tag. Tags belong to the cable and are in no authentication code, so every hop may use its own. */
export function withTag(frame: Uint8Array, tag: number): Uint8Array<ArrayBuffer> {
  return setTag(new Uint8Array(frame), tag)
}

/** The same in place, of a frame that belongs to nobody else. */
export function setTag<Frame extends Uint8Array>(frame: Frame, tag: number): Frame {
  setU32(frame, 8, tag)
  return frame
}

/** The answer of a hop that refuses a request itself: the request's command and tag, a code, no body, never sealed. */
export function refusal(request: Uint8Array, code: number): Uint8Array<ArrayBuffer> {
  const answer = new Uint8Array(FRAME_HEADER)
  const command = u16(request, 0) | ANSWER
  answer[0] = command >>> 8
  answer[1] = command
  setU32(answer, 4, code)
  setTag(answer, tagOf(request))
  return answer
}

/** The PED id of a frame (SPEC.md §5), undefined where it is none. */
export function pedIdOf(frame: Uint8Array): number | undefined {
  if (frame.length < PED_HEADER || frame.length > PED_MAX_FRAME) return undefined
  if (u32(frame, 0) !== PED_MAGIC || u32(frame, 12) !== frame.length - PED_HEADER) return undefined
  return u16(frame, 6)
}
