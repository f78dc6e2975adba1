import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { LABEL_MAX } from '../../assembly/protocol.js'
import { derElements, derSequence, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE } from './der.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { readJwk } from './jwk.js'
import { AES_BYTES, CURVES, type KeyItem, RSA_BITS, SECRET_BYTES } from './key-items.js'

export interface KeyFileOptions {
  /** Asked once for each encrypted key; undefined = there is none to be had. */
  readonly passphrase?: ((source: string) => Promise<string | undefined>) | undefined
}

/** Files that are looked at in a folder; a file that is named itself may have any ending. */
const ENDINGS = ['.pem', '.key', '.der', '.p8', '.pk8', '.crt', '.cer', '.jwk', '.aes', '.hmac', '.bin']
/** Endings that are not part of a label. */
const NOT_NAME = [...ENDINGS, '.json']
/** No key or certificate is longer. */
const FILE_LIMIT = 1024 * 1024

/**
 * The files that a path stands for: itself, or the key files of the folder, sorted by name.
 * @throws LabError IMPORT_READ
 */
export async function findKeyFiles(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    const found = names.filter((name) => !name.startsWith('.') && ENDINGS.includes(extname(name).toLowerCase())).sort()
    if (found.length === 0) throw new LabError('IMPORT_READ', `${path} holds no key files (${ENDINGS.join(' ')})`)
    return found.map((name) => join(path, name))
  } catch (cause) {
    if (cause instanceof LabError) throw cause
    throw unreadable(path, cause)
  }
}

/**
 * Reads one file of the user's: PEM or DER with a private key (PKCS#8, encrypted or not, PKCS#1, SEC 1) or an X.509
 * certificate, a JSON Web Key, or the bytes of a secret. All of it is understood, or nothing is taken.
 * @throws LabError IMPORT_READ, IMPORT_FORMAT, IMPORT_UNSUPPORTED, IMPORT_PASSPHRASE; no message quotes the content
 */
export async function readKeyFile(path: string, options: KeyFileOptions = {}): Promise<KeyItem[]> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw unreadable(path, cause)
  }
  if (bytes.length === 0) throw new LabError('IMPORT_FORMAT', `${path} is empty`)
  if (bytes.length > FILE_LIMIT) throw new LabError('IMPORT_FORMAT', `${path} is too long for a key or certificate`)
  try {
    return await readBytes(path, bytes, options)
  } finally {
    bytes.fill(0)
  }
}

