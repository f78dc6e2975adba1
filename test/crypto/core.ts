// The crypto core as a module of its own, driven from JavaScript: memory in, calls, memory out. Every buffer handed out
// has guard bytes behind it, and the statics of the module can be compared with what they were when it was loaded.
import { readFileSync } from 'node:fs'
import { instantiateSync } from '@assemblyscript/loader'
import fc from 'fast-check'
import * as assert from 'uvu/assert'
import { soundModule } from '../../host/board/index.js'
import type { CryptoExports } from './exports.js'

/** Hash algorithms by the names of node:crypto, as the core numbers them. */
export const HASHES = [
  { name: 'sha1', alg: 5, length: 20, block: 64 },
  { name: 'sha224', alg: 4, length: 28, block: 64 },
  { name: 'sha256', alg: 1, length: 32, block: 64 },
  { name: 'sha384', alg: 2, length: 48, block: 128 },
  { name: 'sha512', alg: 3, length: 64, block: 128 },
] as const

/** SHA-3, which HMAC takes but what is built on blocks of a compression function does not (PBKDF2). */
export const SHA3 = [
  { name: 'sha3-224', alg: 6, length: 28, block: 144 },
  { name: 'sha3-256', alg: 7, length: 32, block: 136 },
  { name: 'sha3-384', alg: 8, length: 48, block: 104 },
  { name: 'sha3-512', alg: 9, length: 64, block: 72 },
] as const

/** What is left of it: see old.test.ts. */
export const MD5 = { name: 'md5', alg: 10, length: 16, block: 64 } as const

/** The number of a hash by its name, any case. */
export function hashNumber(name: string): number {
  const found = HASHES.find((hash) => hash.name === name.toLowerCase())
  if (found === undefined) throw new Error(`no hash "${name}"`)
  return found.alg
}

/** More than any context needs. */
export const CONTEXT = 4608

const GUARD = 32
const GUARD_BYTE = 0xc3

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function equalBytes(actual: Uint8Array, expected: Uint8Array, message?: string): void {
  assert.is(hex(actual), hex(expected), message)
}

/** A copy with one bit changed; the number is taken modulo the bits there are. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  const i = Math.floor(bit / 8) % copy.length
  copy[i] = (copy[i] ?? 0) ^ (1 << (bit % 8))
  return copy
}

/** The bytes of the module. */
export const coreBytes = (): Uint8Array => readFileSync(new URL('../../crypto.wasm', import.meta.url))

export class Core {
  readonly call: CryptoExports
  readonly memory: Uint8Array
  readonly #pristine: Uint8Array
  #next: number
  #guards: number[] = []
  #after: () => void = () => undefined

  constructor() {
    const { exports } = instantiateSync<CryptoExports>(soundModule(coreBytes()))
    if (exports.memory === undefined) throw new Error('the module exports no memory')
    this.call = exports
    this.memory = new Uint8Array(exports.memory.buffer)
    this.#pristine = this.memory.slice(exports.staticsBegin(), exports.staticsEnd())
    this.#next = exports.scratch()
  }

  /** What `checked` does behind every body. */
  after(work: () => void): void {
    this.#after = work
  }

  /**
   * A test body with the checks that belong behind every one of them. Not an after.each hook: what such a hook throws
   * behind a failed test is swallowed by uvu, and the failure with it.
   */
  checked(body: () => void): () => void {
    return () => {
      try {
        body()
        this.#checkGuards()
      } catch (error) {
        this.#clear()
        throw error
      }
      this.#clear()
      this.#after()
    }
  }

  /** Checks the guards of all buffers and gives the memory back. */
  reset(): void {
    try {
      this.#checkGuards()
    } finally {
      this.#clear()
    }
  }

