import { crc32 } from 'node:zlib'
import { PED_MAX_FRAME } from '../../assembly/protocol.js'

/**
 * Packets on a line that carries bytes and makes mistakes (SPEC.md §5.2): `7E ∥ stuffed(length 2 ∥ packet ∥ CRC-32) ∥ 7E`. The marker and the
 * stuffing are those of RFC 1662 §4.2, the check is CRC-32/ISO-HDLC, its 32-bit FCS (§C.3). The marker stands nowhere else, so after
 * noise or a gap the next one is where a packet begins.
 */
const MARK = 0x7e
const ESCAPE = 0x7d
const FLIP = 0x20
/** DC1 and DC3 are flow control on some lines. */
const STUFFED = new Set([MARK, ESCAPE, 0x11, 0x13])

const LENGTH = 2
const CHECK = 4

/** The longest packet: a frame of the PED cable and the 6 bytes that the link puts before it. */
export const LINE_PACKET_MAX = PED_MAX_FRAME + 6

/** @param packet at most LINE_PACKET_MAX bytes @returns what goes onto the line, a marker at both ends */
export function encodePacket(packet: Uint8Array): Buffer {
  if (packet.length > LINE_PACKET_MAX) throw new RangeError(`a packet of ${packet.length} bytes`)
  const plain = Buffer.alloc(LENGTH + packet.length + CHECK)
  plain.writeUInt16BE(packet.length, 0)
  plain.set(packet, LENGTH)
  plain.writeUInt32BE(crc32(plain.subarray(0, -CHECK)), plain.length - CHECK)
  const line = [MARK]
  for (const byte of plain) {
    if (STUFFED.has(byte)) line.push(ESCAPE, byte ^ FLIP)
    else line.push(byte)
  }
  line.push(MARK)
  return Buffer.from(line)
}

/** Takes packets out of a stream of bytes, in any pieces; whatever is not a whole packet is left out and counted. */
export class PacketReader {
  readonly #plain = Buffer.alloc(LENGTH + LINE_PACKET_MAX + CHECK)
  /** Bytes since the marker; undefined = nothing counts until the next one. */
  #length: number | undefined
  #escaped = false
  #noise = 0

  /** Pieces between markers that were no packets. */
  get noise(): number {
    return this.#noise
  }

  /** @returns the packets that are whole with these bytes; each a copy */
  push(bytes: Uint8Array): Buffer[] {
    const packets: Buffer[] = []
    for (const byte of bytes) {
      if (byte !== MARK) {
        this.#take(byte)
        continue
      }
      const packet = this.#finish()
      if (packet) packets.push(packet)
      this.#length = 0
      this.#escaped = false
    }
    return packets
  }

  #take(byte: number): void {
    if (this.#length === undefined) return
    if (byte === ESCAPE && !this.#escaped) {
      this.#escaped = true
      return
    }
    if (this.#length === this.#plain.length) {
      this.#noise++
      this.#length = undefined
      return
    }
    this.#plain[this.#length++] = this.#escaped ? byte ^ FLIP : byte
    this.#escaped = false
  }

  #finish(): Buffer | undefined {
    const length = this.#length
    // Two packets share a marker or have one each, and idle lines may be filled with them.
    if (length === undefined || length === 0) return undefined
    const plain = this.#plain.subarray(0, length)
    const whole =
      !this.#escaped &&
      length >= LENGTH + CHECK &&
      plain.readUInt16BE(0) === length - LENGTH - CHECK &&
      plain.readUInt32BE(length - CHECK) === crc32(plain.subarray(0, -CHECK))
    if (whole) return Buffer.from(plain.subarray(LENGTH, -CHECK))
    this.#noise++
    return undefined
  }
}
