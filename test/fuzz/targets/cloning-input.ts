// Messages of OBC-1, made by the oracle and damaged: before they are authenticated, so that the checks behind the MAC are reached, or
// after it.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32 } from '../../oracle/obc1/bytes.js'
import { HM, seal, wrap } from '../../oracle/obc1/crypto.js'
import { type Attribute, encodeAttributes, OVERHEAD } from '../../oracle/obc1/envelope.js'
import type { SessionKeys } from '../../oracle/obc1/key-schedule.js'
import { encodeM4, type Result } from '../../oracle/obc1/messages.js'
import { mutate, oddNumber } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { TEMPLATES } from '../firmware/postures.js'

const HEADER = 16
const FIXED = 56
const IN_HEADER = new Set<number>([
  ...[protocol.CKA_CLASS, protocol.CKA_TOKEN, protocol.CKA_PRIVATE, protocol.CKA_KEY_TYPE, protocol.CKA_SENSITIVE],
  ...[protocol.CKA_EXTRACTABLE, protocol.CKA_MODIFIABLE],
])
const LISTS: readonly (readonly Attribute[])[] = [TEMPLATES.data, TEMPLATES.aes, TEMPLATES.hmac, TEMPLATES.nothing]
const CLASSES = [
  [protocol.CKO_DATA, protocol.UNAVAILABLE],
  [protocol.CKO_SECRET_KEY, protocol.CKK_AES],
  [protocol.CKO_SECRET_KEY, protocol.CKK_GENERIC_SECRET],
] as const

/** What the sender of a batch has. */
export interface Sender {
  readonly keys: SessionKeys
  readonly sid: Buffer
  /** tagS for the first batch. */
  readonly confirmation: Buffer
  readonly number: number
  readonly seq: number
}

/** One envelope, sealed rightly around whatever the object is. */
function envelope(random: Random, { keys, sid }: Sender, seq: number): Buffer {
  const [objectClass, keyType] = random.oneIn(12) ? [oddNumber(random), oddNumber(random)] : random.pick(CLASSES)
  const bits = random.oneIn(12) ? oddNumber(random) : random.pick([0x1b, 0x07, 0x05, 0x1f])
  let plaintext = encodeAttributes(random.pick(LISTS).filter(({ type }) => !IN_HEADER.has(type)))
  if (random.oneIn(3)) plaintext = mutate(random, plaintext)
  if (random.oneIn(200)) plaintext = random.bytes(random.pick([1000, 20_000, 60_000]))
  const cek = random.bytes(32)
  const place = cat(u32(seq), u32(OVERHEAD + plaintext.length), u32(random.u32()), random.bytes(12))
  const kind = cat(u32(objectClass), u32(keyType), u32(bits), u32(plaintext.length))
  const head = cat(place, kind, wrap(keys.kek, cek))
  const made = cat(head, seal(cek, cat('OBC1', u32(0), u32(seq)), cat(sid, head), plaintext))
  return random.oneIn(6) ? withOddEnvelope(random, made) : made
}

/** Places of an envelope: seq, length, inner length, wrapped key, end. */
function withOddEnvelope(random: Random, made: Buffer): Buffer {
  const copy = Buffer.from(made)
  const field = random.below(7)
  const length = copy.length
  if (field === 6) {
    // Both lengths agree, and neither is true.
    const inner = oddNumber(random, [length - OVERHEAD])
    copy.writeUInt32BE((inner + OVERHEAD) >>> 0, 4)
    copy.writeUInt32BE(inner, 36)
    return copy
  }
  if (field < 2) copy.writeUInt32BE(oddNumber(random, [length, OVERHEAD, length - OVERHEAD]), 4)
  else if (field < 4) copy.writeUInt32BE(oddNumber(random, [length - OVERHEAD, length]), 36)
  else if (field === 4) copy.writeUInt32BE(oddNumber(random, [0, 1, 2]), 0)
  else return mutate(random, copy)
  return copy
}

