/** A secret of a run, by name: its bytes must not stand anywhere in the clear. */
export interface Secret {
  readonly name: string
  readonly bytes: Buffer
}

/** Bytes that are enough to tell a secret from chance, and few enough to see one that was cut into pieces. */
const WINDOW = 16

/** Pieces of a secret: itself where it is short, else its beginning, middle and end. */
function windows(bytes: Buffer): Buffer[] {
  if (bytes.length <= 2 * WINDOW) return [bytes]
  const middle = (bytes.length - WINDOW) >> 1
  return [0, middle, bytes.length - WINDOW].map((at) => bytes.subarray(at, at + WINDOW))
}

/** How the bytes look inside a longer base64 text, wherever they begin in it. */
function base64Forms(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString(encoding)
      .replace(/=+$/, '')
    // Characters at both ends hold bits of the neighbours.
    const from = Math.ceil((shift * 8) / 6)
    return text.slice(from, Math.floor(((shift + bytes.length) * 8) / 6))
  })
}

/** Something that may hold secrets: looked through in raw form, and as text with hexadecimal digits of either case. */
export class Haystack {
  readonly #lower: Buffer

  constructor(
    readonly name: string,
    private readonly bytes: Buffer,
  ) {
    this.#lower = Buffer.from(bytes)
    for (let at = 0; at < this.#lower.length; at++) {
      const byte = this.#lower[at] ?? 0
      if (byte >= 0x41 && byte <= 0x5a) this.#lower[at] = byte + 0x20
    }
  }

  get length(): number {
    return this.bytes.length
  }

  /** The form in which a secret, or a piece of it, is in here; undefined = it is not. */
  find({ bytes }: Secret): string | undefined {
    for (const piece of windows(bytes)) {
      if (this.bytes.includes(piece)) return 'raw'
      if (this.#lower.includes(piece.toString('hex'))) return 'hexadecimal'
      for (const encoding of ['base64', 'base64url'] as const) {
        if (base64Forms(piece, encoding).some((form) => this.bytes.includes(form))) return encoding
      }
    }
    return undefined
  }
}
