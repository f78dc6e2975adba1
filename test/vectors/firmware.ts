// The symmetric primitives of the firmware, by the crypto core as a module (dist/crypto.wasm). Where the core has two ways to the
// same result (one block or eight, one object or a batch, a message at once or in pieces) both are taken and must agree.
import { Core, HASHES, MD5, SHA3 } from '../crypto/core.js'
import { joined } from './numbers.js'
import { failed, type Outcome } from './result.js'

const HASH_CONTEXT = 512
const MAC_CONTEXT = 1024
const KEY_CONTEXT = 4608
/** Copies of an object in a batch: more than go one by one. */
const BATCH = 4

/** The two ways to one result differ: nothing the vector says can be right then. */
export class Disagreement extends Error {
  override readonly name = 'Disagreement'
  readonly code = 'VECTORS_DISAGREEMENT'
}

/** What a vector's run threw, where that is about the firmware and not about the file or this program. */
function failureOf(thrown: unknown): string | undefined {
  if (thrown instanceof Disagreement) return thrown.message
  return thrown instanceof Error && thrown.name === 'RuntimeError'
    ? `the firmware trapped: ${thrown.message}`
    : undefined
}

const same = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0

function agreed(what: string, first: Uint8Array | undefined, second: Uint8Array | undefined): Uint8Array | undefined {
  if (!same(first, second)) throw new Disagreement(`${what} differ`)
  return first
}

/** The number of a hash by its name in any spelling (SHA1, SHA-512, sha256); undefined where the firmware has none. */
export function hashOf(name: string): number | undefined {
  const plain = name.toLowerCase().replaceAll('-', '')
  return [...HASHES, ...SHA3, MD5].find((hash) => hash.name.replace('-', '') === plain)?.alg
}

export interface Sealed {
  readonly ciphertext: Uint8Array
  readonly tag: Uint8Array
}

/** Key, nonce and associated data of an AEAD. */
export interface AeadInput {
  readonly key: Uint8Array
  readonly nonce: Uint8Array
  readonly aad: Uint8Array
}

type SealName = 'gcmSeal' | 'ccmSeal'
type OpenName = 'gcmOpen' | 'ccmOpen'
type WrapName = 'kwWrap' | 'kwpWrap'

export class Firmware {
  readonly core = new Core()

  /**
   * Runs one vector, then checks that nothing was written beyond a buffer and gives the memory back. A vector on which the
   * firmware traps or disagrees with itself has failed.
   */
  run(body: () => Outcome): Outcome {
    let outcome: Outcome
    try {
      outcome = body()
    } catch (thrown) {
      this.#reset()
      const why = failureOf(thrown)
      if (why === undefined) throw thrown
      return failed(why)
    }
    return this.#reset() ?? outcome
  }

