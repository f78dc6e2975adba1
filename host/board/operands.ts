// What the accelerator is given: operands of SPEC.md §7, checked as they are taken.

import { toInt } from './big-int.js'
import { type Curve, curveOf } from './curves.js'
import { isScalar } from './ec.js'
import { type EdwardsCurve, edwardsOf } from './edwards.js'
import { RSA_MAX_BITS } from './rsa.js'

/** The operands do not have the shape that the operation asks for. */
export class Invalid extends Error {}

/** Operands in their order; every length is checked before use. */
export class Operands {
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

  /** Length u16, then the bytes. */
  sized16(): Uint8Array {
    return this.take(Number(toInt(this.take(2))))
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
