import type { FrameLink } from '../board/frame-link.js'
import { REQUEST_PED_FRAME, REQUEST_PED_LINE } from './descriptors.js'
import { UsbError } from './errors.js'

const ROOM = 512

/** The host's end of the cable from a remote PED to the HSM: a link on one side, vendor requests on the other. */
export class PedCable {
  #link: FrameLink | undefined
  /** One request after the other: frames must not overtake each other. */
  #sending: Promise<void> = Promise.resolve()
  #fetching = false
  #more = false

  constructor(
    private readonly device: USBDevice,
    private readonly interfaceNumber: number,
  ) {}

  /** @throws UsbError USB_PED; what the host's transfers throw. The link is closed then. */
  async plug(link: FrameLink): Promise<void> {
    try {
      if (this.#link) throw new UsbError('USB_PED', 'a PED is plugged in already')
      if (!(await this.#line(true)))
        throw new UsbError('USB_PED', 'the HSM has a PED on its remote connector, or has none')
    } catch (error) {
      link.close()
      throw error
    }
    this.#link = link
    link.onClose(() => {
      if (this.#link === link) this.unplug()
    })
    link.onFrame((frame) => {
      if (this.#link !== link) return
      const copy = Uint8Array.from(frame)
      this.#sending = this.#sending.then(() => this.#send(link, copy))
    })
    // What the HSM has sent already was announced to nobody.
    this.fetch()
  }

  async unplug(): Promise<void> {
    const link = this.#link
    if (!link) return
    this.gone()
    await this.#line(false).catch(() => undefined)
  }

  /** The other end has let it go. */
  gone(): void {
    const link = this.#link
    this.#link = undefined
    link?.close()
  }

  /** Frames of the HSM wait. */
  async fetch(): Promise<void> {
    this.#more = true
    if (this.#fetching) return
    this.#fetching = true
    try {
      while (this.#more) {
        this.#more = false
        await this.#fetchAll()
      }
    } catch {
      this.gone()
    } finally {
      this.#fetching = false
    }
  }

  async #fetchAll(): Promise<void> {
    for (let link = this.#link; link; link = this.#link) {
      const { status, data } = await this.device.controlTransferIn(this.#setup(REQUEST_PED_FRAME, 0), ROOM)
      if (status !== 'ok' || !data) return this.gone()
      if (data.byteLength === 0) return
      link.send(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  }

  async #send(link: FrameLink, frame: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#link !== link) return
    try {
      const { status } = await this.device.controlTransferOut(this.#setup(REQUEST_PED_FRAME, 0), frame)
      if (status !== 'ok') this.gone()
    } catch {
      this.gone()
    }
  }

  async #line(up: boolean): Promise<boolean> {
    const setup = this.#setup(REQUEST_PED_LINE, up ? 1 : 0)
    const { status } = await this.device.controlTransferOut(setup, new Uint8Array(0))
    return status === 'ok'
  }

  #setup(request: number, value: number): USBControlTransferParameters {
    return { requestType: 'vendor', recipient: 'interface', request, value, index: this.interfaceNumber }
  }
}
