// CMAC (SP 800-38B) with any block cipher over an expanded key, at once or in pieces; and the older CBC-MAC (FIPS 113), which differs
// from it in how it ends.
import { blockEncrypt, CIPHER_AES, cipherBlock } from './block-cipher'
import { load64be, store64be, wipe, xorBytes } from './util'

@unmanaged
class CmacContext {
  chain0: u64
  chain1: u64
  /** The block that may be the last one, and how much of it is there. */
  block0: u64
  block1: u64
  used: i32
  /** The expanded key; it stays the caller's. */
  key: u32
  /** CIPHER_… */
  cipher: i32
  /** Whether the end is that of CBC-MAC. */
  plain: i32
}

const BLOCK = offsetof<CmacContext>('block0')

/** Bytes of a CMAC context; align it to 16. */
export const CMAC_CTX: i32 = <i32>offsetof<CmacContext>()

const WORK: usize = memory.data(CMAC_CTX, 16)
const SUBKEY: usize = memory.data(16, 16)

/** Starts a MAC under the expanded AES key at `aes`, which must stay there to the end. */
export function cmacInit(ctx: usize, aes: usize): void {
  cmacInitWith(ctx, aes, CIPHER_AES, false)
}

/** The same with the block cipher CIPHER_…; `plain`: CBC-MAC. */
export function cmacInitWith(ctx: usize, key: usize, cipher: i32, plain: bool): void {
  wipe(ctx, CMAC_CTX)
  const c = changetype<CmacContext>(ctx)
  c.cipher = cipher
  c.plain = plain ? 1 : 0
  cmacResume(ctx, key)
}

/** Goes on with a context that was kept, under the key that is expanded at `key` again. */
export function cmacResume(ctx: usize, key: usize): void {
  changetype<CmacContext>(ctx).key = <u32>key
}

/** Adds `n` bytes at `p` to the message. */
export function cmacUpdate(ctx: usize, p: usize, n: i32): void {
  const c = changetype<CmacContext>(ctx)
  const cipher = c.cipher
  const size = cipherBlock(cipher)
  while (n > 0) {
    if (c.used === size) {
      xorBytes(ctx, ctx + BLOCK, ctx, size)
      blockEncrypt(c.key, cipher, ctx, ctx, size)
      c.used = 0
    }
    const part = min(n, size - c.used)
    memory.copy(ctx + BLOCK + c.used, p, part)
    c.used += part
    p += part
    n -= part
  }
}

/** Writes the MAC, one block, to `out` and wipes the context. */
export function cmacFinal(ctx: usize, out: usize): void {
  const c = changetype<CmacContext>(ctx)
  const cipher = c.cipher
  const size = cipherBlock(cipher)
  memory.fill(ctx + BLOCK + c.used, 0, size - c.used)
  if (c.plain === 0) {
    wipe(SUBKEY, 16)
    blockEncrypt(c.key, cipher, SUBKEY, SUBKEY, size)
    doubleBlock(SUBKEY, size)
    if (c.used < size) {
      doubleBlock(SUBKEY, size)
      store<u8>(ctx + BLOCK + c.used, 0x80)
    }
    xorBytes(ctx, SUBKEY, ctx, size)
    wipe(SUBKEY, 16)
  }
  xorBytes(ctx, ctx + BLOCK, ctx, size)
  blockEncrypt(c.key, cipher, ctx, out, size)
  wipe(ctx, CMAC_CTX)
}

/** CMAC of `n` bytes at `p` under the expanded AES key at `aes`: 16 bytes to `out`. */
export function cmac(aes: usize, p: usize, n: i32, out: usize): void {
  cmacInit(WORK, aes)
  cmacUpdate(WORK, p, n)
  cmacFinal(WORK, out)
}

/** Multiplies by x in GF(2^128), or GF(2^64), as CMAC orders its bits. */
function doubleBlock(p: usize, size: i32): void {
  const high = load64be(p)
  if (size === 8) {
    store64be(p, (high << 1) ^ ((high >> 63) * 0x1b))
    return
  }
  const low = load64be(p + 8)
  store64be(p, (high << 1) | (low >> 63))
  store64be(p + 8, (low << 1) ^ ((high >> 63) * 0x87))
}
