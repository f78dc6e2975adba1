import { PED_REQUEST } from '../../assembly/protocol.js'
import type { ControlServer } from '../ntls/index.js'
import {
  AcmDevice,
  type ExportableDevice,
  TokenDevice,
  type UsbIdentity,
  type UsbipEvent,
  UsbipServer,
  type UsbPresenter,
  usbIdentity,
} from '../usb/index.js'
import { openControl } from './appliance-control.js'
import type { LabCapture } from './capture.js'
import { LabError } from './errors.js'
import { makeFolders } from './folders.js'
import type { Hsm } from './hsm.js'
import { hsmNamed, type Lab } from './lab.js'
import type { LabFile } from './lab-file.js'
import type { RecordedFrame } from './recorder.js'
import { usbFolder } from './running.js'
import { TAMPER_CAUSES, type TamperCause } from './tamper.js'
import type { UsbInstruments } from './usb-instruments.js'

export interface UsbServiceOptions {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Backup HSMs that have to be there. */
  readonly names?: readonly string[] | undefined
  /** Ids that the devices show; the project's own unless given. */
  readonly ids?: Pick<UsbIdentity, 'vendorId' | 'productId'> | undefined
  readonly onEvent?: ((event: UsbipEvent) => void) | undefined
  readonly capture?: LabCapture | undefined
  /** Another way to the devices than a USB/IP server, which `host` and `port` are of. Programs of the lab do not look for it. */
  readonly present?: (() => Promise<UsbPresenter>) | undefined
  /** Meters and faults in front of the devices. */
  readonly instruments?: UsbInstruments | undefined
  /** Each device is a serial port, too, whose line is the HSM's own PED port. Whoever has that lab closes its desk before the service. */
  readonly withPedLine?: boolean | undefined
}

/** The port of the server that a Backup HSM of a lab is always at. @throws LabError LAB_HSM_UNKNOWN */
export function busIdOf({ hsms }: LabFile, name: string): string {
  const place = hsms.filter(({ kind }) => kind === 'backup').findIndex((hsm) => hsm.name === name)
  if (place < 0) throw unknown(name)
  return `1-${place + 1}`
}

/** A Backup HSM that is switched on, as a USB device. */
export interface ServedHsm {
  readonly name: string
  readonly busId: string
  readonly serialNumber: string
}

interface Served extends ServedHsm {
  readonly hsm: Hsm
  readonly device: TokenDevice
  /** The device, or what stands in front of it. */
  readonly exported: ExportableDevice
}

/** Offset of a PED frame's type (SPEC.md §5). */
const TYPE = 4

/** Backup HSMs that a lab has switched on for others, as USB devices: served by USB/IP unless said. */
export class UsbService {
  #control: ControlServer | undefined
  #stop: () => void = () => undefined
  /** Resolves once somebody has ordered the service to end; to close it is its owner's matter. */
  readonly ordered = new Promise<void>((resolve) => {
    this.#stop = resolve
  })

  private constructor(
    private readonly server: UsbPresenter,
    private readonly served: readonly Served[],
  ) {}

