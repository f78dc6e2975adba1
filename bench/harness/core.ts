// The crypto core of the firmware as a module of its own (dist/crypto.wasm), driven from here: memory in, calls, memory out.
import { readFileSync } from 'node:fs'
import { instantiateSync } from '@assemblyscript/loader'
import { soundModule } from '../../host/board/index.js'
import { BenchError } from './bench.js'

/** The exports of assembly/crypto/vectors.ts that are measured; addresses and lengths in bytes. */
interface CoreExports extends Record<string, unknown> {
  scratch(): number
  scratchSize(): number
  aesKey(ctx: number, key: number, keyLen: number): void
  aesKeyEncrypt(ctx: number, key: number, keyLen: number): void
  aesEncrypt(ctx: number, src: number, dst: number, blocks: number): void
  aesDecrypt(ctx: number, src: number, dst: number, blocks: number): void
  kwWrapMany(ctx: number, rows: number, count: number): void
  kwUnwrapMany(ctx: number, rows: number, count: number, ok: number): void
  kwpWrapMany(ctx: number, rows: number, count: number): void
  kwpUnwrapMany(ctx: number, rows: number, count: number, lengths: number): void
  kwWrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwUnwrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwpWrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  kwpUnwrap(kek: number, kekLen: number, src: number, n: number, dst: number): number
  ctrCrypt(ctx: number, counterBlock: number, src: number, dst: number, n: number): void
  cmac(ctx: number, p: number, n: number, out: number): void
  gcmSeal(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): void
  gcmOpen(
    key: number,
    keyLen: number,
    iv: number,
    ivLen: number,
    aad: number,
    aadLen: number,
    src: number,
    n: number,
    dst: number,
    tag: number,
    tagLen: number,
  ): number
  hashInit(ctx: number, alg: number): void
  hashUpdate(ctx: number, p: number, n: number): void
  hashFinal(ctx: number, out: number): void
  sha384(p: number, n: number, out: number): void
  hmac(alg: number, key: number, keyLen: number, p: number, n: number, out: number): void
  kdf(
    key: number,
    keyLen: number,
    label: number,
    labelLen: number,
    context: number,
    contextLen: number,
    out: number,
    n: number,
  ): void
  pbkdf2(
    alg: number,
    pw: number,
    pwLen: number,
    salt: number,
    saltLen: number,
    iterations: number,
    out: number,
    n: number,
  ): void
}

/** Hash algorithms by the names of node:crypto, as the core numbers them. */
export const HASHES = { sha256: 1, sha384: 2, sha512: 3 } as const

/** More than an expanded AES key or a hash context takes. */
const CONTEXT = 4608

/** An instance of the core, and room in its memory that is given out once. */
export class Core {
  readonly call: CoreExports
  readonly memory: Uint8Array
  #next: number
  readonly #end: number

  constructor() {
    const { exports } = instantiateSync<CoreExports>(
      soundModule(readFileSync(new URL('../../crypto.wasm', import.meta.url))),
    )
    if (exports.memory === undefined) throw new BenchError('the crypto core exports no memory')
    this.call = exports
    this.memory = new Uint8Array(exports.memory.buffer)
    this.#next = exports.scratch()
    this.#end = this.#next + exports.scratchSize()
  }

  /** The address of `n` bytes, aligned to 16. */
  room(n: number): number {
    const at = (this.#next + 15) & ~15
    if (at + n > this.#end) throw new BenchError('the crypto core has no room left')
    this.#next = at + n
    return at
  }

  /** The address of these bytes. */
  put(bytes: Uint8Array): number {
    const at = this.room(bytes.length)
    this.memory.set(bytes, at)
    return at
  }

  /** Room for an expanded key or a hash. */
  context(): number {
    return this.room(CONTEXT)
  }
}
