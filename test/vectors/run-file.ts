import { readFileSync } from 'node:fs'
import { VectorError } from './errors.js'
import type { Modules } from './family.js'
import { nistResults } from './nist.js'
import type { Result } from './result.js'
import { wycheproofResults } from './wycheproof.js'

function contentOf(path: string): string {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new VectorError('VECTORS_UNREADABLE', `${path}: cannot be read: ${reason}`, { cause })
  }
  if (bytes.includes(0)) throw new VectorError('VECTORS_UNREADABLE', `${path}: not a text file`)
  return bytes.toString('utf8')
}

/**
 * Runs the vectors of one file, a result at a time. A file that is not understood is an error.
 */
export function* resultsOf(path: string, modules: Modules): Generator<Result> {
  const content = contentOf(path)
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
