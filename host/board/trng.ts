import { createHash, randomFillSync } from 'node:crypto'
import type { NonVolatile } from './non-volatile.js'

/** Source of true random bytes. */
export interface Trng {
  fill(target: Uint8Array): void
}

/** Random bytes that are fetched at once, since to ask the system takes longer than to make them; most that one call gets of these. */
const [STOCK, SHORT] = [4096, 256]

export class SystemTrng implements Trng {
  readonly #stock = Buffer.alloc(STOCK)
  #used = STOCK

  fill(target: Uint8Array): void {
    if (target.length > SHORT) {
      randomFillSync(target)
      return
    }
    if (this.#used + target.length > STOCK) {
      randomFillSync(this.#stock)
      this.#used = 0
    }
    const bytes = this.#stock.subarray(this.#used, this.#used + target.length)
    target.set(bytes)
    // They are given once.
    bytes.fill(0)
    this.#used += target.length
  }
}

const BLOCK = 64n

/**
 * A stream that a seed decides: block i is SHA-512("moonlet TRNG" ∥ SHA-512(seed) ∥ i as u64). Its position is kept with
 * the board's state, so that it goes on after a power cut or a restart and no byte of it is ever given twice (OBC-1 §10).
 */
export class SeededTrng implements Trng {
  /** SHA-512 of the seed: with the position all that decides the stream. */
  readonly seed: Uint8Array

  /** @param seed a text, or the SHA-512 of one */
  constructor(
    seed: string | Uint8Array,
    private readonly memory: NonVolatile,
  ) {
    this.seed = typeof seed === 'string' ? createHash('sha512').update(seed).digest() : Uint8Array.from(seed)
  }

  fill(target: Uint8Array): void {
    let position = this.memory.state.randomPosition
    for (let done = 0; done < target.length; ) {
      const piece = this.#block(position / BLOCK).subarray(Number(position % BLOCK))
      const length = Math.min(piece.length, target.length - done)
      target.set(piece.subarray(0, length), done)
      done += length
      position += BigInt(length)
    }
    this.memory.apply({ kind: 'random', position })
  }

  #block(index: bigint): Buffer {
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64BE(index)
    return createHash('sha512').update('moonlet TRNG').update(this.seed).update(counter).digest()
  }
}
