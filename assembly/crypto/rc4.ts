// RC4, for what is old (its keystream is biased: RFC 7465). The permutation is read and written whole for every byte, since where it
// is changed is secret.
import { lookupByte, storeByte } from './lookup'
import { wipe } from './util'

const STATE: usize = memory.data(256, 16)

/** Exchanges the bytes at `i`, which is public, and `j`; their sum. */
function swap(i: u32, j: u32): u32 {
  const a = <u32>load<u8>(STATE + <usize>i)
  const b = lookupByte(STATE, j)
  storeByte(STATE, j, a)
  store<u8>(STATE + <usize>i, b)
  return a + b
}

/** XORs `n` bytes with the keystream of a key of 1 to 256 bytes, from its beginning; `dst` may equal `src`. */
export function rc4Crypt(key: usize, keyLength: i32, src: usize, dst: usize, n: i32): void {
  for (let i: u32 = 0; i < 256; i++) store<u8>(STATE + <usize>i, i)
  let j: u32 = 0
  for (let i: u32 = 0; i < 256; i++) {
    j = (j + <u32>load<u8>(STATE + <usize>i) + <u32>load<u8>(key + <usize>(i % <u32>keyLength))) & 0xff
    swap(i, j)
  }
  j = 0
  for (let k: i32 = 0; k < n; k++) {
    const i = <u32>(k + 1) & 0xff
    j = (j + <u32>load<u8>(STATE + <usize>i)) & 0xff
    const sum = swap(i, j)
    store<u8>(dst + k, <u32>load<u8>(src + k) ^ lookupByte(STATE, sum & 0xff))
  }
  wipe(STATE, 256)
}
