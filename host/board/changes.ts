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

const CODES = { program: 1, erase: 2, counter: 3, battery: 4, split: 5, random: 6, alive: 7, words: 8 } as const

const WORD = 4
/** Bytes of one entry of 'words'. */
export const WORD_ENTRY = 4 + WORD
/** A program of which one word in so many is more than FF is worth taking apart. */
const SPARSE = 8
const BLANK = 0xffffffff

/**
 * The same change as single words where nearly all of it is FF, which programs nothing: commit words are programmed together with all
 * that lies between them. Undefined for any other; one that begins with something is not looked at.
 */
export function asWords(offset: number, data: Uint8Array): Change | undefined {
  const count = data.length / WORD
  if (count < SPARSE || (data.length | data.byteOffset) % WORD !== 0) return undefined
  const words = new Uint32Array(data.buffer, data.byteOffset, count)
  if (words[0] !== BLANK) return undefined
  const entries = Buffer.allocUnsafe(WORD_ENTRY * Math.floor(count / SPARSE))
  let at = 0
  for (let i = 1; i < count; i++) {
    if (words[i] === BLANK) continue
    if (at === entries.length) return undefined
    at = entries.writeUInt32BE(offset + WORD * i, at)
    for (let k = 0; k < WORD; k++) entries[at++] = data[WORD * i + k] ?? 0
  }
  return { kind: 'words', entries: entries.subarray(0, at) }
}

/** The bytes between the first and behind the last of single words, undefined for none. */
export function wordsSpan(entries: Uint8Array): readonly [from: number, to: number] | undefined {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
  let [from, to] = [Number.POSITIVE_INFINITY, 0]
  for (let at = 0; at < entries.length; at += WORD_ENTRY) {
    const offset = view.getUint32(at)
    from = Math.min(from, offset)
    to = Math.max(to, offset + WORD)
  }
  return to > 0 ? [from, to] : undefined
}

function sizeOf(change: Change): number {
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

/** One buffer for all, a cloning batch is hundreds of changes: bytes for the caller to fill before and behind them. */
export function encodeChanges(changes: readonly Change[], before = 0, behind = 0): Buffer {
  const bytes = Buffer.allocUnsafe(changes.reduce((sum, change) => sum + sizeOf(change), before + behind))
  let at = before
  const data = (value: Uint8Array): void => {
    bytes.set(value, at)
    at += value.length
  }
  const sized = (value: Uint8Array): void => {
    at = bytes.writeUInt32BE(value.length, at)
    data(value)
  }
  for (const change of changes) {
    at = bytes.writeUInt8(CODES[change.kind], at)
    switch (change.kind) {
      case 'program':
        at = bytes.writeUInt32BE(change.offset, at)
        sized(change.data)
        break
      case 'words':
        sized(change.entries)
        break
      case 'erase':
        at = bytes.writeUInt32BE(change.sector, at)
        break
      case 'battery':
        at = bytes.writeUInt8(change.region, at)
        sized(change.data)
        break
      case 'split':
        data(change.data)
        break
      case 'random':
        at = bytes.writeBigUInt64BE(change.position, at)
        break
      case 'counter':
        at = bytes.writeBigUInt64BE(change.value, at)
        break
      case 'alive':
        at = bytes.writeBigUInt64BE(change.time, at)
        break
    }
  }
  return bytes
}

/** Undefined where the bytes are not exactly a row of changes. Offsets and sectors are checked by who applies them. */
export function decodeChanges(bytes: Buffer): Change[] | undefined {
  const changes: Change[] = []
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
      if (!room(4)) return undefined
      const offset = take(4).readUInt32BE()
      const data = sized()
      if (!data) return undefined
      changes.push({ kind: 'program', offset, data })
    } else if (code === CODES.words) {
      const entries = sized()
      if (!entries || entries.length % WORD_ENTRY !== 0) return undefined
      changes.push({ kind: 'words', entries })
    } else if (code === CODES.erase) {
      if (!room(4)) return undefined
      changes.push({ kind: 'erase', sector: take(4).readUInt32BE() })
    } else if (code === CODES.battery) {
      const region = room(1) ? take(1)[0] : undefined
      const data = sized()
      if (region === undefined || region >= BATTERY_REGIONS || !data || data.length > BATTERY_CAPACITY) return undefined
      changes.push({ kind: 'battery', region, data })
    } else if (code === CODES.split) {
      if (!room(SPLIT_SIZE)) return undefined
      changes.push({ kind: 'split', data: take(SPLIT_SIZE) })
    } else {
      if (!room(8)) return undefined
      const value = take(8).readBigUInt64BE()
      if (code === CODES.counter) changes.push({ kind: 'counter', value })
      else if (code === CODES.random) changes.push({ kind: 'random', position: value })
      else if (code === CODES.alive) changes.push({ kind: 'alive', time: value })
      else return undefined
    }
  }
  return changes
}
