import { createCipheriv, type KeyObject } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import {
  type Attribute,
  attribute,
  type CloneEnd,
  concat,
  type RandomBytes,
  systemRandom,
  TokenError,
} from '../client/index.js'
import { LabError } from './errors.js'
import type { CertificateItem, KeyItem, PrivateKeyItem, SecretKeyItem } from './key-items.js'
import { certificateParts, type PublicParts, publicParts } from './public-key.js'

/** An object that the token has made from a user's file. */
export interface ImportedObject {
  readonly kind: 'private key' | 'public key' | 'certificate' | 'secret key'
  readonly label: string
  readonly handle: number
  /** The object's UID, which its clones keep; hexadecimal. */
  readonly ouid: string
  /** What it was made from: a private key's item makes the public key, too. */
  readonly item: KeyItem
}

export interface ImportOptions {
  /** Called for each object once its file is in the token as a whole. */
  readonly onObject?: ((object: ImportedObject) => void) | undefined
  /** Called with IMPORT_REFUSED for a file that the token does not take; the others go on. Thrown unless given. */
  readonly onFailure?: ((error: LabError) => void) | undefined
  /** Where the wrapping key comes from: random bytes of the system unless given. */
  readonly random?: RandomBytes | undefined
}

const { CKA_CLASS, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_PRIVATE, CKA_TOKEN, CKA_VALUE } = protocol
const WRAP_PAD = { cipher: 'id-aes256-wrap-pad', iv: Buffer.from('a65959a6', 'hex'), keyBytes: 32 } as const

/**
 * Puts the items of one or more files into a partition; the Crypto Officer is logged in on the session. Private keys and
 * secrets go in wrapped (AES-KWP, RFC 5649) under a random key that the token was given in a sealed command: no key value
 * is on the cable. Where the token refuses an object, nothing of its file stays.
 * @throws LabError IMPORT_REFUSED with the file's name, unless `onFailure` takes it; objects of files before it stay
 */
export async function importItems(
  end: CloneEnd,
  items: readonly KeyItem[],
  options: ImportOptions = {},
): Promise<ImportedObject[]> {
  const imported: ImportedObject[] = []
  await withWrappingKey(end, options.random ?? systemRandom, async (wrap) => {
    for (const source of new Set(items.map((item) => item.source))) {
      const ofFile = items.filter((item) => item.source === source)
      try {
        const objects = await importFile(end, source, ofFile, wrap)
        imported.push(...objects)
        for (const object of objects) options.onObject?.(object)
      } catch (error) {
        if (!(error instanceof LabError && options.onFailure)) throw error
        options.onFailure(error)
      }
    }
  })
  return imported
}

/** Wraps key bytes, sends them through UNWRAP with a template, answers the handle; the bytes are overwritten. */
type Wrap = (value: Buffer, template: readonly Attribute[]) => Promise<number>

async function withWrappingKey(end: CloneEnd, random: RandomBytes, work: (wrap: Wrap) => Promise<void>): Promise<void> {
  const { client, session } = end
  const kek = random(WRAP_PAD.keyBytes)
  const handle = await client.objects.create(session, [
    attribute.ulong(CKA_CLASS, protocol.CKO_SECRET_KEY),
    attribute.ulong(CKA_KEY_TYPE, protocol.CKK_AES),
    attribute.bool(CKA_TOKEN, false),
    attribute.bool(CKA_PRIVATE, true),
    attribute.bool(protocol.CKA_SENSITIVE, true),
    attribute.bool(protocol.CKA_EXTRACTABLE, false),
    attribute.bool(protocol.CKA_UNWRAP, true),
    attribute.bytes(CKA_VALUE, kek),
  ])
  try {
    await work(async (value, template) => {
      const cipher = createCipheriv(WRAP_PAD.cipher, kek, WRAP_PAD.iv)
      const wrapped = concat(cipher.update(value), cipher.final())
      value.fill(0)
      return client.crypto.unwrap(session, { mechanism: protocol.CKM_AES_KEY_WRAP_KWP }, handle, wrapped, template)
    })
  } finally {
    kek.fill(0)
    // The token drops it with the session at the latest.
    await client.objects.destroy(session, [handle]).catch(() => undefined)
  }
}

