// Digests, and signatures made and checked, over data that comes at once or in parts. The token works on what fits in one command;
// what it has to know of the parts before goes to and fro with them, sealed by it (SPEC.md §2.2, PART).

import { concat, type Mechanism } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import { digestLength, isGathered, isStreamed, kindOf } from './mechanism-kinds.js'
import { parameterNumber } from './mechanisms.js'
import type { Session } from './sessions.js'

/** Bytes of data of one command, with room for a mechanism and a signature beside them. */
export const COMMAND_DATA = 60 * 1024

type Purpose = 'digest' | 'sign' | 'verify'
const NONE = new Uint8Array(0)

/** What is digested or signed: the data while it is short, then what the token has made of it. */
export class SignedData {
  #parts: Uint8Array[] = []
  #length = 0
  #state: Uint8Array = NONE

  constructor(
    private readonly session: Session,
    private readonly purpose: Purpose,
    private readonly mechanism: Mechanism,
    private readonly key: number,
  ) {}

  /** Whether data may come in parts. */
  get inParts(): boolean {
    return this.#streams || isGathered(this.mechanism.mechanism)
  }

  /** Whether the token works on the parts as they come. */
  get #streams(): boolean {
    return isStreamed(this.mechanism.mechanism)
  }

  /** @throws Pkcs11Error DATA_LEN_RANGE; what the token answers */
  async add(data: Uint8Array): Promise<void> {
    if (this.#length + data.length > COMMAND_DATA && !this.#streams) throw new Pkcs11Error(CKR.DATA_LEN_RANGE)
    for (let at = 0; at < data.length; ) {
      if (this.#length === COMMAND_DATA) await this.#flush()
      const taken = data.slice(at, at + COMMAND_DATA - this.#length)
      this.#parts.push(taken)
      this.#length += taken.length
      at += taken.length
    }
  }

  /** The value of a key, as if it were data. @throws what the token answers */
  async addKey(key: number): Promise<void> {
    if (this.#length > 0) await this.#flush()
    this.#state = await this.#part(NONE, false, key)
  }

  /** What the token knows of all data so far, wrapped; empty = there was none. @throws what the token answers */
  async save(): Promise<Uint8Array> {
    if (this.#length > 0) await this.#flush()
    return this.#state
  }

  /** Goes on from there. @throws what the token answers, where the state is not of this operation */
  async restore(state: Uint8Array): Promise<void> {
    this.#state = state
    if (state.length > 0) this.#state = await this.#part(NONE, false, this.key)
  }

  /** The digest, or the signature; nothing where one was checked. @throws what the token answers */
  async finish(signature?: Uint8Array): Promise<Uint8Array> {
    const { session, mechanism, key, purpose } = this
    const data = concat(...this.#parts)
    if (purpose === 'digest' || this.#state.length > 0) return this.#part(data, true, key, signature)
    if (purpose === 'sign') return session.client.crypto.sign(session.token, mechanism, key, data)
    await session.client.crypto.verify(session.token, mechanism, key, data, signature ?? NONE)
    return NONE
  }

  wipe(): void {
    for (const part of this.#parts.splice(0)) part.fill(0)
    this.#length = 0
  }

  async #flush(): Promise<void> {
    const data = concat(...this.#parts)
    this.wipe()
    this.#state = await this.#part(data, false, this.key)
    data.fill(0)
  }

  #part(data: Uint8Array, last: boolean, key: number, signature?: Uint8Array): Promise<Uint8Array> {
    const { session, purpose, mechanism } = this
    return session.client.crypto.part(session.token, {
      ...{ purpose, mechanism, key, state: this.#state, data, last },
      ...(signature ? { signature } : {}),
    })
  }
}

/** Bytes of a digest, or of a signature of this key. */
export function signatureLength(mechanism: Mechanism, { width }: KeyInfo): number {
  const kind = kindOf(mechanism.mechanism)
  if (!kind) return width
  const { family, hash, mac, general } = kind
  if (family === 'digest') return digestLength(hash ?? 0)
  if (mac > 0) return general ? Math.min(mac, parameterNumber(mechanism)) : mac
  return family === 'dsa' || family === 'ecdsa' || family === 'eddsa' ? 2 * width : width
}