async function readBytes(path: string, bytes: Buffer, options: KeyFileOptions): Promise<KeyItem[]> {
  const label = labelOf(path)
  const use = secretUse(path)
  if (use) return [secretItem(path, label, use, bytes)]
  const text = bytes.toString('latin1')
  if (text.includes('-----BEGIN ')) return readPem(path, label, text, options)
  if (/^\s*\{/.test(text)) {
    const read = readJwk(bytes.toString('utf8'), path)
    if ('use' in read) return [secretItem(path, label, read.use, read.value)]
    return [privateItem(path, label, read.key)]
  }
  if (derSequence(bytes)) return [await readDer(path, label, bytes, options)]
  if (AES_BYTES.includes(bytes.length)) return [secretItem(path, label, 'AES', bytes)]
  throw new LabError('IMPORT_FORMAT', `${path} is no PEM, no DER, no JSON Web Key and no AES key of 16, 24 or 32 bytes`)
}

function unreadable(path: string, cause: unknown): LabError {
  const why = codeOf(cause) === 'ENOENT' ? 'is not there' : `cannot be read: ${messageOf(cause)}`
  return new LabError('IMPORT_READ', `${path} ${why}`, { cause })
}

/** The name of the file without its endings: `signer.key.pem` is `signer`. */
function labelOf(path: string): string {
  let name = basename(path)
  while (NOT_NAME.includes(extname(name).toLowerCase())) name = basename(name, extname(name))
  return name.slice(0, LABEL_MAX)
}

/** What the bytes of `NAME.aes` or `NAME.hmac.bin` are for; undefined where the name says nothing. */
function secretUse(path: string): 'AES' | 'HMAC' | undefined {
  const match = /\.(aes|hmac)(\.bin)?$/i.exec(basename(path))
  if (!match) return undefined
  return match[1]?.toLowerCase() === 'aes' ? 'AES' : 'HMAC'
}

function secretItem(source: string, label: string, use: 'AES' | 'HMAC', value: Buffer): KeyItem {
  if (use === 'AES' && !AES_BYTES.includes(value.length)) {
    throw new LabError('IMPORT_FORMAT', `${source} has ${value.length} bytes; an AES key has 16, 24 or 32`)
  }
  if (value.length < SECRET_BYTES.least || value.length > SECRET_BYTES.most) {
    throw new LabError('IMPORT_UNSUPPORTED', `${source}: an HMAC secret has at most ${SECRET_BYTES.most} bytes here`)
  }
  return { kind: 'secret key', label, source, use, key: createSecretKey(value) }
}

function privateItem(source: string, label: string, key: KeyObject): KeyItem {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const bits = details?.modulusLength ?? 0
  if (type === 'rsa') {
    if (bits >= RSA_BITS.least && bits <= RSA_BITS.most) return { kind: 'private key', label, source, key }
    const range = `${RSA_BITS.least} to ${RSA_BITS.most}`
    throw new LabError('IMPORT_UNSUPPORTED', `${source}: an RSA key of ${bits} bits; ${range} are supported`)
  }
  if (type === 'ec' && !namesItsCurve(key)) {
    throw new LabError(
      'IMPORT_UNSUPPORTED',
      `${source}: its EC parameters are written out, where the name of the curve is wanted; \`openssl ec -in ${source} -param_enc named_curve -out NEW\` names it`,
    )
  }
  const curve = details?.namedCurve ?? 'unnamed'
  if (type === 'ec' && CURVES.includes(curve)) return { kind: 'private key', label, source, key }
  const what = type === 'ec' ? `an EC key on the curve ${curve}` : `a key of type ${type}`
  throw new LabError('IMPORT_UNSUPPORTED', `${source}: ${what}; RSA and EC (${CURVES.join(', ')}) are supported`)
}

/** RFC 5480 §2.1.1: an OBJECT IDENTIFIER, not the numbers of the curve. OpenSSL keeps them as they were read. */
function namesItsCurve(key: KeyObject): boolean {
  const [algorithm] = derSequence(createPublicKey(key).export({ format: 'der', type: 'spki' })) ?? []
  const [, parameters] = derElements(algorithm?.content ?? Buffer.alloc(0)) ?? []
  return parameters?.tag === OBJECT_IDENTIFIER
}

function certificateItem(source: string, label: string, encoded: string | Buffer): KeyItem {
  try {
    return { kind: 'certificate', label, source, certificate: new X509Certificate(encoded) }
  } catch (cause) {
    throw new LabError('IMPORT_FORMAT', `${source}: a certificate that is damaged`, { cause })
  }
}

// ---- PEM --------------------------------------------------------------------------------------------------------------

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g
const PRIVATE = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY', 'ENCRYPTED PRIVATE KEY']

async function readPem(path: string, label: string, text: string, options: KeyFileOptions): Promise<KeyItem[]> {
  const blocks = [...text.matchAll(BLOCK)]
  if (blocks.length !== text.split('-----BEGIN ').length - 1) {
    throw new LabError('IMPORT_FORMAT', `${path}: a PEM block has no end, or another one than its beginning`)
  }
  const items: KeyItem[] = []
  /** A second certificate, as in a chain, gets a number. */
  const named = (kind: KeyItem['kind']): string => {
    const before = items.filter((item) => item.kind === kind).length
    return before === 0 ? label : `${label.slice(0, LABEL_MAX - 4)}-${before + 1}`
  }
  for (const [block, type = ''] of blocks) {
    // openssl ecparam writes the curve before the key, which names it again.
    if (type === 'EC PARAMETERS') continue
    if (type === 'CERTIFICATE') items.push(certificateItem(path, named('certificate'), block))
    else if (PRIVATE.includes(type)) {
      const encrypted = type.startsWith('ENCRYPTED') || block.includes('Proc-Type: 4,ENCRYPTED')
      const key = await decode(path, encrypted, options, (passphrase) =>
        createPrivateKey({ key: block, ...passphrase }),
      )
      items.push(privateItem(path, named('private key'), key))
    } else throw new LabError('IMPORT_FORMAT', `${path}: a PEM block "${type}" holds nothing that is imported`)
  }
  if (items.length === 0) throw new LabError('IMPORT_FORMAT', `${path} holds no key and no certificate`)
  return items
}

// ---- DER --------------------------------------------------------------------------------------------------------------

async function readDer(path: string, label: string, bytes: Buffer, options: KeyFileOptions): Promise<KeyItem> {
  const parts = (derSequence(bytes) ?? []).map(({ tag }) => tag)
  // EncryptedPrivateKeyInfo: an algorithm and the ciphertext. A certificate begins with two SEQUENCEs; all keys with a version.
  if (parts.length === 2 && parts[0] === SEQUENCE && parts[1] === OCTET_STRING) {
    const key = await decode(path, true, options, (passphrase) => readPkcs8(bytes, passphrase))
    return privateItem(path, label, key)
  }
  if (parts[0] === SEQUENCE) return certificateItem(path, label, bytes)
  const type = parts[1] === SEQUENCE ? 'pkcs8' : parts[1] === OCTET_STRING ? 'sec1' : 'pkcs1'
  const key = await decode(path, false, options, () => createPrivateKey({ key: bytes, format: 'der', type }))
  return privateItem(path, label, key)
}

function readPkcs8(key: Buffer, passphrase: { readonly passphrase?: string }): KeyObject {
  return createPrivateKey({ key, format: 'der', type: 'pkcs8', ...passphrase })
}

/** Runs a decoder of OpenSSL's, with the passphrase where one is needed. */
async function decode(
  path: string,
  encrypted: boolean,
  { passphrase: ask }: KeyFileOptions,
  read: (passphrase: { readonly passphrase?: string }) => KeyObject,
): Promise<KeyObject> {
  const passphrase = encrypted ? await ask?.(path) : undefined
  if (encrypted && passphrase === undefined) {
    throw new LabError('IMPORT_PASSPHRASE', `${path} is encrypted, and there is no passphrase`)
  }
  try {
    return read(passphrase === undefined ? {} : { passphrase })
  } catch (cause) {
    if (encrypted)
      throw new LabError('IMPORT_PASSPHRASE', `${path}: the passphrase is wrong, or the file is damaged`, { cause })
    throw new LabError('IMPORT_FORMAT', `${path}: a private key that is damaged or of a kind not known`, { cause })
  }
}
