// One object on the wire (OBC-1 §5.4), and the batch MAC over what identifies each.

import { CEK, PLAIN, PLAIN_MAX, usePlain } from '../arena'
import { gcmOpen2, gcmSeal2 } from '../crypto/gcm'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { load32be, store32be, wipe } from '../crypto/util'
import { plainSize, setPlainLength } from '../token/attributes'
import { macBegin, macEnd, macPart } from '../token/digest'
import { L_OBC1 } from '../token/labels'
import { OBJECT_OUID, objectBits, objectClass, objectHandle, objectKeyType, setObject } from '../token/objects'
import { freshCek } from '../token/record'
import { HEADER } from './handshake'

export const OVERHEAD: i32 = 96
const HEAD: usize = 80

const NONCE: usize = memory.data(12, 4)
const PLACE: usize = memory.data(20, 4)

function nonce(seq: u32): void {
  memory.copy(NONCE, L_OBC1, 4)
  store32be(NONCE + 4, 0)
  store32be(NONCE + 8, seq)
}

/** Seals the object in hand with the CEK in its slot; the envelope's length. */
export function envelopeSealWith(out: usize, kek: usize, sid: usize, seq: u32): i32 {
  const n = plainSize()
  store32be(out, seq)
  store32be(out + 4, <u32>(OVERHEAD + n))
  store32be(out + 8, objectHandle)
  memory.copy(out + 12, OBJECT_OUID, 12)
  store32be(out + 24, objectClass)
  store32be(out + 28, objectKeyType)
  store32be(out + 32, objectBits)
  store32be(out + 36, <u32>n)
  kwWrap(kek, 32, CEK, 32, out + 40)
  nonce(seq)
  const body = out + HEAD
  gcmSeal2(CEK, 32, NONCE, 12, sid, 16, out, <i32>HEAD, PLAIN, n, body, body + <usize>n, 16)
  wipe(CEK, 32)
  return OVERHEAD + n
}

/** The same with a fresh CEK; 0 where the TRNG failed. */
export function envelopeSeal(out: usize, kek: usize, sid: usize, seq: u32): i32 {
  memory.copy(PLACE, sid, 16)
  store32be(PLACE + 16, seq)
  return freshCek(PLACE, 20, PLAIN, plainSize(), CEK) ? envelopeSealWith(out, kek, sid, seq) : 0
}

/** Opens an envelope whose lengths are checked: the object is then in hand. False where KW or GCM refuses. */
export function envelopeOpen(p: usize, kek: usize, sid: usize): bool {
  const n = <i32>load32be(p + 36)
  if (n > PLAIN_MAX || !kwUnwrap(kek, 32, p + 40, 40, CEK)) return false
  nonce(load32be(p))
  usePlain(n)
  const body = p + HEAD
  const good = gcmOpen2(CEK, 32, NONCE, 12, sid, 16, p, <i32>HEAD, body, n, PLAIN, body + <usize>n, 16)
  wipe(CEK, 32)
  if (!good) return false
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
