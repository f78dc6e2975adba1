// Encryption and decryption in parts. The token works on one command's data; what goes on from one part to the next (a chaining
// block, a counter) are public values that the door carries.

import * as protocol from '../../assembly/protocol.js'
import { concat, type Mechanism } from '../client/index.js'
import { AeadCipher } from './aead-cipher.js'
import type { Ciphering, Direction } from './ciphering.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import { makesIvs } from './made-ivs.js'
import { digestLength, type Family, kindOf } from './mechanism-kinds.js'
import { parameterNumber } from './mechanisms.js'
import { knowing } from './operation-start.js'
import type { Session } from './sessions.js'
import { COMMAND_DATA } from './signing.js'

/** The mechanism that goes on between blocks where the last one is padded. */
const UNPADDED: ReadonlyMap<number, number> = new Map([
  [protocol.CKM_AES_CBC_PAD, protocol.CKM_AES_CBC],
  [protocol.CKM_DES3_CBC_PAD, protocol.CKM_DES3_CBC],
  [protocol.CKM_DES_CBC_PAD, protocol.CKM_DES_CBC],
  [protocol.CKM_CAST128_CBC_PAD, protocol.CKM_CAST128_CBC],
  [protocol.CKM_RC2_CBC_PAD, protocol.CKM_RC2_CBC],
  [protocol.CKM_SEED_CBC_PAD, protocol.CKM_SEED_CBC],
  [protocol.CKM_LUNA_SEED_CBC_PAD, protocol.CKM_LUNA_SEED_CBC],
  [protocol.CKM_ARIA_CBC_PAD, protocol.CKM_ARIA_CBC],
])
/** Families whose parts are worked on as they come, and those that take all data at the end: what RC4 goes on with is secret. */
const STREAMED: ReadonlySet<Family> = new Set<Family>(['ecb', 'cbc', 'cbcPad', 'ctr'])
const GATHERED: ReadonlySet<Family> = new Set<Family>(['kw', 'kwp', 'stream'])
/** Bytes of a command beside parameter and data: numbers and lengths, what encryption has added, and what sealing adds. */
const OVERHEAD = 96
/** Most bytes that encryption adds to data that is not made in parts. */
const ADDED = 16
const SEMIBLOCK = 8

