import type { FrameLink } from '../board/frame-link.js'
import { isCommandFrame, tagOf, withTag } from '../board/frames.js'
import { type Transport, TransportError } from '../client/transport.js'
import { INTERFACE_CLASS, INTERFACE_PROTOCOL, INTERFACE_SUBCLASS, REQUEST_ABORT } from './descriptors.js'
import { UsbError } from './errors.js'
import { decodeEvent, type UsbEvent } from './events.js'
import { encodeTransfer, MAX_TRANSFER, needsEmptyPacket, TransferReader } from './framing.js'
import { PedCable } from './ped-cable.js'

interface Pipes {
  readonly interfaceNumber: number
  readonly out: USBEndpoint
  readonly in: USBEndpoint
  /** Interrupt pipe; a device may have none. */
  readonly events: USBEndpoint | undefined
}

interface Exchange {
  /** The tag that its sender gave it. */
  readonly tag: number
  readonly resolve: (answer: Uint8Array) => void
  readonly reject: (error: TransportError) => void
}

/** Whether token commands go through this interface. */
export function isTokenInterface({ alternate }: USBInterface): boolean {
  const { interfaceClass, interfaceSubclass, interfaceProtocol } = alternate
  return (
    interfaceClass === INTERFACE_CLASS &&
    interfaceSubclass === INTERFACE_SUBCLASS &&
    interfaceProtocol === INTERFACE_PROTOCOL
  )
}

/** Endpoint numbers come from the descriptors: a gadget's controller may have renumbered them. */
function pipesOf(configuration: USBConfiguration): Pipes | undefined {
  for (const one of configuration.interfaces.filter(isTokenInterface)) {
    const { interfaceNumber } = one
    const { endpoints } = one.alternate
    const bulk = (direction: USBDirection): USBEndpoint | undefined =>
      endpoints.find((endpoint) => endpoint.type === 'bulk' && endpoint.direction === direction)
    const [out, into] = [bulk('out'), bulk('in')]
    const events = endpoints.find((endpoint) => endpoint.type === 'interrupt' && endpoint.direction === 'in')
    if (out && into) return { interfaceNumber, out, in: into, events }
  }
  return undefined
}

/** Some hosts throw here, instead of answering null, while the device has no configuration. */
function configurationOf(device: USBDevice): USBConfiguration | null {
  try {
    return device.configuration
  } catch {
    return null
  }
}

async function abortPipes(device: USBDevice, { interfaceNumber }: Pipes): Promise<void> {
  const setup = { requestType: 'vendor', recipient: 'interface', request: REQUEST_ABORT } as const
  const { status } = await device.controlTransferOut({ ...setup, value: 0, index: interfaceNumber }, new Uint8Array(0))
  if (status !== 'ok') throw new UsbError('USB_UNSUITABLE', 'the token interface does not take an abort request')
}

async function closeQuietly(device: USBDevice): Promise<void> {
  try {
    await device.close()
  } catch {
    // A device that is gone cannot be closed; there is nothing left to give back.
  }
}

/** As WebUSB says it. */
const isUnplugged = (cause: unknown): boolean => cause instanceof Error && cause.name === 'NotFoundError'

const words = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

function removed(cause: unknown): TransportError {
  return new TransportError('TRANSPORT_REMOVED', 'the USB device is gone', { cause })
}

/**
 * A token behind a W3C WebUSB `USBDevice`, whatever makes that: a kernel, a user-space client, the in-process device.
 * It relies on WebUSB's promises only, and on fewer of them: never two transfers on one endpoint at a time, a data
 * argument to every control transfer. A host with time-outs on transfers has to switch them off, because a command may
 * wait for a person.
 */
export class UsbTransport implements Transport {
  readonly closed: Promise<void>
  readonly #exchanges = new Map<number, Exchange>()
  readonly #reader = new TransferReader()
  readonly #ended: () => void
  readonly #ped: PedCable
  #eventHandler: ((event: UsbEvent) => void) | undefined
  #lastTag = 0
  #writing: Promise<void> = Promise.resolve()
  #gone: TransportError | undefined
  #closing: Promise<void> | undefined

  private constructor(
    private readonly device: USBDevice,
    private readonly pipes: Pipes,
  ) {
    let ended = (): void => undefined
    this.closed = new Promise((resolve) => {
      ended = resolve
    })
    this.#ended = ended
    this.#ped = new PedCable(device, pipes.interfaceNumber)
  }

  /**
   * Opens the device and claims its token interface; what an earlier user left in the pipes is dropped.
   * Throws USB_UNSUITABLE where the device has no such interface, USB_OPEN where the host does not let us have it,
   * TRANSPORT_REMOVED where it is gone; it is closed again then.
   */
  static async open(device: USBDevice): Promise<UsbTransport> {
    try {
      if (!device.opened) await device.open()
      if (!configurationOf(device)) {
        await device.selectConfiguration(device.configurations[0]?.configurationValue ?? 1)
      }
      const configuration = configurationOf(device)
      const pipes = configuration && pipesOf(configuration)
      if (!pipes) throw new UsbError('USB_UNSUITABLE', 'the USB device has no token interface')
      await device.claimInterface(pipes.interfaceNumber)
      await abortPipes(device, pipes)
      const transport = new UsbTransport(device, pipes)
      transport.#receive()
      transport.#listen()
      return transport
    } catch (cause) {
      await closeQuietly(device)
      if (cause instanceof UsbError) throw cause
      if (isUnplugged(cause)) throw removed(cause)
      throw new UsbError('USB_OPEN', `the USB device cannot be opened: ${words(cause)}`, { cause })
    }
  }

