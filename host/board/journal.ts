import { createHash } from 'node:crypto'
import { type Change, decodeChanges, encodeChanges } from './changes.js'

// A frame: "MLJ1", length of the changes u32, sequence u64, the changes, SHA-256 of everything before.
const MAGIC = Buffer.from('MLJ1')
const HEADER = 16
const DIGEST = 32

export interface JournalFrame {
  readonly sequence: bigint
  readonly changes: readonly Change[]
}

export interface JournalContent {
  readonly frames: readonly JournalFrame[]
  /** Bytes that the frames take up; what follows is the torn tail of a write that was never acknowledged. */
  readonly length: number
  /** A whole later frame stands behind a broken one: not a torn tail, acknowledged changes are lost. */
  readonly damaged: boolean
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

export function encodeJournalFrame(sequence: bigint, changes: readonly Change[]): Buffer {
  const frame = encodeChanges(changes, HEADER, DIGEST)
  const signed = frame.subarray(0, frame.length - DIGEST)
  MAGIC.copy(frame)
  frame.writeUInt32BE(signed.length - HEADER, 4)
  frame.writeBigUInt64BE(sequence, 8)
  sha256(signed).copy(frame, signed.length)
  return frame
}

function frameAt(bytes: Buffer, at: number): (JournalFrame & { readonly end: number }) | undefined {
  if (bytes.length - at < HEADER + DIGEST || !bytes.subarray(at, at + MAGIC.length).equals(MAGIC)) return undefined
  const body = at + HEADER
  const length = bytes.readUInt32BE(at + 4)
  if (length > bytes.length - body - DIGEST) return undefined
  const digest = body + length
  if (!sha256(bytes.subarray(at, digest)).equals(bytes.subarray(digest, digest + DIGEST))) return undefined
  const changes = decodeChanges(bytes.subarray(body, digest))
  return changes && { sequence: bytes.readBigUInt64BE(at + 8), changes, end: digest + DIGEST }
}

function hasLaterFrame(bytes: Buffer, from: number, after: bigint | undefined): boolean {
  for (let at = bytes.indexOf(MAGIC, from); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    const frame = frameAt(bytes, at)
    if (frame && (after === undefined || frame.sequence > after)) return true
  }
  return false
}

/** Reads frames from the start as long as each is whole and carries the next sequence number. */
export function readJournal(bytes: Buffer): JournalContent {
  const frames: JournalFrame[] = []
  let at = 0
  let last: bigint | undefined
  for (;;) {
    const frame = frameAt(bytes, at)
    if (!frame || (last !== undefined && frame.sequence !== last + 1n)) break
    frames.push(frame)
    last = frame.sequence
    at = frame.end
  }
  return { frames, length: at, damaged: hasLaterFrame(bytes, at, last) }
}
