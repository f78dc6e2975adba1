import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { VectorError } from './errors.js'
import type { Modules } from './family.js'
import { nistResults } from './nist.js'
import type { Result } from './result.js'
import { wycheproofResults } from './wycheproof.js'

function contentOf(path: string, folder: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(resolve(folder, path))
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new VectorError('VECTORS_UNREADABLE', `${path}: cannot be read: ${reason}`, { cause })
  }
  if (bytes.includes(0)) throw new VectorError('VECTORS_UNREADABLE', `${path}: not a text file`)
  return bytes.toString('utf8')
}

/**
 * Runs the vectors of one file, a result at a time. A file that is not understood is an error. Relative names
 * start at `folder`.
 */
export function* resultsOf(path: string, folder: string, modules: Modules): Generator<Result> {
  const content = contentOf(path, folder)
  const results = /^\s*\{/.test(content)
    ? wycheproofResults(path, content, modules)
    : nistResults(path, content, modules)
  let count = 0
  for (const result of results) {
    count++
    yield result
  }
  if (count === 0) throw new VectorError('VECTORS_EMPTY', `${path}: there is no vector in it`)
}