  #checkGuards(): void {
    for (const at of this.#guards) {
      const guard = this.memory.subarray(at, at + GUARD)
      assert.ok(
        guard.every((byte) => byte === GUARD_BYTE),
        `written beyond the end of a buffer at ${at}`,
      )
    }
  }

  #clear(): void {
    this.memory.fill(0, this.call.scratch(), this.#next)
    this.#guards = []
    this.#next = this.call.scratch()
  }

  /** A buffer of n bytes, 16-byte aligned, filled with `fill`, with guards before and behind it. */
  room(n: number, fill = 0): number {
    const before = this.#next
    const at = (before + GUARD + 15) & ~15
    const behind = at + n
    this.#next = (behind + GUARD + 15) & ~15
    if (this.#next > this.call.scratch() + this.call.scratchSize()) throw new Error('out of scratch memory')
    this.memory.fill(GUARD_BYTE, before, this.#next)
    this.memory.fill(fill, at, behind)
    this.#guards.push(at - GUARD, behind)
    return at
  }

  /** A buffer with these bytes in it. */
  put(bytes: Uint8Array): number {
    const at = this.room(bytes.length)
    this.memory.set(bytes, at)
    return at
  }

  /** A copy of n bytes at `at`. */
  take(at: number, n: number): Uint8Array {
    return this.memory.slice(at, at + n)
  }

  /** An expanded AES key. */
  aesKey(key: Uint8Array): number {
    const ctx = this.room(CONTEXT)
    this.call.aesKey(ctx, this.put(key), key.length)
    return ctx
  }

  /** Fails unless the statics of the module are as they were when it was loaded: no key, text or pad was left there. */
  assertNothingLeft(): void {
    const begin = this.call.staticsBegin()
    const different = this.#pristine.findIndex((byte, i) => byte !== this.memory[begin + i])
    assert.is(different, -1, 'an operation left something behind in the statics of the core')
  }

  /** Fails unless n bytes at `at` are zero. */
  assertZero(at: number, n: number, what: string): void {
    assert.ok(
      this.memory.subarray(at, at + n).every((byte) => byte === 0),
      `${what} is not wiped`,
    )
  }
}

/** One block of `name = value` lines. */
export type Vector = ReadonlyMap<string, string>

/** Reads a file of fixtures/vectors: blocks of `name = value` between empty lines, `#` starts a comment. */
export function readVectors(name: string): Vector[] {
  const text = readFileSync(new URL(`../../../fixtures/vectors/${name}`, import.meta.url), 'utf8')
  const blocks = text.split('\n\n').map((block) =>
    block
      .split('\n')
      .filter((line) => line.includes(' =') && !line.startsWith('#'))
      .map((line): [string, string] => {
        const at = line.indexOf(' =')
        return [line.slice(0, at), line.slice(at + 2).trim()]
      }),
  )
  const vectors = blocks.filter((block) => block.length > 0).map((block) => new Map(block))
  if (vectors.length === 0) throw new Error(`${name} holds no vectors`)
  return vectors
}

/** The text of a field; fails where the vector has none. */
export function text(vector: Vector, field: string): string {
  const value = vector.get(field)
  if (value === undefined) throw new Error(`a vector of ${vector.get('source')} has no ${field}`)
  return value
}

/** The bytes of a field in hexadecimal. */
export const bytes = (vector: Vector, field: string): Uint8Array => Buffer.from(text(vector, field), 'hex')

/** Seed of the property tests: MOONLET_SEED, or a new one; printed so that a failure can be run again. */
export function seedProperties(): void {
  const seed = Number(process.env.MOONLET_SEED ?? Date.now() & 0x7fffffff)
  fc.configureGlobal({ seed, numRuns: 150 })
  console.log(`seed ${seed}`)
}

/** Arbitrary bytes: uniform, of a length in the range; not shrunk towards zeros, the length is what matters. */
export const arbitraryBytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength, maxLength, size: 'max' })

/** AES keys of all three lengths. */
export const arbitraryKey: fc.Arbitrary<Uint8Array> = fc
  .constantFrom(16, 24, 32)
  .chain((length) => arbitraryBytes(length, length))
