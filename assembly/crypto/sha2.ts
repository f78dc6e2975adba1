// The hash functions over a context in memory: SHA-224, SHA-256, SHA-384, SHA-512 (FIPS 180-4), SHA-3 (FIPS 202), and SHA-1, MD5 and
// MD2 for what is old.
import { KECCAK_STATE, keccakPermute } from './keccak'
import { md2Blocks, md2Compress } from './md2'
import { HMD5, md5Blocks } from './md5'
import { H1, sha1Blocks } from './sha1'
import { H224, H256, H384, H512, sha256Blocks, sha512Blocks } from './sha2-kernel'
import { store32be, store64be, wipe, xorBytes } from './util'

export const HASH_SHA256 = 1
export const HASH_SHA384 = 2
export const HASH_SHA512 = 3
export const HASH_SHA224 = 4
/** Legacy, see sha1.ts: no mechanism may sign with it. */
export const HASH_SHA1 = 5
export const HASH_SHA3_224 = 6
export const HASH_SHA3_256 = 7
export const HASH_SHA3_384 = 8
export const HASH_SHA3_512 = 9
/** Legacy, see md5.ts and md2.ts: what they serve has rows of its own in the mechanism table. */
export const HASH_MD5 = 10
export const HASH_MD2 = 11

/** Longest digest and longest block of all algorithms, bytes. */
export const HASH_MAX_LENGTH = 64
export const HASH_MAX_BLOCK = 144

/** Bytes of the chaining value within a context, at its start. */
export const HASH_STATE = 64

@unmanaged
class HashContext {
  /** Chaining value: 8 words of 4 or 8 bytes; MD2: state and checksum. Unused by SHA-3, whose state stands in the place of the buffer. */
  s0: u64
  s1: u64
  s2: u64
  s3: u64
  s4: u64
  s5: u64
  s6: u64
  s7: u64
  /** Bytes hashed so far; those that do not fill a block wait in the buffer behind these fields. */
  total: u64
  alg: i32
  block: i32
}

const BUFFER = offsetof<HashContext>()

/** Bytes of a hash context; align it to 16. */
export const HASH_CTX: i32 = <i32>BUFFER + <i32>KECCAK_STATE + 8

/** SHA-3 has a state in which it absorbs, the others have a compression function. */
function isSponge(alg: i32): bool {
  return <u32>(alg - HASH_SHA3_224) < 4
}

/** Bytes of a context whose buffer is empty: all that has to be copied of it. */
export function hashUsed(alg: i32): i32 {
  return isSponge(alg) ? HASH_CTX : <i32>BUFFER
}

const WORK: usize = memory.data(HASH_CTX, 16)

/** Digest length in bytes; traps on an unknown algorithm. */
export function hashLength(alg: i32): i32 {
  if (alg === HASH_SHA256) return 32
  if (alg === HASH_SHA384) return 48
  if (alg === HASH_SHA512) return 64
  if (alg === HASH_SHA224 || alg === HASH_SHA3_224) return 28
  if (alg === HASH_SHA1) return 20
  if (alg === HASH_SHA3_256) return 32
  if (alg === HASH_SHA3_384) return 48
  if (alg === HASH_MD5 || alg === HASH_MD2) return 16
  if (alg !== HASH_SHA3_512) unreachable()
  return 64
}

/** Block length (SHA-3: rate) in bytes; traps on an unknown algorithm. */
export function hashBlock(alg: i32): i32 {
  const length = hashLength(alg)
  if (isSponge(alg)) return 200 - 2 * length
  if (alg === HASH_MD2) return 16
  return length > 32 ? 128 : 64
}

/** The algorithm of a context. */
export function hashAlgorithm(ctx: usize): i32 {
  return changetype<HashContext>(ctx).alg
}

/** Starts a digest; traps on an unknown algorithm. */
export function hashInit(ctx: usize, alg: i32): void {
  const c = changetype<HashContext>(ctx)
  c.total = 0
  c.alg = alg
  c.block = hashBlock(alg)
  if (isSponge(alg)) memory.fill(ctx + BUFFER, 0, KECCAK_STATE)
  else if (alg === HASH_SHA1) memory.copy(ctx, H1, 20)
  else if (alg === HASH_SHA224) memory.copy(ctx, H224, 32)
  else if (alg === HASH_SHA256) memory.copy(ctx, H256, 32)
  else if (alg === HASH_SHA384) memory.copy(ctx, H384, 64)
  else if (alg === HASH_MD5) memory.copy(ctx, HMD5, 16)
  else if (alg === HASH_MD2) memory.fill(ctx, 0, 32)
  else memory.copy(ctx, H512, 64)
}

