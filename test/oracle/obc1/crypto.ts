// Hash, MAC, KDF, key wrap and the domain key: OBC-1 §4 and §6.
import { createCipheriv, createDecipheriv, createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { cat, u8, u32 } from './bytes.js'

export const H = (...parts: Uint8Array[]): Buffer =>
  createHash('sha384')
    .update(cat(...parts))
    .digest()
export const HM = (key: Uint8Array, ...parts: (Uint8Array | string)[]): Buffer =>
  createHmac('sha384', key)
    .update(cat(...parts))
    .digest()

/** SP 800-108 counter mode, HMAC-SHA-384, 32-bit counter before the fixed data. */
export function KDF(key: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const fixed = cat(label, u8(0), context, u32(8 * length))
  const blocks: Buffer[] = []
  for (let i = 1; blocks.length * 48 < length; i++) blocks.push(HM(key, u32(i), fixed))
  return cat(...blocks).subarray(0, length)
}

export const ITERATIONS = 50_000
/** Types of domain. */
export const RED_KEY = 1
export const TEXT = 2
export const textDomain = (text: string): Buffer => pbkdf2Sync(text, 'OBC1 text domain', ITERATIONS, 48, 'sha512')
export const domainKey = (vector: Uint8Array, type: number): Buffer => KDF(vector, 'OBC1 domain', u8(type), 48)

const KW_IV = Buffer.alloc(8, 0xa6)

/** AES-256-KW (RFC 3394). */
export function wrap(kek: Uint8Array, key: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', kek, KW_IV)
  return cat(cipher.update(key), cipher.final())
}

/** Null where the check value does not verify. */
export function unwrap(kek: Uint8Array, wrapped: Uint8Array): Buffer | null {
  try {
    const decipher = createDecipheriv('id-aes256-wrap', kek, KW_IV)
    return cat(decipher.update(wrapped), decipher.final())
  } catch {
    return null
  }
}

/** AES-256-GCM: ciphertext ∥ tag. */
export function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
  return cat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/** Null where the tag does not verify. */
export function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | null {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 }).setAAD(aad)
    decipher.setAuthTag(sealed.subarray(-16))
    return cat(decipher.update(sealed.subarray(0, -16)), decipher.final())
  } catch {
    return null
  }
}

/**
 * The content key that survives a restored TRNG (OBC-1 §16, proposal 1): other data, another key.
 * @param random 32 bytes of the TRNG
 * @param place SID ∥ seq on the wire, bytes 8 to 63 of the record at rest
 */
export const contentKey = (random: Uint8Array, place: Uint8Array, plaintext: Uint8Array): Buffer =>
  HM(Buffer.from('OBC1 cek'), cat(random, place, plaintext)).subarray(0, 32)
