import { RC_DEVICE_ERROR } from '../../assembly/protocol.js'
import { BoardError, isCommandFrame, refusal } from '../board/index.js'
import { type Transport, TransportError } from '../client/index.js'
import type { Card } from '../ntls/index.js'

/** A card in this computer's own bus. Also how an appliance reaches the card in it: nothing is filtered. */
export class PcieTransport implements Transport {
  readonly closed: Promise<void>
  readonly #end: () => void
  #open = true

  constructor(private readonly card: Card) {
    let end = (): void => undefined
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    this.#end = end
    this.closed = Promise.race([...(card.closed ? [card.closed] : []), ended])
  }

  /** Rejects with TRANSPORT_FRAME, TRANSPORT_CLOSED after `close`, TRANSPORT_REMOVED where the board is gone. */
  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    if (!this.#open) throw new TransportError('TRANSPORT_CLOSED', 'the connection was closed')
    if (!isCommandFrame(frame)) {
      throw new TransportError('TRANSPORT_FRAME', `${frame.length} bytes are not one command frame`)
    }
    try {
      return await this.card.exchange(frame)
    } catch (cause) {
      if (!(cause instanceof BoardError)) throw cause
      if (cause.code === 'BOARD_CLOSED') throw new TransportError('TRANSPORT_REMOVED', 'the board is gone', { cause })
      // It was reset or is off, and its firmware will not say so.
      return refusal(frame, RC_DEVICE_ERROR)
    }
  }

  async close(): Promise<void> {
    this.#open = false
    this.#end()
  }
}
