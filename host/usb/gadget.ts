import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Enabled } from './enabled.js'
import { UsbError } from './errors.js'
import {
  decodeEvents,
  describeFunction,
  EVENT_SIZE,
  type FunctionDescription,
  type GadgetEndpoint,
} from './functionfs.js'
import { type FunctionFile, GadgetFile } from './gadget-file.js'
import { type Pump, pumpIn, pumpOut, ROOM } from './gadget-pumps.js'
import { controllersOf, type GadgetRoots, GadgetTree, isRoot, LINUX } from './gadget-tree.js'
import { DIRECTION_IN, NO_DATA, type SetupPacket, type Urb, type UrbResult } from './urb.js'
import type { ExportableDevice, UsbPresenter } from './usbip-server.js'

/** What happens at a gadget; nothing in it is secret. */
export type GadgetEvent =
  | { readonly event: 'plugged' | 'unplugged'; readonly device: string; readonly udc: string }
  | { readonly event: 'imported' | 'released' | 'suspended' | 'resumed'; readonly device: string; readonly udc: string }

export interface GadgetOptions {
  /** Name of the controller; the first one unless given. */
  readonly udc?: string | undefined
  /** The gadget is a serial port, too. Whoever opens this end of it closes it before the gadget. */
  readonly withSerial?: boolean | undefined
  /** The devices are not ours (ForeignFunction): nothing is assumed about where their transfers end. */
  readonly isForeign?: boolean | undefined
  readonly roots?: GadgetRoots | undefined
  /** Milliseconds that the device has for a request of the host; what it has not answered then is given up, and the host gets a stall. 5 s unless given. */
  readonly patience?: number | undefined
  /** Makes what calls a file of FunctionFS; another only in tests. */
  readonly fileOf?: ((fd?: number) => FunctionFile) | undefined
  readonly onEvent?: ((event: GadgetEvent) => void) | undefined
}

interface Function {
  readonly id: string
  readonly model: ExportableDevice
  readonly tree: GadgetTree
  readonly description: FunctionDescription
  /** One of each endpoint. */
  readonly files: readonly FunctionFile[]
}

const SET_CONFIGURATION = 9
const EVENTS_AT_ONCE = 4
/** Any byte: reading or writing in the other direction than the host's answers a request with a stall. */
const WRONG_WAY = Uint8Array.of(0)

/** A device model as a gadget of this computer: configfs, and a FunctionFS on a USB device controller. Linux, as root. */
export class Gadget implements UsbPresenter {
  readonly port = 0
  #function: Function | undefined
  #isBound = false
  #events: Promise<void> = Promise.resolve()
  /** What the host has enabled; a new one for every time. */
  #enabled: { readonly time: Enabled; readonly pumps: Promise<unknown> } | undefined
  /** Resolves when the device has nothing left of who had it last. */
  #free: Promise<void> = Promise.resolve()

  private constructor(
    /** Name of the controller. */
    readonly host: string,
    private readonly roots: GadgetRoots,
    private readonly options: GadgetOptions,
    /** ep0. */
    private readonly control: FunctionFile,
  ) {}

  /** @throws UsbError GADGET_UNAVAILABLE */
  static async open(options: GadgetOptions = {}): Promise<Gadget> {
    const roots = options.roots ?? LINUX
    const found = controllersOf(roots, isRoot(roots))
    const udc = options.udc ?? found[0] ?? ''
    if (!found.includes(udc)) {
      throw new UsbError('GADGET_UNAVAILABLE', `there is no USB device controller ${udc}, but ${found.join(', ')}`)
    }
    // Hosts wait for answers to their requests for seconds only: whoever gives them is there before the device is.
    const control = fileOf(options)
    await control.begun
    return new Gadget(udc, roots, options, control)
  }

  get connections(): number {
    return this.#enabled ? 1 : 0
  }

  /** This end of the serial port, once the device is plugged in; undefined = it has none. @throws UsbError GADGET_IO */
  get serialPath(): string | undefined {
    return this.options.withSerial ? this.#function?.tree.serialPath : undefined
  }

