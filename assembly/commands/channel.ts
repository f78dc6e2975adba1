// Sealed command bodies (SPEC.md §2.1): CHANNEL_OPEN, opening a request, sealing its answer.

import { KDF_OUT, KEY_TUK, SECRET, SHARED } from '../arena'
import { kdf } from '../crypto/kdf'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { load32be, store32be, wipe } from '../crypto/util'
import {
  CURVE_P384,
  FRAME_HEADER,
  RC_ARGUMENTS_BAD,
  RC_CHANNEL_INVALID,
  RC_FRAME_MALFORMED,
  RC_OK,
  RC_RANDOM_NO_RNG,
  SEALED_OVERHEAD,
} from '../protocol'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from '../token/digest'
import {
  L_CHANNEL,
  L_CHANNEL_LENGTH,
  L_CHANNEL_NONCE,
  L_CHANNEL_TAG,
  L_CHANNEL_TAG_LENGTH,
  L_CHANNEL_TH,
} from '../token/labels'
import { ecdh, ecGenerate } from '../token/pka'
import { fresh } from '../token/random'
import { CERTIFICATES_SIZE, certificates } from '../token/state'
import { readDone, readFixed, write32, writeFixed, writeSkip } from './frame'

/** A power of two: the low bits of an id are those of its row. */
const CHANNELS: i32 = 1024
/** id 4, last counter 4, last use 8, Kc 32, Kt 32 */
const ROW: usize = 80
const TABLE: usize = memory.data(81920, 16)

const TH: usize = memory.data(48, 16)
const NUMBER: usize = memory.data(4, 4)
const NONCE: usize = memory.data(12, 4)
const AAD: usize = memory.data(12, 4)

let opened: u32 = 0
let useCount: u64 = 0

function channel(i: i32): usize {
  return TABLE + <usize>i * ROW
}

function find(id: u32): usize {
  const c = channel(<i32>(id & <u32>(CHANNELS - 1)))
  return id !== 0 && load<u32>(c) === id ? c : 0
}

export function channelsClear(): void {
  wipe(TABLE, CHANNELS * <i32>ROW)
}

/** Request: ephC 97, nonceC 32. Answer: channel, ephT, nonceT, HOC, TWC, tag. */
export function channelOpenCommand(): u32 {
  const ephC = readFixed(97)
  const nonceC = readFixed(32)
  if (!readDone()) return RC_FRAME_MALFORMED
  let row = 0
  for (let i = 1; i < CHANNELS; i++) if (load<u64>(channel(i), 8) < load<u64>(channel(row), 8)) row = i
  const c = channel(row)
  // No id is 0, however many were opened: that is the mark of a free row.
  if (++opened > u32.MAX_VALUE / <u32>CHANNELS) opened = 1
  const id = (opened * <u32>CHANNELS) | <u32>row
  store32be(NUMBER, id)

  write32(id)
  const ephT = writeSkip(97)
  const nonceT = writeSkip(32)
  if (!fresh(nonceT, 32) || !ecGenerate(CURVE_P384, SECRET, ephT)) return RC_RANDOM_NO_RNG
  writeFixed(certificates(), CERTIFICATES_SIZE)
  hashBegin()
  hashPart(L_CHANNEL_TH, 4)
  hashPart(ephC, 97)
  hashPart(nonceC, 32)
  hashPart(NUMBER, 4)
  hashPart(ephT, 97)
  hashPart(nonceT, 32)
  hashPart(certificates(), CERTIFICATES_SIZE)
  hashEnd(TH)
  if (!ecdh(SECRET, ephC, SHARED) || !ecdh(KEY_TUK, ephC, SHARED + 48)) return RC_ARGUMENTS_BAD
  macBegin(TH, 48)
  macPart(SHARED, 96)
  macEnd(SHARED + 96)
  kdf(SHARED + 96, 48, L_CHANNEL, L_CHANNEL_LENGTH, TH, 48, KDF_OUT, 112)
  macBegin(KDF_OUT + 64, 48)
  macPart(L_CHANNEL_TAG, L_CHANNEL_TAG_LENGTH)
  macPart(TH, 48)
  macEnd(SECRET)
  writeFixed(SECRET, 32)
  wipe(c, <i32>ROW)
  store<u32>(c, id)
  store<u64>(c, ++useCount, 8)
  memory.copy(c + 16, KDF_OUT, 64)
  return RC_OK
}

function nonce(id: u32, counter: u32): void {
  memory.copy(NONCE, L_CHANNEL_NONCE, 4)
  store32be(NONCE + 4, id)
  store32be(NONCE + 8, counter)
}

function aad(frame: usize, n: i32): void {
  memory.copy(AAD, frame, 8)
  store32be(AAD + 8, <u32>n)
}

let openedChannel: u32 = 0
let openedCounter: u32 = 0

/** Opens a sealed request in place: afterwards the plaintext body begins at `bodyOut`. Its length in `openedLength`. */
export let openedLength: i32 = 0

export function openRequest(frame: usize, length: i32, bodyOut: usize): u32 {
  const body = frame + FRAME_HEADER
  const n = length - FRAME_HEADER - SEALED_OVERHEAD
  if (n < 0) return RC_CHANNEL_INVALID
  const c = find(load32be(body))
  const counter = load32be(body + 4)
  if (c === 0 || counter <= load<u32>(c, 4)) return RC_CHANNEL_INVALID
  nonce(load32be(body), counter)
  aad(frame, n)
  const text = body + 8
  if (!gcmOpen(c + 16, 32, NONCE, 12, AAD, 12, text, n, bodyOut, text + <usize>n, 16)) return RC_CHANNEL_INVALID
  store<u32>(c, counter, 4)
  store<u64>(c, ++useCount, 8)
  openedChannel = load<u32>(c)
  openedCounter = counter
  openedLength = n
  return RC_OK
}

export function requestChannel(): u32 {
  return openedChannel
}

export function requestCounter(): u32 {
  return openedCounter
}

/** Seals `n` bytes at `text` as the body of the answer whose header stands at `frame`; the body's length, -1 where the channel is gone. */
export function sealAnswer(frame: usize, text: usize, n: i32, id: u32, counter: u32): i32 {
  const c = find(id)
  if (c === 0) return -1
  const body = frame + FRAME_HEADER
  nonce(id, counter)
  aad(frame, n)
  store32be(body, id)
  store32be(body + 4, counter)
  gcmSeal(c + 48, 32, NONCE, 12, AAD, 12, text, n, body + 8, body + 8 + <usize>n, 16)
  return n + SEALED_OVERHEAD
}
