// Key wrap as a program meets it that wraps some keys and ends: each sample is a process of its own, for both contenders alike.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { BenchError, type Context, type Group, perSecond, type RowSpec } from '../harness/bench.js'
import { Costs } from '../harness/rounds.js'

const PROGRAM = fileURLToPath(new URL('./first-keys-process.js', import.meta.url))

const common = {
  unit: 'objects/s',
  baselineName: '@noble/ciphers aeskw, as fresh',
  ratio: 'speed',
  present: perSecond,
} as const

const FIRST: RowSpec = {
  ...common,
  id: 'kw32-first-vs-noble',
  what: 'AES-256 KW, wrap and unwrap of the first 250 keys of 32 bytes in a new process, the time to compile our module included',
}

const THOUSAND: RowSpec = {
  ...common,
  id: 'kw32-first1000-vs-noble',
  what: 'the same of the first 1,000 keys, in batches of 250',
}

interface Fresh {
  /** Nanoseconds for a key of the first 250, and of all 1,000. */
  readonly first: number
  readonly thousand: number
  /** Of everything that was wrapped and unwrapped. */
  readonly digest: string
}

async function inNewProcess(contender: string, context: Context): Promise<Fresh> {
  const running = promisify(execFile)(process.execPath, [PROGRAM, contender])
  context.adopt(running.child)
  const { stdout } = await running
  const [first = Number.NaN, thousand = Number.NaN] = stdout.split(' ').slice(0, 2).map(Number)
  const digest = stdout.trim().split(' ')[2]
  if (!(first > 0 && thousand > 0) || digest === undefined) throw new BenchError(`${contender} answered ${stdout}`)
  return { first, thousand, digest }
}

export const firstKeys: Group = {
  rows: [FIRST, THOUSAND],
  async measure(wanted, context) {
    context.progress(FIRST.what)
    const [first, thousand] = [new Costs(), new Costs()]
    const digests = new Set<string>()
    const rounds = context.quick ? 3 : 11
    // The round before the first reads the files.
    for (let round = -1; round < rounds; round++) {
      for (const contender of round % 2 === 0 ? ['ours', 'noble'] : ['noble', 'ours']) {
        const fresh = await inNewProcess(contender, context)
        digests.add(fresh.digest)
        if (round < 0) continue
        first.add(contender, fresh.first)
        thousand.add(contender, fresh.thousand)
      }
    }
    if (digests.size !== 1) throw new BenchError('two key wraps differ')
    const results = [
      [FIRST.id, first.against('ours', 'noble')],
      [THOUSAND.id, thousand.against('ours', 'noble')],
    ] as const
    return new Map(results.filter(([id]) => wanted.has(id)))
  },
}