  /** Plugs the device in. @throws UsbError USB_ONE_DEVICE, GADGET_BUSY, GADGET_IO, USB_DESCRIPTOR */
  plug(id: string, model: ExportableDevice): void {
    if (this.#isBound || (this.#function && this.#function.model !== model)) {
      throw new UsbError('USB_ONE_DEVICE', 'a gadget carries one device, and there is one')
    }
    this.#function ??= this.#make(id, model)
    this.#function.tree.bind(this.host)
    this.#isBound = true
    this.#free = this.#free.then(() => model.detach())
    this.#events = this.#events.then(() => this.#listen())
    this.options.onEvent?.({ event: 'plugged', device: id, udc: this.host })
  }

  async unplug(id: string): Promise<void> {
    const found = this.#function
    if (!found || found.id !== id || !this.#isBound) return
    found.model.notify('removal')
    this.#isBound = false
    // Ends every call on the endpoints, and gives ep0 an event.
    found.tree.unbind()
    this.#disable()
    await this.#events
    await this.#free
    // The next one may be another, of the same name.
    if (this.options.isForeign) {
      this.#function = undefined
      await this.#discard(found)
    }
    this.options.onEvent?.({ event: 'unplugged', device: id, udc: this.host })
  }

  async close(): Promise<void> {
    if (this.#function) await this.unplug(this.#function.id)
    // It may have been out already.
    const left = this.#function
    this.#function = undefined
    if (left) await this.#discard(left)
    await this.control.stop()
  }

  async #discard({ files, tree }: Function): Promise<void> {
    await Promise.all(files.map((file) => file.stop()))
    for (const { fd } of [this.control, ...files]) closeSync(fd)
    tree.remove()
  }

  #make(id: string, model: ExportableDevice): Function {
    const descriptorOf = model.descriptor.bind(model)
    const { withSerial, isForeign = false } = this.options
    const isSlow = isForeign && isAtMostFull(model)
    const description = describeFunction(descriptorOf, !isForeign)
    const tree = GadgetTree.of(this.roots, descriptorOf, { isForeign })
    tree.build(descriptorOf, { withSerial, isForeign, isSlow })
    const fds: number[] = []
    try {
      const control = openSync(join(tree.mount, 'ep0'), constants.O_RDWR)
      fds.push(control)
      writeSync(control, description.descriptors)
      writeSync(control, description.strings)
      // So that a call does not wait for a host that may never come; on an endpoint that is enabled it waits.
      const flags = constants.O_RDWR | constants.O_NONBLOCK
      for (const [i] of description.endpoints.entries()) fds.push(openSync(join(tree.mount, `ep${i + 1}`), flags))
    } catch (cause) {
      for (const fd of fds) closeSync(fd)
      tree.remove()
      throw new UsbError('GADGET_IO', 'the function of the gadget cannot be made', { cause })
    }
    const [control = -1, ...endpoints] = fds
    this.control.fd = control
    return { id, model, tree, description, files: endpoints.map((fd) => fileOf(this.options, fd)) }
  }

  // ---- ep0 ------------------------------------------------------------------------------------------------------------

  async #listen(): Promise<void> {
    const found = this.#function
    if (!found) return
    for (;;) {
      const answer = await this.control.read(EVENTS_AT_ONCE * EVENT_SIZE)
      if ('errno' in answer) {
        // A request that was waited for is over; what fails otherwise has no more events.
        if (answer.errno === EIDRM || answer.errno === EINTR) continue
        this.#disable()
        return
      }
      for (const { event, setup } of decodeEvents(answer.data)) {
        if (event === 'enable') await this.#enable(found)
        else if (event === 'disable' || event === 'unbind') this.#disable()
        else if (event === 'setup') await this.#answer(found, setup)
        else if (event === 'suspend') this.#tell('suspended')
        else if (event === 'resume') this.#tell('resumed')
        if (event === 'unbind' && !this.#isBound) return
      }
    }
  }

