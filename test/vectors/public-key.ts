// The firmware's public-key side (dist/public-key.wasm: its encodings and its calls of the accelerator) with the board's own
// accelerator behind it. Random bytes are given by the vector where it has them, so that what is random can be compared.
import { randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { instantiateSync } from '@assemblyscript/loader'
import {
  CURVE_P256,
  CURVE_P384,
  CURVE_P521,
  CURVE_SECP256K1,
  PERIPHERAL_FAILED,
  PERIPHERAL_OK,
} from '../../assembly/protocol.js'
import { SystemTrng, soundModule } from '../../host/board/index.js'
import { Pka } from '../../host/board/pka.js'
import { toBytes } from './numbers.js'
import type { RsaPrivateKey, RsaPublicKey } from './rsa-key.js'

/** The exports of assembly/public-key-vectors.ts: addresses, lengths in bytes, hashes and curves by number. */
interface Exports extends Record<string, unknown> {
  scratch(): number
  scratchSize(): number
  trngHealthReset(): void
  rsaBegin(): void
  rsaComponent(which: number, p: number, n: number): number
  pkcs1Sign(alg: number, p: number, n: number, out: number): number
  pkcs1Verify(alg: number, p: number, n: number, signature: number, length: number): number
  pssSign(alg: number, mgf: number, saltLength: number, p: number, n: number, out: number): number
  pssVerify(
    alg: number,
    mgf: number,
    saltLength: number,
    p: number,
    n: number,
    signature: number,
    length: number,
  ): number
  oaepSeal(alg: number, mgf: number, label: number, labelLength: number, p: number, n: number, out: number): number
  oaepOpen(alg: number, mgf: number, label: number, labelLength: number, p: number, length: number, out: number): number
  curveLength(curve: number): number
  ecPoint(curve: number, scalar: number, out: number): number
  ecAgree(curve: number, scalar: number, peer: number, peerLength: number, out: number): number
  ecSign(curve: number, scalar: number, alg: number, p: number, n: number, out: number): number
  ecVerify(
    curve: number,
    point: number,
    pointLength: number,
    alg: number,
    p: number,
    n: number,
    signature: number,
    length: number,
  ): number
}

const CURVES: ReadonlyMap<string, number> = new Map([
  ['P-256', CURVE_P256],
  ['secp256r1', CURVE_P256],
  ['P-384', CURVE_P384],
  ['secp384r1', CURVE_P384],
  ['P-521', CURVE_P521],
  ['secp521r1', CURVE_P521],
  ['secp256k1', CURVE_SECP256K1],
  // As a file of pyca/cryptography calls it; NIST's K-233 and its like are other curves.
  ['K-256', CURVE_SECP256K1],
  ['P-256K', CURVE_SECP256K1],
])

/** The number of a curve by its name; undefined where the accelerator has none. */
export const curveOf = (name: string): number | undefined => CURVES.get(name)

const MAX_MODULUS = 512

/** The hash of a message and that of MGF1, by number. */
export interface Hashes {
  readonly alg: number
  readonly mgf: number
}

export class PublicKeys {
  #call: Exports | undefined
  #memory = new Uint8Array(0)
  #next = 0
  /** What the TRNG gives before it gives chance. */
  #random: Uint8Array = new Uint8Array(0)

  #load(): Exports {
    if (this.#call) return this.#call
    const pka = new Pka(new SystemTrng())
    const board = {
      trng: (at: number, length: number) => this.#trng(this.#memory.subarray(at, at + length)),
      pka: (op: number, input: number, inputLength: number, output: number, capacity: number) =>
        pka.run(op, this.#memory.slice(input, input + inputLength), this.#memory.subarray(output, output + capacity)),
    }
    const wasm = readFileSync(new URL('../../public-key.wasm', import.meta.url))
    const { exports } = instantiateSync<Exports>(soundModule(wasm), { board })
    if (exports.memory === undefined) throw new Error('the module exports no memory')
    this.#memory = new Uint8Array(exports.memory.buffer)
    this.#call = exports
    return exports
  }

  #trng(target: Uint8Array): number {
    if (this.#random.length === 0) {
      randomFillSync(target)
      return PERIPHERAL_OK
    }
    // All that was prepared or nothing: a salt of another length is not the vector's.
    if (this.#random.length !== target.length) return PERIPHERAL_FAILED
    target.set(this.#random)
    return PERIPHERAL_OK
  }

  /** One operation on a memory of its own. */
  #with<T>(body: (call: Exports) => T, random: Uint8Array = new Uint8Array(0)): T {
    const call = this.#load()
    this.#next = call.scratch()
    this.#random = random
    call.trngHealthReset()
    try {
      return body(call)
    } finally {
      this.#memory.fill(0, call.scratch(), this.#next)
    }
  }

  #room(n: number): number {
    const at = this.#next
    this.#next = (at + n + 15) & ~15
    return at
  }

  #put(bytes: Uint8Array): readonly [at: number, length: number] {
    const at = this.#room(bytes.length)
    this.#memory.set(bytes, at)
    return [at, bytes.length]
  }

  #take(at: number, n: number): Uint8Array {
    return this.#memory.slice(at, at + n)
  }

  // ---- RSA -------------------------------------------------------------------------------------------------------------

  #key(call: Exports, key: RsaPublicKey | RsaPrivateKey): void {
    call.rsaBegin()
    const numbers = 'd' in key ? [key.n, key.e, key.d, key.p, key.q, key.dp, key.dq, key.qinv] : [key.n, key.e]
    numbers.forEach((value, which) => {
      const [at, length] = this.#put(toBytes(value))
      if (call.rsaComponent(which, at, length) !== 1) throw new Error('the module has no room for an RSA key')
    })
  }

  /** The bytes that an operation of the given key leaves; undefined = refused. */
  #rsa(
    key: RsaPublicKey | RsaPrivateKey,
    random: Uint8Array | undefined,
    operate: (call: Exports, out: number) => number,
  ): Uint8Array | undefined {
    return this.#with((call) => {
      this.#key(call, key)
      const out = this.#room(MAX_MODULUS)
      const n = operate(call, out)
      return n < 0 ? undefined : this.#take(out, n)
    }, random)
  }

  pkcs1Sign(key: RsaPrivateKey, alg: number, message: Uint8Array): Uint8Array | undefined {
    return this.#rsa(key, undefined, (call, out) => call.pkcs1Sign(alg, ...this.#put(message), out))
  }

  pkcs1Verify(key: RsaPublicKey, alg: number, message: Uint8Array, signature: Uint8Array): boolean {
    return this.#with((call) => {
      this.#key(call, key)
      return call.pkcs1Verify(alg, ...this.#put(message), ...this.#put(signature)) === 1
    })
  }

  /** With the salt that is given, or a random one of so many bytes. */
  pssSign(key: RsaPrivateKey, hashes: Hashes, salt: Uint8Array | number, message: Uint8Array): Uint8Array | undefined {
    const [random, length] = typeof salt === 'number' ? [undefined, salt] : [salt, salt.length]
    const { alg, mgf } = hashes
    return this.#rsa(key, random, (call, out) => call.pssSign(alg, mgf, length, ...this.#put(message), out))
  }

  pssVerify(
    key: RsaPublicKey,
    { alg, mgf }: Hashes,
    saltLength: number,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    return this.#with((call) => {
      this.#key(call, key)
      return call.pssVerify(alg, mgf, saltLength, ...this.#put(message), ...this.#put(signature)) === 1
    })
  }

  /** With an empty label and the seed that is given. */
  oaepSeal(key: RsaPublicKey, { alg, mgf }: Hashes, seed: Uint8Array, message: Uint8Array): Uint8Array | undefined {
    return this.#rsa(key, seed, (call, out) => call.oaepSeal(alg, mgf, 0, 0, ...this.#put(message), out))
  }

  oaepOpen(
    key: RsaPrivateKey,
    { alg, mgf }: Hashes,
    label: Uint8Array,
    ciphertext: Uint8Array,
  ): Uint8Array | undefined {
    return this.#rsa(key, undefined, (call, out) =>
      call.oaepOpen(alg, mgf, ...this.#put(label), ...this.#put(ciphertext), out),
    )
  }

  // ---- elliptic curves: points 04 ∥ X ∥ Y, scalars as long as a coordinate, signatures r ∥ s ---------------------------------

  /** Bytes of a coordinate. */
  curveLength(curve: number): number {
    return this.#load().curveLength(curve)
  }

  #scalar(call: Exports, curve: number, scalar: bigint): number | undefined {
    const bytes = toBytes(scalar, call.curveLength(curve))
    return bytes.length === call.curveLength(curve) ? this.#put(bytes)[0] : undefined
  }

  ecPoint(curve: number, scalar: bigint): Uint8Array | undefined {
    return this.#with((call) => {
      const at = this.#scalar(call, curve, scalar)
      const length = 1 + 2 * call.curveLength(curve)
      const out = this.#room(length)
      return at !== undefined && call.ecPoint(curve, at, out) === 1 ? this.#take(out, length) : undefined
    })
  }

  ecAgree(curve: number, scalar: bigint, peer: Uint8Array): Uint8Array | undefined {
    return this.#with((call) => {
      const at = this.#scalar(call, curve, scalar)
      const length = call.curveLength(curve)
      const out = this.#room(length)
      const good = at !== undefined && call.ecAgree(curve, at, ...this.#put(peer), out) === 1
      return good ? this.#take(out, length) : undefined
    })
  }

  ecSign(curve: number, scalar: bigint, alg: number, message: Uint8Array): Uint8Array | undefined {
    return this.#with((call) => {
      const at = this.#scalar(call, curve, scalar)
      const length = 2 * call.curveLength(curve)
      const out = this.#room(length)
      const good = at !== undefined && call.ecSign(curve, at, alg, ...this.#put(message), out) === 1
      return good ? this.#take(out, length) : undefined
    })
  }

  ecVerify(curve: number, point: Uint8Array, alg: number, message: Uint8Array, signature: Uint8Array): boolean {
    return this.#with((call) => {
      const [pointAt, messageAt, signatureAt] = [this.#put(point), this.#put(message), this.#put(signature)]
      return call.ecVerify(curve, ...pointAt, alg, ...messageAt, ...signatureAt) === 1
    })
  }
}
