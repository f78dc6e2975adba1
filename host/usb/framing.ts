import { FRAME_HEADER, MAX_FRAME } from '../../assembly/protocol.js'
import { PACKET_SIZE } from './descriptors.js'
import { UsbError } from './errors.js'

// Command frames on the bulk pipes (SPEC.md §9): a transfer is "MLU1", the length of the frame as u32 (big-endian, like
// the frame itself), the frame. Its end is where the length says; that it also ends with a short packet, empty if need
// be, lets a host's read with a larger buffer complete.

const MAGIC = [0x4d, 0x4c, 0x55, 0x31] as const
export const TRANSFER_HEADER = 8
export const MAX_TRANSFER = TRANSFER_HEADER + MAX_FRAME

export function encodeTransfer(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(TRANSFER_HEADER + frame.length)
  bytes.set(MAGIC)
  new DataView(bytes.buffer).setUint32(4, frame.length)
  bytes.set(frame, TRANSFER_HEADER)
  return bytes
}

/** Whether a transfer of this many bytes has to be followed by an empty packet. */
export function needsEmptyPacket(length: number): boolean {
  return length % PACKET_SIZE === 0
}

/** Cuts one direction's bytes into frames, however they were split on the way; empty packets mean nothing to it. */
export class TransferReader {
  #header = new Uint8Array(TRANSFER_HEADER)
  #frame: Uint8Array | undefined
  #have = 0

  /**
   * Takes the next bytes and answers the frames that they complete. Throws USB_FRAMING where a transfer does not start
   * as it should, or says a length that no frame has: the pipe has to be aborted then, there is no way to find the next.
   */
  push(bytes: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    for (let at = 0; at < bytes.length; ) {
      const { used, frame } = this.next(bytes.subarray(at))
      at += used
      if (frame) frames.push(frame)
    }
    return frames
  }

  /** As `push`, but takes no byte behind the first frame that is complete. */
  next(bytes: Uint8Array): { readonly used: number; readonly frame: Uint8Array | undefined } {
    let rest = bytes
    while (rest.length > 0) {
      const target = this.#frame ?? this.#header
      const piece = rest.subarray(0, target.length - this.#have)
      target.set(piece, this.#have)
      this.#have += piece.length
      rest = rest.subarray(piece.length)
      if (!this.#frame) this.#checkHeader()
      else if (this.#have === this.#frame.length) {
        const frame = this.#frame
        this.#frame = undefined
        this.#have = 0
        return { used: bytes.length - rest.length, frame }
      }
    }
    return { used: bytes.length, frame: undefined }
  }

  #checkHeader(): void {
    if (MAGIC.some((byte, i) => i < this.#have && this.#header[i] !== byte)) {
      throw new UsbError('USB_FRAMING', 'a transfer does not start with MLU1')
    }
    if (this.#have < TRANSFER_HEADER) return
    const length = new DataView(this.#header.buffer).getUint32(4)
    if (length < FRAME_HEADER || length > MAX_FRAME) {
      throw new UsbError('USB_FRAMING', `a transfer says that its frame has ${length} bytes`)
    }
    this.#frame = new Uint8Array(length)
    this.#have = 0
  }
}
