import {
  PERIPHERAL_FAILED,
  PERIPHERAL_INVALID,
  PERIPHERAL_MISMATCH,
  PERIPHERAL_OK,
  PKA_EC_GENERATE,
  PKA_EC_PUBLIC,
  PKA_ECDH,
  PKA_ECDSA_SIGN,
  PKA_ECDSA_VERIFY,
  PKA_ED_PUBLIC,
  PKA_ED_SIGN,
  PKA_ED_VERIFY,
  PKA_NAMED_ECDH,
  PKA_NAMED_PUBLIC,
  PKA_RSA_GENERATE,
  PKA_RSA_PRIVATE,
  PKA_RSA_PUBLIC,
} from '../../assembly/protocol.js'
import { toBytes, toInt } from './big-int.js'
import { type Curve, curveOf } from './curves.js'
import { decodePoint, diffieHellman, ecdsaSign, ecdsaVerify, isScalar, publicKey } from './ec.js'
import { type EdwardsCurve, edwardsOf, edwardsPublic, edwardsSign, edwardsVerify } from './edwards.js'
import { systemCode } from './errors.js'
import { namedAgree, namedPublic } from './named-curves.js'
import { generateRsa, RSA_MAX_BITS, rsaPrivate, rsaPublic } from './rsa.js'
import type { Trng } from './trng.js'

/** The operands do not have the shape that the operation asks for. */
class Invalid extends Error {}

/** Operands in their order; every length is checked before use. */
class Operands {
  #at = 0
  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.#at) throw new Invalid()
    this.#at += length
    return this.bytes.subarray(this.#at - length, this.#at)
  }