  #reset(): Outcome | undefined {
    try {
      this.core.reset()
      return undefined
    } catch (overrun) {
      return failed(overrun instanceof Error ? overrun.message : String(overrun))
    }
  }

  /** A key length that the firmware refuses is refused here by the same function of it. */
  #keyValid(key: Uint8Array): boolean {
    return this.core.call.aesKeyLengthValid(key.length) === 1
  }

  /** ECB as it is, and ten times over so that the kernel of eight blocks does some of it. */
  ecb(key: Uint8Array, data: Uint8Array, encrypt: boolean): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const ctx = core.aesKey(key)
    const crypt = encrypt ? core.call.aesEncrypt : core.call.aesDecrypt
    const once = (bytes: Uint8Array) => {
      const at = core.put(bytes)
      crypt(ctx, at, at, bytes.length / 16)
      return core.take(at, bytes.length)
    }
    const single = once(data)
    const copies = Array.from({ length: 10 }, () => data)
    agreed('one block and eight', joined(...copies.map(() => single)), once(joined(...copies)))
    return single
  }

  cbc(key: Uint8Array, iv: Uint8Array, data: Uint8Array, encrypt: boolean): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const out = core.room(data.length)
    const crypt = encrypt ? core.call.cbcEncrypt : core.call.cbcDecrypt
    crypt(core.aesKey(key), core.put(iv), core.put(data), out, data.length)
    return core.take(out, data.length)
  }

  ctr(key: Uint8Array, counter: Uint8Array, data: Uint8Array): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const at = core.put(data)
    core.call.ctrCrypt(core.aesKey(key), core.put(counter), at, at, data.length)
    return core.take(at, data.length)
  }

  /** With the firmware's padding before it. */
  cbcPadEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array | undefined {
    const at = this.core.put(joined(plaintext, Buffer.alloc(16)))
    const n = this.core.call.pad(at, plaintext.length)
    return this.cbc(key, iv, this.core.take(at, n), true)
  }

  /** With the firmware's check of the padding behind it; `ciphertext` is whole blocks, at least one. */
  cbcPadDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
    const padded = this.cbc(key, iv, ciphertext, false)
    if (padded === undefined) return undefined
    const n = this.core.call.unpadded(this.core.put(padded), padded.length)
    return n < 0 ? undefined : padded.subarray(0, n)
  }

  // ---- key wrap: one object under a key of its own, and a batch under an expanded key ----------------------------------

  wrap(name: WrapName, key: Uint8Array, plaintext: Uint8Array): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const length = 8 + Math.ceil(plaintext.length / 8) * 8
    const out = core.room(length)
    const n = core.call[name](core.put(key), key.length, core.put(plaintext), plaintext.length, out)
    const single = n === 0 ? undefined : core.take(out, length)
    // A batch takes what the single call takes: a row that it could not be trusted with traps.
    if (single === undefined) return undefined
    const room = joined(Buffer.alloc(8), plaintext, Buffer.alloc(length - 8 - plaintext.length, 0x77))
    const kw = name === 'kwWrap'
    const rows = this.#rows(room, kw ? plaintext.length / 8 : plaintext.length)
    const many = kw ? core.call.kwWrapMany : core.call.kwpWrapMany
    many(core.aesKey(key), rows.at, BATCH)
    for (const object of rows.objects) agreed('one object and a batch', single, core.take(object, length))
    return single
  }

  unwrap(name: WrapName, key: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const kw = name === 'kwWrap'
    const room = core.room(Math.max(0, wrapped.length - 8), 0x77)
    const [keyAt, src] = [core.put(key), core.put(wrapped)]
    let length: number
    if (kw) {
      const good = core.call.kwUnwrap(keyAt, key.length, src, wrapped.length, room)
      length = good === 1 ? wrapped.length - 8 : -1
    } else {
      length = core.call.kwpUnwrap(keyAt, key.length, src, wrapped.length, room)
    }
    const single = length < 0 ? undefined : core.take(room, length)
    // Lengths that are not possible are the business of the single call alone.
    if (wrapped.length % 8 !== 0 || wrapped.length < (kw ? 24 : 16)) return single
    const rows = this.#rows(wrapped, wrapped.length / 8 - 1)
    const verdicts = core.room(4 * BATCH)
    const many = kw ? core.call.kwUnwrapMany : core.call.kwpUnwrapMany
    many(core.aesKey(key), rows.at, BATCH, verdicts)
    const view = new DataView(core.memory.buffer)
    rows.objects.forEach((object, i) => {
      const n = kw ? (core.memory[verdicts + i] === 1 ? wrapped.length - 8 : -1) : view.getInt32(verdicts + 4 * i, true)
      agreed('one object and a batch', single, n < 0 ? undefined : core.take(object + 8, n))
    })
    return single
  }

  #rows(object: Uint8Array, length: number): { readonly at: number; readonly objects: readonly number[] } {
    const { core } = this
    const at = core.room(8 * BATCH)
    const view = new DataView(core.memory.buffer)
    const objects = Array.from({ length: BATCH }, (_, i) => {
      const address = core.put(object)
      view.setUint32(at + 8 * i, address, true)
      view.setUint32(at + 8 * i + 4, length, true)
      return address
    })
    return { at, objects }
  }

  // ---- authenticated encryption ----------------------------------------------------------------------------------------

  #aeadValid(name: SealName | OpenName, { key, nonce }: AeadInput, n: number, tagLength: number): boolean {
    const { call } = this.core
    return name === 'gcmSeal' || name === 'gcmOpen'
      ? call.gcmLengthsValid(key.length, nonce.length, tagLength) === 1
      : call.ccmLengthsValid(key.length, nonce.length, n, tagLength) === 1
  }

  /** Undefined where the firmware has no such lengths. */
  seal(name: SealName, input: AeadInput, plaintext: Uint8Array, tagLength: number): Sealed | undefined {
    if (!this.#aeadValid(name, input, plaintext.length, tagLength)) return undefined
    const { core } = this
    const { key, nonce, aad } = input
    const [keyAt, nonceAt, aadAt] = [core.put(key), core.put(nonce), core.put(aad)]
    const n = plaintext.length
    const [src, dst, tag] = [core.put(plaintext), core.room(n), core.room(tagLength)]
    core.call[name](keyAt, key.length, nonceAt, nonce.length, aadAt, aad.length, src, n, dst, tag, tagLength)
    return { ciphertext: core.take(dst, n), tag: core.take(tag, tagLength) }
  }

  open(name: OpenName, { key, nonce, aad }: AeadInput, { ciphertext, tag }: Sealed): Uint8Array | undefined {
    const { core } = this
    const [keyAt, nonceAt, aadAt] = [core.put(key), core.put(nonce), core.put(aad)]
    const n = ciphertext.length
    const [src, dst, tagAt] = [core.put(ciphertext), core.room(n), core.put(tag)]
    const open = core.call[name]
    const good = open(keyAt, key.length, nonceAt, nonce.length, aadAt, aad.length, src, n, dst, tagAt, tag.length)
    return good === 1 ? core.take(dst, n) : undefined
  }

  // ---- hashes, MACs, key derivation --------------------------------------------------------------------------------------

  hash(alg: number, message: Uint8Array): Uint8Array {
    const { core } = this
    const once = (...parts: readonly Uint8Array[]) => {
      const [ctx, out] = [core.room(HASH_CONTEXT), core.room(core.call.hashLength(alg))]
      core.call.hashInit(ctx, alg)
      for (const part of parts) core.call.hashUpdate(ctx, core.put(part), part.length)
      core.call.hashFinal(ctx, out)
      return core.take(out, core.call.hashLength(alg))
    }
    const whole = once(message)
    agreed('a message and its parts', whole, once(...thirds(message)))
    return whole
  }

  hmac(alg: number, key: Uint8Array, message: Uint8Array): Uint8Array {
    const { core } = this
    const length = core.call.hashLength(alg)
    const keyAt = core.put(key)
    const out = core.room(length)
    core.call.hmac(alg, keyAt, key.length, core.put(message), message.length, out)
    const whole = core.take(out, length)
    const ctx = core.room(MAC_CONTEXT)
    core.call.hmacInit(ctx, alg, keyAt, key.length)
    for (const part of thirds(message)) core.call.hmacUpdate(ctx, core.put(part), part.length)
    core.call.hmacFinal(ctx, out)
    agreed('a message and its parts', whole, core.take(out, length))
    return whole
  }

  cmac(key: Uint8Array, message: Uint8Array): Uint8Array | undefined {
    if (!this.#keyValid(key)) return undefined
    const { core } = this
    const aes = core.room(KEY_CONTEXT)
    core.call.aesKeyEncrypt(aes, core.put(key), key.length)
    const out = core.room(16)
    core.call.cmac(aes, core.put(message), message.length, out)
    const whole = core.take(out, 16)
    const ctx = core.room(MAC_CONTEXT)
    core.call.cmacInit(ctx, aes)
    for (const part of thirds(message)) core.call.cmacUpdate(ctx, core.put(part), part.length)
    core.call.cmacFinal(ctx, out)
    agreed('a message and its parts', whole, core.take(out, 16))
    return whole
  }

  /** SP 800-108 counter mode; `prf` a hash or 16 for CMAC, `counterLength` bytes between `before` and `after`. */
  counterMode(
    prf: number,
    key: Uint8Array,
    before: Uint8Array,
    after: Uint8Array,
    counterLength: number,
    n: number,
  ): Uint8Array | undefined {
    const { core } = this
    const out = core.room(n)
    const [keyAt, beforeAt, afterAt] = [core.put(key), core.put(before), core.put(after)]
    const { kdfCounter } = core.call
    const good = kdfCounter(
      prf,
      keyAt,
      key.length,
      beforeAt,
      before.length,
      afterAt,
      after.length,
      counterLength,
      out,
      n,
    )
    return good === 1 ? core.take(out, n) : undefined
  }

  hkdf(alg: number, key: Uint8Array, salt: Uint8Array, info: Uint8Array, n: number, expands: boolean): Uint8Array {
    const { core } = this
    const out = core.room(n)
    const [keyAt, saltAt, infoAt] = [core.put(key), core.put(salt), core.put(info)]
    const [extract, expand] = [1, expands ? 1 : 0]
    core.call.hkdf(alg, extract, expand, keyAt, key.length, saltAt, salt.length, infoAt, info.length, out, n)
    return core.take(out, n)
  }

  pbkdf2(alg: number, password: Uint8Array, salt: Uint8Array, iterations: number, n: number): Uint8Array {
    const { core } = this
    const out = core.room(n)
    const passwordAt = core.put(password)
    core.call.pbkdf2(alg, passwordAt, password.length, core.put(salt), salt.length, iterations, out, n)
    return core.take(out, n)
  }
}

/** A message in three parts of different lengths, the middle one across block edges where it is long enough. */
function thirds(message: Uint8Array): Uint8Array[] {
  const [first, second] = [Math.floor(message.length / 5), Math.floor((4 * message.length) / 5)]
  return [message.subarray(0, first), message.subarray(first, second), message.subarray(second)]
}
