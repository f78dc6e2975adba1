import { PED_REQUEST } from '../../assembly/protocol.js'
import { TokenDevice, type UsbIdentity, type UsbipEvent, UsbipServer, usbIdentity } from '../usb/index.js'
import { Chance } from './chance.js'
import { LabError } from './errors.js'
import { type Hsm, startHsms } from './hsm.js'
import { type LabOptions, setDesk } from './lab.js'
import { readLabFile } from './lab-file.js'
import type { PedDesk } from './ped-desk.js'
import type { RecordedFrame } from './recorder.js'
import { TAMPER_CAUSES, type TamperCause } from './tamper.js'

export interface UsbServiceOptions extends Pick<LabOptions, 'rules' | 'byHand' | 'person' | 'boards' | 'localPed'> {
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Names of Backup HSMs; all of the lab unless given. */
  readonly hsms?: readonly string[] | undefined
  /** Ids that the devices show; the project's own unless given. */
  readonly ids?: Pick<UsbIdentity, 'vendorId' | 'productId'> | undefined
  readonly onEvent?: ((event: UsbipEvent) => void) | undefined
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
}

/** Offset of a PED frame's type (SPEC.md §5). */
const TYPE = 4

/**
 * The Backup HSMs of a state folder, each on a board of its own, served by USB/IP. They are taken out of the lab as if they
 * were carried away: their boards' folders are in use until `close`, the lab itself is free.
 */
export class UsbService {
  private constructor(
    private readonly server: UsbipServer,
    private readonly desk: PedDesk,
    private readonly served: readonly Served[],
  ) {}

  /**
   * @throws LabError LAB_MISSING, LAB_HSM_UNKNOWN, USB_NO_HSM; BoardError STATE_LOCKED where a board is in use; UsbError
   * USBIP_LISTEN; PedError for rules and serial lines. Nothing stays open then.
   */
  static async start(stateDir: string, options: UsbServiceOptions): Promise<UsbService> {
    const file = readLabFile(stateDir)
    const backups = file.hsms.filter(({ kind }) => kind === 'backup')
    const wanted = options.hsms?.map((name) => {
      const found = backups.find((one) => one.name === name)
      if (found) return found
      const known = backups.map((one) => one.name).join(', ')
      throw new LabError('LAB_HSM_UNKNOWN', `there is no Backup HSM "${name}" here; this lab has ${known || 'none'}`)
    })
    if (backups.length === 0) throw new LabError('USB_NO_HSM', `the lab in ${stateDir} has no Backup HSM`)
    const chance = new Chance(undefined, 'usb')
    const devices = new Map<string, TokenDevice>()
    const recorder = (frame: RecordedFrame): void => announce(frame, devices)
    const desk = await setDesk(stateDir, file, { ...options, recorder }, chance)
    const hsms = await startHsms(stateDir, wanted ?? backups, { settings: options.boards, chance })
    let server: UsbipServer | undefined
    try {
      const served: Served[] = []
      for (const [name, hsm] of hsms) {
        const serialNumber = String((await hsm.console.status()).serial)
        const device = new TokenDevice(hsm.token, usbIdentity(serialNumber, options.ids), { ped: hsm.token })
        devices.set(name, device)
        // A device stays at its port, whichever others are served.
        const busId = `1-${backups.findIndex((one) => one.name === name) + 1}`
        served.push({ name, busId, serialNumber, hsm, device })
      }
      const localPed = served.find(({ name }) => name === options.localPed)
      if (options.localPed !== undefined && !localPed) {
        throw new LabError('LAB_HSM_UNKNOWN', `"${options.localPed}" is no Backup HSM that is served`)
      }
      if (localPed) desk.plugLocal(localPed.name, localPed.hsm.token)
      await desk.plugLines(file.ped.serial ?? [], (name) => hsms.get(name)?.token)
      const { host, port, onEvent } = options
      server = await UsbipServer.listen({ host, port, onEvent })
      for (const { busId, device } of served) server.plug(busId, device)
      return new UsbService(server, desk, served)
    } catch (error) {
      await server?.close()
      await desk.close()
      await Promise.allSettled([...hsms.values()].map((hsm) => hsm.close()))
      throw error
    }
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

  /** Plugs a device in again. @throws LabError LAB_HSM_UNKNOWN; UsbError USBIP_BUSY where it is plugged in */
  plug(name: string): void {
    const { busId, device } = this.#named(name)
    this.server.plug(busId, device)
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

  /** Pulls all devices out, switches the boards off. Rejects with STATE_IO where a board could not be saved. */
  async close(): Promise<void> {
    await this.server.close()
    await this.desk.close()
    const closed = await Promise.allSettled(this.served.map(({ hsm }) => hsm.close()))
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }

  #named(name: string): Served {
    const found = this.served.find((one) => one.name === name)
    if (!found) throw new LabError('LAB_HSM_UNKNOWN', `"${name}" is no Backup HSM that is served`)
    return found
  }
}

/** A person has to attend to the PED at an HSM's own connector: its host hears of it. */
function announce({ cable, direction, frame }: RecordedFrame, devices: ReadonlyMap<string, TokenDevice>): void {
  if (direction !== 'from HSM' || frame[TYPE] !== PED_REQUEST) return
  devices.get(cable.replace(/^ped:/, ''))?.notify('attend')
}
