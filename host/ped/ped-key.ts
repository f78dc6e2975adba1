import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PED_SECRET } from '../../assembly/protocol.js'
import { PedError } from './errors.js'
import { PED_COLOURS, type PedColour, pedKind, pedKindNamed } from './kinds.js'

/** The secret on a key. */
export interface PedKeyContent {
  /** PED_KIND_… */
  readonly kind: number
  /** PED_SECRET bytes, as written: a PED PIN is mixed in by the PED and is on no key. */
  readonly secret: Buffer
  /** The secret counts only together with a PIN. */
  readonly pin: boolean
}

/** One PED key. */
export interface PedKey {
  readonly colour: PedColour
  /** What somebody wrote on it, at most PED_LABEL_MAX printable characters. */
  readonly label: string
  /** Undefined = blank. */
  readonly content: PedKeyContent | undefined
}

export const PED_LABEL_MAX = 32
const FORMAT = 'moonlet-ped-key'
const VERSION = 1
const BLANK = 'blank'
const FILE_LIMIT = 4096
const FIELDS = ['format', 'version', 'kind', 'colour', 'label', 'pin', 'secret', 'check']
const PRINTABLE = /^[\x20-\x7e]*$/

export const blankPedKey = (colour: PedColour, label = ''): PedKey => ({ colour, label, content: undefined })

/** A flipped digit in a secret would count as a wrong log-in at the HSM; this finds it at the PED. */
function check(kind: string, pin: boolean, secret: string): string {
  return createHash('sha384').update(`${FORMAT}\n${kind}\n${pin}\n${secret}`).digest('hex').slice(0, 16)
}

/** The text of a key file. */
export function encodePedKey({ colour, label, content }: PedKey): string {
  if (label.length > PED_LABEL_MAX || !PRINTABLE.test(label)) {
    throw new PedError('PED_KEY_INVALID', `a label has at most ${PED_LABEL_MAX} printable characters`)
  }
  const kind = content ? pedKind(content.kind)?.name : BLANK
  if (kind === undefined) throw new PedError('PED_KEY_INVALID', 'unknown kind of PED key')
  if (content && content.secret.length !== PED_SECRET)
    throw new PedError('PED_KEY_INVALID', `a PED secret has ${PED_SECRET} bytes`)
  const pin = content?.pin ?? false
  const secret = content?.secret.toString('hex') ?? ''
  const file = { format: FORMAT, version: VERSION, kind, colour, label, pin, secret, check: check(kind, pin, secret) }
  return `${JSON.stringify(file, null, 2)}\n`
}

function parseObject(text: string, fail: (reason: string) => never): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own message would quote the file, and so perhaps the secret.
    return fail('not JSON, or cut short')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('not a JSON object')
  return Object.fromEntries(Object.entries(value))
}

/**
 * Reads the text of a key file; `source` names it in errors.
 * @throws PedError PED_KEY_INVALID (with what is wrong, never with the content) or PED_KEY_VERSION
 */
export function decodePedKey(text: string, source: string): PedKey {
  const fail = (reason: string): never => {
    throw new PedError('PED_KEY_INVALID', `${source}: ${reason}`)
  }
  if (text.length > FILE_LIMIT) fail('too long for a PED key')
  const file = parseObject(text, fail)
  if (file.format !== FORMAT) fail('not a PED key file')
  if (typeof file.version !== 'number' || !Number.isInteger(file.version) || file.version < 1)
    fail('"version" is not a version number')
  if (file.version !== VERSION) {
    throw new PedError(
      'PED_KEY_VERSION',
      `${source}: written by a newer version (format ${file.version}, this one reads ${VERSION})`,
    )
  }
  const unknown = Object.keys(file).find((name) => !FIELDS.includes(name))
  if (unknown !== undefined) fail('a field that does not belong there')
  const { kind, colour: sticker, label, pin, secret } = file
  const colour = PED_COLOURS.find((known) => known === sticker)
  if (colour === undefined) return fail(`"colour" is none of ${PED_COLOURS.join(', ')}`)
  if (typeof label !== 'string' || label.length > PED_LABEL_MAX || !PRINTABLE.test(label))
    return fail(`"label" is not a text of at most ${PED_LABEL_MAX} printable characters`)
  if (typeof pin !== 'boolean') return fail('"pin" is not true or false')
  if (typeof kind !== 'string' || typeof secret !== 'string') return fail('"kind" or "secret" is missing')
  const known = pedKindNamed(kind)
  if (!known && kind !== BLANK) fail('"kind" is not a kind of PED key')
  if (secret.length !== (known ? 2 * PED_SECRET : 0) || !/^[0-9a-f]*$/.test(secret))
    fail('"secret" does not have the right form')
  if (!known && pin) fail('a blank key has no PIN')
  if (file.check !== check(kind, pin, secret)) fail('the check value does not fit: the file is damaged')
  return { colour, label, content: known ? { kind: known.kind, secret: Buffer.from(secret, 'hex'), pin } : undefined }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'

/** @throws PedError PED_KEY_NOT_FOUND, PED_KEY_INVALID, PED_KEY_VERSION */
export async function readPedKey(path: string): Promise<PedKey> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) throw new PedError('PED_KEY_NOT_FOUND', `${path}: no such PED key`, { cause })
    throw new PedError('PED_KEY_INVALID', `${path}: cannot be read`, { cause })
  }
  return decodePedKey(text, path)
}

/** Writes the file whole or not at all: whatever happens, the path holds the old key or the new one. */
export async function writePedKey(path: string, key: PedKey): Promise<void> {
  const text = encodePedKey(key)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
