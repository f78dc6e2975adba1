// SHA-384 and HMAC-SHA-384 over several parts, for transcripts and tags.

import { HMAC_CTX, hmacFinal, hmacInit, hmacUpdate } from '../crypto/hmac'
import { HASH_CTX, HASH_SHA384, hashFinal, hashInit, hashUpdate } from '../crypto/sha2'

const HASH: usize = memory.data(1024, 16)
const MAC: usize = memory.data(1024, 16)

export function hash384(p: usize, n: i32, out: usize): void {
  hashInit(HASH, HASH_SHA384)
  hashUpdate(HASH, p, n)
  hashFinal(HASH, out)
}

export function hashBegin(): void {
  hashInit(HASH, HASH_SHA384)
}

export function hashPart(p: usize, n: i32): void {
  hashUpdate(HASH, p, n)
}

export function hashEnd(out: usize): void {
  hashFinal(HASH, out)
}

export function macBegin(key: usize, keyLength: i32): void {
  hmacInit(MAC, HASH_SHA384, key, keyLength)
}

export function macPart(p: usize, n: i32): void {
  hmacUpdate(MAC, p, n)
}

export function macEnd(out: usize): void {
  hmacFinal(MAC, out)
}

/** The static contexts above are as large as these say, checked at power-up. */
export function contextsFit(): bool {
  return HASH_CTX <= 1024 && HMAC_CTX <= 1024
}
