// Nonces of messages (PKCS#11 3.0 §5.9; SP 800-38D §8.2). The token makes them, and remembers for each session what it has made, so that
// none is given twice in a process and none serves twice: the client only carries them.

import {
  CKG_GENERATE,
  CKG_GENERATE_COUNTER,
  CKG_GENERATE_COUNTER_XOR,
  CKG_GENERATE_RANDOM,
  CKG_NO_GENERATE,
  RC_DATA_LEN_RANGE,
  RC_OK,
  RC_RANDOM_NO_RNG,
} from '../protocol'
import { random } from './random'
import { sessionRow } from './sessions'

/** Most bytes of a nonce that is made here. */
export const NONCE_MAX: i32 = 16
/** Least bits that are drawn (SP 800-38D §8.2.2). */
const DRAWN_LEAST: i32 = 96

/** A process: messages of one session under one key, all with nonces of one make. */
@unmanaged
class Process {
  session: u32
  mechanism: u32
  key: u32
  generator: u32
  /** Bits in front that are the client's, and bytes of a nonce that is made. */
  fixed: u32
  length: u32
  /** 1 = a message has had its nonce, 0 = none yet. */
  running: u32
  /** 1 = a nonce waits for its message. */
  out: u32
  /** Nonces that were counted. */
  count: u64
  /** What the first message brought, and the nonce that was made last, NONCE_MAX bytes each. */
  base0: u64
  base1: u64
  given0: u64
  given1: u64
}

const ROW: usize = 72
/** A row for each of 2,048 sessions. */
const TABLE: usize = memory.data(147456, 16)
const DRAWN: usize = memory.data(16, 16)

let process: Process = changetype<Process>(0)

function base(): usize {
  return changetype<usize>(process) + offsetof<Process>('base0')
}

/** Address of the nonce that was made last. */
export function givenNonce(): usize {
  return changetype<usize>(process) + offsetof<Process>('given0')
}

export function givenLength(): i32 {
  return <i32>process.length
}

/** Takes the session's process in hand, or begins another there. False = there is none with this mechanism and key. */
export function takeProcess(session: u32, mechanism: u32, key: u32, first: bool): bool {
  process = changetype<Process>(TABLE + <usize>sessionRow(session) * ROW)
  if (first) {
    memory.fill(changetype<usize>(process), 0, ROW)
    process.session = session
    process.mechanism = mechanism
    process.key = key
  }
  return process.session === session && process.mechanism === mechanism && process.key === key
}

/** What CKG_GENERATE stands for: chance where there are bits enough for it, else a counter. */
function maker(generator: u32, fixed: u32, length: i32): u32 {
  if (generator !== CKG_GENERATE) return generator
  return (length << 3) - <i32>fixed >= DRAWN_LEAST ? CKG_GENERATE_RANDOM : CKG_GENERATE_COUNTER
}

/**
 * Whether nonces of `length` bytes can be made so, and go on from those before in the process.
 * @param own whether the client may bring the whole nonce or choose where a counter begins
 */
export function nonceFits(generator: u32, fixed: u32, length: i32, own: bool): bool {
  const goesOn = process.running !== 0
  if (goesOn && process.generator !== generator) return false
  if (generator === CKG_NO_GENERATE) return own
  if (goesOn && (process.fixed !== fixed || process.length !== <u32>length)) return false
  if (generator > <u32>CKG_GENERATE_COUNTER_XOR || length < 1 || length > NONCE_MAX) return false
  if (fixed >= <u32>(length << 3)) return false
  const made = maker(generator, fixed, length)
  if (made !== CKG_GENERATE_RANDOM) return own
  return (length << 3) - <i32>fixed >= DRAWN_LEAST
}

/** Makes the next nonce: `from` has the client's bits in front. */
export function makeNonce(generator: u32, fixed: u32, from: usize, length: i32): u32 {
  const made = maker(generator, fixed, length)
  const free = (length << 3) - <i32>fixed
  const counts = made === CKG_GENERATE_COUNTER || made === CKG_GENERATE_COUNTER_XOR
  if (counts && free < 64 && process.count >> free !== 0) return RC_DATA_LEN_RANGE
  if (made === CKG_GENERATE_RANDOM && !random(DRAWN, length)) return RC_RANDOM_NO_RNG
  if (process.running === 0) memory.copy(base(), from, length)
  const out = givenNonce()
  memory.copy(out, made === CKG_GENERATE_COUNTER_XOR ? base() : from, length)
  for (let i = 0; i < length; i++) {
    const mask: u32 = freeBits(fixed, i)
    const drawn: u32 = made === CKG_GENERATE_RANDOM ? load<u8>(DRAWN + i) : countByte(length - 1 - i)
    const kept: u32 = made === CKG_GENERATE_COUNTER_XOR ? 0xff : ~mask & 0xff
    store<u8>(out + i, (load<u8>(out + i) & kept) ^ (drawn & mask))
  }
  if (counts) process.count += 1
  hold(generator, fixed, length)
  return RC_OK
}

/** The message has a nonce of the client's own. */
export function noteOwn(): void {
  hold(CKG_NO_GENERATE, 0, 0)
}

function hold(generator: u32, fixed: u32, length: i32): void {
  process.running = 1
  process.generator = generator
  process.fixed = fixed
  process.length = <u32>length
  process.out = 1
}

/** Bits of byte i that the client does not set. */
function freeBits(fixed: u32, i: i32): u32 {
  const set = <i32>fixed - (i << 3)
  if (set <= 0) return 0xff
  return set >= 8 ? 0 : 0xff >>> set
}

/** The counter's byte, the least first. */
function countByte(i: i32): u32 {
  return i >= 8 ? 0 : <u32>((process.count >> (i << 3)) & 0xff)
}

export function nonceWaits(): bool {
  return process.out !== 0
}

/** The nonce has served. */
export function nonceServed(): void {
  process.out = 0
}
