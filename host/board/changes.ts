import { BATTERY_ACTIVATION_SIZE, BATTERY_REGIONS } from '../../assembly/protocol.js'

/** Bytes that one region of the battery-backed RAM holds. */
export const BATTERY_CAPACITY = BATTERY_ACTIVATION_SIZE
/** Bytes of the key-split peripheral. */
export const SPLIT_SIZE = 32

/** One change of what a board keeps without power. The journal is a row of these. */
export type Change =
  | { readonly kind: 'program'; readonly offset: number; readonly data: Uint8Array }
  /** Programs single words: `offset u32 ∥ 4 bytes` each, offsets big-endian. */
  | { readonly kind: 'words'; readonly entries: Uint8Array }
  | { readonly kind: 'erase'; readonly sector: number }
  | { readonly kind: 'counter'; readonly value: bigint }
  /** Empty data = the region is zeroized. */
  | { readonly kind: 'battery'; readonly region: number; readonly data: Uint8Array }
  | { readonly kind: 'split'; readonly data: Uint8Array }
  /** Bytes taken from the seeded random stream so far. */
  | { readonly kind: 'random'; readonly position: bigint }
  /** Milliseconds since 1970 when the board last had power. */
  | { readonly kind: 'alive'; readonly time: bigint }

/** One that changes the flash. */
export type FlashChange = Extract<Change, { readonly kind: 'program' | 'words' | 'erase' }>

const CODES = { program: 1, erase: 2, counter: 3, battery: 4, split: 5, random: 6, alive: 7, words: 8 } as const
/** Code of a program that is written as what differs from another. */
const AGAIN = 9

/** Bytes of a word that is programmed alone. */
export const WORD = 4
/** Bytes of one entry of 'words'. */
export const WORD_ENTRY = 4 + WORD
/** A program of which one word in so many is more than FF is worth taking apart. */
export const SPARSE = 8
const BLANK = -1
/** Words that are looked at together: most of them are blank. */
const AT_ONCE = 4

function areBlank(words: Int32Array, i: number): boolean {
  return ((words[i] ?? 0) & (words[i + 1] ?? 0) & (words[i + 2] ?? 0) & (words[i + 3] ?? 0)) === BLANK
}

/**
 * The same change as single words where nearly all of it is FF, which programs nothing: commit words are programmed together with all
 * that lies between them. Undefined for any other; one that begins with something is not looked at.
 */
export function asWords(offset: number, data: Uint8Array): Change | undefined {
  const count = data.length / WORD
  if (count < SPARSE || (data.length | data.byteOffset) % WORD !== 0) return undefined
  const words = new Int32Array(data.buffer, data.byteOffset, count)
  if (words[0] !== BLANK) return undefined
  const entries = Buffer.allocUnsafe(WORD_ENTRY * Math.floor(count / SPARSE))
  let at = 0
  for (let i = 0; i < count; i += AT_ONCE) {
    if (i + AT_ONCE <= count && areBlank(words, i)) continue
    for (let j = i; j < Math.min(i + AT_ONCE, count); j++) {
      if (words[j] === BLANK) continue
      if (at === entries.length) return undefined
      at = entries.writeUInt32BE(offset + WORD * j, at)
      for (let k = 0; k < WORD; k++) entries[at++] = data[WORD * j + k] ?? 0
    }
  }
  return { kind: 'words', entries: entries.subarray(0, at) }
}

/** Bytes that a change takes up in a journal. */
export function sizeOf(change: Change): number {
  switch (change.kind) {
    case 'program':
      return 9 + change.data.length
    case 'words':
      return 5 + change.entries.length
    case 'erase':
      return 5
    case 'battery':
      return 6 + change.data.length
    case 'split':
      return 1 + change.data.length
    case 'counter':
    case 'random':
    case 'alive':
      return 9
  }
}

/** Bytes that a program has at least and at most to be written as what differs from one before it. */
export const [AGAIN_LEAST, AGAIN_MOST] = [1024, 8192]

/** A program whose bytes stand in a journal already, all but a few words. */
export interface Again {
  readonly offset: number
  /** Where they stand, from the beginning of the journal. */
  readonly from: number
  readonly length: number
  /** The words that are others: `place u32 ∥ 4 bytes` each, counted from the first of these bytes. */
  readonly entries: Uint8Array
}

/** Writes changes one behind the other into bytes that have room for them. */
export class ChangeWriter {
  readonly #view: DataView