  /**
   * Serves the Backup HSMs of a lab that was opened for that (`serve`), until `close`.
   * @throws LabError USB_NO_HSM, LAB_HSM_UNKNOWN; UsbError USBIP_LISTEN
   */
  static async start(lab: Lab, options: UsbServiceOptions): Promise<UsbService> {
    const { host, port, names, ids, onEvent, capture, present, instruments, withPedLine = false } = options
    const backups = lab.file.hsms.filter(({ kind }) => kind === 'backup')
    for (const name of names ?? []) {
      if (hsmNamed(lab.file, name).kind !== 'backup') throw unknown(name)
    }
    const served: Served[] = []
    let plugs: { plug(name: string): void; unplug(name: string): Promise<void> } | undefined
    for (const { name } of backups) {
      if (!lab.isOn(name)) continue
      const hsm = lab.hsm(name)
      const serialNumber = String((await hsm.console.status()).serial)
      const device = new TokenDevice(hsm.card, usbIdentity(serialNumber, ids), { ped: hsm.token })
      // A device stays at its port, whichever others are served.
      const cable = { plug: () => plugs?.plug(name), unplug: async () => plugs?.unplug(name) }
      const whole = withPedLine ? new AcmDevice(device) : device
      if (whole instanceof AcmDevice) await lab.desk.plugLine(hsm.token, async () => whole.openLine())
      const measured = instruments?.wrap(busIdOf(lab.file, name), whole, cable) ?? whole
      const exported = capture ? capture.usb.device(measured) : measured
      served.push({ name, busId: busIdOf(lab.file, name), serialNumber, hsm, device, exported })
    }
    if (served.length === 0) throw new LabError('USB_NO_HSM', `the lab in ${lab.stateDir} has no Backup HSM to serve`)
    await makeFolders(usbFolder(lab.stateDir), { mode: 0o700 })
    const server = present ? await present() : await UsbipServer.listen({ host, port, onEvent })
    const service = new UsbService(server, served)
    plugs = service
    try {
      for (const { busId, exported, hsm } of served) {
        server.plug(busId, exported)
        // An HSM whose board is gone is no longer on the bus.
        hsm.token.closed.then(() => server.unplug(busId))
      }
      if (present) return service
      service.#control = await openControl(lab, usbFolder(lab.stateDir), {
        state: () => ({ host: server.host, port: server.port, connections: server.connections }),
        // Whoever has a device has it until they let go.
        restart: async () => undefined,
        stop: () => service.#stop(),
        cards: new Map(
          served.map(({ name, serialNumber, hsm }) => [name, { serial: BigInt(serialNumber), ...doorOf(hsm) }]),
        ),
      })
    } catch (error) {
      await server.close()
      throw error
    }
    return service
  }

  get host(): string {
    return this.server.host
  }

  get port(): number {
    return this.server.port
  }

  get hsms(): readonly ServedHsm[] {
    return this.served.map(({ name, busId, serialNumber }) => ({ name, busId, serialNumber }))
  }

  /** A frame on the cable of the lab's own PED: where a person has to attend to it, the HSM's host hears of that. */
  seen({ cable, direction, frame }: RecordedFrame): void {
    if (direction !== 'from HSM' || frame[TYPE] !== PED_REQUEST) return
    this.served.find(({ name }) => cable === `ped:${name}`)?.device.notify('attend')
  }

  /** Plugs a device in again. @throws LabError LAB_HSM_UNKNOWN; UsbError USBIP_BUSY where it is plugged in */
  plug(name: string): void {
    const { busId, exported } = this.#named(name)
    this.server.plug(busId, exported)
  }

  /** Pulls a device out, whoever has it; the HSM stays on. @throws LabError LAB_HSM_UNKNOWN */
  async unplug(name: string): Promise<void> {
    await this.server.unplug(this.#named(name).busId)
  }

  /** Raises the HSM's tamper line and lets it go again. @throws LabError LAB_HSM_UNKNOWN; BoardError */
  async tamper(name: string, cause: TamperCause): Promise<void> {
    const { hsm, device } = this.#named(name)
    await hsm.token.tamper(TAMPER_CAUSES[cause])
    device.notify('tamper', TAMPER_CAUSES[cause])
    await hsm.token.tamper(0)
    await hsm.token.powerCycle()
  }

  /** Pulls all devices out. */
  async close(): Promise<void> {
    await this.#control?.close()
    await this.server.close()
  }

  #named(name: string): Served {
    const found = this.served.find((one) => one.name === name)
    if (!found) throw unknown(name)
    return found
  }
}

const doorOf = ({ card }: Hsm) => ({ exchange: (frame: Uint8Array) => card.exchange(frame) })

const unknown = (name: string): LabError => new LabError('LAB_HSM_UNKNOWN', `"${name}" is no Backup HSM that is served`)