async function importFile(
  end: CloneEnd,
  source: string,
  items: readonly KeyItem[],
  wrap: Wrap,
): Promise<ImportedObject[]> {
  const { client, session } = end
  const made: ImportedObject[] = []
  const add = async (kind: ImportedObject['kind'], item: KeyItem, making: Promise<number>) => {
    const handle = await making
    // Listed before anything else can fail, so that a failure takes it away again.
    made.push({ kind, label: item.label, handle, ouid: '', item })
    const [ouid] = await client.objects.get(session, handle, [protocol.CKA_OUID])
    made[made.length - 1] = {
      kind,
      label: item.label,
      handle,
      ouid: Buffer.from(ouid?.value ?? []).toString('hex'),
      item,
    }
  }
  try {
    for (const item of items) {
      if (item.kind === 'certificate') await add('certificate', item, client.objects.create(session, certificate(item)))
      else if (item.kind === 'secret key') await add('secret key', item, wrap(item.key.export(), secretKey(item)))
      else {
        const parts = publicParts(item.key)
        await add('private key', item, wrap(pkcs8Of(item.key), privateKey(item, parts)))
        await add('public key', item, client.objects.create(session, publicKey(item, parts)))
      }
    }
    return made
  } catch (cause) {
    if (made.length > 0) {
      await client.objects
        .destroy(
          session,
          made.map(({ handle }) => handle),
        )
        .catch(() => undefined)
    }
    if (!(cause instanceof TokenError)) throw cause
    throw new LabError('IMPORT_REFUSED', `${source}: ${cause.message}; nothing of this file was imported`, { cause })
  }
}

const pkcs8Of = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'pkcs8' })

function named(item: KeyItem, objectClass: number, isPrivate: boolean): Attribute[] {
  return [
    attribute.ulong(CKA_CLASS, objectClass),
    attribute.bool(CKA_TOKEN, true),
    attribute.bool(CKA_PRIVATE, isPrivate),
    attribute.text(CKA_LABEL, item.label),
  ]
}

/** What sensitive keys have in common: their value never leaves the token. */
export const CLOSED: readonly Attribute[] = [
  attribute.bool(protocol.CKA_SENSITIVE, true),
  attribute.bool(protocol.CKA_EXTRACTABLE, false),
]

function privateKey(item: PrivateKeyItem, { keyType, id }: PublicParts): Attribute[] {
  return [
    ...named(item, protocol.CKO_PRIVATE_KEY, true),
    ...CLOSED,
    attribute.ulong(CKA_KEY_TYPE, keyType),
    attribute.bytes(CKA_ID, id),
  ]
}

/** Public: whoever may look at the partition may use it. */
function publicKey(item: PrivateKeyItem, { keyType, id, attributes }: PublicParts): Attribute[] {
  return [
    ...named(item, protocol.CKO_PUBLIC_KEY, false),
    attribute.ulong(CKA_KEY_TYPE, keyType),
    attribute.bytes(CKA_ID, id),
    ...attributes,
  ]
}

function secretKey(item: SecretKeyItem): Attribute[] {
  const keyType = item.use === 'AES' ? protocol.CKK_AES : protocol.CKK_GENERIC_SECRET
  return [...named(item, protocol.CKO_SECRET_KEY, true), ...CLOSED, attribute.ulong(CKA_KEY_TYPE, keyType)]
}

/** A certificate for a key that the firmware does not take has no CKA_ID. */
function certificate(item: CertificateItem): Attribute[] {
  return [
    ...named(item, protocol.CKO_CERTIFICATE, false),
    attribute.ulong(protocol.CKA_CERTIFICATE_TYPE, protocol.CKC_X_509),
    ...certificateParts(item.certificate),
    ...certificateId(item),
    attribute.bytes(CKA_VALUE, item.certificate.raw),
  ]
}

function certificateId({ certificate: { publicKey: key } }: CertificateItem): Attribute[] {
  const known = key.asymmetricKeyType === 'rsa' || key.asymmetricKeyType === 'ec'
  return known ? [attribute.bytes(CKA_ID, publicParts(key).id)] : []
}
