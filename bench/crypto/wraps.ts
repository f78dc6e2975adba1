// Three implementations of AES key wrap (RFC 3394) and of key wrap with padding (RFC 5649), Buffers in and Buffers out.
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { aeskw, aeskwp } from '@noble/ciphers/aes.js'
import { BenchError } from '../harness/bench.js'
import { Core } from '../harness/core.js'
import { pattern } from './samples.js'

export type Wrapping = 'kw' | 'kwp'

const KEK = pattern(32, 7)
export const CHECK = 8
/** Bytes of a row of kwWrapMany: address u32, length u32. */
const ROW = 8

const padded = (length: number): number => (length + 7) & ~7

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
  readonly #verdicts: number
  readonly #objects: number
  readonly #view: DataView

  /** @param room bytes of the longest list, check values and padding included */
  constructor(
    private readonly wrapping: Wrapping,
    count: number,
    room: number,
  ) {
    this.#rows = this.#core.room(count * ROW)
    this.#verdicts = this.#core.room(count * 4)
    this.#objects = this.#core.room(room)
    this.#view = new DataView(this.#core.memory.buffer)
  }

  wrap(objects: readonly Buffer[]): Buffer[] {
    const { call, memory } = this.#core
    const kw = this.wrapping === 'kw'
    let at = this.#objects
    for (const [k, object] of objects.entries()) {
      memory.set(object, at + CHECK)
      this.#row(k, at, kw ? object.length >>> 3 : object.length)
      at += padded(object.length) + CHECK
    }
    call.aesKey(this.#context, this.#key, KEK.length)
    if (kw) call.kwWrapMany(this.#context, this.#rows, objects.length)
    else call.kwpWrapMany(this.#context, this.#rows, objects.length)
    const copy = memory.slice(this.#objects, at)
    let from = 0
    return objects.map((object) => {
      const length = padded(object.length) + CHECK
      from += length
      return Buffer.from(copy.buffer, from - length, length)
    })
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    const { call, memory } = this.#core
    const kw = this.wrapping === 'kw'
    let at = this.#objects
    for (const [k, object] of wrapped.entries()) {
      memory.set(object, at)
      this.#row(k, at, (object.length - CHECK) >>> 3)
      at += object.length
    }
    call.aesKey(this.#context, this.#key, KEK.length)
    if (kw) call.kwUnwrapMany(this.#context, this.#rows, wrapped.length, this.#verdicts)
    else call.kwpUnwrapMany(this.#context, this.#rows, wrapped.length, this.#verdicts)
    const copy = memory.slice(this.#objects, at)
    let from = 0
    return wrapped.map(({ length }, k) => {
      const plain = kw ? this.#kwLength(k, length) : this.#view.getInt32(this.#verdicts + 4 * k, true)
      if (plain < 0) throw new BenchError('an object did not unwrap')
      from += length
      return Buffer.from(copy.buffer, from - length + CHECK, plain)
    })
  }

  #kwLength(k: number, length: number): number {
    return this.#core.memory[this.#verdicts + k] === 1 ? length - CHECK : -1
  }

  #row(k: number, address: number, length: number): void {
    this.#view.setUint32(this.#rows + k * ROW, address, true)
    this.#view.setUint32(this.#rows + k * ROW + 4, length, true)
  }
}

const NODE = {
  kw: { cipher: 'id-aes256-wrap', iv: Buffer.alloc(8, 0xa6) },
  kwp: { cipher: 'id-aes256-wrap-pad', iv: Buffer.from('a65959a6', 'hex') },
} as const

/** node:crypto: a cipher object for each object, since its key wrap takes one message. */
export class NodeKeyWrap implements KeyWrap {
  readonly #key = createSecretKey(KEK)

  constructor(private readonly wrapping: Wrapping) {}

  wrap(objects: readonly Buffer[]): Buffer[] {
    const { cipher: name, iv } = NODE[this.wrapping]
    return objects.map((object) => {
      const cipher = createCipheriv(name, this.#key, iv)
      const text = cipher.update(object)
      cipher.final()
      return text
    })
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    const { cipher: name, iv } = NODE[this.wrapping]
    return wrapped.map((object) => {
      const decipher = createDecipheriv(name, this.#key, iv)
      const text = decipher.update(object)
      decipher.final()
      return text
    })
  }
}

const NOBLE = { kw: aeskw, kwp: aeskwp } as const

/** @noble/ciphers, whose instances take one message, too. */
export class NobleKeyWrap implements KeyWrap {
  constructor(private readonly wrapping: Wrapping) {}

  wrap(objects: readonly Buffer[]): Buffer[] {
    return objects.map((object) => view(NOBLE[this.wrapping](KEK).encrypt(object)))
  }

  unwrap(wrapped: readonly Buffer[]): Buffer[] {
    return wrapped.map((object) => view(NOBLE[this.wrapping](KEK).decrypt(object)))
  }
}

const view = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** Fails unless all of them give the same bytes, there and back. */
export function agree(contenders: readonly KeyWrap[], objects: readonly Buffer[]): void {
  const [first, ...others] = contenders.map((contender) => contender.wrap(objects))
  if (!first) return
  for (const wrapped of others) {
    if (!Buffer.concat(wrapped).equals(Buffer.concat(first))) throw new BenchError('two key wraps differ')
  }
  for (const contender of contenders) {
    const back = contender.unwrap(first)
    if (!Buffer.concat(back).equals(Buffer.concat([...objects]))) {
      throw new BenchError('a key wrap does not give back its object')
    }
  }
}