  /** @param at where the next one goes */
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  put(change: Change): void {
    this.#u8(CODES[change.kind])
    switch (change.kind) {
      case 'program':
        this.#u32(change.offset)
        this.#sized(change.data)
        return
      case 'words':
        this.#sized(change.entries)
        return
      case 'erase':
        this.#u32(change.sector)
        return
      case 'battery':
        this.#u8(change.region)
        this.#sized(change.data)
        return
      case 'split':
        this.#data(change.data)
        return
      case 'random':
        this.#u64(change.position)
        return
      case 'counter':
        this.#u64(change.value)
        return
      case 'alive':
        this.#u64(change.time)
        return
    }
  }

  putAgain({ offset, from, length, entries }: Again): void {
    this.#u8(AGAIN)
    this.#u32(offset)
    this.#u32(from)
    this.#u32(length)
    this.#sized(entries)
  }

  #u8(value: number): void {
    this.bytes[this.at++] = value
  }

  #u32(value: number): void {
    this.#view.setUint32(this.at, value)
    this.at += 4
  }

  #u64(value: bigint): void {
    this.#view.setBigUint64(this.at, value)
    this.at += 8
  }

  #sized(value: Uint8Array): void {
    this.#u32(value.length)
    this.#data(value)
  }

  #data(value: Uint8Array): void {
    this.bytes.set(value, this.at)
    this.at += value.length
  }
}

/** The bytes of a program that stands in the journal, its other words in their places. Undefined where there are none such. */
function programAgain({ offset, from, length, entries }: Again, journal: Uint8Array): Change | undefined {
  if (length < AGAIN_LEAST || length > AGAIN_MOST || from + length > journal.length) return undefined
  const data = new Uint8Array(journal.subarray(from, from + length))
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
  for (let at = 0; at < entries.length; at += WORD_ENTRY) {
    const place = view.getUint32(at)
    if (place > length - WORD) return undefined
    data.set(entries.subarray(at + 4, at + WORD_ENTRY), place)
  }
  return { kind: 'program', offset, data }
}

/** Gives one change after the other, and whether the bytes were exactly a row of them. */
function* row(bytes: Buffer, journal: Uint8Array): Generator<Change, boolean, undefined> {
  let at = 0
  const room = (length: number): boolean => bytes.length - at >= length
  const take = (length: number): Buffer => {
    at += length
    return bytes.subarray(at - length, at)
  }
  const sized = (): Buffer | undefined => {
    if (!room(4)) return undefined
    const length = take(4).readUInt32BE()
    return room(length) ? take(length) : undefined
  }
  while (at < bytes.length) {
    const code = take(1)[0]
    if (code === CODES.program) {
      if (!room(4)) return false
      const offset = take(4).readUInt32BE()
      const data = sized()
      if (!data) return false
      yield { kind: 'program', offset, data }
    } else if (code === AGAIN) {
      if (!room(12)) return false
      const [offset, from, length] = [take(4).readUInt32BE(), take(4).readUInt32BE(), take(4).readUInt32BE()]
      const entries = sized()
      if (!entries || entries.length % WORD_ENTRY !== 0) return false
      const change = programAgain({ offset, from, length, entries }, journal)
      if (!change) return false
      yield change
    } else if (code === CODES.words) {
      const entries = sized()
      if (!entries || entries.length % WORD_ENTRY !== 0) return false
      yield { kind: 'words', entries }
    } else if (code === CODES.erase) {
      if (!room(4)) return false
      yield { kind: 'erase', sector: take(4).readUInt32BE() }
    } else if (code === CODES.battery) {
      const region = room(1) ? take(1)[0] : undefined
      const data = sized()
      if (region === undefined || region >= BATTERY_REGIONS || !data || data.length > BATTERY_CAPACITY) return false
      yield { kind: 'battery', region, data }
    } else if (code === CODES.split) {
      if (!room(SPLIT_SIZE)) return false
      yield { kind: 'split', data: take(SPLIT_SIZE) }
    } else {
      if (!room(8)) return false
      const value = take(8).readBigUInt64BE()
      if (code === CODES.counter) yield { kind: 'counter', value }
      else if (code === CODES.random) yield { kind: 'random', position: value }
      else if (code === CODES.alive) yield { kind: 'alive', time: value }
      else return false
    }
  }
  return true
}

/**
 * Undefined where the bytes are not exactly a row of changes. Offsets and sectors are checked by who applies them.
 * @param journal what stands in the journal before the frame of these changes
 * @returns them, made one by one whenever they are asked for: a few bytes may stand for a whole sector, and a journal for gigabytes
 */
export function decodeChanges(bytes: Buffer, journal: Uint8Array): Iterable<Change> | undefined {
  const look = row(bytes, journal)
  let step = look.next()
  while (!step.done) step = look.next()
  return step.value ? { [Symbol.iterator]: () => row(bytes, journal) } : undefined
}
