// The inputs of the known answers (OBC-1 §13): tokens, object and "random" bytes.
import { createHash } from 'node:crypto'
import {
  CKA_ID,
  CKA_LABEL,
  CKA_VALUE,
  CKK_AES,
  CKO_SECRET_KEY,
  OBC_TOKEN_BACKUP,
  OBC_TOKEN_PED,
  PROFILE_6_27_0,
} from '../../../assembly/protocol.js'
import { HOC, issue, TWC } from './certificates.js'
import { RED_KEY } from './crypto.js'
import type { CloneObject } from './envelope.js'
import { publicKey } from './p384.js'
import type { Token } from './token.js'

/** First bytes of SHA-512("OBC1-KAT:" ∥ label), at most 64. */
export const R = (label: string, length: number): Buffer =>
  createHash('sha512').update(`OBC1-KAT:${label}`).digest().subarray(0, length)

export const vector = (name: string): Buffer => R(name, 48)
/** Public key of the published test root. */
export const root = publicKey(vector('root'))
export const SOURCE_SERIAL = 500409014n
export const TARGET_SERIAL = 700101n
/** The ASCII letters of the hardware names. */
export const K6 = 0x4b36
export const G5 = 0x4735

interface TokenFields {
  /** Names the token's keys: `S` or `T`. */
  letter: string
  serial: bigint
  model: number
  flags: number
}

function token({ letter, serial, model, flags }: TokenFields, more: Partial<Token>): Token {
  const [hok, tuk] = [vector(`hok${letter}`), vector(`tuk${letter}`)]
  const firmware = PROFILE_6_27_0
  const hoc = issue({ serial, model, firmware, type: HOC, key: publicKey(hok), issuerPrivateKey: vector('root') })
  const twc = issue({ serial, model, firmware, type: TWC, key: publicKey(tuk), issuerPrivateKey: hok })
  const domains = [{ vector: vector('domain'), type: RED_KEY }]
  return { serial, partition: 1, firmware, flags, domains, root, clock: 0n, tuk, hoc, twc, ...more }
}

export const sourceToken = (more: Partial<Token> = {}): Token =>
  token({ letter: 'S', serial: SOURCE_SERIAL, model: K6, flags: OBC_TOKEN_PED }, more)
export const targetToken = (more: Partial<Token> = {}): Token =>
  token({ letter: 'T', serial: TARGET_SERIAL, model: G5, flags: OBC_TOKEN_PED | OBC_TOKEN_BACKUP }, more)

export const object: CloneObject = {
  handle: 99,
  ouid: R('ouid', 12),
  class: CKO_SECRET_KEY,
  keyType: CKK_AES,
  bits: 0x1b,
  attributes: [
    { type: CKA_LABEL, value: Buffer.from('kat-aes') },
    { type: CKA_VALUE, value: R('aeskey', 32) },
    { type: CKA_ID, value: Buffer.of(1) },
  ],
}
