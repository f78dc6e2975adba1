// Signatures made and checked over data that comes at once or in parts. The token signs what fits in one command; of longer data the
// door makes the digest, and the token signs that by the same mechanism's form without a hash.

import { createHash, type Hash } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { concat, type Mechanism, Writer } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyInfo } from './key-info.js'
import { digestLength, hashOf, isEc, isHmac } from './mechanisms.js'
import type { Session } from './sessions.js'

/** Bytes of data of one command, with room for a mechanism and a signature beside them. */
export const COMMAND_DATA = 60 * 1024

interface HashForm {
  readonly name: 'sha256' | 'sha384' | 'sha512'
  /** DER of a DigestInfo up to the digest (RFC 8017 §9.2 note 1). */
  readonly digestInfo: Uint8Array
}

const digestInfo = (last: number, length: number): Uint8Array =>
  Uint8Array.of(0x30, 17 + length, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last, 5, 0, 4, length)

const FORMS: ReadonlyMap<number, HashForm> = new Map([
  [protocol.CKM_SHA256, { name: 'sha256', digestInfo: digestInfo(1, 32) }],
  [protocol.CKM_SHA384, { name: 'sha384', digestInfo: digestInfo(2, 48) }],
  [protocol.CKM_SHA512, { name: 'sha512', digestInfo: digestInfo(3, 64) }],
])

const PSS: ReadonlySet<number> = new Set([
  protocol.CKM_SHA256_RSA_PKCS_PSS,
  protocol.CKM_SHA384_RSA_PKCS_PSS,
  protocol.CKM_SHA512_RSA_PKCS_PSS,
])

/** What is signed: the data while it is short, then its digest alone. */
export class SignedData {
  #parts: Uint8Array[] = []
  #length = 0
  #hash: Hash | undefined
  readonly #form: HashForm | undefined

  constructor(private readonly mechanism: Mechanism) {
    const hash = hashOf(mechanism.mechanism)
    if (hash !== undefined && !isHmac(mechanism.mechanism)) this.#form = FORMS.get(hash)
  }

  /** @throws Pkcs11Error DATA_LEN_RANGE */
  add(data: Uint8Array): void {
    if (this.#hash) {
      this.#hash.update(data)
      return
    }
    if (this.#length + data.length <= COMMAND_DATA) {
      this.#parts.push(data.slice())
      this.#length += data.length
      return
    }
    if (!this.#form) throw new Pkcs11Error(CKR.DATA_LEN_RANGE)
    this.#hash = createHash(this.#form.name)
    for (const part of this.#parts) this.#hash.update(part)
    this.wipe()
    this.#hash.update(data)
  }

  /** What the token is to sign, and how. The same as often as it is asked. */
  command(): { mechanism: Mechanism; data: Uint8Array } {
    const { mechanism } = this
    if (!this.#hash || !this.#form) return { mechanism, data: concat(...this.#parts) }
    const digest = this.#hash.copy().digest()
    if (isEc(mechanism.mechanism)) return { mechanism: { mechanism: protocol.CKM_ECDSA }, data: digest }
    if (PSS.has(mechanism.mechanism)) {
      return { mechanism: { ...mechanism, mechanism: protocol.CKM_RSA_PKCS_PSS }, data: digest }
    }
    const data = new Writer().fixed(this.#form.digestInfo, this.#form.digestInfo.length).fixed(digest, digest.length)
    return { mechanism: { mechanism: protocol.CKM_RSA_PKCS }, data: data.finish() }
  }

  wipe(): void {
    for (const part of this.#parts.splice(0)) part.fill(0)
    this.#length = 0
  }
}

/** Bytes of a signature of this key. */
export function signatureLength({ mechanism }: Mechanism, { width }: KeyInfo): number {
  if (isHmac(mechanism)) return digestLength(hashOf(mechanism) ?? 0)
  return isEc(mechanism) ? 2 * width : width
}

export function signWith(session: Session, key: KeyInfo, signed: SignedData): Promise<Uint8Array> {
  const { mechanism, data } = signed.command()
  return session.client.crypto.sign(session.token, mechanism, key.handle, data)
}

export function verifyWith(session: Session, key: KeyInfo, signed: SignedData, signature: Uint8Array): Promise<void> {
  const { mechanism, data } = signed.command()
  return session.client.crypto.verify(session.token, mechanism, key.handle, data, signature)
}
