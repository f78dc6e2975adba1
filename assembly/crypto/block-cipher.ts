// Block ciphers behind one door, for modes that work alike on all of them: AES, and those that are left for what is old. The caller says
// which. Padding is that of RFC 5652 §6.3.
import { aesDecrypt, aesEncrypt, aesKey } from './aes'
import { ariaDecrypt, ariaEncrypt, ariaKey } from './aria'
import { castDecrypt, castEncrypt, castKey } from './cast128'
import { desDecrypt, desEncrypt, desKey } from './des'
import { cbcDecrypt, cbcEncrypt } from './modes'
import { rc2Decrypt, rc2Encrypt, rc2Key } from './rc2'
import { seedDecrypt, seedEncrypt, seedKey } from './seed'
import { wipe, xorBytes } from './util'

/** DES and Triple DES, which the length of the key tells apart. */
export const CIPHER_DES = 1
export const CIPHER_CAST = 2
export const CIPHER_RC2 = 3
/** From here on blocks of 16 bytes. */
export const CIPHER_AES = 4
export const CIPHER_SEED = 5
export const CIPHER_ARIA = 6

const CHAIN: usize = memory.data(16, 16)
const SAVED: usize = memory.data(16, 16)

/** Bytes of a block. */
export function cipherBlock(cipher: i32): i32 {
  return cipher >= CIPHER_AES ? 16 : 8
}

/** Expands a key of `n` bytes. Of one of RC2 all bits count: see `rc2Key`. */
export function blockKey(ctx: usize, cipher: i32, key: usize, n: i32): void {
  if (cipher === CIPHER_AES) aesKey(ctx, key, n)
  else if (cipher === CIPHER_DES) desKey(ctx, key, n)
  else if (cipher === CIPHER_CAST) castKey(ctx, key, n)
  else if (cipher === CIPHER_RC2) rc2Key(ctx, key, n, (<u32>n) << 3)
  else if (cipher === CIPHER_SEED) seedKey(ctx, key)
  else ariaKey(ctx, key, n)
}

/** `n` bytes, whole blocks; `dst` may equal `src`. */
export function blockEncrypt(ctx: usize, cipher: i32, src: usize, dst: usize, n: i32): void {
  if (cipher === CIPHER_AES) aesEncrypt(ctx, src, dst, n >> 4)
  else if (cipher === CIPHER_DES) desEncrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_CAST) castEncrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_RC2) rc2Encrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_SEED) seedEncrypt(ctx, src, dst, n >> 4)
  else ariaEncrypt(ctx, src, dst, n >> 4)
}

export function blockDecrypt(ctx: usize, cipher: i32, src: usize, dst: usize, n: i32): void {
  if (cipher === CIPHER_AES) aesDecrypt(ctx, src, dst, n >> 4)
  else if (cipher === CIPHER_DES) desDecrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_CAST) castDecrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_RC2) rc2Decrypt(ctx, src, dst, n >> 3)
  else if (cipher === CIPHER_SEED) seedDecrypt(ctx, src, dst, n >> 4)
  else ariaDecrypt(ctx, src, dst, n >> 4)
}

/** CBC over whole blocks; `iv` is one block and stays as it is; `dst` may equal `src`. */
export function chainEncrypt(ctx: usize, cipher: i32, iv: usize, src: usize, dst: usize, n: i32): void {
  if (cipher === CIPHER_AES) {
    cbcEncrypt(ctx, iv, src, dst, n)
    return
  }
  const size = cipherBlock(cipher)
  memory.copy(CHAIN, iv, size)
  for (; n >= size; n -= size, src += size, dst += size) {
    xorBytes(CHAIN, src, CHAIN, size)
    blockEncrypt(ctx, cipher, CHAIN, CHAIN, size)
    memory.copy(dst, CHAIN, size)
  }
  wipe(CHAIN, 16)
}

export function chainDecrypt(ctx: usize, cipher: i32, iv: usize, src: usize, dst: usize, n: i32): void {
  if (cipher === CIPHER_AES) {
    cbcDecrypt(ctx, iv, src, dst, n)
    return
  }
  const size = cipherBlock(cipher)
  memory.copy(CHAIN, iv, size)
  for (; n >= size; n -= size, src += size, dst += size) {
    memory.copy(SAVED, src, size)
    blockDecrypt(ctx, cipher, SAVED, dst, size)
    xorBytes(dst, CHAIN, dst, size)
    memory.copy(CHAIN, SAVED, size)
  }
  wipe(CHAIN, 16)
  wipe(SAVED, 16)
}
