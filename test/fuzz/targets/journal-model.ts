// The journal of a state folder (SPEC.md §8), read from the page alone.
import { createHash } from 'node:crypto'
import { BATTERY_ACTIVATION_SIZE, BATTERY_REGIONS } from '../../../assembly/protocol.js'

const HEAD = 16
const DIGEST = 32

export interface ModelFrame {
  readonly sequence: bigint
  /** The changes, those that name an earlier program as that program and their words. */
  readonly changes: Buffer
  readonly end: number
}

const [AGAIN, AGAIN_LEAST, AGAIN_MOST] = [9, 1024, 8192]

/** Bytes of the change that begins with these, 0 = none does. */
function changeLength(bytes: Buffer): number {
  const rest = (at: number, most: number) => {
    if (bytes.length < at + 4) return 0
    const length = bytes.readUInt32BE(at)
    return length <= most && at + 4 + length <= bytes.length ? at + 4 + length : 0
  }
  const rows = (at: number) => {
    const length = rest(at, 0xffff_ffff)
    return (length - at - 4) % 8 === 0 ? length : 0
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
    case 8:
      return rows(1)
    case AGAIN:
      return rows(13)
    default:
      return 0
  }
}

/** The program that a change of code 9 stands for, undefined where it is none. */
function inFull(change: Buffer, journal: Buffer): Buffer | undefined {
  const [from, length] = [change.readUInt32BE(5), change.readUInt32BE(9)]
  if (length < AGAIN_LEAST || length > AGAIN_MOST || from + length > journal.length) return undefined
  const program = Buffer.concat([change.subarray(0, 5), change.subarray(9, 13), journal.subarray(from, from + length)])
  program[0] = 1
  for (let at = 17; at < change.length; at += 8) {
    const place = change.readUInt32BE(at)
    if (place + 4 > length) return undefined
    change.copy(program, 9 + place, at + 4, at + 8)
  }
  return program
}

/**
 * The changes that these bytes are, those of code 9 in full; undefined where they are not a row of changes and nothing else.
 * @param journal what stands in front of their frame
 */
function changesOf(bytes: Buffer, journal: Buffer): Buffer | undefined {
  const changes: Buffer[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const change = rest.subarray(0, changeLength(rest))
    const whole = change[0] === AGAIN ? inFull(change, journal) : change
    if (change.length === 0 || !whole) return undefined
    changes.push(whole)
    rest = rest.subarray(change.length)
  }
  return Buffer.concat(changes)
}

/** The whole frame at a place, undefined = there is none. */
export function frameAt(bytes: Buffer, at: number): ModelFrame | undefined {
  if (bytes.toString('latin1', at, at + 4) !== 'MLJ1' || bytes.length < at + HEAD + DIGEST) return undefined
  const digest = at + HEAD + bytes.readUInt32BE(at + 4)
  const end = digest + DIGEST
  if (end > bytes.length) return undefined
  if (!createHash('sha256').update(bytes.subarray(at, digest)).digest().equals(bytes.subarray(digest, end)))
    return undefined
  const changes = changesOf(bytes.subarray(at + HEAD, digest), bytes.subarray(0, at))
  return changes && { sequence: bytes.readBigUInt64BE(at + 8), changes, end }
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