export function cipherFor(
  session: Session,
  direction: Direction,
  mechanism: Mechanism,
  key: KeyInfo,
): Ciphering | Promise<Ciphering> {
  if (kindOf(mechanism.mechanism)?.family !== 'aead') return new Cipher(session, direction, mechanism, key)
  const asks = direction === 'encrypt' && mechanism.mechanism === protocol.CKM_AES_GCM
  return knowing(
    asks && makesIvs(session),
    (makes): Ciphering => new AeadCipher(session, direction, mechanism, key, makes),
  )
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

class Cipher implements Ciphering {
  readonly #family: Family | undefined
  readonly #block: number
  #parameter: Uint8Array | undefined
  /** Data that no whole block could be made of yet; for what is gathered all of it. */
  #rest = new Uint8Array(0)

  constructor(
    private readonly session: Session,
    readonly direction: Direction,
    private readonly mechanism: Mechanism,
    private readonly key: KeyInfo,
  ) {
    const kind = kindOf(mechanism.mechanism)
    this.#family = kind?.family
    this.#block = kind?.block ?? 1
    this.#parameter = mechanism.parameter
  }

  get inParts(): boolean {
    return this.#streams || this.#gathers
  }

  /** What an unpadded block or a short modulus leaves is known when it is decrypted. */
  get exact(): boolean {
    return this.direction === 'encrypt'
  }

  get #streams(): boolean {
    return this.#family !== undefined && STREAMED.has(this.#family)
  }

  get #gathers(): boolean {
    return this.#family !== undefined && GATHERED.has(this.#family)
  }

  wholeLength(length: number): number {
    const encrypts = this.direction === 'encrypt'
    const block = this.#block
    switch (this.#family) {
      case 'kw':
      case 'kwp': {
        const whole = Math.ceil(length / SEMIBLOCK) * SEMIBLOCK
        return encrypts ? whole + SEMIBLOCK : Math.max(0, length - SEMIBLOCK)
      }
      case 'cbcPad':
        return encrypts ? length + block - (length % block) : length
      case 'rsaOaep':
        return encrypts ? this.key.width : this.key.width - 2 * digestLength(parameterNumber(this.mechanism)) - 2
      case 'rsaPkcs':
        return encrypts ? this.key.width : this.key.width - 11
      case 'rsaRaw':
        return this.key.width
      default:
        return length
    }
  }

  partLength(length: number): number {
    if (this.#gathers) return 0
    const all = this.#rest.length + length
    const block = this.#block
    // The last block may be padding.
    const held = this.#family === 'cbcPad' && this.direction === 'decrypt' && all > 0 && all % block === 0
    return all - (all % block) - (held ? block : 0)
  }

  finalLength(): number {
    return this.wholeLength(this.#rest.length)
  }

  async whole(data: Uint8Array): Promise<Uint8Array> {
    if (data.length <= COMMAND_DATA || !this.#streams)
      return this.#command(this.mechanism.mechanism, this.#fitting(data))
    return concat(await this.update(data), await this.#last())
  }

  async update(data: Uint8Array): Promise<Uint8Array> {
    const length = this.partLength(data.length)
    const all = concat(this.#rest, data)
    if (this.#gathers) this.#fitting(all)
    this.#rest.fill(0)
    this.#rest = all.slice(length)
    const results: Uint8Array[] = []
    for (let at = 0; at < length; at += COMMAND_DATA) {
      results.push(await this.#blocks(all.slice(at, Math.min(length, at + COMMAND_DATA))))
    }
    all.fill(0)
    return concat(...results)
  }

  /** Changes nothing, so that it can be asked again. */
  final(): Promise<Uint8Array> {
    return this.#last()
  }

  wipe(): void {
    this.#rest.fill(0)
  }

  /** Data that one command has to hold: what was encrypted by one is decrypted by one. @throws Pkcs11Error DATA_LEN_RANGE, ENCRYPTED_DATA_LEN_RANGE */
  #fitting(data: Uint8Array): Uint8Array {
    const most = protocol.MAX_BODY - OVERHEAD - (this.#parameter?.length ?? 0)
    const encrypts = this.direction === 'encrypt'
    if (data.length <= most + (encrypts ? 0 : ADDED)) return data
    throw new Pkcs11Error(encrypts ? CKR.DATA_LEN_RANGE : CKR.ENCRYPTED_DATA_LEN_RANGE)
  }

  async #last(): Promise<Uint8Array> {
    const rest = this.#rest
    const always = this.#gathers || (this.#family === 'cbcPad' && this.direction === 'encrypt')
    if (rest.length === 0 && !always) return new Uint8Array(0)
    return this.#command(this.mechanism.mechanism, rest.slice())
  }

  /** Whole blocks, after which the next ones go on. */
  async #blocks(data: Uint8Array): Promise<Uint8Array> {
    const family = this.#family
    const type = this.mechanism.mechanism
    const chains = family === 'cbc' || family === 'cbcPad'
    const chained = this.direction === 'decrypt' ? data.slice(-this.#block) : undefined
    const blocks = data.length / this.#block
    const result = await this.#command(UNPADDED.get(type) ?? type, data)
    // The chaining block is the last of a parameter.
    const head = this.#parameter?.slice(0, -this.#block) ?? new Uint8Array(0)
    if (chains) this.#parameter = concat(head, chained ?? result.slice(-this.#block))
    if (family === 'ctr' && this.#parameter) this.#parameter = advanced(this.#parameter, blocks)
    return result
  }

  #command(mechanism: number, data: Uint8Array): Promise<Uint8Array> {
    const { client, token } = this.session
    const asked: Mechanism = { mechanism, ...(this.#parameter ? { parameter: this.#parameter } : {}) }
    if (this.direction === 'encrypt') return client.crypto.encrypt(token, asked, this.key.handle, data)
    return client.crypto.decrypt(token, asked, this.key.handle, data)
  }
}
