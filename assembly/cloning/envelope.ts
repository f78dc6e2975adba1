// One object on the wire (OBC-1 §5.4), and the batch MAC over what identifies each.

import { CEK, PLAIN, PLAIN_MAX, usePlain } from '../arena'
import { gcmOpen2, gcmSeal2 } from '../crypto/gcm'
import { kwWrap } from '../crypto/key-wrap'
import { load32be, store32be, wipe } from '../crypto/util'
import { plainSize, setPlainLength } from '../token/attributes'
import { macBegin, macEnd, macPart } from '../token/digest'
import { L_OBC1 } from '../token/labels'
import { OBJECT_OUID, objectBits, objectClass, objectHandle, objectKeyType, setObject } from '../token/objects'
import { deriveCek } from '../token/record'
import { HEADER } from './handshake'

export const OVERHEAD: i32 = 96
const HEAD: usize = 80
/** Where the wrapped CEK stands, 40 bytes. */
export const ENVELOPE_CEK: usize = 40

const NONCE: usize = memory.data(12, 4)
const PLACE: usize = memory.data(20, 4)

function nonce(seq: u32): void {
  memory.copy(NONCE, L_OBC1, 4)
  store32be(NONCE + 4, 0)
  store32be(NONCE + 8, seq)
}

/** Head of an envelope without its wrapped CEK: bytes 0 to 39. `ouid` points at 12 bytes. */
export function envelopeHead(
  out: usize,
  seq: u32,
  handle: u32,
  ouid: usize,
  objectClass: u32,
  keyType: u32,
  bits: u32,
  n: i32,
): void {
  store32be(out, seq)
  store32be(out + 4, <u32>(OVERHEAD + n))
  store32be(out + 8, handle)
  memory.copy(out + 12, ouid, 12)
  store32be(out + 24, objectClass)
  store32be(out + 28, keyType)
  store32be(out + 32, bits)
  store32be(out + 36, <u32>n)
}

/** CEK of envelope `seq` of a session. */
export function envelopeCek(seed: usize, sid: usize, seq: u32, plaintext: usize, n: i32, out: usize): void {
  memory.copy(PLACE, sid, 16)
  store32be(PLACE + 16, seq)
  deriveCek(seed, PLACE, 20, plaintext, n, out)
}

/** Completes an envelope whose head and wrapped CEK are written. */
export function envelopeSealBody(out: usize, sid: usize, cek: usize, plaintext: usize, n: i32): void {
  nonce(load32be(out))
  const body = out + HEAD
  gcmSeal2(cek, 32, NONCE, 12, sid, 16, out, <i32>HEAD, plaintext, n, body, body + <usize>n, 16)
}

/** Seals the object in hand with the CEK in its slot; the envelope's length. */
export function envelopeSealWith(out: usize, kek: usize, sid: usize, seq: u32): i32 {
  const n = plainSize()
  envelopeHead(out, seq, objectHandle, OBJECT_OUID, objectClass, objectKeyType, objectBits, n)
  kwWrap(kek, 32, CEK, 32, out + ENVELOPE_CEK)
  envelopeSealBody(out, sid, CEK, PLAIN, n)
  wipe(CEK, 32)
  return OVERHEAD + n
}

/** Opens an envelope whose lengths are checked with its CEK: the object is then in hand. False where GCM refuses. */
export function envelopeOpenBody(p: usize, cek: usize, sid: usize): bool {
  const n = <i32>load32be(p + 36)
  if (n > PLAIN_MAX) return false
  nonce(load32be(p))
  usePlain(n)
  const body = p + HEAD
  if (!gcmOpen2(cek, 32, NONCE, 12, sid, 16, p, <i32>HEAD, body, n, PLAIN, body + <usize>n, 16)) return false
  setPlainLength(n)
  setObject(load32be(p + 8), load32be(p + 24), load32be(p + 28), load32be(p + 32))
  memory.copy(OBJECT_OUID, p + 12, 12)
  return true
}

/** True where `count` envelopes fill `length` bytes exactly. */
export function envelopesFit(p: usize, length: i32, count: i32): bool {
  let left = <u32>length
  let at = p
  for (let i = 0; i < count; i++) {
    if (left < <u32>OVERHEAD) return false
    const size = load32be(at + 4)
    if (size < <u32>OVERHEAD || size > left || size - <u32>OVERHEAD !== load32be(at + 36)) return false
    at += <usize>size
    left -= size
  }
  return left === 0
}

/** HM(HKs, header ∥ body[0..56] ∥ per envelope (seq ∥ GCM tag)): 48 bytes at `out`, of which 32 count. */
export function batchMac(hks: usize, message: usize, count: i32, out: usize): void {
  macBegin(hks, 48)
  macPart(message, HEADER + 56)
  let p = message + <usize>(HEADER + 56)
  for (let i = 0; i < count; i++) {
    const size = <usize>load32be(p + 4)
    macPart(p, 4)
    macPart(p + size - 16, 16)
    p += size
  }
  macEnd(out)
}
