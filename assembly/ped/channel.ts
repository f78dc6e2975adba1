// The encrypted link between firmware and PED (SPEC.md §5): key agreement, then sealed frames. Whoever carries them learns nothing.

import { KDF_OUT, KEY_RPV, SHARED } from '../arena'
import { kdf } from '../crypto/kdf'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { ctEqual, load16be, load32be, store16be, store32be, wipe } from '../crypto/util'
import {
  CURVE_P384,
  PED_HEADER,
  PED_HELLO,
  PED_HELLO_ACK,
  PED_ID_REMOTE,
  PED_MAGIC,
  PROTOCOL_VERSION,
} from '../protocol'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from '../token/digest'
import { L_MPD1, L_PED_SESSION, L_PED_SESSION_LENGTH, L_PED_TAG, L_PED_TAG_LENGTH } from '../token/labels'
import { ecdh, ecGenerate } from '../token/pka'
import { fresh } from '../token/random'
import { serialBytes } from '../token/state'

const HELLO_BODY: i32 = 141
const HELLO_SIZE: i32 = PED_HEADER + HELLO_BODY
const ACK_BODY: i32 = 161

const EPHEMERAL: usize = memory.data(48, 16)
const HELLO: usize = memory.data(160, 16)
const TH: usize = memory.data(48, 16)
const TAG: usize = memory.data(48, 16)
const NONCE: usize = memory.data(12, 4)
/** Khp 32, Kph 32, Km 48. */
const KEYS: usize = memory.data(112, 16)

let ready: bool = false

export function channelReady(): bool {
  return ready
}

export function channelClear(): void {
  wipe(KEYS, 112)
  wipe(EPHEMERAL, 48)
  ready = false
}

export function pedHeader(out: usize, type: i32, id: u32, sequence: u32, bodyLength: i32): void {
  store32be(out, PED_MAGIC)
  store<u8>(out + 4, <u8>type)
  store<u8>(out + 5, <u8>PROTOCOL_VERSION)
  store16be(out + 6, id)
  store32be(out + 8, sequence)
  store32be(out + 12, <u32>bodyLength)
}

/** True where the bytes are one whole PED frame of the given type, id and sequence. */
export function pedFrameIs(frame: usize, length: i32, type: i32, id: u32, sequence: u32): bool {
  if (length < PED_HEADER || load32be(frame) !== PED_MAGIC) return false
  if (load<u8>(frame + 4) !== <u8>type || load<u8>(frame + 5) !== <u8>PROTOCOL_VERSION) return false
  if (load16be(frame + 6) !== id || load32be(frame + 8) !== sequence) return false
  return load32be(frame + 12) === <u32>(length - PED_HEADER)
}

/** Writes HELLO; its length, 0 where TRNG or accelerator failed. */
export function channelHello(out: usize, id: u32): i32 {
  channelClear()
  pedHeader(HELLO, PED_HELLO, id, 0, HELLO_BODY)
  const body = HELLO + PED_HEADER
  store32be(body, 0)
  store<u8>(body, id === PED_ID_REMOTE ? 1 : 0)
  memory.copy(body + 4, serialBytes(), 8)
  if (!fresh(body + 12, 32) || !ecGenerate(CURVE_P384, EPHEMERAL, body + 44)) return 0
  memory.copy(out, HELLO, HELLO_SIZE)
  return HELLO_SIZE
}

export function isHelloAck(frame: usize, length: i32, id: u32): bool {
  return length === PED_HEADER + ACK_BODY && pedFrameIs(frame, length, PED_HELLO_ACK, id, 0)
}

/** Takes HELLO_ACK. False where the point is bad or the tag is wrong: another vector, or somebody in between. */
export function channelAccept(frame: usize, id: u32): bool {
  const body = frame + PED_HEADER
  if (!ecdh(EPHEMERAL, body + 32, SHARED)) {
    channelClear()
    return false
  }
  hashBegin()
  hashPart(HELLO, HELLO_SIZE)
  hashPart(frame, PED_HEADER + 129)
  hashEnd(TH)
  macBegin(TH, 48)
  macPart(SHARED, 48)
  if (id === PED_ID_REMOTE) macPart(KEY_RPV, 48)
  macEnd(KDF_OUT)
  kdf(KDF_OUT, 48, L_PED_SESSION, L_PED_SESSION_LENGTH, TH, 48, KEYS, 112)
  macBegin(KEYS + 64, 48)
  macPart(L_PED_TAG, L_PED_TAG_LENGTH)
  macPart(TH, 48)
  macEnd(TAG)
  const good = ctEqual(TAG, body + 129, 32)
  wipe(EPHEMERAL, 48)
  wipe(SHARED, 48)
  wipe(KDF_OUT, 48)
  if (!good) channelClear()
  ready = good
  return good
}

function nonce(sequence: u32): void {
  memory.copy(NONCE, L_MPD1, 4)
  store32be(NONCE + 4, 0)
  store32be(NONCE + 8, sequence)
}

/** Seals `n` bytes behind the header that already stands at `frame`; the whole frame's length. */
export function channelSeal(frame: usize, plain: usize, n: i32): i32 {
  const body = frame + PED_HEADER
  nonce(load32be(frame + 8))
  gcmSeal(KEYS, 32, NONCE, 12, frame, PED_HEADER, plain, n, body, body + <usize>n, 16)
  return PED_HEADER + n + 16
}

/** Opens a frame whose form is checked into `out`; the plaintext's length, -1 where it is not from the PED. */
export function channelOpen(frame: usize, length: i32, out: usize): i32 {
  const n = length - PED_HEADER - 16
  if (n < 0 || !ready) return -1
  const body = frame + PED_HEADER
  nonce(load32be(frame + 8))
  return gcmOpen(KEYS + 32, 32, NONCE, 12, frame, PED_HEADER, body, n, out, body + <usize>n, 16) ? n : -1
}