  /**
   * Rejects with TRANSPORT_FRAME where the frame is malformed (nothing is sent then) or the device does not keep to the
   * framing, TRANSPORT_REMOVED where it was unplugged, TRANSPORT_CLOSED after `close`.
   */
  exchange(frame: Uint8Array): Promise<Uint8Array> {
    if (this.#gone) return Promise.reject(this.#gone)
    if (!isCommandFrame(frame)) {
      return Promise.reject(new TransportError('TRANSPORT_FRAME', `${frame.length} bytes are not one command frame`))
    }
    const tag = this.#freeTag()
    const transfer = encodeTransfer(withTag(frame, tag))
    return new Promise((resolve, reject) => {
      this.#exchanges.set(tag, { tag: tagOf(frame), resolve, reject })
      // One after the other: transfers of two frames must not mix, and an endpoint takes one at a time.
      this.#writing = this.#writing.then(() => this.#send(transfer))
    })
  }

  /** What happens at the device, from now on. */
  onEvent(handler: (event: UsbEvent) => void): void {
    this.#eventHandler = handler
  }

  /**
   * Makes this host the cable from a remote PED to the HSM: frames of `link` go to the HSM's remote connector, until
   * either end closes it or `unplugPed`. CMD_PED_CONNECT is the next step.
   * @throws UsbError USB_PED where the device takes no PED, or has one; TransportError TRANSPORT_REMOVED. The link is closed then.
   */
  async plugPed(link: FrameLink): Promise<void> {
    if (this.#gone || !this.pipes.events) {
      link.close()
      throw this.#gone ?? new UsbError('USB_PED', 'the USB device has no events, and so no cable to a PED')
    }
    try {
      await this.#ped.plug(link)
    } catch (cause) {
      if (cause instanceof UsbError) throw cause
      if (this.#gone) throw this.#gone
      if (isUnplugged(cause)) throw removed(cause)
      throw new UsbError('USB_PED', `the USB device did not take the PED's cable: ${words(cause)}`, { cause })
    }
  }

  /** Pulls the PED's cable, if there is one. */
  unplugPed(): Promise<void> {
    return this.#ped.unplug()
  }

  /** Ends what is under way with TRANSPORT_CLOSED and gives the device back. */
  close(): Promise<void> {
    this.#closing ??= this.#end(new TransportError('TRANSPORT_CLOSED', 'the USB connection was closed'))
    return this.#closing
  }

  async #send(transfer: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#gone) return
    try {
      await this.#put(transfer)
      if (needsEmptyPacket(transfer.length)) await this.#put(new Uint8Array(0))
    } catch (cause) {
      await this.#end(cause instanceof TransportError ? cause : removed(cause))
    } finally {
      transfer.fill(0)
    }
  }

  async #put(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { status, bytesWritten } = await this.device.transferOut(this.pipes.out.endpointNumber, bytes)
    if (status !== 'ok' || bytesWritten !== bytes.length) {
      throw new TransportError(
        'TRANSPORT_FRAME',
        `the USB device took ${bytesWritten} bytes of ${bytes.length}: ${status}`,
      )
    }
  }

  /** The only reader of the IN pipe, always waiting, so that an unplugged device is noticed at once. */
  async #receive(): Promise<void> {
    const { endpointNumber, packetSize } = this.pipes.in
    // A whole number of packets, so that no packet can overrun the buffer.
    const room = Math.ceil(MAX_TRANSFER / packetSize) * packetSize
    try {
      while (!this.#gone) {
        const { status, data } = await this.device.transferIn(endpointNumber, room)
        if (status !== 'ok') throw new TransportError('TRANSPORT_FRAME', `reading from the USB device: ${status}`)
        if (data) this.#take(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      }
    } catch (cause) {
      // A transfer that failed may have lost bytes: whatever the reason, nothing can be told apart in what follows.
      await this.#end(cause instanceof TransportError ? cause : removed(cause))
    }
  }

  /** The only reader of the interrupt pipe. What ends the bulk pipes ends it, too. */
  async #listen(): Promise<void> {
    const { events } = this.pipes
    if (!events) return
    try {
      while (!this.#gone) {
        const { status, data } = await this.device.transferIn(events.endpointNumber, events.packetSize)
        if (status !== 'ok') throw new TransportError('TRANSPORT_FRAME', `reading events of the USB device: ${status}`)
        const event = data && decodeEvent(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
        if (event) this.#happened(event)
      }
    } catch (cause) {
      await this.#end(cause instanceof TransportError ? cause : removed(cause))
    }
  }

  #happened(event: UsbEvent): void {
    if (event.event === 'pedFrame') this.#ped.fetch()
    else if (event.event === 'pedGone') this.#ped.gone()
    else this.#eventHandler?.(event)
  }

  #take(bytes: Uint8Array): void {
    let frames: Uint8Array[]
    try {
      frames = this.#reader.push(bytes)
    } catch (cause) {
      throw new TransportError('TRANSPORT_FRAME', 'the USB device sent something that is no transfer', { cause })
    }
    for (const frame of frames) {
      const exchange = isCommandFrame(frame) ? this.#exchanges.get(tagOf(frame)) : undefined
      if (!exchange) throw new TransportError('TRANSPORT_FRAME', 'the USB device answered something that nobody asked')
      this.#exchanges.delete(tagOf(frame))
      exchange.resolve(withTag(frame, exchange.tag))
    }
  }

  #freeTag(): number {
    do this.#lastTag = (this.#lastTag + 1) >>> 0
    while (this.#exchanges.has(this.#lastTag))
    return this.#lastTag
  }

  async #end(error: TransportError): Promise<void> {
    if (this.#gone) return
    this.#gone = error
    for (const { reject } of this.#exchanges.values()) reject(error)
    this.#exchanges.clear()
    this.#ped.gone()
    await closeQuietly(this.device)
    this.#ended()
  }
}
