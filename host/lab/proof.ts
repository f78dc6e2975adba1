import { createCipheriv, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as protocol from '../../assembly/protocol.js'
import {
  type Attribute,
  attribute,
  type CloneEnd,
  type Mechanism,
  type RandomBytes,
  systemRandom,
} from '../client/index.js'
import { derElement, derInteger, SEQUENCE } from './der.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { CLOSED, type ImportedObject } from './import.js'
import type { CertificateItem, PrivateKeyItem, SecretKeyItem } from './key-items.js'
import { certificateParts, publicParts } from './public-key.js'

/** What became of one imported object after the restore. */
export interface ObjectProof {
  readonly object: ImportedObject
  readonly matches: boolean
  /** How it was tried, or why it does not match. */
  readonly how: string
  /** A private key's signature, in the form that OpenSSL takes. */
  readonly signature?: { readonly message: Buffer; readonly der: Buffer; readonly publicKey: KeyObject } | undefined
}

type Verdict = Omit<ObjectProof, 'object'>

const isClosed = (kind: ImportedObject['kind']): boolean => kind === 'private key' || kind === 'secret key'
const MISSING: Verdict = { matches: false, how: 'not there' }
const verdict = (matches: boolean, how: string): Verdict => ({ matches, how: matches ? how : `NOT as ${how}` })

/**
 * Compares what is in a partition with what users' files held: by use where the token shows no value, byte by byte where
 * it does. The originals come from the files, never from a token. The Crypto Officer is logged in on the session.
 * @param random where the messages to be signed and enciphered come from
 */
export async function proveRestored(
  end: CloneEnd,
  imported: readonly ImportedObject[],
  random: RandomBytes = systemRandom,
): Promise<ObjectProof[]> {
  const rows = await end.client.objects.list(end.session)
  const handles = new Map(rows.map((row) => [Buffer.from(row.ouid).toString('hex'), row.handle]))
  const proofs: ObjectProof[] = []
  for (const object of imported) {
    const handle = handles.get(object.ouid)
    proofs.push({ object, ...(handle === undefined ? MISSING : await proveOne(end, handle, object, random)) })
  }
  return proofs
}

async function proveOne(
  end: CloneEnd,
  handle: number,
  { kind, item }: ImportedObject,
  random: RandomBytes,
): Promise<Verdict> {
  if (!(await hasAttributes(end, handle, [attribute.text(protocol.CKA_LABEL, item.label)]))) {
    return { matches: false, how: 'has another label' }
  }
  if (isClosed(kind) && !(await hasAttributes(end, handle, CLOSED))) {
    return { matches: false, how: 'may leave the token, as the original may not' }
  }
  if (item.kind === 'secret key') {
    return item.use === 'AES' ? proveAes(end, handle, item, random) : proveHmac(end, handle, item, random)
  }
  if (item.kind === 'certificate') return proveCertificate(end, handle, item)
  return kind === 'public key' ? provePublic(end, handle, item.key) : provePrivate(end, handle, item, random)
}

// ---- private keys -----------------------------------------------------------------------------------------------------

async function provePrivate(
  end: CloneEnd,
  handle: number,
  { key: original, label }: PrivateKeyItem,
  random: RandomBytes,
): Promise<Verdict> {
  const publicKey = createPublicKey(original)
  const rsa = original.asymmetricKeyType === 'rsa'
  const unique = Buffer.from(random(16)).toString('hex')
  const message = Buffer.from(`moonlet: signed by the restored key ${label}, ${unique}\n`)
  const mechanism: Mechanism = { mechanism: rsa ? protocol.CKM_SHA256_RSA_PKCS : protocol.CKM_ECDSA_SHA256 }
  const made = Buffer.from(await end.client.crypto.sign(end.session, mechanism, handle, message))
  const der = rsa ? made : ecdsaDer(made)
  const how = rsa ? 'its RSA PKCS#1 v1.5 signature verifies' : 'its ECDSA signature verifies'
  const good = verify('sha256', message, publicKey, der)
  return { ...verdict(good, `${how} with the original public key`), signature: { message, der, publicKey } }
}

/** ECDSA-Sig-Value (RFC 3279) from r ∥ s. */
function ecdsaDer(pair: Buffer): Buffer {
  const half = pair.length / 2
  return derElement(SEQUENCE, Buffer.concat([derInteger(pair.subarray(0, half)), derInteger(pair.subarray(half))]))
}

// ---- secret keys ------------------------------------------------------------------------------------------------------

/** PKCS#11 2.40 §4.10.2: the first three bytes of an encrypted block of zeros. */
function checkValueOf(key: KeyObject): Buffer {
  const bits = (key.symmetricKeySize ?? 0) * 8
  return createCipheriv(`aes-${bits}-ecb`, key, null).update(Buffer.alloc(16)).subarray(0, 3)
}

async function proveAes(end: CloneEnd, handle: number, { key }: SecretKeyItem, random: RandomBytes): Promise<Verdict> {
  const checkValue = attribute.bytes(protocol.CKA_CHECK_VALUE, checkValueOf(key))
  if (!(await hasAttributes(end, handle, [checkValue]))) return verdict(false, 'the original: another check value')
  // Three bytes could be the same by chance.
  const [iv, plain] = [random(16), random(64)]
  const inside = await end.client.crypto.encrypt(
    end.session,
    { mechanism: protocol.CKM_AES_CBC, parameter: iv },
    handle,
    plain,
  )
  const outside = createCipheriv(`aes-${(key.symmetricKeySize ?? 0) * 8}-cbc`, key, iv).setAutoPadding(false)
  const how = 'its check value and ciphertext are those of the original'
  return verdict(same(inside, Buffer.concat([outside.update(plain), outside.final()])), how)
}

async function proveHmac(end: CloneEnd, handle: number, { key }: SecretKeyItem, random: RandomBytes): Promise<Verdict> {
  const message = random(64)
  const inside = await end.client.crypto.sign(end.session, { mechanism: protocol.CKM_SHA256_HMAC }, handle, message)
  const outside = createHmac('sha256', key).update(message).digest()
  return verdict(same(inside, outside), 'its HMAC is that of the original')
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

// ---- what anybody may read --------------------------------------------------------------------------------------------

async function provePublic(end: CloneEnd, handle: number, original: KeyObject): Promise<Verdict> {
  const { id, attributes } = publicParts(original)
  const all = [...attributes, attribute.bytes(protocol.CKA_ID, id)]
  return verdict(await hasAttributes(end, handle, all), 'every byte is that of the original')
}

async function proveCertificate(end: CloneEnd, handle: number, { certificate }: CertificateItem): Promise<Verdict> {
  const all = [attribute.bytes(protocol.CKA_VALUE, certificate.raw), ...certificateParts(certificate)]
  return verdict(await hasAttributes(end, handle, all), 'every byte is that of the original')
}

async function hasAttributes(
  { client, session }: CloneEnd,
  handle: number,
  wanted: readonly Attribute[],
): Promise<boolean> {
  const types = wanted.map(({ type }) => type)
  const answers = await client.objects.get(session, handle, types)
  return wanted.every(({ value }, index) => {
    const answer = answers[index]
    return answer !== undefined && answer.code === protocol.RC_OK && same(answer.value, value)
  })
}

// ---- for others to check ----------------------------------------------------------------------------------------------

/**
 * Writes NAME.msg, NAME.sig and NAME.pub.pem for every private key, so that `openssl dgst -sha256 -verify NAME.pub.pem
 * -signature NAME.sig NAME.msg` checks the restored keys. Answers the names. @throws LabError LAB_IO
 */
export async function writeProof(dir: string, proofs: readonly ObjectProof[]): Promise<string[]> {
  const names: string[] = []
  try {
    await makeFolders(dir)
    for (const { object, signature } of proofs) {
      if (!signature) continue
      const name = freeName(object.label.replace(/[^A-Za-z0-9._-]/g, '_') || 'key', names)
      names.push(name)
      await writeFile(join(dir, `${name}.msg`), signature.message)
      await writeFile(join(dir, `${name}.sig`), signature.der)
      await writeFile(join(dir, `${name}.pub.pem`), signature.publicKey.export({ format: 'pem', type: 'spki' }))
    }
    return names
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause
    throw new LabError('LAB_IO', `the proof cannot be written to ${dir}: ${messageOf(cause)}`, { cause })
  }
}

function freeName(name: string, taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`
    if (!taken.includes(candidate)) return candidate
  }
}
