// The journal of a state folder (SPEC.md §8), read from the page alone.
import { createHash } from 'node:crypto'
import { BATTERY_ACTIVATION_SIZE, BATTERY_REGIONS } from '../../../assembly/protocol.js'

const HEAD = 16
const DIGEST = 32

export interface ModelFrame {
  readonly sequence: bigint
  /** The changes as they stand in the frame. */
  readonly changes: Buffer
  readonly end: number
}

/** Bytes of the change that begins with these, 0 = none does. */
function changeLength(bytes: Buffer): number {
  const rest = (at: number, most: number) => {
    if (bytes.length < at + 4) return 0
    const length = bytes.readUInt32BE(at)
    return length <= most && at + 4 + length <= bytes.length ? at + 4 + length : 0
  }
  const fixed = (length: number) => (bytes.length >= length ? length : 0)
  switch (bytes[0]) {
    case 1:
      return rest(5, 0xffff_ffff)
    case 2:
      return fixed(5)
    case 3:
    case 6:
    case 7:
      return fixed(9)
    case 4:
      return (bytes[1] ?? 255) < BATTERY_REGIONS ? rest(2, BATTERY_ACTIVATION_SIZE) : 0
    case 5:
      return fixed(33)
    case 8: {
      const length = rest(1, 0xffff_ffff)
      return (length - 5) % 8 === 0 ? length : 0
    }
    default:
      return 0
  }
}

/** Whether bytes are a row of changes and nothing else. */
export function areChanges(bytes: Buffer): boolean {
  let rest = bytes
  while (rest.length > 0) {
    const length = changeLength(rest)
    if (length === 0) return false
    rest = rest.subarray(length)
  }
  return true
}

/** The whole frame at a place, undefined = there is none. */
export function frameAt(bytes: Buffer, at: number): ModelFrame | undefined {
  if (bytes.toString('latin1', at, at + 4) !== 'MLJ1' || bytes.length < at + HEAD + DIGEST) return undefined
  const digest = at + HEAD + bytes.readUInt32BE(at + 4)
  const end = digest + DIGEST
  if (end > bytes.length) return undefined
  if (!createHash('sha256').update(bytes.subarray(at, digest)).digest().equals(bytes.subarray(digest, end)))
    return undefined
  const changes = bytes.subarray(at + HEAD, digest)
  return areChanges(changes) ? { sequence: bytes.readBigUInt64BE(at + 8), changes, end } : undefined
}

export interface ModelJournal {
  readonly frames: readonly ModelFrame[]
  readonly length: number
  readonly damaged: boolean
}

export function readModel(bytes: Buffer): ModelJournal {
  const frames: ModelFrame[] = []
  let at = 0
  for (let frame = frameAt(bytes, at); frame; frame = frameAt(bytes, at)) {
    const last = frames.at(-1)
    if (last && frame.sequence !== last.sequence + 1n) break
    frames.push(frame)
    at = frame.end
  }
  const last = frames.at(-1)?.sequence
  let damaged = false
  for (let place = at; place < bytes.length; place++) {
    const later = frameAt(bytes, place)
    if (later && (last === undefined || later.sequence > last)) damaged = true
  }
  return { frames, length: at, damaged }
}
