// GCM and CCM over data that does not fit in one command, or comes in parts (SPEC.md §2.4, AEAD_PART). The token keeps nothing: its states
// and proofs are carried here.

import * as protocol from '../../assembly/protocol.js'
import type { AeadPart, CryptoCommands, Mechanism } from './crypto.js'

const NONE = new Uint8Array(0)
/** Bytes of a part's frame beside parameter and data: numbers, lengths, state, proof, tag and IV, and what sealing adds. */
const OVERHEAD = 512
const MOST = 60 * 1024
/** Less is no part: the parameter goes with each of them. */
const LEAST = 4096
const BLOCK = 16

/** Whose operation it is. */
export interface AeadKey {
  readonly crypto: CryptoCommands
  readonly session: number
  readonly mechanism: Mechanism
  readonly key: number
}

/** Bytes of data of one part, whole blocks; 0 where the parameter leaves no room. */
function partSize({ parameter }: Mechanism): number {
  const room = protocol.MAX_BODY - OVERHEAD - (parameter?.length ?? 0)
  return room < LEAST ? 0 : Math.min(MOST, room - (room % BLOCK))
}

/** Whether data can be worked on in parts beside the mechanism's parameter. */
export function aeadTakesParts(mechanism: Mechanism): boolean {
  return partSize(mechanism) > 0
}

function pieces(data: Uint8Array, size: number): Uint8Array[] {
  const all: Uint8Array[] = []
  for (let at = 0; at === 0 || at < data.length; at += size) all.push(data.subarray(at, at + size))
  return all
}

/** An encryption that gives each part as it comes. */
export class AeadSealing {
  #state: Uint8Array = NONE

  /**
   * @param length bytes of all data, for CCM; GCM counts them itself
   * @param message whether the parameter is that of MESSAGE_SEAL, with a nonce that was given out
   */
  constructor(
    private readonly of: AeadKey,
    private readonly length: number,
    private readonly message = false,
  ) {}

  /**
   * Ciphertext as long as the data, with `last` behind it the tag, and the IV where the token has made one. Parts of CCM are whole
   * blocks but for the last. @throws TokenError
   */
  async add(data: Uint8Array, last: boolean): Promise<Uint8Array> {
    const parts = pieces(data, partSize(this.of.mechanism))
    const results: Uint8Array[] = []
    for (const [i, part] of parts.entries()) {
      const { crypto, session, mechanism, key } = this.of
      const [state, result] = await crypto.aeadPart(session, {
        ...{ purpose: 'seal', mechanism, key, length: this.length, state: this.#state, data: part, proof: NONE },
        ...{ last: last && i === parts.length - 1, message: this.message },
      })
      this.#state = state
      results.push(result)
    }
    const [only] = results
    return results.length === 1 && only ? only : Buffer.concat(results)
  }
}

/**
 * Decrypts ciphertext ∥ tag in two passes: nothing comes out before the tag was right.
 * @param tagLength bytes, no more than there are
 * @throws TokenError ENCRYPTED_DATA_INVALID
 */
export async function openAead(
  { crypto, session, mechanism, key }: AeadKey,
  sealed: Uint8Array,
  tagLength: number,
): Promise<Uint8Array> {
  const length = sealed.length - tagLength
  const parts = pieces(sealed.subarray(0, length), partSize(mechanism))
  const common = { mechanism, key, length, message: false }
  const ask = (part: Pick<AeadPart, 'purpose' | 'state' | 'data' | 'last' | 'proof'>) =>
    crypto.aeadPart(session, { ...common, ...part })
  /** What the token has said before each part, and at the end the proof of all. */
  const states: Uint8Array[] = [NONE]
  for (const [i, data] of parts.entries()) {
    const last = i === parts.length - 1
    const proof = last ? sealed.subarray(length) : NONE
    const [state] = await ask({ purpose: 'check', state: states[i] ?? NONE, data, last, proof })
    states.push(state)
  }
  let proof = states.pop() ?? NONE
  let end = length
  const plaintext = new Uint8Array(length)
  try {
    for (let i = parts.length - 1; i >= 0; i--) {
      const answer = await ask({
        purpose: 'open',
        state: states[i] ?? NONE,
        data: parts[i] ?? NONE,
        last: false,
        proof,
      })
      proof = answer[0]
      end -= answer[1].length
      plaintext.set(answer[1], end)
      answer[1].fill(0)
    }
  } catch (error) {
    plaintext.fill(0)
    throw error
  }
  return plaintext
}
