import { createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { LabError } from './errors.js'
import { AES_BYTES } from './key-items.js'

/** A secret with what it is for, or a private key. */
export type JwkContent = { readonly use: 'AES' | 'HMAC'; readonly value: Buffer } | { readonly key: KeyObject }

const BASE64URL = /^[A-Za-z0-9_-]+$/
const FIELDS = ['kty', 'crv', 'x', 'y', 'd', 'n', 'e', 'p', 'q', 'dp', 'dq', 'qi'] as const

/**
 * Reads a JSON Web Key (RFC 7517): `oct`, `RSA` or `EC` with its private part.
 * @throws LabError IMPORT_FORMAT, IMPORT_UNSUPPORTED; no message quotes the content, which JSON.parse's own would
 */
export function readJwk(text: string, source: string): JwkContent {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new LabError('IMPORT_FORMAT', `${source} is not JSON, or cut short`)
  }
  if (typeof value !== 'object' || value === null) throw new LabError('IMPORT_FORMAT', `${source} is no JSON Web Key`)
  const jwk = new Map<string, unknown>(Object.entries(value))
  const kty = jwk.get('kty')
  if (kty === undefined) throw new LabError('IMPORT_FORMAT', `${source} is no JSON Web Key: it has no "kty"`)
  if (kty === 'oct') return readOct(jwk, source)
  if (kty !== 'RSA' && kty !== 'EC') {
    throw new LabError('IMPORT_UNSUPPORTED', `${source}: JSON Web Keys of the types oct, RSA and EC are supported`)
  }
  if (typeof jwk.get('d') !== 'string') {
    throw new LabError('IMPORT_FORMAT', `${source} holds a public key only: there is no "d"`)
  }
  const key: JsonWebKey = {}
  for (const name of FIELDS) {
    const field = jwk.get(name)
    if (typeof field === 'string') key[name] = field
  }
  try {
    return { key: createPrivateKey({ key, format: 'jwk' }) }
  } catch (cause) {
    throw new LabError('IMPORT_FORMAT', `${source}: a JSON Web Key that is damaged or incomplete`, { cause })
  }
}

/** `alg` says what a secret is for (RFC 7518); without it one of an AES key's length is an AES key. */
function readOct(jwk: ReadonlyMap<string, unknown>, source: string): JwkContent {
  const [k, alg] = [jwk.get('k'), jwk.get('alg')]
  if (typeof k !== 'string' || !BASE64URL.test(k)) {
    throw new LabError('IMPORT_FORMAT', `${source}: "k" is not the base64url text of a secret`)
  }
  const value = Buffer.from(k, 'base64url')
  if (typeof alg !== 'string') return { use: AES_BYTES.includes(value.length) ? 'AES' : 'HMAC', value }
  if (/^HS\d+$/.test(alg)) return { use: 'HMAC', value }
  if (/^A(128|192|256)(GCM|KW|GCMKW|CBC|CTR)$/.test(alg)) return { use: 'AES', value }
  throw new LabError('IMPORT_UNSUPPORTED', `${source}: "alg" names neither an AES key nor an HMAC secret`)
}
