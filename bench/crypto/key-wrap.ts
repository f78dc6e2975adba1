// AES key wrap, wrap and unwrap together, Buffers in and Buffers out: the firmware's lanes over a batch against one call per object.
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { aeskw } from '@noble/ciphers/aes.js'
import { BenchError, type Group, perSecond, type RowSpec } from '../harness/bench.js'
import { Core } from '../harness/core.js'
import { interleave, loop } from '../harness/rounds.js'
import { effort, pattern } from './samples.js'

const KEK = pattern(32, 7)
const IV = Buffer.alloc(8, 0xa6)
const CHECK = 8
/** Bytes of a row of kwWrapMany: address u32, semiblocks u32. */
const ROW = 8

/** What wraps a list of objects and unwraps it again. */
export interface KeyWrap {
  wrap(objects: readonly Buffer[]): Buffer[]
  unwrap(wrapped: readonly Buffer[]): Buffer[]
}

/** The firmware: all objects of a list go through the lanes together. The key is expanded for every list, as a token does. */
export class FirmwareKeyWrap implements KeyWrap {
  readonly #core = new Core()
  readonly #context = this.#core.context()
  readonly #key = this.#core.put(KEK)
  readonly #rows: number
  readonly #good: number
  readonly #objects: number
  readonly #view: DataView

  /** @param room bytes of the longest list, check values included */
  constructor(count: number, room: number) {
    this.#rows = this.#core.room(count * ROW)
    this.#good = this.#core.room(count)
    this.#objects = this.#core.room(room)
    this.#view = new DataView(this.#core.memory.buffer)
  }

  wrap(objects: readonly Buffer[]): Buffer[] {
    const { call, memory } = this.#core
    let at = this.#objects
    for (const [k, object] of objects.entries()) {
      memory.set(object, at + CHECK)
      this.#row(k, at, object.length)
      at += object.length + CHECK
    }
    call.aesKey(this.#context, this.#key, KEK.length)
    call.kwWrapMany(this.#context, this.#rows, objects.length)
    return this.#take(at, objects, CHECK, 0)
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    const { call, memory } = this.#core
    let at = this.#objects
    for (const [k, object] of wrapped.entries()) {
      memory.set(object, at)
      this.#row(k, at, object.length - CHECK)
      at += object.length
    }
    call.aesKey(this.#context, this.#key, KEK.length)
    call.kwUnwrapMany(this.#context, this.#rows, wrapped.length, this.#good)
    if (memory.subarray(this.#good, this.#good + wrapped.length).includes(0))
      throw new BenchError('an object did not unwrap')
    return this.#take(at, wrapped, 0, CHECK)
  }

  #row(k: number, address: number, length: number): void {
    this.#view.setUint32(this.#rows + k * ROW, address, true)
    this.#view.setUint32(this.#rows + k * ROW + 4, length >>> 3, true)
  }

  /** One copy for the whole list, and a view of it for each object. */
  #take(end: number, sizes: readonly Buffer[], longer: number, skip: number): Buffer[] {
    const copy = this.#core.memory.slice(this.#objects, end)
    let at = 0
    return sizes.map(({ length }) => {
      const object = Buffer.from(copy.buffer, at + skip, length + longer - skip)
      at += length + longer
      return object
    })
  }
}

export class NodeKeyWrap implements KeyWrap {
  readonly #key = createSecretKey(KEK)

  wrap(objects: readonly Buffer[]): Buffer[] {
    return objects.map((object) => {
      const cipher = createCipheriv('id-aes256-wrap', this.#key, IV)
      const text = cipher.update(object)
      cipher.final()
      return text
    })
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    return wrapped.map((object) => {
      const decipher = createDecipheriv('id-aes256-wrap', this.#key, IV)
      const text = decipher.update(object)
      decipher.final()
      return text
    })
  }
}

export class NobleKeyWrap implements KeyWrap {
  // An instance takes one message only.
  wrap(objects: readonly Buffer[]): Buffer[] {
    return objects.map((object) => Buffer.from(aeskw(KEK).encrypt(object)))
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    return wrapped.map((object) => Buffer.from(aeskw(KEK).decrypt(object)))
  }
}

/** Fails unless all of them give the same bytes, there and back. */
export function agree(contenders: readonly KeyWrap[], objects: readonly Buffer[]): void {
  const [first, ...others] = contenders.map((contender) => contender.wrap(objects))
  if (!first) return
  for (const wrapped of others) {
    if (!Buffer.concat(wrapped).equals(Buffer.concat(first))) throw new BenchError('two key wraps differ')
  }
  for (const contender of contenders) {
    const back = contender.unwrap(first)
    if (!Buffer.concat(back).equals(Buffer.concat([...objects])))
      throw new BenchError('a key wrap does not give back its object')
  }
}

const NODE = 'node:crypto id-aes256-wrap'
const NOBLE = '@noble/ciphers aeskw'

interface Size {
  readonly bytes: number
  readonly batch: number
  readonly node: string
  readonly noble: string
}

const SIZES: readonly Size[] = [
  { bytes: 32, batch: 256, node: 'kw32-vs-node', noble: 'kw32-vs-noble' },
  { bytes: 1216, batch: 64, node: 'kw1216-vs-node', noble: 'kw1216-vs-noble' },
]

/**
 * What is wanted, and the gate. @noble/ciphers wraps a first key ten times slower than the ten thousandth: these ratios are
 * against code that the engine has optimized.
 */
const WANTED: Readonly<Record<string, { readonly target: number; readonly gate: number }>> = {
  'kw32-vs-node': { target: 5, gate: 3 },
  'kw1216-vs-node': { target: 2.8, gate: 1.7 },
  'kw32-vs-noble': { target: 8, gate: 5 },
  'kw1216-vs-noble': { target: 4.5, gate: 2.7 },
}

function spec(id: string, { bytes, batch }: Size, baselineName: string): RowSpec {
  return {
    id,
    unit: 'objects/s',
    baselineName,
    ratio: 'speed',
    what: `AES-256 KW, wrap and unwrap of ${bytes} bytes, batches of ${batch}, Buffers in and out`,
    ...WANTED[id],
    present: perSecond,
  }
}

export const keyWrap: Group = {
  rows: SIZES.flatMap((size) => [spec(size.node, size, NODE), spec(size.noble, size, NOBLE)]),
  async measure(wanted, { quick, progress }) {
    const results = new Map()
    for (const { bytes, batch, node, noble } of SIZES) {
      if (!wanted.has(node) && !wanted.has(noble)) continue
      progress(`key wrap of ${bytes} bytes`)
      const objects = Array.from({ length: batch }, (_, k) => pattern(bytes, k + 1))
      const ours = new FirmwareKeyWrap(batch, batch * (bytes + CHECK))
      const others = {
        ...(wanted.has(node) && { node: new NodeKeyWrap() }),
        ...(wanted.has(noble) && { noble: new NobleKeyWrap() }),
      }
      agree([ours, ...Object.values(others)], objects)
      const { rounds, milliseconds } = effort(quick)
      const contend = (one: KeyWrap) => loop(() => void one.unwrap(one.wrap(objects)), { units: batch, milliseconds })
      const contenders = Object.entries({ ours, ...others }).map(([name, one]) => [name, contend(one)] as const)
      const costs = await interleave(Object.fromEntries(contenders), rounds)
      if (wanted.has(node)) results.set(node, costs.against('ours', 'node'))
      if (wanted.has(noble)) results.set(noble, costs.against('ours', 'noble'))
    }
    return results
  },
}
