import {
  PERIPHERAL_FAILED,
  PERIPHERAL_INVALID,
  PERIPHERAL_MISMATCH,
  PERIPHERAL_OK,
  PKA_DSA_GENERATE,
  PKA_DSA_PARAMETERS,
  PKA_DSA_SIGN,
  PKA_DSA_VERIFY,
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
  PKA_NAMED_SIGN,
  PKA_NAMED_VERIFY,
  PKA_RSA_GENERATE,
  PKA_RSA_PRIVATE,
  PKA_RSA_PUBLIC,
} from '../../assembly/protocol.js'
import { toBytes, toInt } from './big-int.js'
import type { Curve } from './curves.js'
import { type DsaGroup, dsaGenerate, dsaGroup, dsaParameters, dsaSign, dsaVerify } from './dsa.js'
import { decodePoint, diffieHellman, ecdsaSign, ecdsaVerify, isScalar, publicKey } from './ec.js'
import { edwardsPublic, edwardsSign, edwardsVerify } from './edwards.js'
import { systemCode } from './errors.js'
import { type NamedCurve, namedAgree, namedCurve, namedPublic, namedSign, namedVerify } from './named-curves.js'
import { Invalid, Operands } from './operands.js'
import { generateRsa, rsaPrivate, rsaPublic } from './rsa.js'
import type { Trng } from './trng.js'

const sized = (bytes: Uint8Array): Buffer => Buffer.concat([toBytes(BigInt(bytes.length), 4), bytes])

/** A scalar of the curve, as bytes of the order's length; one out of range is drawn again by whoever drew it. */
function namedScalar({ order, orderLength }: NamedCurve, bytes: Uint8Array): Uint8Array {
  const scalar = toInt(bytes)
  if (bytes.length !== orderLength || scalar === 0n || scalar >= order) throw new Invalid()
  return bytes
}

/** Nothing is signed on curves over binary fields. */
function primeOf({ prime }: NamedCurve): Curve {
  if (!prime) throw new Invalid()
  return prime
}

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
        const curve = this.#named(operands)
        return namedPublic(curve, namedScalar(curve, operands.rest()))
      }
      case PKA_NAMED_ECDH: {
        const curve = this.#named(operands)
        return namedAgree(curve, namedScalar(curve, operands.sized()), operands.rest())
      }
      case PKA_NAMED_SIGN: {
        const curve = this.#named(operands)
        primeOf(curve)
        return namedSign(curve, namedScalar(curve, operands.sized()), operands.rest())
      }
      case PKA_NAMED_VERIFY: {
        const curve = this.#named(operands)
        const [point, signature] = [operands.sized16(), operands.sized16()]
        return namedVerify(primeOf(curve), point, signature, operands.rest()) ? PERIPHERAL_OK : PERIPHERAL_MISMATCH
      }
      case PKA_DSA_PARAMETERS: {
        const [bits, subprime] = [operands.u32(), operands.u32()]
        operands.end()
        const group = dsaParameters(bits, subprime, (target) => this.trng.fill(target))
        if (!group) return PERIPHERAL_INVALID
        const k = bits / 8
        return Buffer.concat([toBytes(group.p, k), toBytes(group.q, subprime / 8), toBytes(group.g, k)])
      }
      case PKA_DSA_GENERATE: {
        const group = this.#dsa(operands)
        operands.end()
        return dsaGenerate(group, (target) => this.trng.fill(target)) ?? PERIPHERAL_INVALID
      }
      case PKA_DSA_SIGN: {
        const group = this.#dsa(operands)
        const x = toInt(operands.number())
        if (x === 0n || x >= group.q) throw new Invalid()
        return dsaSign(group, x, operands.rest())
      }
      case PKA_DSA_VERIFY: {
        const group = this.#dsa(operands)
        const y = toInt(operands.number())
        const signature = operands.take(2 * group.orderLength)
        return dsaVerify(group, y, signature, operands.rest()) ? PERIPHERAL_OK : PERIPHERAL_MISMATCH
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

  #named(operands: Operands): NamedCurve {
    const curve = namedCurve(operands.sized16())
    if (!curve) throw new Invalid()
    return curve
  }

  #dsa(operands: Operands): DsaGroup {
    const [p, q, g] = [operands.number(), operands.number(), operands.number()]
    const group = dsaGroup(toInt(p), toInt(q), toInt(g))
    if (!group) throw new Invalid()
    return group
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
