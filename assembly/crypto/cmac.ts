// CMAC with AES (SP 800-38B) over an expanded key, at once or in pieces.
import { aesEncrypt } from './aes'
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
  aes: u32
}

const BLOCK = offsetof<CmacContext>('block0')

/** Bytes of a CMAC context; align it to 16. */
export const CMAC_CTX: i32 = <i32>offsetof<CmacContext>()

const WORK: usize = memory.data(CMAC_CTX, 16)
const SUBKEY: usize = memory.data(16, 16)

/** Starts a MAC under the expanded key at `aes`, which must stay there to the end. */
export function cmacInit(ctx: usize, aes: usize): void {
  wipe(ctx, CMAC_CTX)
  changetype<CmacContext>(ctx).aes = <u32>aes
}

/** Adds `n` bytes at `p` to the message. */
export function cmacUpdate(ctx: usize, p: usize, n: i32): void {
  const c = changetype<CmacContext>(ctx)
  while (n > 0) {
    if (c.used === 16) {
      xorBytes(ctx, ctx + BLOCK, ctx, 16)
      aesEncrypt(c.aes, ctx, ctx, 1)
      c.used = 0
    }
    const part = min(n, 16 - c.used)
    memory.copy(ctx + BLOCK + c.used, p, part)
    c.used += part
    p += part
    n -= part
  }
}

/** Writes the MAC, 16 bytes, to `out` and wipes the context. */
export function cmacFinal(ctx: usize, out: usize): void {
  const c = changetype<CmacContext>(ctx)
  wipe(SUBKEY, 16)
  aesEncrypt(c.aes, SUBKEY, SUBKEY, 1)
  doubleBlock(SUBKEY)
  if (c.used < 16) {
    doubleBlock(SUBKEY)
    store<u8>(ctx + BLOCK + c.used, 0x80)
    memory.fill(ctx + BLOCK + c.used + 1, 0, 15 - c.used)
  }
  xorBytes(ctx, ctx + BLOCK, ctx, 16)
  xorBytes(ctx, SUBKEY, ctx, 16)
  aesEncrypt(c.aes, ctx, out, 1)
  wipe(SUBKEY, 16)
  wipe(ctx, CMAC_CTX)
}

/** CMAC of `n` bytes at `p` under the expanded key at `aes`: 16 bytes to `out`. */
export function cmac(aes: usize, p: usize, n: i32, out: usize): void {
  cmacInit(WORK, aes)
  cmacUpdate(WORK, p, n)
  cmacFinal(WORK, out)
}

/** Multiplies by x in GF(2^128) as CMAC orders its bits. */
function doubleBlock(p: usize): void {
  const high = load64be(p)
  const low = load64be(p + 8)
  store64be(p, (high << 1) | (low >> 63))
  store64be(p + 8, (low << 1) ^ ((high >> 63) * 0x87))
}
