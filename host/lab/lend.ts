import { readFileSync } from 'node:fs'
import { FolderLock } from '../board/index.js'
import { type Client, Registry } from '../ntls/index.js'
import { LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { readLabFile } from './lab-file.js'
import { lentFolder } from './running.js'

/** Who may have the Backup HSMs that a lab lends out. */
export class Borrowers {
  readonly #registry: Registry

  private constructor(dir: string) {
    this.#registry = new Registry(dir)
  }

  /** @throws LabError LAB_MISSING, LAB_STATE_NEWER, LAB_FILE_INVALID, LAB_IO */
  static async open(stateDir: string): Promise<Borrowers> {
    readLabFile(stateDir)
    const dir = lentFolder(stateDir)
    await makeFolders(dir, { mode: 0o700 })
    return new Borrowers(dir)
  }

  list(): readonly Client[] {
    return this.#registry.list()
  }

  /** @param file its certificate, PEM. @param address it has to come from there. @throws LabError LAB_IO; NtlsError */
  register(name: string, file: string, address?: string): Client {
    let pem: string
    try {
      pem = readFileSync(file, 'utf8')
    } catch (cause) {
      throw new LabError('LAB_IO', `the certificate ${file} cannot be read: ${messageOf(cause)}`, { cause })
    }
    return this.#registry.register(name, pem, address)
  }

  /** @throws NtlsError CLIENT_UNKNOWN */
  delete(name: string): void {
    this.#registry.delete(name)
  }
}

/** Works while no other process lends Backup HSMs of this lab out. @throws as `whileServing` */
export function whileLending<Result>(stateDir: string, work: () => Promise<Result>): Promise<Result> {
  return whileServing(stateDir, lentFolder(stateDir), work)
}

/** Works while no other process serves from this folder of a lab. @throws BoardError STATE_LOCKED; LabError as `readLabFile`, LAB_IO */
export async function whileServing<Result>(
  stateDir: string,
  folder: string,
  work: () => Promise<Result>,
): Promise<Result> {
  readLabFile(stateDir)
  await makeFolders(folder, { mode: 0o700 })
  const lock = await FolderLock.acquire(folder)
  try {
    return await work()
  } finally {
    await lock.release()
  }
}