  async #enable(found: Function): Promise<void> {
    this.#disable()
    const { model, description } = found
    await this.#free
    if (!this.#isBound) return
    model.attach()
    const time = new Enabled()
    const value = description.configurationValue
    const setup = { requestType: 0, request: SET_CONFIGURATION, value, index: 0, length: 0 }
    const configured = time.submit(model, { endpoint: 0, setup, data: NO_DATA, length: 0 })
    const isHigh = this.#speed() !== 'full-speed'
    const pumps = description.endpoints.map(async (endpoint, i) => {
      const file = found.files[i]
      await configured
      if (!file || time.isOver) return
      const packetSize = isHigh ? endpoint.packetSize : endpoint.fullSpeedPacket
      const room = this.options.isForeign ? ownPacket(model, endpoint) : ROOM
      const pump: Pump = { model, file, address: endpoint.address, packetSize, room, enabled: time }
      await (endpoint.address & DIRECTION_IN ? pumpIn(pump) : pumpOut(pump))
    })
    this.#enabled = { time, pumps: Promise.all(pumps) }
    this.#tell('imported')
  }

  /** The host has gone, reset the device or configured it anew: nothing under way is finished. */
  #disable(): void {
    const enabled = this.#enabled
    const found = this.#function
    if (!enabled || !found) return
    this.#enabled = undefined
    enabled.time.end()
    const left = found.model.detach()
    this.#free = this.#free.then(async () => {
      await left
      await enabled.pumps
    })
    this.#tell('released')
  }

  /** One request of the host. What the kernel answers itself does not come here. */
  async #answer({ model, description }: Function, asked: SetupPacket): Promise<void> {
    const { control } = this
    // FunctionFS says the how manyth endpoint is meant.
    const endpoint = (asked.requestType & RECIPIENT) === TO_ENDPOINT && description.endpoints[asked.index - 1]
    const setup = endpoint ? { ...asked, index: endpoint.address } : asked
    // To FunctionFS a request without data has a direction, too.
    if ((setup.requestType & DIRECTION_IN) !== 0) {
      const { status, data } = await this.#submit(model, { endpoint: 0, setup, data: NO_DATA, length: setup.length })
      await (status === 'ok' ? control.write(data) : control.read(1))
      return
    }
    if (setup.length === 0) {
      const { status } = await this.#submit(model, { endpoint: 0, setup, data: NO_DATA, length: 0 })
      await (status === 'ok' ? control.read(1) : control.write(WRONG_WAY))
      return
    }
    // FunctionFS has the host's data acknowledged before anybody has seen it: a stall would come too late.
    const answer = await control.read(setup.length)
    if ('data' in answer) await this.#submit(model, { endpoint: 0, setup, data: answer.data, length: 0 })
  }

  /**
   * A request to the device, which ends with what the host has enabled. FunctionFS takes no other meanwhile, and does not say that its
   * host has given it up.
   */
  #submit(model: ExportableDevice, urb: Urb): Promise<UrbResult> {
    const { patience = PATIENCE } = this.options
    return (this.#enabled?.time ?? new Enabled()).submit(model, urb, patience)
  }

  #speed(): string {
    try {
      return readFileSync(join(this.roots.controllers, this.host, 'current_speed'), 'utf8').trim()
    } catch {
      return ''
    }
  }

  #tell(event: 'imported' | 'released' | 'suspended' | 'resumed'): void {
    const device = this.#function?.id
    if (device !== undefined) this.options.onEvent?.({ event, device, udc: this.host })
  }
}

/** What USB gives a device at most (2.0 §9.2.6.4). */
const PATIENCE = 5000
const EINTR = 4
const EIDRM = 43
/** Of a request: bits of whom it is to. */
const [RECIPIENT, TO_ENDPOINT] = [0x1f, 2]
const SUPER_SPEED_BULK = 1024

const fileOf = ({ fileOf: make = (one) => new GadgetFile(one) }: GadgetOptions, fd?: number): FunctionFile => make(fd)

const isAtMostFull = ({ speed }: ExportableDevice): boolean => speed === 'full' || speed === 'low'

/** The largest packet of an endpoint at the device itself, whatever the host's cable carries. */
function ownPacket(device: ExportableDevice, { packetSize, fullSpeedPacket, isBulk }: GadgetEndpoint): number {
  if (isAtMostFull(device)) return fullSpeedPacket
  return isBulk && (device.speed === 'super' || device.speed === 'superPlus') ? SUPER_SPEED_BULK : packetSize
}
