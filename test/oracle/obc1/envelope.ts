// One object on the wire: OBC-1 §5.4 (envelope and attribute list).
import * as protocol from '../../../assembly/protocol.js'
import { cat, isZero, u32 } from './bytes.js'
import { open, seal, unwrap, wrap } from './crypto.js'

export interface Attribute {
  type: number
  value: Buffer
}

/** What a record and an envelope say about an object in clear. */
export interface ObjectHeader {
  handle: number
  ouid: Buffer
  class: number
  keyType: number
  bits: number
}

export interface CloneObject extends ObjectHeader {
  attributes: Attribute[]
}

/** Attributes whose value the header already carries. */
const IN_HEADER: ReadonlySet<number> = new Set([
  protocol.CKA_CLASS,
  protocol.CKA_TOKEN,
  protocol.CKA_PRIVATE,
  protocol.CKA_KEY_TYPE,
  protocol.CKA_SENSITIVE,
  protocol.CKA_EXTRACTABLE,
  protocol.CKA_LOCAL,
  protocol.CKA_NEVER_EXTRACTABLE,
  protocol.CKA_ALWAYS_SENSITIVE,
  protocol.CKA_MODIFIABLE,
])
const padding = (length: number) => -length & 3

export const encodeAttributes = (list: readonly Attribute[]): Buffer =>
  cat(
    ...[...list]
      .sort((a, b) => a.type - b.type)
      .map(({ type, value }) => cat(u32(type), u32(value.length), value, Buffer.alloc(padding(value.length)))),
  )

/** Null where the list is not exactly as described. */
export function decodeAttributes(bytes: Buffer): Attribute[] | null {
  const list: Attribute[] = []
  let last = -1
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 8) return null
    const [type, length] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)]
    if (type <= last || IN_HEADER.has(type) || length > bytes.length - at - 8) return null
    const end = at + 8 + length
    const next = end + padding(length)
    if (next > bytes.length || !isZero(bytes.subarray(end, next))) return null
    list.push({ type, value: Buffer.from(bytes.subarray(at + 8, end)) })
    at = next
    last = type
  }
  return list
}

const nonce = (seq: number) => cat('OBC1', u32(0), u32(seq))
/** Bytes of an envelope that are not ciphertext. */
export const OVERHEAD = 96

export interface SealOptions {
  kek: Buffer
  sid: Buffer
  seq: number
  object: CloneObject
  /** Fresh for every call. */
  cek: Buffer
}

export function sealEnvelope({ kek, sid, seq, object, cek }: SealOptions): Buffer {
  const plaintext = encodeAttributes(object.attributes)
  const place = cat(u32(seq), u32(OVERHEAD + plaintext.length), u32(object.handle), object.ouid)
  const kind = cat(u32(object.class), u32(object.keyType), u32(object.bits), u32(plaintext.length))
  const head = cat(place, kind, wrap(kek, cek))
  return cat(head, seal(cek, nonce(seq), cat(sid, head), plaintext))
}

export const seqOf = (envelope: Buffer): number => envelope.readUInt32BE(0)
export const tagOf = (envelope: Buffer): Buffer => envelope.subarray(-16)

/** Cuts `count` envelopes out of `bytes`; null where they do not fill it exactly. */
export function splitEnvelopes(bytes: Buffer, count: number): Buffer[] | null {
  const list: Buffer[] = []
  let at = 0
  while (list.length < count) {
    if (bytes.length - at < OVERHEAD) return null
    const length = bytes.readUInt32BE(at + 4)
    if (length < OVERHEAD || length > bytes.length - at || length - OVERHEAD !== bytes.readUInt32BE(at + 36))
      return null
    list.push(bytes.subarray(at, at + length))
    at += length
  }
  return at === bytes.length ? list : null
}

/** Header and still encoded attribute list; null where key wrap or GCM fails. */
export function openEnvelope(
  kek: Buffer,
  sid: Buffer,
  envelope: Buffer,
): (ObjectHeader & { plaintext: Buffer }) | null {
  const cek = unwrap(kek, envelope.subarray(40, 80))
  const plaintext = cek && open(cek, nonce(seqOf(envelope)), cat(sid, envelope.subarray(0, 80)), envelope.subarray(80))
  if (!plaintext) return null
  return {
    handle: envelope.readUInt32BE(8),
    ouid: Buffer.from(envelope.subarray(12, 24)),
    class: envelope.readUInt32BE(24),
    keyType: envelope.readUInt32BE(28),
    bits: envelope.readUInt32BE(32),
    plaintext,
  }
}
