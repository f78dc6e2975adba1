import type { Server, Socket } from 'node:net'
import { DESCRIPTOR } from './descriptors.js'
import { UsbError } from './errors.js'
import { listenAt, placeOf } from './listen.js'
import { RedirPeer } from './redir-peer.js'
import { DEFAULT_USBIP_LIMITS, type UsbipLimits } from './usbip-limits.js'
import type { UsbipEnding } from './usbip-peer.js'
import type { ExportableDevice, UsbPresenter } from './usbip-server.js'

/** What happens at a usbredir server; nothing in it is secret. */
export type RedirEvent =
  | { readonly event: 'plugged' | 'unplugged'; readonly device: string }
  | { readonly event: 'connected'; readonly peer: string; readonly version: string }
  | { readonly event: 'imported' | 'released' | 'rejected'; readonly device: string; readonly peer: string }
  | { readonly event: 'disconnected'; readonly peer: string; readonly why: UsbipEnding }

export interface RedirServerOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Of USB/IP's, which mean the same here; `connections` is not looked at: one guest at a time. */
  readonly limits?: Partial<UsbipLimits> | undefined
  readonly onEvent?: ((event: RedirEvent) => void) | undefined
}

interface Plugged {
  readonly id: string
  readonly model: ExportableDevice
}

const EMPTY = new Uint8Array(0)

/** A usbredir server: one device, for one guest at a time, such as QEMU's usb-redir. A guest may wait for the device. */
export class RedirServer implements UsbPresenter {
  readonly #limits: UsbipLimits
  #plugged: Plugged | undefined
  #guest: RedirPeer | undefined
  /** Resolves when the device has nothing left of who had it last. */
  #free: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(
    private readonly server: Server,
    private readonly options: RedirServerOptions,
  ) {
    this.#limits = { ...DEFAULT_USBIP_LIMITS, ...options.limits }
    server.on('connection', (socket) => this.#welcome(socket))
  }

  /** @throws UsbError USB_LISTEN */
  static async listen(options: RedirServerOptions): Promise<RedirServer> {
    return new RedirServer(await listenAt(options, 'USB_LISTEN'), options)
  }

  get port(): number {
    return placeOf(this.server, this.options).port
  }

  get host(): string {
    return placeOf(this.server, this.options).host
  }

  get connections(): number {
    return this.#guest ? 1 : 0
  }

  /** Plugs the device in; a guest that waits gets it. @throws UsbError USB_ONE_DEVICE */
  plug(id: string, model: ExportableDevice): void {
    if (this.#plugged) throw new UsbError('USB_ONE_DEVICE', 'usbredir carries one device, and there is one')
    this.#plugged = { id, model }
    this.#free = this.#free.then(() => model.detach())
    this.options.onEvent?.({ event: 'plugged', device: id })
    this.#offer()
  }

  /** Pulls the device out. Resolves when nothing of the guest is left. */
  async unplug(id: string): Promise<void> {
    const plugged = this.#plugged
    if (plugged?.id !== id) return
    this.#plugged = undefined
    plugged.model.notify('removal')
    this.#guest?.withdraw()
    await this.#free
    this.options.onEvent?.({ event: 'unplugged', device: id })
  }

  async close(): Promise<void> {
    this.#closed = true
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve())
    })
    if (this.#plugged) await this.unplug(this.#plugged.id)
    this.#guest?.end('closed')
    await closed
  }

  #welcome(socket: Socket): void {
    if (this.#guest || this.#closed) {
      socket.destroy()
      return
    }
    const guest = new RedirPeer(socket, this.#limits, {
      greeted: (version) => {
        this.options.onEvent?.({ event: 'connected', peer: guest.name, version })
        this.#offer()
      },
      ready: () => this.#offer(),
      rejected: () => {
        const device = this.#plugged?.id
        if (device !== undefined) this.options.onEvent?.({ event: 'rejected', device, peer: guest.name })
      },
    })
    this.#guest = guest
    guest.ended.then((why) => {
      if (this.#guest === guest) this.#guest = undefined
      this.options.onEvent?.({ event: 'disconnected', peer: guest.name, why })
    })
  }

  /** Gives the guest the device, where there are both and it is free. */
  async #offer(): Promise<void> {
    const [plugged, guest] = [this.#plugged, this.#guest]
    await this.#free
    // Either may have gone meanwhile, or it was given by another call.
    if (!plugged || this.#plugged !== plugged || !guest || this.#guest !== guest || !guest.isReady) return
    const { id, model } = plugged
    const described = {
      device: model.descriptor(DESCRIPTOR.device, 0) ?? EMPTY,
      configuration: model.descriptor(DESCRIPTOR.configuration, 0) ?? EMPTY,
    }
    if (!guest.admits(described)) return
    model.attach()
    const left = guest.offer(model, described)
    this.options.onEvent?.({ event: 'imported', device: id, peer: guest.name })
    this.#free = left.then(async () => {
      await model.detach()
      this.options.onEvent?.({ event: 'released', device: id, peer: guest.name })
    })
  }
}
