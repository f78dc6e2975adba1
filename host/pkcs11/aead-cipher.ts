// GCM and CCM of any length. What GCM encrypts goes through the token as it comes. CCM has to know how long all data is, and of a
// decryption nothing may come out before the tag was right: both take their data in, and work on it at the end.

import * as protocol from '../../assembly/protocol.js'
import { type AeadKey, AeadSealing, aeadTakesParts, concat, type Mechanism, openAead, Reader } from '../client/index.js'
import type { Ciphering, Direction } from './ciphering.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import { forgetIvs } from './made-ivs.js'
import type { Session } from './sessions.js'

/** Most bytes that wait for the end of their operation. */
export const AEAD_GATHERED = 64 * 1024 * 1024
/** Bytes of a command beside parameter and data: numbers and lengths, tag, made IV, and what sealing adds. */
const OVERHEAD = 128

/** Bytes of the tag of a parameter in the token's form. */
function tagLength({ mechanism, parameter }: Mechanism): number {
  if (!parameter) return 0
  const reader = new Reader(parameter)
  reader.bytes()
  reader.bytes()
  return mechanism === protocol.CKM_AES_GCM ? reader.u32() / 8 : reader.u32()
}

export class AeadCipher implements Ciphering {
  readonly inParts = true
  readonly exact = true
  readonly #tag: number
  readonly #iv: number
  readonly #of: AeadKey
  readonly #streams: boolean
  readonly #parts: Uint8Array[] = []
  #length = 0
  #sealing: AeadSealing | undefined

  /** @param makesIv whether the token makes the IVs of what it encrypts, and puts them behind the tag */
  constructor(
    private readonly session: Session,
    readonly direction: Direction,
    private readonly mechanism: Mechanism,
    key: KeyInfo,
    makesIv: boolean,
  ) {
    this.#of = { crypto: session.client.crypto, session: session.token, mechanism, key: key.handle }
    this.#tag = tagLength(mechanism)
    this.#streams = direction === 'encrypt' && mechanism.mechanism === protocol.CKM_AES_GCM
    this.#iv = this.#streams && makesIv ? protocol.GCM_MADE_IV : 0
  }

  wholeLength(length: number): number {
    if (this.direction === 'encrypt') return length + this.#tag + this.#iv
    return Math.max(0, length - this.#tag)
  }

  partLength(length: number): number {
    return this.#streams ? length : 0
  }

  finalLength(): number {
    return this.wholeLength(this.#length)
  }

  whole(data: Uint8Array): Promise<Uint8Array> {
    return this.#all(data)
  }

  async update(data: Uint8Array): Promise<Uint8Array> {
    if (!this.#streams) {
      this.#gather(data)
      return new Uint8Array(0)
    }
    this.#needParts()
    this.#sealing ??= new AeadSealing(this.#of, 0)
    return this.#sealing.add(data, false)
  }

  async final(): Promise<Uint8Array> {
    if (this.#sealing) return this.#expected(await this.#sealing.add(new Uint8Array(0), true), 0)
    const data = concat(...this.#parts)
    this.wipe()
    try {
      return await this.#all(data)
    } finally {
      data.fill(0)
    }
  }

  wipe(): void {
    for (const part of this.#parts.splice(0)) part.fill(0)
    this.#length = 0
  }

  #gather(data: Uint8Array): void {
    this.#need(this.#length + data.length)
    this.#parts.push(data.slice())
    this.#length += data.length
  }

  /** @throws Pkcs11Error DATA_LEN_RANGE, ENCRYPTED_DATA_LEN_RANGE */
  #need(length: number): void {
    if (length > AEAD_GATHERED) throw this.#tooLong()
  }

  #tooLong(): Pkcs11Error {
    return new Pkcs11Error(this.direction === 'encrypt' ? CKR.DATA_LEN_RANGE : CKR.ENCRYPTED_DATA_LEN_RANGE)
  }

  /** Beside associated data that fills a command there is no room for any. @throws Pkcs11Error as `#need` */
  #needParts(): void {
    if (!aeadTakesParts(this.mechanism)) throw this.#tooLong()
  }

  async #all(data: Uint8Array): Promise<Uint8Array> {
    const { crypto, session, mechanism, key } = this.#of
    const encrypts = this.direction === 'encrypt'
    const fits = data.length <= protocol.MAX_BODY - OVERHEAD - (mechanism.parameter?.length ?? 0)
    if (!fits) this.#needParts()
    if (!encrypts) {
      return fits ? crypto.decrypt(session, mechanism, key, data) : openAead(this.#of, data, this.#tag)
    }
    if (fits) return this.#expected(await crypto.encrypt(session, mechanism, key, data), data.length)
    return this.#expected(await new AeadSealing(this.#of, data.length).add(data, true), data.length)
  }

  /** Policies may have changed since the token was asked. */
  #expected(sealed: Uint8Array, length: number): Uint8Array {
    if (sealed.length !== this.wholeLength(length)) forgetIvs(this.session.client)
    return sealed
  }
}
