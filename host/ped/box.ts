import { access, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PedError, type PedErrorCode } from './errors.js'
import type { PedColour } from './kinds.js'
import { type PedKey, type PedShare, readPedKey, writePedKey } from './ped-key.js'

/** A key as one sees it lying in the box: nothing secret. */
export interface BoxEntry {
  readonly name: string
  readonly colour: PedColour
  readonly label: string
  /** PED_KIND_…, undefined = blank. */
  readonly kind: number | undefined
  readonly pin: boolean
  /** Set where the key holds a share of a split secret. */
  readonly share?: Omit<PedShare, 'set'>
  /** It takes no secret any more. */
  readonly worn?: true
  /** Set where the key cannot be read; the other fields then say nothing. */
  readonly fault: PedErrorCode | undefined
}

const SUFFIX = '.json'
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/

/** A folder of PED keys, one file NAME.json for each. */
export class PedKeyBox {
  constructor(readonly folder: string) {}

  /** Names of the keys, sorted. @throws PedError PED_BOX_UNREADABLE */
  async names(): Promise<string[]> {
    const files = await readdir(this.folder).catch((cause: unknown) => {
      throw new PedError('PED_BOX_UNREADABLE', `the box of PED keys, ${this.folder}, cannot be read`, { cause })
    })
    return files
      .filter((file) => file.endsWith(SUFFIX))
      .map((file) => file.slice(0, -SUFFIX.length))
      .filter((name) => NAME.test(name))
      .sort()
  }

  async list(): Promise<BoxEntry[]> {
    return Promise.all((await this.names()).map((name) => this.#entry(name)))
  }

  /** @throws PedError PED_KEY_NOT_FOUND, PED_KEY_INVALID, PED_KEY_VERSION, PED_KEY_NAME_INVALID */
  read(name: string): Promise<PedKey> {
    return readPedKey(this.#path(name))
  }

  /** Puts a new key into the box. @throws PedError PED_KEY_EXISTS */
  async add(name: string, key: PedKey): Promise<void> {
    const path = this.#path(name)
    const exists = await access(path).then(
      () => true,
      () => false,
    )
    if (exists) throw new PedError('PED_KEY_EXISTS', `there is already a PED key "${name}" in the box`)
    await writePedKey(path, key)
  }

  /** Writes a key that is in the box, whatever was on it. */
  write(name: string, key: PedKey): Promise<void> {
    return writePedKey(this.#path(name), key)
  }

  #path(name: string): string {
    // Rule files and people name keys: a name must not lead out of the folder.
    if (!NAME.test(name)) {
      throw new PedError(
        'PED_KEY_NAME_INVALID',
        `"${name}" is no name for a PED key: letters, digits, dot, dash and underscore, at most 32`,
      )
    }
    return join(this.folder, name + SUFFIX)
  }

  async #entry(name: string): Promise<BoxEntry> {
    try {
      const { colour, label, content, writesLeft } = await this.read(name)
      const known = { name, colour, label, kind: content?.kind, pin: content?.pin ?? false, fault: undefined }
      const entry: BoxEntry = writesLeft === 0 ? { ...known, worn: true } : known
      if (!content?.share) return entry
      const { index, threshold, total } = content.share
      return { ...entry, share: { index, threshold, total } }
    } catch (error) {
      if (!(error instanceof PedError)) throw error
      return { name, colour: 'none', label: '', kind: undefined, pin: false, fault: error.code }
    }
  }
}
