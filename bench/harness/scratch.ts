import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Folders and child processes of one run; none of them outlives the process, however it ends short of kill -9. */
export class Scratch {
  readonly #children = new Set<ChildProcess>()
  #root: string | undefined
  #count = 0

  /** @param base where the folders are made */
  constructor(readonly base: string) {
    process.once('exit', () => this.remove())
  }

  /** Makes an empty folder. */
  folder(name: string): string {
    this.#root ??= mkdtempSync(join(this.base, 'moonlet-bench-'))
    this.#count += 1
    const folder = join(this.#root, `${this.#count}-${name}`)
    mkdirSync(folder)
    return folder
  }

  /** Ends with this process. */
  adopt(child: ChildProcess): void {
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
  }

  remove(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    // A child that is ending may still make a file while the folder is emptied.
    if (this.#root !== undefined) rmSync(this.#root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    this.#root = undefined
  }
}