/** The MAC as a token would compute it that walks from length to length. */
function batchMac(hkS: Buffer, message: Buffer, count: number): Buffer {
  const parts: Buffer[] = [message.subarray(0, HEADER + FIXED)]
  let at = HEADER + FIXED
  for (let i = 0; i < count && at + 8 <= message.length; i++) {
    const size = message.readUInt32BE(at + 4)
    parts.push(message.subarray(at, at + 4), message.subarray(Math.max(at, at + size - 16), at + size))
    at += size
  }
  return HM(hkS, Buffer.concat(parts)).subarray(0, 32)
}

/** A batch: form, envelopes and MAC right, or right but for what chance changes. */
export function batchMessage(random: Random, sender: Sender, objects: number, flags: number): Buffer {
  const { keys, sid, confirmation, number, seq } = sender
  const first = number === 0
  const envelopes = Array.from({ length: objects }, (_, i) => envelope(random, sender, seq + i))
  const odd = random.oneIn(5)
  const [count, shownFlags, slot] = odd
    ? [oddNumber(random, [objects]) & 0xffff, oddNumber(random, [flags]) & 0xff, random.pick([0, 0, 1, 2, 255])]
    : [objects, flags, 0]
  const fixed = cat(sid, u32(number), u8(slot), u8(shownFlags), u16(count), first ? confirmation : Buffer.alloc(32))
  const body = cat(fixed, ...envelopes, Buffer.alloc(32))
  const length = random.oneIn(20) ? oddNumber(random, [body.length]) : body.length
  const message = cat('OBC1', u8(3), u8(1), u16(0), u32(length), u32(number + 1), body)
  const damaged = random.oneIn(6) ? mutate(random, message) : message
  if (damaged.length >= HEADER + FIXED + 32)
    batchMac(keys.hkS, damaged.subarray(0, -32), count).copy(damaged, damaged.length - 32)
  return random.oneIn(8) ? mutate(random, damaged) : damaged
}

/** Where the fields of a hello lie that are no keys, nonces or certificates. */
const HELLO_FIELDS: Readonly<Record<'m1' | 'm2', readonly (readonly [at: number, length: number])[]>> = {
  m1: [
    [0, 16],
    [161, 6],
    [167, 20],
  ],
  m2: [
    [0, 16],
    [177, 3],
    [180, 20],
  ],
}

/** M1 or M2 with a field changed, or anything else. */
export function damagedHello(random: Random, kind: 'm1' | 'm2', hello: Buffer, other: Buffer): Buffer {
  if (random.oneIn(3)) return mutate(random, hello, other)
  const [at, length] = random.pick(HELLO_FIELDS[kind])
  const copy = Buffer.from(hello)
  const place = at + random.below(length)
  copy.writeUInt8(random.oneIn(2) ? random.below(10) : random.below(256), place)
  // Now and then as long as the header, or the list of suites, says.
  if (random.oneIn(4)) return Buffer.concat([copy, random.bytes(2 * random.below(8))])
  return copy
}

/** M4 with results that may be odd, and a MAC over them. */
export function resultMessage(
  random: Random,
  m4: Buffer,
  session: { hkT: Buffer; sid: Buffer; number: number },
): Buffer {
  if (random.oneIn(2)) return mutate(random, m4)
  const rows = Math.floor((m4.length - HEADER - 24 - 32) / 16)
  const results = Array.from({ length: Math.max(0, rows + random.pick([0, 0, 0, 1, -1])) }, (_, i): Result => {
    const at = HEADER + 24 + 16 * i
    const known =
      at + 16 <= m4.length - 32 ? [m4.readUInt32BE(at), m4.readUInt32BE(at + 4), m4.readUInt32BE(at + 8)] : [0, 0, 0]
    const [seq = 0, code = 0, handle = 0] = known.map((value) => (random.oneIn(5) ? oddNumber(random, [value]) : value))
    return { seq, code, handle }
  })
  const made = encodeM4({ ...session, results })
  if (!random.oneIn(4)) return made
  // As many rows as the batch had, by what it says.
  made.writeUInt16BE(rows, HEADER + 20)
  HM(session.hkT, made.subarray(0, -32)).copy(made, made.length - 32, 0, 32)
  return made
}
