// HMAC (FIPS 198-1) over every hash. A context keeps the chaining values behind both pads, so that many messages under one
// key (key derivation, PBKDF2) cost no more than their own blocks.
import {
  HASH_CTX,
  HASH_MAX_BLOCK,
  HASH_MAX_LENGTH,
  HASH_STATE,
  hashAlgorithm,
  hashBlock,
  hashCompress,
  hashDigest,
  hashFinal,
  hashInit,
  hashLength,
  hashOutput,
  hashUpdate,
  hashUsed,
} from './sha2'
import { store64be, wipe } from './util'

/** Layout of a context: the running hash, a copy of it behind the inner pad, one behind the outer pad. */
const INNER: usize = HASH_CTX
const OUTER: usize = 2 * HASH_CTX

/** Bytes of an HMAC context; align it to 16. */
export const HMAC_CTX: i32 = 3 * HASH_CTX

const PAD: usize = memory.data(HASH_MAX_BLOCK, 16)
const DIGEST: usize = memory.data(HASH_MAX_LENGTH, 16)
const WORK: usize = memory.data(HMAC_CTX, 16)

/** @param pad the byte of the pad, eight times */
function absorbPad(ctx: usize, alg: i32, pad: u64): void {
  const block = hashBlock(alg)
  for (let i = 0; i < block; i += 8) store<u64>(PAD + i, load<u64>(PAD + i) ^ pad)
  hashInit(ctx, alg)
  hashUpdate(ctx, PAD, block)
  for (let i = 0; i < block; i += 8) store<u64>(PAD + i, load<u64>(PAD + i) ^ pad)
}

/** Starts a MAC with a key of any length; traps on an unknown algorithm. */
export function hmacInit(ctx: usize, alg: i32, key: usize, keyLen: i32): void {
  if (keyLen > hashBlock(alg)) {
    hashInit(ctx, alg)
    hashUpdate(ctx, key, keyLen)
    hashFinal(ctx, PAD)
  } else {
    memory.copy(PAD, key, keyLen)
  }
  absorbPad(ctx + INNER, alg, 0x3636363636363636)
  absorbPad(ctx + OUTER, alg, 0x5c5c5c5c5c5c5c5c)
  wipe(PAD, HASH_MAX_BLOCK)
  hmacRestart(ctx)
}

/** Begins the next message under the same key. */
export function hmacRestart(ctx: usize): void {
  memory.copy(ctx, ctx + INNER, hashUsed(hashAlgorithm(ctx + INNER)))
}

/** Adds `n` bytes at `p` to the message. */
export function hmacUpdate(ctx: usize, p: usize, n: i32): void {
  hashUpdate(ctx, p, n)
}

/** Writes the MAC of this message to `out`; the key stays for `hmacRestart`. */
export function hmacDigest(ctx: usize, out: usize): void {
  hashDigest(ctx, DIGEST)
  memory.copy(ctx, ctx + OUTER, hashUsed(hashAlgorithm(ctx + OUTER)))
  hashUpdate(ctx, DIGEST, hashLength(hashAlgorithm(ctx)))
  hashDigest(ctx, out)
  wipe(DIGEST, HASH_MAX_LENGTH)
}

/** Writes the MAC, `hashLength(alg)` bytes, to `out` and wipes the context. */
export function hmacFinal(ctx: usize, out: usize): void {
  hmacDigest(ctx, out)
  wipe(ctx, HMAC_CTX)
}

/** Puts back the running hash of a message (HASH_CTX bytes at `running`) of the key that `hmacInit` has taken. */
export function hmacResume(ctx: usize, running: usize): void {
  memory.copy(ctx, running, HASH_CTX)
}

/** HMAC of `n` bytes at `p`: `hashLength(alg)` bytes to `out`. */
export function hmac(alg: i32, key: usize, keyLen: i32, p: usize, n: i32, out: usize): void {
  hmacInit(WORK, alg, key, keyLen)
  hmacUpdate(WORK, p, n)
  hmacFinal(WORK, out)
}

/**
 * Pads `block` (HASH_MAX_BLOCK bytes, the first `hashLength` of them a digest) for `hmacChain`. The padding serves the
 * inner and the outer hash alike: both have one block of key and one digest before it. Not for SHA-3, which has no such blocks.
 */
export function hmacChainPad(ctx: usize, block: usize): void {
  const alg = hashAlgorithm(ctx)
  const length = hashLength(alg)
  const size = hashBlock(alg)
  memory.fill(block + length, 0, size - length)
  store<u8>(block + length, 0x80)
  store64be(block + size - 8, (<u64>(size + length)) << 3)
}

/** Replaces the digest at the start of a block padded by `hmacChainPad` by its MAC: two compressions. */
export function hmacChain(ctx: usize, block: usize): void {
  memory.copy(ctx, ctx + INNER, HASH_STATE)
  hashCompress(ctx, block, 1)
  hashOutput(ctx, block)
  memory.copy(ctx, ctx + OUTER, HASH_STATE)
  hashCompress(ctx, block, 1)
  hashOutput(ctx, block)
}
