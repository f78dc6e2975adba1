import { access, constants, mkdir, rmdir, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { codeOf, LabError, messageOf } from './errors.js'

/**
 * Makes a folder that can be written to, and those above it that are missing; answers the new ones, outermost first.
 * One by one: `recursive` of node's own mkdir never ends in a file system that takes no names, such as /proc.
 * @throws LabError LAB_IO; nothing new stays then
 */
export async function makeFolders(path: string, options: { readonly mode?: number } = {}): Promise<string[]> {
  const made: string[] = []
  try {
    for (const dir of await missing(resolve(path))) {
      if (await isMade(dir, options)) made.push(dir)
    }
    await access(path, constants.W_OK | constants.X_OK)
    return made
  } catch (cause) {
    await removeEmpty(made)
    if (codeOf(cause) === undefined) throw cause
    throw new LabError('LAB_IO', `${path} cannot be made, or written to: ${messageOf(cause)}`, { cause })
  }
}

/** Whether it is this call that made the folder: somebody else may have been quicker. */
async function isMade(dir: string, options: { readonly mode?: number }): Promise<boolean> {
  try {
    await mkdir(dir, options)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !(await stat(dir)).isDirectory()) throw error
    return false
  }
}

/** Takes back what `makeFolders` made, as far as nothing has come into it. */
export async function removeEmpty(made: readonly string[]): Promise<void> {
  for (const dir of [...made].reverse()) await rmdir(dir).catch(() => undefined)
}

/** The folders that are missing on the way to one, outermost first. */
async function missing(path: string): Promise<string[]> {
  const dirs: string[] = []
  for (let at = path; ; at = dirname(at)) {
    const found = await stat(at).catch((error) => {
      if (codeOf(error) !== 'ENOENT') throw error
    })
    if (found?.isDirectory()) return dirs
    if (found) throw Object.assign(new Error(`${at} is no folder`), { code: 'ENOTDIR' })
    dirs.unshift(at)
  }
}
