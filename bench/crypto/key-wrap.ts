// AES key wrap of batches, wrap and unwrap together: the firmware's lanes against one call per object.
import { type Group, perSecond, type RowSpec, type Samples } from '../harness/bench.js'
import { interleave, loop } from '../harness/rounds.js'
import { effort, pattern } from './samples.js'
import { agree, CHECK, FirmwareKeyWrap, type KeyWrap, NobleKeyWrap, NodeKeyWrap, type Wrapping } from './wraps.js'

interface Size {
  readonly wrapping: Wrapping
  readonly bytes: number
  readonly batch: number
}

/** A key and a blob; with padding, a length that needs it and about an RSA-2048 key. */
const SIZES: readonly Size[] = [
  { wrapping: 'kw', bytes: 32, batch: 256 },
  { wrapping: 'kw', bytes: 1216, batch: 64 },
  { wrapping: 'kwp', bytes: 33, batch: 256 },
  { wrapping: 'kwp', bytes: 1190, batch: 64 },
]

/**
 * What is wanted, and the gate. These ratios are against code that the engine has optimized; for the first keys of a process see
 * first-keys.ts.
 */
const WANTED: Readonly<Record<string, { readonly target: number; readonly gate: number }>> = {
  'kw32-vs-node': { target: 5, gate: 3 },
  'kw1216-vs-node': { target: 2.8, gate: 1.7 },
  'kw32-vs-noble': { target: 8, gate: 5 },
  'kw1216-vs-noble': { target: 4.5, gate: 2.7 },
}

const BASELINES = {
  kw: { node: 'node:crypto id-aes256-wrap', noble: '@noble/ciphers aeskw' },
  kwp: { node: 'node:crypto id-aes256-wrap-pad', noble: '@noble/ciphers aeskwp' },
} as const

function spec({ wrapping, bytes, batch }: Size, other: 'node' | 'noble'): RowSpec {
  const id = `${wrapping}${bytes}-vs-${other}`
  return {
    id,
    unit: 'objects/s',
    baselineName: BASELINES[wrapping][other],
    ratio: 'speed',
    what: `AES-256 ${wrapping.toUpperCase()}, wrap and unwrap of ${bytes} bytes, batches of ${batch}, Buffers in and out`,
    ...WANTED[id],
    present: perSecond,
  }
}

/** A group for each size: both rows of it come from the same rounds. */
export const keyWraps: readonly Group[] = SIZES.map((size) => {
  const [node, noble] = [spec(size, 'node'), spec(size, 'noble')]
  const { wrapping, bytes, batch } = size
  return {
    rows: [node, noble],
    async measure(wanted, { quick, progress }) {
      progress(node.what)
      const objects = Array.from({ length: batch }, (_, k) => pattern(bytes, k + 1))
      const contenders: Record<string, KeyWrap> = {
        ours: new FirmwareKeyWrap(wrapping, batch, batch * (bytes + 2 * CHECK)),
      }
      if (wanted.has(node.id)) contenders.node = new NodeKeyWrap(wrapping)
      if (wanted.has(noble.id)) contenders.noble = new NobleKeyWrap(wrapping)
      agree(Object.values(contenders), objects)
      const { rounds, milliseconds } = effort(quick)
      const contend = (one: KeyWrap) => loop(() => void one.unwrap(one.wrap(objects)), { units: batch, milliseconds })
      const costs = await interleave(
        Object.fromEntries(Object.entries(contenders).map(([name, one]) => [name, contend(one)])),
        rounds,
      )
      const results = new Map<string, Samples>()
      if (wanted.has(node.id)) results.set(node.id, costs.against('ours', 'node'))
      if (wanted.has(noble.id)) results.set(noble.id, costs.against('ours', 'noble'))
      return results
    },
  }
})
