import { createHash, type Hash } from 'node:crypto'
import type { Recorder } from './recorder.js'

/**
 * A hash over all frames of a lab. Cables run beside each other, and on a full-duplex one so do its two directions: only
 * the order within a direction is the same in every run, so each has a hash of its own, and the result is over those.
 */
export class TranscriptDigest {
  readonly #streams = new Map<string, { readonly hash: Hash; frames: number }>()

  /** @param next gets every frame as well */
  constructor(private readonly next?: Recorder | undefined) {}

  readonly recorder: Recorder = (recorded) => {
    const { cable, direction, frame } = recorded
    const name = `${cable} ${direction}`
    const stream = this.#streams.get(name) ?? { hash: createHash('sha256'), frames: 0 }
    this.#streams.set(name, stream)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(frame.length)
    stream.hash.update(length).update(frame)
    stream.frames += 1
    this.next?.(recorded)
  }

  result(): { readonly cables: number; readonly frames: number; readonly sha256: string } {
    const names = [...this.#streams.keys()].sort()
    const whole = createHash('sha256')
    let frames = 0
    for (const name of names) {
      const stream = this.#streams.get(name)
      if (!stream) continue
      whole.update(`${name} ${stream.frames} ${stream.hash.copy().digest('hex')}\n`)
      frames += stream.frames
    }
    const cables = new Set(names.map((name) => name.replace(/ (to|from) HSM$/, ''))).size
    return { cables, frames, sha256: whole.digest('hex') }
  }
}
