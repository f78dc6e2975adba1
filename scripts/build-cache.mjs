// Remembers what a build step was made from, by content: a step whose inputs and outputs are as they were is not run again.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export const digest = (bytes, algorithm = 'sha256') => createHash(algorithm).update(bytes).digest('hex')

/** Paths below `folder` (relative to `root`, sorted) whose names end in `suffix`; a folder that is not there is empty. */
export function filesBelow(root, folder, suffix = '') {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) return filesBelow(root, path, suffix)
      return entry.name.endsWith(suffix) ? [path] : []
    })
    .sort()
}

/** One hash over names and contents; a missing file counts as missing, not as empty. */
export function hashFiles(root, paths) {
  const rows = paths.map(
    (path) => `${path} ${existsSync(join(root, path)) ? digest(readFileSync(join(root, path))) : '-'}`,
  )
  return digest(rows.join('\n'))
}

/** The stamp of one step: `{inputs, outputs}`, both hashes. */
export class Stamp {
  constructor(root, file) {
    this.root = root
    this.file = join(root, file)
  }

  isFresh(inputs, outputs) {
    if (!existsSync(this.file) || outputs.some((path) => !existsSync(join(this.root, path)))) return false
    return readFileSync(this.file, 'utf8') === this.#text(inputs, outputs)
  }

  /** From here until `write` the step counts as not done. */
  clear() {
    rmSync(this.file, { force: true })
  }

  write(inputs, outputs) {
    mkdirSync(dirname(this.file), { recursive: true })
    writeFileSync(this.file, this.#text(inputs, outputs))
  }

  #text(inputs, outputs) {
    return JSON.stringify({ inputs: hashFiles(this.root, inputs), outputs: hashFiles(this.root, outputs) })
  }
}