/** Compresses whole blocks at `p` into the chaining value; they are not counted as message. Not for SHA-3. */
export function hashCompress(ctx: usize, p: usize, blocks: i32): void {
  const c = changetype<HashContext>(ctx)
  if (c.block === 128) sha512Blocks(ctx, p, blocks)
  else if (c.alg < HASH_SHA1) sha256Blocks(ctx, p, blocks)
  else if (c.alg === HASH_SHA1) sha1Blocks(ctx, p, blocks)
  else if (c.alg === HASH_MD5) md5Blocks(ctx, p, blocks)
  else md2Blocks(ctx, p, blocks)
}

/** Hashes `n` more bytes at `p`. */
export function hashUpdate(ctx: usize, p: usize, n: i32): void {
  const c = changetype<HashContext>(ctx)
  const block = c.block
  if (isSponge(c.alg)) {
    absorb(ctx, p, n)
    return
  }
  const used = <i32>c.total & (block - 1)
  c.total += <u64>n
  if (used > 0) {
    const room = block - used
    if (n < room) {
      memory.copy(ctx + BUFFER + used, p, n)
      return
    }
    memory.copy(ctx + BUFFER + used, p, room)
    hashCompress(ctx, ctx + BUFFER, 1)
    p += room
    n -= room
  }
  const rest = n & (block - 1)
  const whole = n - rest
  if (whole > 0) hashCompress(ctx, p, whole >> ctz<i32>(block))
  memory.copy(ctx + BUFFER, p + whole, rest)
}

/** SHA-3: adds bytes into the state where the last ones ended. */
function absorb(ctx: usize, p: usize, n: i32): void {
  const c = changetype<HashContext>(ctx)
  const block = c.block
  let used = <i32>(c.total % <u64>block)
  c.total += <u64>n
  while (n > 0) {
    const part = min(n, block - used)
    xorBytes(ctx + BUFFER + used, p, ctx + BUFFER + used, part)
    p += part
    n -= part
    used += part
    if (used < block) return
    keccakPermute(ctx + BUFFER)
    used = 0
  }
}

/** Writes the chaining value as a digest to `out`. Not for SHA-3. */
export function hashOutput(ctx: usize, out: usize): void {
  const c = changetype<HashContext>(ctx)
  const n = hashLength(c.alg)
  if (c.alg >= HASH_MD5) memory.copy(out, ctx, n)
  else if (c.block === 64) for (let i = 0; i < n; i += 4) store32be(out + i, load<u32>(ctx + i))
  else for (let i = 0; i < n; i += 8) store64be(out + i, load<u64>(ctx + i))
}

/** Pads and writes the digest to `out`; the context is left as it is (see `hashFinal`). */
export function hashDigest(ctx: usize, out: usize): void {
  const c = changetype<HashContext>(ctx)
  const block = c.block
  if (isSponge(c.alg)) {
    // The domain bits 01 and the padding 10*1 (FIPS 202 §6.1, B.2).
    const state = ctx + BUFFER
    const end = state + <usize>(c.total % <u64>block)
    store<u8>(end, load<u8>(end) ^ 0x06)
    store<u8>(state + block - 1, load<u8>(state + block - 1) ^ 0x80)
    keccakPermute(state)
    memory.copy(out, state, hashLength(c.alg))
    return
  }
  const lengthField = block >> 3
  const used = <i32>c.total & (block - 1)
  const buffer = ctx + BUFFER
  if (c.alg === HASH_MD2) {
    // As many bytes as are missing, each of them their number, then the checksum (RFC 1319 §3.1, §3.2).
    memory.fill(buffer + used, <u8>(16 - used), 16 - used)
    md2Blocks(ctx, buffer, 1)
    md2Compress(ctx, ctx + 16)
    memory.copy(out, ctx, 16)
    return
  }
  store<u8>(buffer + used, 0x80)
  memory.fill(buffer + used + 1, 0, block - used - 1)
  if (used + 1 > block - lengthField) {
    hashCompress(ctx, buffer, 1)
    memory.fill(buffer, 0, block)
  }
  if (c.alg === HASH_MD5) store<u64>(buffer + block - 8, c.total << 3)
  else store64be(buffer + block - 8, c.total << 3)
  hashCompress(ctx, buffer, 1)
  hashOutput(ctx, out)
}

/** Writes the digest, `hashLength(alg)` bytes, to `out` and wipes the context. */
export function hashFinal(ctx: usize, out: usize): void {
  hashDigest(ctx, out)
  wipe(ctx, HASH_CTX)
}

/** SHA-384 of `n` bytes at `p`: 48 bytes to `out`. */
export function sha384(p: usize, n: i32, out: usize): void {
  hashInit(WORK, HASH_SHA384)
  hashUpdate(WORK, p, n)
  hashFinal(WORK, out)
}
