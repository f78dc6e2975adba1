import { hash } from 'node:crypto'
import {
  AGAIN_LEAST,
  AGAIN_MOST,
  type Again,
  type Change,
  ChangeWriter,
  decodeChanges,
  SPARSE,
  sizeOf,
  WORD,
  WORD_ENTRY,
} from './changes.js'

// A frame: "MLJ1", length of the changes u32, sequence u64, the changes, SHA-256 of everything before.
const MAGIC = Buffer.from('MLJ1')
const HEADER = 16
const DIGEST = 32

export interface JournalFrame {
  readonly sequence: bigint
  readonly changes: Iterable<Change>
}

export interface JournalContent {
  readonly frames: readonly JournalFrame[]
  /** Bytes that the frames take up; what follows is the torn tail of a write that was never acknowledged. */
  readonly length: number
  /** A whole later frame stands behind a broken one: not a torn tail, acknowledged changes are lost. */
  readonly damaged: boolean
}

const sha256 = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer')

/** Bytes that most frames fit. */
const COMMON = 256 * 1024
/** Programs that a writer remembers, each of a length of its own. */
const REMEMBERED = 4

/** A program that stands in the journal in full. */
interface Base {
  readonly words: Uint32Array
  /** Where its bytes stand. */
  readonly from: number
}

/** The words of a program that is neither too short nor too long to be written as what differs from another. */
function longWords(data: Uint8Array): Uint32Array | undefined {
  if (data.length < AGAIN_LEAST || data.length > AGAIN_MOST) return undefined
  if ((data.length | data.byteOffset) % WORD !== 0) return undefined
  return new Uint32Array(data.buffer, data.byteOffset, data.length / WORD)
}

/** The words of a program that differ from those of another, as `Again` has them; undefined where they are too many. */
function difference(words: Uint32Array, base: Uint32Array): Uint8Array | undefined {
  const most = Math.floor(words.length / SPARSE)
  const places: number[] = []
  for (let i = 0; i < words.length; i++) {
    if (words[i] === base[i]) continue
    if (places.length === most) return undefined
    places.push(i)
  }
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  const entries = Buffer.allocUnsafe(WORD_ENTRY * places.length)
  let at = 0
  for (const i of places) {
    at = entries.writeUInt32BE(WORD * i, at)
    for (let k = 0; k < WORD; k++) entries[at++] = bytes[WORD * i + k] ?? 0
  }
  return entries
}

/**
 * Makes the frames of one journal. Most commands program a superblock that is like the one before but for a few words: from the second
 * on only these are written.
 */
export class JournalWriter {
  readonly #bytes = Buffer.allocUnsafeSlow(COMMON)
  /** Used last comes first. */
  #bases: Base[] = []

  /**
   * @param place where in the journal the frame will stand, behind all others
   * @returns the frame, valid until the next one
   */
  frame(sequence: bigint, changes: readonly Change[], place: number): Buffer {
    const most = changes.reduce((sum, change) => sum + sizeOf(change), HEADER + DIGEST)
    const bytes = most <= COMMON ? this.#bytes : Buffer.allocUnsafe(most)
    const writer = new ChangeWriter(bytes, HEADER)
    const whole: Base[] = []
    for (const change of changes) {
      const words = change.kind === 'program' ? longWords(change.data) : undefined
      const again = words && change.kind === 'program' ? this.#again(change.offset, words) : undefined
      if (again) writer.putAgain(again)
      else writer.put(change)
      if (words && !again) whole.push({ words: words.slice(), from: place + writer.at - words.byteLength })
    }
    // From the next frame on: what a frame names stands in front of it.
    for (const base of whole) this.#use(base)
    const end = writer.at
    MAGIC.copy(bytes)
    bytes.writeUInt32BE(end - HEADER, 4)
    bytes.writeBigUInt64BE(sequence, 8)
    sha256(bytes.subarray(0, end)).copy(bytes, end)
    return bytes.subarray(0, end + DIGEST)
  }

  #again(offset: number, words: Uint32Array): Again | undefined {
    for (const base of this.#bases) {
      const entries = base.words.length === words.length ? difference(words, base.words) : undefined
      if (!entries) continue
      this.#use(base)
      return { offset, from: base.from, length: words.byteLength, entries }
    }
    return undefined
  }

  #use(base: Base): void {
    if (this.#bases[0] === base) return
    this.#bases = [base, ...this.#bases.filter((other) => other !== base)]
    if (this.#bases.length > REMEMBERED) this.#bases.pop()?.words.fill(0)
  }

  /** The journal begins anew. */
  forget(): void {
    for (const { words } of this.#bases) words.fill(0)
    this.#bases = []
  }
}

/** A frame by itself. */
export function encodeJournalFrame(sequence: bigint, changes: readonly Change[]): Buffer {
  return Buffer.from(new JournalWriter().frame(sequence, changes, 0))
}

function frameAt(bytes: Buffer, at: number): (JournalFrame & { readonly end: number }) | undefined {
  if (bytes.length - at < HEADER + DIGEST || !bytes.subarray(at, at + MAGIC.length).equals(MAGIC)) return undefined
  const body = at + HEADER
  const length = bytes.readUInt32BE(at + 4)
  if (length > bytes.length - body - DIGEST) return undefined
  const digest = body + length
  if (!sha256(bytes.subarray(at, digest)).equals(bytes.subarray(digest, digest + DIGEST))) return undefined
  const changes = decodeChanges(bytes.subarray(body, digest), bytes.subarray(0, at))
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
