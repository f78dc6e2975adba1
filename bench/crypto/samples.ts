import { Buffer } from 'node:buffer'

/** Bytes that look random and are the same in every run. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 0xff
  }
  return bytes
}

/** Rounds and the length of a sample, for comparisons of pure computation. */
export const effort = (quick: boolean): { readonly rounds: number; readonly milliseconds: number } =>
  quick ? { rounds: 5, milliseconds: 5 } : { rounds: 15, milliseconds: 25 }
