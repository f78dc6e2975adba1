// Encryption and decryption in parts. The token works on one command's data; what goes on from one part to the next (a chaining
// block, a counter) are public values that the door carries.

import * as protocol from '../../assembly/protocol.js'
import { concat, type Mechanism, Reader } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import { digestLength, parameterHash } from './mechanisms.js'
import type { Session } from './sessions.js'
import { COMMAND_DATA } from './signing.js'

const { CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR, CKM_AES_ECB, CKM_AES_GCM } = protocol

const BLOCK = 16
export type Direction = 'encrypt' | 'decrypt'

/** Bytes of the tag of a GCM parameter in the token's form. */
function tagLength({ parameter }: Mechanism): number {
  if (!parameter) return 0
  const reader = new Reader(parameter)
  reader.bytes()
  reader.bytes()
  return reader.u32() / 8
}

/** The counter block so many blocks on (128 bits, big-endian). */
function advanced(block: Uint8Array, blocks: number): Uint8Array {
  const next = block.slice()
  let carry = blocks
  for (let i = next.length - 1; i >= 0 && carry > 0; i--) {
    const sum = (next[i] ?? 0) + carry
    next[i] = sum % 256
    carry = Math.floor(sum / 256)
  }
  return next
}

export class Cipher {
  readonly #type: number
  #parameter: Uint8Array | undefined
  /** Data that no whole block could be made of yet; for GCM all of it. */
  #rest = new Uint8Array(0)

  constructor(
    private readonly session: Session,
    private readonly direction: Direction,
    private readonly mechanism: Mechanism,
    private readonly key: KeyInfo,
  ) {
    this.#type = mechanism.mechanism
    this.#parameter = mechanism.parameter
  }

  /** Whether data may come in parts. */
  get inParts(): boolean {
    return [CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR, CKM_AES_GCM].includes(this.#type)
  }

  /** Most bytes that one call with all data gives: what is asked for before there is room. */
  wholeLength(length: number): number {
    const encrypts = this.direction === 'encrypt'
    if (this.#type === CKM_AES_GCM) {
      const tag = tagLength(this.mechanism)
      return encrypts ? length + tag : Math.max(0, length - tag)
    }
    if (this.#type === CKM_AES_CBC_PAD) return encrypts ? length + BLOCK - (length % BLOCK) : length
    if (this.inParts) return length
    // OAEP (RFC 8017 §7.1).
    return encrypts ? this.key.width : this.key.width - 2 * digestLength(parameterHash(this.mechanism)) - 2
  }

  /** Bytes that `update` gives for so many more. */
  partLength(length: number): number {
    if (this.#type === CKM_AES_GCM) return 0
    const all = this.#rest.length + length
    // The last block may be padding.
    const held = this.#type === CKM_AES_CBC_PAD && this.direction === 'decrypt' && all > 0 && all % BLOCK === 0
    return all - (all % BLOCK) - (held ? BLOCK : 0)
  }

  /** Most bytes that `final` gives. */
  finalLength(): number {
    return this.wholeLength(this.#rest.length)
  }

  /** All data in one call. @throws what the token answers */
  async whole(data: Uint8Array): Promise<Uint8Array> {
    if (data.length <= COMMAND_DATA || !this.inParts || this.#type === CKM_AES_GCM)
      return this.#command(this.#type, data)
    return concat(await this.update(data), await this.#last())
  }

  async update(data: Uint8Array): Promise<Uint8Array> {
    const length = this.partLength(data.length)
    const all = concat(this.#rest, data)
    if (this.#type === CKM_AES_GCM && all.length > COMMAND_DATA) throw new Pkcs11Error(CKR.DATA_LEN_RANGE)
    this.#rest.fill(0)
    this.#rest = all.slice(length)
    const results: Uint8Array[] = []
    for (let at = 0; at < length; at += COMMAND_DATA) {
      results.push(await this.#blocks(all.slice(at, Math.min(length, at + COMMAND_DATA))))
    }
    all.fill(0)
    return concat(...results)
  }

  /** What is left. Changes nothing, so that it can be asked again. */
  final(): Promise<Uint8Array> {
    return this.#last()
  }

  wipe(): void {
    this.#rest.fill(0)
  }

  async #last(): Promise<Uint8Array> {
    const [rest, type] = [this.#rest, this.#type]
    const always = type === CKM_AES_GCM || (type === CKM_AES_CBC_PAD && this.direction === 'encrypt')
    if (rest.length === 0 && !always) return new Uint8Array(0)
    return this.#command(type, rest.slice())
  }

  /** Whole blocks, after which the next ones go on. */
  async #blocks(data: Uint8Array): Promise<Uint8Array> {
    const type = this.#type === CKM_AES_CBC_PAD ? CKM_AES_CBC : this.#type
    const chained = this.direction === 'decrypt' ? data.slice(-BLOCK) : undefined
    const blocks = data.length / BLOCK
    const result = await this.#command(type, data)
    if (type === CKM_AES_CBC) this.#parameter = chained ?? result.slice(-BLOCK)
    if (type === CKM_AES_CTR && this.#parameter) this.#parameter = advanced(this.#parameter, blocks)
    return result
  }

  #command(mechanism: number, data: Uint8Array): Promise<Uint8Array> {
    const { client, token } = this.session
    const asked: Mechanism = { mechanism, ...(this.#parameter ? { parameter: this.#parameter } : {}) }
    if (this.direction === 'encrypt') return client.crypto.encrypt(token, asked, this.key.handle, data)
    return client.crypto.decrypt(token, asked, this.key.handle, data)
  }
}
