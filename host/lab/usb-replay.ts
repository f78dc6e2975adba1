import { readFile, stat } from 'node:fs/promises'
import { ReplayDevice, type ReplayEvent, readRecording, UsbError, type UsbipEvent, UsbipServer } from '../usb/index.js'

/** Larger files are not read: captures of that size are cut with Wireshark's editcap first. */
const MAX_CAPTURE = 1024 ** 3

export interface UsbReplayOptions {
  readonly path: string
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** BUS.DEVICE in the capture; the only device of it unless given. */
  readonly device?: string | undefined
  /** Answers take as long as they did. */
  readonly delays?: boolean | undefined
  readonly onEvent?: ((event: UsbipEvent | ReplayEvent) => void) | undefined
}

/** Where the device is plugged in. */
const BUS_ID = '1-1'

/** A recorded device, served by USB/IP. */
export class UsbReplay {
  /** Resolves, with what it was, when a host has done something else than what was recorded. The device is pulled out then. */
  readonly left: Promise<UsbError>
  #leave: (what: UsbError) => void = () => undefined
  #server: UsbipServer | undefined
  #device: ReplayDevice | undefined
  #plugging: Promise<void> = Promise.resolve()

  private constructor() {
    this.left = new Promise((resolve) => {
      this.#leave = resolve
    })
  }

  /** @throws UsbError CAPTURE_IO, CAPTURE_FORMAT, CAPTURE_DEVICE, CAPTURE_INCOMPLETE, USB_DESCRIPTOR, USBIP_LISTEN */
  static async start({ path, host, port, device, delays, onEvent }: UsbReplayOptions): Promise<UsbReplay> {
    const recording = readRecording(await readWhole(path), { device })
    const replay = new UsbReplay()
    replay.#device = new ReplayDevice(recording, {
      delays,
      onEvent: (event) => {
        onEvent?.(event)
        if (event.event === 'left') replay.#leave(new UsbError('REPLAY_LEFT', wordsOf(event)))
      },
      onEnd: (why) => replay.#pull(why),
    })
    replay.#server = await UsbipServer.listen({ host, port, onEvent })
    replay.#server.plug(BUS_ID, replay.#device)
    return replay
  }

  get host(): string {
    return this.#server?.host ?? ''
  }

  get port(): number {
    return this.#server?.port ?? 0
  }

  async close(): Promise<void> {
    await this.#plugging
    await this.#server?.close()
  }

  /** Where it was pulled out in the recording the next host finds it as at the beginning. */
  #pull(why: 'left' | 'unplugged'): void {
    const [server, device] = [this.#server, this.#device]
    if (!server || !device) return
    this.#plugging = this.#plugging.then(async () => {
      await server.unplug(BUS_ID)
      if (why === 'unplugged') server.plug(BUS_ID, device)
    })
  }
}

function wordsOf({ transfer, expected, came, difference }: Extract<ReplayEvent, { event: 'left' }>): string {
  const first = difference === undefined ? '' : `; ${difference}`
  return `the host left the recording at transfer ${transfer}: expected was ${expected}, what came is ${came}${first}`
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size <= MAX_CAPTURE) return await readFile(path)
  } catch (cause) {
    throw new UsbError('CAPTURE_IO', `the capture ${path} cannot be read`, { cause })
  }
  throw new UsbError('CAPTURE_IO', `the capture ${path} is larger than ${MAX_CAPTURE} bytes`)
}
