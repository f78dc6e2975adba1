import { createHash, createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { type Attribute, attribute } from '../client/index.js'
import {
  BIT_STRING,
  type DerElement,
  derDigits,
  derElement,
  derElements,
  derSequence,
  INTEGER,
  OCTET_STRING,
  SEQUENCE,
} from './der.js'
import { LabError } from './errors.js'

/** What a public key object and its relatives need of a key. */
export interface PublicParts {
  /** CKK_RSA or CKK_EC */
  readonly keyType: number
  /** SHA-1 of the modulus or of the point: what private key, public key and certificate have in common as CKA_ID. */
  readonly id: Buffer
  /** The attributes that are the key: modulus and exponent, or curve and point. */
  readonly attributes: readonly Attribute[]
}

/** @throws LabError IMPORT_UNSUPPORTED where it is neither an RSA nor an EC key */
export function publicParts(key: KeyObject): PublicParts {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  // SubjectPublicKeyInfo: the algorithm with its parameters, then the key as a BIT STRING without unused bits.
  const [algorithm, bits] = derSequence(publicKey.export({ format: 'der', type: 'spki' })) ?? []
  if (algorithm && bits?.tag === BIT_STRING) {
    const inner = bits.content.subarray(1)
    if (publicKey.asymmetricKeyType === 'rsa') return rsaParts(inner)
    const params = derElements(algorithm.content)?.[1]
    if (publicKey.asymmetricKeyType === 'ec' && params) return ecParts(params, inner)
  }
  throw new LabError('IMPORT_UNSUPPORTED', `a public key of type ${publicKey.asymmetricKeyType}`)
}

const idOf = (bytes: Uint8Array): Buffer => createHash('sha1').update(bytes).digest()

function rsaParts(encoded: Buffer): PublicParts {
  const [n, e] = (derSequence(encoded) ?? []).map(derDigits)
  if (!n || !e) throw new LabError('IMPORT_UNSUPPORTED', 'an RSA public key without modulus or exponent')
  return {
    keyType: protocol.CKK_RSA,
    id: idOf(n),
    attributes: [attribute.bytes(protocol.CKA_MODULUS, n), attribute.bytes(protocol.CKA_PUBLIC_EXPONENT, e)],
  }
}

/** CKA_EC_POINT is the point in a DER OCTET STRING (PKCS#11 2.40 §2.3.3). */
function ecParts(params: DerElement, point: Buffer): PublicParts {
  return {
    keyType: protocol.CKK_EC,
    id: idOf(point),
    attributes: [
      attribute.bytes(protocol.CKA_EC_PARAMS, params.whole),
      attribute.bytes(protocol.CKA_EC_POINT, derElement(OCTET_STRING, point)),
    ],
  }
}

/** The DER of a certificate's names and serial number, which PKCS#11 carries as they are (RFC 5280 §4.1). */
export function certificateParts(certificate: X509Certificate): readonly Attribute[] {
  const [tbs] = derSequence(certificate.raw) ?? []
  const fields = (tbs && derElements(tbs.content)) ?? []
  // An explicit version may come first; then serialNumber, signature, issuer, validity, subject.
  const start = fields.findIndex(({ tag }) => tag === INTEGER)
  const [serial, , issuer, , subject] = fields.slice(start)
  if (start < 0 || !serial || issuer?.tag !== SEQUENCE || subject?.tag !== SEQUENCE) {
    throw new LabError('IMPORT_FORMAT', 'a certificate whose names cannot be read')
  }
  return [
    attribute.bytes(protocol.CKA_SERIAL_NUMBER, serial.whole),
    attribute.bytes(protocol.CKA_ISSUER, issuer.whole),
    attribute.bytes(protocol.CKA_SUBJECT, subject.whole),
  ]
}
