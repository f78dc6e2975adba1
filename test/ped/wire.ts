// A serial line in memory that a test can disturb.
import { Duplex } from 'node:stream'

export class Wire {
  readonly ends: readonly [Duplex, Duplex]
  /** Everything that went over it. */
  readonly seen: Buffer[] = []
  cut = false
  /** What a piece on its way becomes. */
  disturb: (bytes: Buffer) => Buffer = (bytes) => bytes

  constructor() {
    const a: Duplex = this.#end(() => b)
    const b: Duplex = this.#end(() => a)
    this.ends = [a, b]
  }

  /** Puts bytes onto the line, for both ends. */
  noise(bytes: Uint8Array): void {
    for (const end of this.ends) end.push(bytes)
  }

  #end(peer: () => Duplex): Duplex {
    return new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        this.seen.push(chunk)
        if (!this.cut && !peer().destroyed) peer().push(this.disturb(Buffer.from(chunk)))
        done()
      },
    })
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate)
}
