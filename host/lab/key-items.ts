import type { KeyObject, X509Certificate } from 'node:crypto'

/** A private key of a user's file. */
export interface PrivateKeyItem {
  readonly kind: 'private key'
  readonly label: string
  /** The file. */
  readonly source: string
  readonly key: KeyObject
}

export interface CertificateItem {
  readonly kind: 'certificate'
  readonly label: string
  readonly source: string
  readonly certificate: X509Certificate
}

export interface SecretKeyItem {
  readonly kind: 'secret key'
  readonly label: string
  readonly source: string
  /** An AES key, or an HMAC secret of any length. */
  readonly use: 'AES' | 'HMAC'
  readonly key: KeyObject
}

/** Something that a user's file holds. */
export type KeyItem = PrivateKeyItem | CertificateItem | SecretKeyItem

/** Sizes that the firmware takes: bits of an RSA modulus, bytes of a secret. */
export const RSA_BITS = { least: 1024, most: 4096 } as const
export const SECRET_BYTES = { least: 1, most: 512 } as const
export const AES_BYTES: readonly number[] = [16, 24, 32]
/** Curves by the names that OpenSSL gives them. */
export const CURVES: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1', 'secp256k1']
