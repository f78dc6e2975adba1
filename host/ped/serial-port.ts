import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { type PedClock, realPedClock } from './clock.js'
import { PedError } from './errors.js'
import { SerialLine, type SerialLineOptions } from './serial.js'

export const SERIAL_BAUD_RATE = 115_200
/** Milliseconds until a port that has gone is looked for again. */
const REOPEN = 1000

/** Opens a serial port. @throws PedError PED_SERIAL_UNAVAILABLE: the package is not installed; PED_SERIAL_OPEN */
export async function openSerialPort(path: string, baudRate = SERIAL_BAUD_RATE): Promise<Duplex> {
  const { SerialPort } = await import('serialport').catch((cause: unknown) => {
    const text = 'serial lines need the package "serialport": npm install serialport'
    throw new PedError('PED_SERIAL_UNAVAILABLE', text, { cause })
  })
  const port = new SerialPort({ path, baudRate, autoOpen: false })
  await new Promise<void>((resolve, reject) => {
    port.open((cause) => {
      if (cause) reject(new PedError('PED_SERIAL_OPEN', `${path} cannot be opened: ${cause.message}`, { cause }))
      else resolve()
    })
  })
  // The package's `destroy` ends the stream only: the port would stay open, and keep the process alive.
  port.once('close', () => {
    if (port.isOpen) port.close(() => undefined)
  })
  return port
}

export interface SerialPlugOptions extends Omit<SerialLineOptions, 'stream'> {
  /** Opens the line; also after it was gone. */
  readonly open: () => Promise<Duplex>
}

/** An end of a serial line that is plugged in until `close`: where the port goes away it is opened again once it is back. */
export class SerialPlug {
  readonly #options: SerialPlugOptions
  readonly #clock: PedClock
  readonly #stop = new AbortController()
  #line: SerialLine | undefined
  #stream: Duplex | undefined

  private constructor(options: SerialPlugOptions) {
    this.#options = options
    this.#clock = options.clock ?? realPedClock
  }

  /** @throws what the first opening throws */
  static async plug(options: SerialPlugOptions): Promise<SerialPlug> {
    const plug = new SerialPlug(options)
    plug.#begin(await options.open())
    void plug.#keep()
    return plug
  }

  /** The same where nothing has to be there yet: it is looked for until it is. */
  static async whenThere(options: SerialPlugOptions): Promise<SerialPlug> {
    const plug = new SerialPlug(options)
    const stream = await options.open().catch(() => undefined)
    if (stream) plug.#begin(stream)
    void plug.#keep()
    return plug
  }

  get up(): boolean {
    return this.#line?.up ?? false
  }

  async close(): Promise<void> {
    this.#stop.abort()
    const stream = this.#stream
    const closed = !stream || stream.closed ? undefined : once(stream, 'close').catch(() => undefined)
    this.#line?.close()
    await closed
  }

  #begin(stream: Duplex): void {
    this.#stream = stream
    this.#line = new SerialLine({ ...this.#options, stream })
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      if (this.#stream && !this.#stream.closed) await once(this.#stream, 'close', { signal }).catch(() => undefined)
      while (!signal.aborted) {
        await this.#clock.sleep(REOPEN, signal).catch(() => undefined)
        const stream = signal.aborted ? undefined : await this.#options.open().catch(() => undefined)
        if (!stream) continue
        this.#begin(stream)
        if (signal.aborted) this.#line?.close()
        break
      }
    }
  }
}
