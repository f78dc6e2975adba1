import { PED_MAX_FRAME, PED_REQUEST } from '../../assembly/protocol.js'
import type { FrameLink } from '../board/frame-link.js'
import type { EventPipe } from './events.js'

/** The PED connectors of a board, as far as a cable to a remote PED needs them. */
export interface PedSocket {
  /** Throws where there is a PED already, or the board is gone. */
  attachPed(connector: 'remote', link: FrameLink): void
  detachPed(connector: 'remote'): void
}

/** Frames of the HSM that wait for a host which does not fetch them: the link is dead then. */
const WAITING = 64
/** Offset of a PED frame's type (SPEC.md §5), and the detail of an event at the remote PED (§9). */
const [TYPE, REMOTE] = [4, 1]

/**
 * The device's end of the cable to a remote PED that the host at the other end of the USB cable has: the board's link on
 * one side, vendor requests and events on the other.
 */
export class PedLine {
  #link: HostLink | undefined

  constructor(
    private readonly socket: PedSocket | undefined,
    private readonly events: EventPipe,
  ) {}

  get up(): boolean {
    return this.#link !== undefined
  }

  /** False = the HSM has no such connector, or a PED is plugged in there. */
  plug(): boolean {
    if (!this.socket || this.#link) return false
    const link = new HostLink({
      frame: (frame) => {
        if (frame[TYPE] === PED_REQUEST) this.events.raise('attend', REMOTE)
        this.events.raise('pedFrame')
      },
      gone: () => {
        if (this.#link !== link) return
        this.#link = undefined
        this.events.raise('pedGone')
      },
    })
    try {
      this.socket.attachPed('remote', link)
    } catch {
      return false
    }
    this.#link = link
    return true
  }

  /** False = it was not plugged in. */
  unplug(): boolean {
    const link = this.#link
    if (!link) return false
    this.#link = undefined
    link.end()
    this.socket?.detachPed('remote')
    return true
  }

  /** A frame of the PED. False = no PED is plugged in, or it is too long for any. */
  deliver(frame: Uint8Array): boolean {
    if (!this.#link || frame.length === 0 || frame.length > PED_MAX_FRAME) return false
    this.#link.deliver(Uint8Array.from(frame))
    return true
  }

  /** The next frame of the HSM, empty = there is none; undefined = no PED is plugged in. */
  fetch(): Uint8Array | undefined {
    return this.#link?.fetch()
  }
}

interface LinkEvents {
  frame(frame: Uint8Array): void
  gone(): void
}

/** What the board holds of the cable. */
class HostLink implements FrameLink {
  #waiting: Uint8Array[] = []
  #frame: ((frame: Uint8Array) => void) | undefined
  #close: (() => void) | undefined
  #open = true

  constructor(private readonly told: LinkEvents) {}

  send(frame: Uint8Array): void {
    if (!this.#open) return
    if (this.#waiting.length >= WAITING) {
      this.close()
      return
    }
    this.#waiting.push(Uint8Array.from(frame))
    this.told.frame(frame)
  }

  onFrame(handler: (frame: Uint8Array) => void): void {
    this.#frame = handler
  }

  onClose(handler: () => void): void {
    this.#close = handler
  }

  /** The board ends it. */
  close(): void {
    if (!this.#open) return
    this.end()
    this.told.gone()
  }

  /** The host ends it: the board is told, the host is not. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    this.#waiting = []
    this.#close?.()
  }

  deliver(frame: Uint8Array): void {
    if (this.#open) this.#frame?.(frame)
  }

  fetch(): Uint8Array {
    return this.#waiting.shift() ?? new Uint8Array(0)
  }
}
