// Modes of operation over an expanded AES key: CTR and CBC (SP 800-38A). CMAC, CCM and GCM have files of their own.
import { AES_GROUP, aesDecrypt, aesEncrypt, aesEncrypt8 } from './aes'
import { load64be, store64be, wipe, xorBytes } from './util'

export { gcmLengthsValid, gcmOpen, gcmOpen2, gcmSeal, gcmSeal2 } from './gcm'

const STREAM: usize = memory.data(AES_GROUP, 16)
const CHAIN: usize = memory.data(16, 16)
const SAVED: usize = memory.data(AES_GROUP, 16)

/**
 * XORs `n` bytes with the key stream that starts at the 16-byte counter block, which counts as one 128-bit big-endian
 * number and is not changed. `dst` may equal `src`.
 */
export function ctrCrypt(ctx: usize, counterBlock: usize, src: usize, dst: usize, n: i32): void {
  let high = load64be(counterBlock)
  let low = load64be(counterBlock + 8)
  while (n > 0) {
    for (let p = STREAM; p < STREAM + AES_GROUP; p += 16) {
      store64be(p, high)
      store64be(p + 8, low)
      low += 1
      if (low === 0) high += 1
    }
    aesEncrypt8(ctx, STREAM, STREAM)
    const part = min(n, AES_GROUP)
    xorBytes(src, STREAM, dst, part)
    src += part
    dst += part
    n -= part
  }
  wipe(STREAM, AES_GROUP)
}

/** CBC encryption of whole blocks: `n` is a multiple of 16, `iv` 16 bytes and unchanged; `dst` may equal `src`. */
export function cbcEncrypt(ctx: usize, iv: usize, src: usize, dst: usize, n: i32): void {
  memory.copy(CHAIN, iv, 16)
  for (; n >= 16; n -= 16) {
    xorBytes(CHAIN, src, CHAIN, 16)
    aesEncrypt(ctx, CHAIN, CHAIN, 1)
    memory.copy(dst, CHAIN, 16)
    src += 16
    dst += 16
  }
  wipe(CHAIN, 16)
}

/** CBC decryption of whole blocks: `n` is a multiple of 16, `iv` 16 bytes and unchanged; `dst` may equal `src`. */
export function cbcDecrypt(ctx: usize, iv: usize, src: usize, dst: usize, n: i32): void {
  memory.copy(CHAIN, iv, 16)
  while (n >= 16) {
    const part = min(n & ~15, AES_GROUP)
    memory.copy(SAVED, src, part)
    aesDecrypt(ctx, SAVED, dst, part >> 4)
    xorBytes(dst, CHAIN, dst, 16)
    xorBytes(dst + 16, SAVED, dst + 16, part - 16)
    memory.copy(CHAIN, SAVED + part - 16, 16)
    src += part
    dst += part
    n -= part
  }
  wipe(CHAIN, 16)
  wipe(SAVED, AES_GROUP)
}
