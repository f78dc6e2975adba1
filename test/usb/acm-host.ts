// The host's end of a serial port at a USB device (CDC-ACM), as a driver in user space has it; the numbers are written down a second time.
import { Duplex } from 'node:stream'

const [CONTROL, DATA, OUT, IN] = [1, 2, 2, 4]
const PACKET = 512

/** Opens the port. @param device opened and configured */
export async function openAcm(device: USBDevice): Promise<AcmHost> {
  await device.claimInterface(CONTROL)
  await device.claimInterface(DATA)
  await setLines(device, 3)
  return new AcmHost(device)
}

/** DTR and RTS. */
export async function setLines(device: USBDevice, lines: number): Promise<string | undefined> {
  const setup = { requestType: 'class', recipient: 'interface', request: 0x22, value: lines, index: CONTROL } as const
  return (await device.controlTransferOut(setup)).status
}

export class AcmHost extends Duplex {
  #reading = false

  constructor(private readonly device: USBDevice) {
    super()
  }

  override _read(): void {
    if (!this.#reading) void this.#fetch()
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.device.transferOut(OUT, Uint8Array.from(bytes)).then(
      () => done(),
      (error: Error) => done(error),
    )
  }

  async #fetch(): Promise<void> {
    this.#reading = true
    try {
      for (let goesOn = true; goesOn; ) {
        const { data } = await this.device.transferIn(IN, PACKET)
        if (this.destroyed) return
        if (data && data.byteLength > 0) goesOn = this.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
      }
    } catch {
      // It was pulled out.
      this.destroy()
    } finally {
      this.#reading = false
    }
  }
}