  /** All that is left, at least one byte. */
  rest(): Uint8Array {
    return this.take(Math.max(1, this.bytes.length - this.#at))
  }

  /** All that is left, which may be nothing. */
  remaining(): Uint8Array {
    return this.take(this.bytes.length - this.#at)
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw new Invalid()
  }

  u32(): number {
    return Number(toInt(this.take(4)))
  }

  /** Length u32, then the number. */
  number(): Uint8Array {
    const length = this.u32()
    if (length === 0 || length > RSA_MAX_BITS / 8) throw new Invalid()
    return this.take(length)
  }

  curve(): Curve {
    const curve = curveOf(this.take(1)[0])
    if (!curve) throw new Invalid()
    return curve
  }

  /** Length u8, then the bytes. */
  sized(): Uint8Array {
    return this.take(this.take(1)[0] ?? 0)
  }

  edwards(): EdwardsCurve {
    const curve = edwardsOf(this.take(1)[0])
    if (!curve) throw new Invalid()
    return curve
  }

  scalar(curve: Curve): bigint {
    const scalar = toInt(this.take(curve.length))
    if (!isScalar(curve, scalar)) throw new Invalid()
    return scalar
  }
}

const sized = (bytes: Uint8Array): Buffer => Buffer.concat([toBytes(BigInt(bytes.length), 4), bytes])

/** As many bytes as the modulus has, leading zeros not counted. */
function modulusLength(n: Uint8Array): number {
  const leading = n.findIndex((byte) => byte !== 0)
  return leading < 0 ? 0 : n.length - leading
}

/**
 * The public-key accelerator (SPEC.md §7). It sees private numbers in the clear for the length of one call and wipes its
 * buffers; it keeps no key. Random numbers come from the board's TRNG only.
 */
export class Pka {
  constructor(private readonly trng: Trng) {}

  /**
   * @param input operands as §7 lists them
   * @param output where the result goes
   * @returns the length of the result, or minus PERIPHERAL_INVALID (operands), _MISMATCH (signature) or _FAILED (no room)
   */
  run(op: number, input: Uint8Array, output: Uint8Array): number {
    let result: Uint8Array | number
    try {
      result = this.#operate(op, new Operands(input))
    } catch (thrown) {
      // OpenSSL refuses by throwing: numbers that are no key, blocks that are not below the modulus.
      if (thrown instanceof Invalid || systemCode(thrown)?.startsWith('ERR_OSSL')) return -PERIPHERAL_INVALID
      throw thrown
    }
    if (typeof result === 'number') return -result
    if (result.length > output.length) {
      result.fill(0)
      return -PERIPHERAL_FAILED
    }
    output.set(result)
    const { length } = result
    result.fill(0)
    return length
  }

  #operate(op: number, operands: Operands): Uint8Array | number {
    switch (op) {
      case PKA_EC_GENERATE:
        return this.#generateEc(operands)
      case PKA_EC_PUBLIC: {
        const curve = operands.curve()
        const scalar = operands.scalar(curve)
        operands.end()
        return publicKey(curve, scalar)
      }
      case PKA_ECDH: {
        const curve = operands.curve()
        const scalar = operands.scalar(curve)
        return diffieHellman(curve, scalar, operands.rest()) ?? PERIPHERAL_INVALID
      }
      case PKA_ECDSA_SIGN: {
        const curve = operands.curve()
        const scalar = operands.scalar(curve)
        return ecdsaSign(curve, scalar, operands.rest())
      }
      case PKA_ECDSA_VERIFY: {
        const curve = operands.curve()
        const point = decodePoint(curve, operands.take(1 + 2 * curve.length))
        if (!point) throw new Invalid()
        const signature = operands.take(2 * curve.length)
        return ecdsaVerify(curve, point, signature, operands.rest()) ? PERIPHERAL_OK : PERIPHERAL_MISMATCH
      }
      case PKA_NAMED_PUBLIC: {
        const oid = operands.sized()
        return namedPublic(oid, operands.rest())
      }
      case PKA_NAMED_ECDH: {
        const [oid, scalar] = [operands.sized(), operands.sized()]
        return namedAgree(oid, scalar, operands.rest())
      }
      case PKA_ED_PUBLIC: {
        const curve = operands.edwards()
        const seed = operands.take(curve.length)
        operands.end()
        return edwardsPublic(curve, seed)
      }
      case PKA_ED_SIGN: {
        const curve = operands.edwards()
        const seed = operands.take(curve.length)
        return edwardsSign(curve, seed, operands.remaining())
      }
      case PKA_ED_VERIFY: {
        const curve = operands.edwards()
        const [key, signature] = [operands.take(curve.length), operands.take(2 * curve.length)]
        return edwardsVerify(curve, key, signature, operands.remaining()) ? PERIPHERAL_OK : PERIPHERAL_MISMATCH
      }
      case PKA_RSA_GENERATE:
        return this.#generateRsa(operands)
      case PKA_RSA_PRIVATE: {
        const number = (): Uint8Array => operands.number()
        const [n, e, d, p] = [number(), number(), number(), number()]
        const [q, dp, dq, qinv] = [number(), number(), number(), number()]
        const block = operands.take(modulusLength(n))
        operands.end()
        return rsaPrivate({ n, e, d, p, q, dp, dq, qinv }, block)
      }
      case PKA_RSA_PUBLIC: {
        const [n, e] = [operands.number(), operands.number()]
        const block = operands.take(modulusLength(n))
        operands.end()
        return rsaPublic({ n, e }, block)
      }
      default:
        return PERIPHERAL_INVALID
    }
  }

  /** A scalar by rejection (FIPS 186-5 appendix A.2.2) and its public key. */
  #generateEc(operands: Operands): Uint8Array {
    const curve = operands.curve()
    operands.end()
    const bytes = Buffer.alloc(Math.ceil(curve.bits / 8))
    let scalar = 0n
    while (!isScalar(curve, scalar)) {
      this.trng.fill(bytes)
      scalar = BigInt.asUintN(curve.bits, toInt(bytes))
    }
    bytes.fill(0)
    return Buffer.concat([toBytes(scalar, curve.length), publicKey(curve, scalar)])
  }

  #generateRsa(operands: Operands): Uint8Array | number {
    const bits = operands.u32()
    const exponent = operands.number()
    operands.end()
    const key = generateRsa(bits, exponent, (target) => this.trng.fill(target))
    if (!key) return PERIPHERAL_INVALID
    const { n, d, p, q, dp, dq, qinv } = key
    const result = Buffer.concat([n, d, p, q, dp, dq, qinv].map(sized))
    for (const secret of [d, p, q, dp, dq, qinv]) secret.fill(0)
    return result
  }
}
