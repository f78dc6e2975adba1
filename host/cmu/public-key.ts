// Public keys of the token in the form of X.509, and signatures by their private halves.

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { ulongValue } from '../client/index.js'
import { bitString, nothing, OID, objectId, sequence, unsigned } from './der.js'
import { CmuError } from './errors.js'
import { attributeValue, type CmuToken } from './token.js'

export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512'

/** A key pair in the token that signs. */
export interface Signer {
  readonly publicKey: KeyObject
  readonly spki: Buffer
  /** As WebCrypto names it. */
  readonly algorithm: { readonly name: string; readonly hash: HashName; readonly namedCurve?: string }
  /** AlgorithmIdentifier of its signatures. */
  readonly identifier: Buffer
  /** PKCS#1 v1.5, or r ∥ s. */
  sign(data: Uint8Array): Promise<Uint8Array>
}

interface Curve {
  readonly name: string
  readonly size: number
}

const CURVES: Readonly<Record<string, Curve>> = {
  '06082a8648ce3d030107': { name: 'P-256', size: 32 },
  '06052b8104000a': { name: 'K-256', size: 32 },
  '06052b81040022': { name: 'P-384', size: 48 },
  '06052b81040023': { name: 'P-521', size: 66 },
}

const HASHES = {
  'SHA-256': { rsa: protocol.CKM_SHA256_RSA_PKCS, ec: protocol.CKM_ECDSA_SHA256, rsaId: 11, ecId: 2, node: 'sha256' },
  'SHA-384': { rsa: protocol.CKM_SHA384_RSA_PKCS, ec: protocol.CKM_ECDSA_SHA384, rsaId: 12, ecId: 3, node: 'sha384' },
  'SHA-512': { rsa: protocol.CKM_SHA512_RSA_PKCS, ec: protocol.CKM_ECDSA_SHA512, rsaId: 13, ecId: 4, node: 'sha512' },
} as const

async function parts(token: CmuToken, handle: number, types: readonly number[]): Promise<Uint8Array[]> {
  const values: Uint8Array[] = []
  for (const type of types) {
    const value = await attributeValue(token, handle, type)
    if (!value) throw new CmuError('CMU_OBJECT', `object ${handle} is no RSA or EC public key`)
    values.push(value)
  }
  return values
}

/** SubjectPublicKeyInfo (RFC 5280 §4.1) of a public key object. @throws CmuError CMU_OBJECT */
export async function publicKeyInfo(
  token: CmuToken,
  handle: number,
): Promise<{ spki: Buffer; curve: Curve | undefined }> {
  const keyType = await attributeValue(token, handle, protocol.CKA_KEY_TYPE)
  const type = keyType ? ulongValue(keyType) : protocol.UNAVAILABLE
  if (type === protocol.CKK_RSA) {
    const [n, e] = await parts(token, handle, [protocol.CKA_MODULUS, protocol.CKA_PUBLIC_EXPONENT])
    const key = sequence(unsigned(n ?? Buffer.of()), unsigned(e ?? Buffer.of()))
    return { spki: sequence(sequence(objectId(OID.rsa), nothing), bitString(key)), curve: undefined }
  }
  const [params, point] = await parts(token, handle, [protocol.CKA_EC_PARAMS, protocol.CKA_EC_POINT])
  if (!params || !point) throw new CmuError('CMU_OBJECT', `object ${handle} is no public key`)
  const curve = CURVES[Buffer.from(params).toString('hex')]
  // CKA_EC_POINT is the point in an OCTET STRING, or, where a program has made it so, bare.
  const bare = curve ? point.subarray(point.length - (1 + 2 * curve.size)) : point
  return { spki: sequence(sequence(objectId(OID.ec), Buffer.from(params)), bitString(bare)), curve }
}

/**
 * The pair of two objects, which must belong together.
 * @throws CmuError CMU_OBJECT, CMU_KEYS_DIFFER; what the token refuses
 */
export async function signerOf(token: CmuToken, open: number, secret: number, hash: HashName): Promise<Signer> {
  const { spki, curve } = await publicKeyInfo(token, open)
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const { rsa, ec, rsaId, ecId, node } = HASHES[hash]
  const { client, session } = token
  const isRsa = curve === undefined && publicKey.asymmetricKeyType === 'rsa'
  const sign = async (data: Uint8Array): Promise<Uint8Array> => {
    const signature = await client.crypto.sign(session, { mechanism: isRsa ? rsa : ec }, secret, data)
    const key = isRsa ? publicKey : ({ key: publicKey, dsaEncoding: 'ieee-p1363' } as const)
    if (verify(node, data, key, signature)) return signature
    throw new CmuError('CMU_KEYS_DIFFER', `objects ${open} and ${secret} are not the halves of one key pair`)
  }
  if (isRsa) {
    const identifier = sequence(objectId([...OID.pkcs1, rsaId]), nothing)
    return { publicKey, spki, algorithm: { name: 'RSASSA-PKCS1-v1_5', hash }, identifier, sign }
  }
  const identifier = sequence(objectId([...OID.ecdsaSha2, ecId]))
  const namedCurve = curve?.name ?? ''
  return { publicKey, spki, algorithm: { name: 'ECDSA', hash, namedCurve }, identifier, sign }
}
