import { closeSync, openSync, writeSync } from 'node:fs'
import { UsbError } from './errors.js'
import { interfaceBlock, packetBlock, secretsBlock, sectionBlock } from './pcapng-write.js'
import { redactFrame } from './redact.js'
import { encodeUsbmon, LINKTYPE_USB_LINUX_MMAPPED, type UsbmonPacket } from './usbmon.js'

/** Link type of Wireshark's exported PDUs: a packet names the dissector that it is for. */
export const LINKTYPE_UPPER_PDU = 252
const TAG_DISSECTOR = 12
/** In a section's comment of a file whose secrets are left out. */
export const REDACTED = 'Redacted'

/** What travels on a cable that is no USB cable; the dissector of fixtures' name for it. */
export type FrameKind = 'moonlet.frame' | 'moonlet.ped'

export interface CaptureOptions {
  /** What is captured, and where. */
  readonly description: string
  /** Secrets and ciphertexts are replaced by as many zeros. */
  readonly redacted?: boolean | undefined
}

/**
 * A pcapng file that is being written: what happens on USB cables, and frames of other cables where it is asked for. Blocks are
 * written whole and at once, so that a process that is killed leaves a file that can be read.
 */
export class CaptureFile {
  readonly redacted: boolean
  readonly #frames = new Map<FrameKind, number>()
  #interfaces = 0

  private constructor(
    private readonly fd: number,
    { redacted = false }: CaptureOptions,
  ) {
    this.redacted = redacted
  }

  /** Replaces a file that is there. @throws UsbError CAPTURE_IO */
  static create(path: string, options: CaptureOptions): CaptureFile {
    let fd: number
    try {
      fd = openSync(path, 'w', 0o600)
    } catch (cause) {
      throw new UsbError('CAPTURE_IO', `the capture ${path} cannot be written`, { cause })
    }
    const capture = new CaptureFile(fd, options)
    const secrets = options.redacted
      ? `${REDACTED}: secrets and ciphertexts are replaced by zeros; cannot be replayed.`
      : 'Holds what travelled on the cable, sealed commands as ciphertexts.'
    capture.#write(sectionBlock('Moonlet', `${options.description}\n${secrets}`))
    const usb = { linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usb' }
    capture.#interface({ ...usb, description: options.description })
    return capture
  }

  usb(packet: UsbmonPacket, comment?: string): void {
    this.#write(packetBlock(0, packet.time, encodeUsbmon(packet), comment))
  }

  /** A frame on a cable that is no USB cable. @param time microseconds since 1970 */
  frame(kind: FrameKind, cable: string, direction: 'to HSM' | 'from HSM', frame: Uint8Array, time: bigint): void {
    let number = this.#frames.get(kind)
    if (number === undefined) {
      number = this.#interface({ linkType: LINKTYPE_UPPER_PDU, name: kind })
      this.#frames.set(kind, number)
    }
    const shown = this.redacted ? redactFrame(kind, frame) : frame
    this.#write(packetBlock(number, time, exportedPdu(kind, shown), `${cable}, ${direction}`))
  }

  /** A line of a TLS key log; left out of a redacted file. */
  tlsSecret(line: Uint8Array): void {
    if (!this.redacted) this.#write(secretsBlock(line))
  }

  close(): void {
    closeSync(this.fd)
  }

  #interface(options: Parameters<typeof interfaceBlock>[0]): number {
    this.#write(interfaceBlock(options))
    this.#interfaces += 1
    return this.#interfaces - 1
  }

  #write(block: Buffer): void {
    for (let at = 0; at < block.length; ) at += writeSync(this.fd, block, at)
  }
}

/** Tags (type u16, length u16, value; big-endian), an empty one at their end, then the frame. */
function exportedPdu(dissector: string, frame: Uint8Array): Buffer {
  const name = Buffer.from(dissector)
  const tags = Buffer.alloc(4 + Math.ceil(name.length / 4) * 4 + 4)
  tags.writeUInt16BE(TAG_DISSECTOR)
  tags.writeUInt16BE(tags.length - 8, 2)
  name.copy(tags, 4)
  return Buffer.concat([tags, frame])
}
