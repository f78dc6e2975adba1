import type { FrameLink } from '../board/index.js'
import type { Transport } from '../client/index.js'

/** One frame that passed a cable. */
export interface RecordedFrame {
  /** The cable: its kind and the name of the HSM at its end, such as `usb:backup`. */
  readonly cable: string
  readonly direction: 'to HSM' | 'from HSM'
  /** A copy. */
  readonly frame: Uint8Array
}

export type Recorder = (frame: RecordedFrame) => void

/** A transport that shows the recorder every command frame and every answer. */
export function recordTransport(inner: Transport, cable: string, recorder: Recorder): Transport {
  return {
    closed: inner.closed,
    close: () => inner.close(),
    async exchange(frame) {
      recorder({ cable, direction: 'to HSM', frame: Uint8Array.from(frame) })
      const answer = await inner.exchange(frame)
      recorder({ cable, direction: 'from HSM', frame: Uint8Array.from(answer) })
      return answer
    },
  }
}

/** The HSM's end of a PED cable, with every frame of both directions shown to the recorder. */
export function recordLink(inner: FrameLink, cable: string, recorder: Recorder): FrameLink {
  return {
    send(frame) {
      recorder({ cable, direction: 'from HSM', frame: Uint8Array.from(frame) })
      inner.send(frame)
    },
    onFrame(handler) {
      inner.onFrame((frame) => {
        recorder({ cable, direction: 'to HSM', frame: Uint8Array.from(frame) })
        handler(frame)
      })
    },
    onClose: (handler) => inner.onClose(handler),
    close: () => inner.close(),
  }
}
