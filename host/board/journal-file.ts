import { ftruncateSync, writeSync, writevSync } from 'node:fs'

/** Bytes of a frame from which on its own way to the disk takes longer than what room would save. */
const LONG = 128 * 1024
/** Bytes of room that is made at once: as many as there are frames, between these. */
const LEAST = 64 * 1024
const MOST = 1024 * 1024
const ZEROS = Buffer.alloc(LEAST)

/**
 * The journal's file: frames, then zeros. A write into bytes that the file has already is durable as soon as its data is: one that makes
 * the file longer makes the file system write a record of its own first, which takes several times as long on a busy disk.
 */
export class JournalFile {
  #end: number
  #size: number

  /**
   * @param size bytes that the file has; what is in it stays until `empty`
   * @param limit bytes beyond which no room is made
   */
  constructor(
    private readonly fd: number,
    size: number,
    private readonly limit: number,
  ) {
    this.#end = this.#size = size
  }

  /** Bytes of all frames. */
  get length(): number {
    return this.#end
  }

  /** Behind the others; durable after the next fdatasync, and not before the zeros that may have come with it. */
  append(frame: Uint8Array): void {
    for (let done = 0; done < frame.length; ) {
      done += writeSync(this.fd, frame, done, frame.length - done, this.#end + done)
    }
    this.#end += frame.length
    if (this.#end <= this.#size) return
    this.#size = this.#end
    if (frame.length < LONG) this.#makeRoom()
  }

  empty(): void {
    ftruncateSync(this.fd, 0)
    this.#end = this.#size = 0
  }

  /** A disk without room for zeros may have some for frames. */
  #makeRoom(): void {
    const wanted = Math.min(MOST, Math.max(LEAST, this.#end), this.limit - this.#end)
    const parts = Array.from({ length: Math.max(0, Math.floor(wanted / LEAST)) }, () => ZEROS)
    if (parts.length === 0) return
    try {
      this.#size += writevSync(this.fd, parts, this.#end)
    } catch {
      // The next frame finds out.
    }
  }
}
