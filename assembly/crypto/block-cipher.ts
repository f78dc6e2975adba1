// AES and Triple DES behind one door, for modes that work alike on blocks of 16 and of 8 bytes. The caller says which: `size` is the
// block's. Padding is that of RFC 5652 §6.3.
import { aesDecrypt, aesEncrypt, aesKey } from './aes'
import { desDecrypt, desEncrypt, desKey } from './des'
import { cbcDecrypt, cbcEncrypt } from './modes'
import { wipe, xorBytes } from './util'

const CHAIN: usize = memory.data(16, 16)
const SAVED: usize = memory.data(16, 16)

export function blockKey(ctx: usize, size: i32, key: usize, n: i32): void {
  if (size === 16) aesKey(ctx, key, n)
  else desKey(ctx, key, n)
}

/** `n` bytes, whole blocks; `dst` may equal `src`. */
export function blockEncrypt(ctx: usize, size: i32, src: usize, dst: usize, n: i32): void {
  if (size === 16) aesEncrypt(ctx, src, dst, n >> 4)
  else desEncrypt(ctx, src, dst, n >> 3)
}

export function blockDecrypt(ctx: usize, size: i32, src: usize, dst: usize, n: i32): void {
  if (size === 16) aesDecrypt(ctx, src, dst, n >> 4)
  else desDecrypt(ctx, src, dst, n >> 3)
}

/** CBC over whole blocks; `iv` is one block and stays as it is; `dst` may equal `src`. */
export function chainEncrypt(ctx: usize, size: i32, iv: usize, src: usize, dst: usize, n: i32): void {
  if (size === 16) {
    cbcEncrypt(ctx, iv, src, dst, n)
    return
  }
  memory.copy(CHAIN, iv, 8)
  for (; n >= 8; n -= 8, src += 8, dst += 8) {
    xorBytes(CHAIN, src, CHAIN, 8)
    desEncrypt(ctx, CHAIN, CHAIN, 1)
    memory.copy(dst, CHAIN, 8)
  }
  wipe(CHAIN, 16)
}

export function chainDecrypt(ctx: usize, size: i32, iv: usize, src: usize, dst: usize, n: i32): void {
  if (size === 16) {
    cbcDecrypt(ctx, iv, src, dst, n)
    return
  }
  memory.copy(CHAIN, iv, 8)
  for (; n >= 8; n -= 8, src += 8, dst += 8) {
    memory.copy(SAVED, src, 8)
    desDecrypt(ctx, SAVED, dst, 1)
    xorBytes(dst, CHAIN, dst, 8)
    memory.copy(CHAIN, SAVED, 8)
  }
  wipe(CHAIN, 16)
  wipe(SAVED, 16)
}
