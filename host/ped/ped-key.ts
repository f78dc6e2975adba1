import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PED_SECRET } from '../../assembly/protocol.js'
import { PedError } from './errors.js'
import { PED_COLOURS, type PedColour, pedKind, pedKindNamed } from './kinds.js'
import { SET_ID, SHARES_MAX } from './secret-sharing.js'

/** Which part of a split secret a key holds: `threshold` (M) of `total` (N) make it whole. */
export interface PedShare {
  /** Names the keyset, SET_ID bytes. */
  readonly set: Buffer
  /** 1 to `total`. */
  readonly index: number
  readonly threshold: number
  readonly total: number
}

/** The secret on a key, or its share of one. */
export interface PedKeyContent {
  /** PED_KIND_… */
  readonly kind: number
  /** PED_SECRET bytes (a share: one more), as written: a PED PIN is mixed in by the PED and is on no key. */
  readonly secret: Buffer
  /** Undefined = the whole secret. */
  readonly share?: PedShare | undefined
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
  /** How often it can still be written; undefined = it does not wear. */
  readonly writesLeft?: number | undefined
}

export const PED_LABEL_MAX = 32
const FORMAT = 'moonlet-ped-key'
/** Version 1 knew no shares, version 2 no wear; both are read, and 2 is written for a key that does not wear. */
const VERSION = 3
const WITHOUT_WEAR = 2
/** Writes that a key can have left. */
const WRITES_MAX = 1_000_000
const BLANK = 'blank'
const FILE_LIMIT = 4096
const FIELDS = ['format', 'version', 'kind', 'colour', 'label', 'pin', 'secret', 'check']
const SHARE_FIELDS = ['set', 'index', 'threshold', 'total']
const PRINTABLE = /^[\x20-\x7e]*$/

export const blankPedKey = (colour: PedColour, label = ''): PedKey => ({ colour, label, content: undefined })

/** A flipped digit in a secret would count as a wrong log-in at the HSM; this finds it at the PED. */
function check(kind: string, pin: boolean, secret: string, share?: PedShare): string {
  const part = share ? `\n${share.set.toString('hex')}\n${share.index}\n${share.threshold}\n${share.total}` : ''
  return createHash('sha384').update(`${FORMAT}\n${kind}\n${pin}\n${secret}${part}`).digest('hex').slice(0, 16)
}

/** Bytes on a key: a share is as long as the secret and names its place in one byte more. */
const lengthOf = (isShare: boolean): number => PED_SECRET + (isShare ? 1 : 0)

/** The text of a key file. */
export function encodePedKey({ colour, label, content, writesLeft }: PedKey): string {
  if (label.length > PED_LABEL_MAX || !PRINTABLE.test(label)) {
    throw new PedError('PED_KEY_INVALID', `a label has at most ${PED_LABEL_MAX} printable characters`)
  }
  const kind = content ? pedKind(content.kind)?.name : BLANK
  if (kind === undefined) throw new PedError('PED_KEY_INVALID', 'unknown kind of PED key')
  const share = content?.share
  if (content && content.secret.length !== lengthOf(share !== undefined))
    throw new PedError('PED_KEY_INVALID', `a PED secret has ${lengthOf(share !== undefined)} bytes`)
  const pin = content?.pin ?? false
  const secret = content?.secret.toString('hex') ?? ''
  const part = share && { ...share, set: share.set.toString('hex') }
  const wear = writesLeft === undefined ? {} : { writesLeft }
  const version = writesLeft === undefined ? WITHOUT_WEAR : VERSION
  const whole = { format: FORMAT, version, kind, colour, label, pin, secret }
  const file = { ...whole, ...(part ? { share: part } : {}), ...wear, check: check(kind, pin, secret, share) }
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
  const { version } = file
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1)
    return fail('"version" is not a version number')
  if (version > VERSION) {
    throw new PedError(
      'PED_KEY_VERSION',
      `${source}: written by a newer version (format ${version}, this one reads ${VERSION})`,
    )
  }
  const fields = [...FIELDS, ...(version >= 2 ? ['share'] : []), ...(version >= VERSION ? ['writesLeft'] : [])]
  const unknown = Object.keys(file).find((name) => !fields.includes(name))
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
  const share = file.share === undefined ? undefined : readShare(file.share, fail)
  if (secret.length !== (known ? 2 * lengthOf(share !== undefined) : 0) || !/^[0-9a-f]*$/.test(secret))
    fail('"secret" does not have the right form')
  if (!known && (pin || share)) fail('a blank key has no PIN and no share')
  if (file.check !== check(kind, pin, secret, share)) fail('the check value does not fit: the file is damaged')
  const { writesLeft } = file
  if (writesLeft !== undefined && !isCount(writesLeft, 0, WRITES_MAX))
    return fail(`"writesLeft" is not a number from 0 to ${WRITES_MAX}`)
  const wear = writesLeft === undefined ? {} : { writesLeft }
  if (!known) return { colour, label, content: undefined, ...wear }
  const content = { kind: known.kind, secret: Buffer.from(secret, 'hex'), pin, ...(share ? { share } : {}) }
  return { colour, label, content, ...wear }
}

function readShare(value: unknown, fail: (reason: string) => never): PedShare {
  if (typeof value !== 'object' || value === null) return fail('"share" is not an object')
  const share: Record<string, unknown> = { ...value }
  if (Object.keys(share).sort().join() !== [...SHARE_FIELDS].sort().join())
    fail('"share" has not the fields of a share')
  const { set, index, threshold, total } = share
  if (typeof set !== 'string' || !SET.test(set)) return fail('"set" of the share is not the name of a keyset')
  if (!isCount(total, 2, SHARES_MAX) || !isCount(threshold, 2, total) || !isCount(index, 1, total))
    return fail('the numbers of the share do not fit each other')
  return { set: Buffer.from(set, 'hex'), index, threshold, total }
}

const SET = new RegExp(`^[0-9a-f]{${2 * SET_ID}}$`)
const isCount = (value: unknown, least: number, most: number): value is number =>
  Number.isInteger(value) && Number(value) >= least && Number(value) <= most

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
