// What clients keep of operations in parts: the token keeps no operation. What has to be known of the parts so far goes out wrapped under
// a key of this power-up, bound to the client, the operation and its key, and comes back with the next part. It is deterministic, so
// that forks of a token give nothing away by it.

import { hasStateKey, KEY_STATE, setStateKey } from '../arena'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { HASH_CTX, HASH_SHA256, hashFinal, hashInit, hashUpdate } from '../crypto/sha2'
import { store32be, store64be, wipe } from '../crypto/util'
import { fresh } from '../token/random'
import { access, here } from './context'
import { mechanism, parameter, parameterLength } from './crypt-operation'

/** Bytes at the start of a state that say whose it is, and bytes that wrapping adds. */
export const CHECK: i32 = 16
export const WRAPPING: i32 = 8

const HASH: usize = memory.data(HASH_CTX, 16)
const DIGEST: usize = memory.data(32, 16)
const NUMBERS: usize = memory.data(32, 8)

export function wipeStates(): void {
  wipe(HASH, HASH_CTX)
  wipe(DIGEST, 32)
}

/** Whether there is a key for states by now. */
export function statesReady(): bool {
  if (hasStateKey()) return true
  if (!fresh(KEY_STATE, 32)) return false
  setStateKey(true)
  return true
}

/** The first bytes of the hash of whose operation it is and what it does: a state fits no other. */
function check(purpose: u32, key: u32): void {
  hashInit(HASH, HASH_SHA256)
  store32be(NUMBERS, purpose)
  store32be(NUMBERS + 4, mechanism)
  store32be(NUMBERS + 8, key)
  store32be(NUMBERS + 12, here())
  store64be(NUMBERS + 16, access())
  store32be(NUMBERS + 24, <u32>parameterLength)
  hashUpdate(HASH, NUMBERS, 28)
  hashUpdate(HASH, parameter, parameterLength)
  hashFinal(HASH, DIGEST)
}

/** Writes a state of `n` bytes, whose first CHECK are filled in, wrapped to `out`. `statesReady` was asked. */
export function stateWrap(purpose: u32, key: u32, state: usize, n: i32, out: usize): void {
  check(purpose, key)
  memory.copy(state, DIGEST, CHECK)
  kwWrap(KEY_STATE, 32, state, n, out)
}

/** Opens what `stateWrap` has written to `state`, n bytes; false where it is of another operation, client or power-up. */
export function stateUnwrap(purpose: u32, key: u32, wrapped: usize, length: i32, state: usize, n: i32): bool {
  if (length !== n + WRAPPING || !hasStateKey()) return false
  if (!kwUnwrap(KEY_STATE, 32, wrapped, length, state)) return false
  check(purpose, key)
  return memory.compare(DIGEST, state, CHECK) === 0
}
