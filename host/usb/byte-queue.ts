/** Bytes of a stream that have come and were not yet taken. What one `take` answers is in one piece, and the caller's own. */
export class ByteQueue {
  #chunks: Buffer[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** The first bytes, left where they are; `count` is at most `length`. */
  peek(count: number): Buffer {
    const [first] = this.#chunks
    if (first && first.length >= count) return first.subarray(0, count)
    this.#chunks = [Buffer.concat(this.#chunks)]
    return (this.#chunks[0] ?? Buffer.alloc(0)).subarray(0, count)
  }

  /** `count` is at most `length`. */
  take(count: number): Buffer {
    const [first] = this.#chunks
    if (first && first.length >= count) {
      this.skip(count)
      return first.subarray(0, count)
    }
    // Large data comes in many pieces: they are put together once.
    const piece = Buffer.allocUnsafe(count)
    for (let at = 0; at < count; ) {
      const [chunk] = this.#chunks
      if (!chunk) break
      const part = chunk.subarray(0, count - at)
      part.copy(piece, at)
      at += part.length
      this.skip(part.length)
    }
    return piece
  }

  /** Drops at most `count` bytes; answers how many there were. */
  skip(count: number): number {
    let left = count
    for (let chunk = this.#chunks[0]; chunk && left > 0; chunk = this.#chunks[0]) {
      const gone = Math.min(left, chunk.length)
      left -= gone
      this.#length -= gone
      if (gone === chunk.length) this.#chunks.shift()
      else this.#chunks[0] = chunk.subarray(gone)
    }
    return count - left
  }

  clear(): void {
    this.#chunks = []
    this.#length = 0
  }
}
