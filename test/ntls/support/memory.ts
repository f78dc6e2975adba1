import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

export interface Memory {
  /** Bytes in use on the heap and in buffers outside of it. */
  readonly heap: number
  /** Bytes of the process. */
  readonly resident: number
}

/** What is in use once everything that nobody needs is gone. */
export function memoryNow(): Memory {
  if (typeof collect === 'function') collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed + external, resident: rss }
}
