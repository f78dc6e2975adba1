import { type RealDeviceName, UsbError } from '../usb/index.js'
import { messageOf } from './errors.js'
import { realUsbLine, type UsbLine, type UsbLineOptions, usbLine } from './usb-line.js'

/** Where a Backup HSM may be plugged in: at a USB/IP server, or at this computer. */
export type UsbSocket =
  | {
      readonly host: string
      readonly port: number
      /** The server's one free Backup HSM unless given. */
      readonly busId?: string | undefined
    }
  | { readonly real: RealDeviceName }

interface Cable {
  readonly socket: UsbSocket
  line: UsbLine | undefined
  isOpen: boolean
  /** What was wrong when it was tried last; said once. */
  fault: string | undefined
}

/** The USB cables of a workstation: devices come and go, and whoever looks for slots finds those that are there. */
export class UsbCables {
  readonly #cables: readonly Cable[]
  readonly #seen: UsbLine[] = []
  #looking: Promise<void> | undefined

  constructor(
    sockets: readonly UsbSocket[],
    private readonly options: Omit<UsbLineOptions, 'host' | 'port' | 'busId'>,
    private readonly say: ((line: string) => void) | undefined,
  ) {
    this.#cables = sockets.map((socket) => ({ socket, line: undefined, isOpen: false, fault: undefined }))
  }

  /** The cables with a device at their end now. A device that cannot be had is told of, and is looked for again the next time. */
  async plugged(): Promise<readonly UsbLine[]> {
    this.#looking ??= Promise.all(this.#cables.map((cable) => this.#look(cable))).then(() => {
      this.#looking = undefined
    })
    await this.#looking
    return this.#cables.flatMap(({ line, isOpen }) => (line && isOpen ? [line] : []))
  }

  async close(): Promise<void> {
    await Promise.all(this.#seen.map((line) => line.close()))
  }

  async #look(cable: Cable): Promise<void> {
    if (cable.isOpen) return
    const { socket } = cable
    try {
      const { options } = this
      const line = await ('real' in socket
        ? realUsbLine({ ...options, ...socket })
        : usbLine({ ...options, ...socket }))
      cable.line = line
      cable.isOpen = true
      cable.fault = undefined
      this.#seen.push(line)
      line.closed.then(() => {
        cable.isOpen = false
      })
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
      const fault = messageOf(error)
      if (cable.fault !== fault) this.say?.(`USB: ${fault}`)
      cable.fault = fault
    }
  }
}
