import { type CommandDoor, isCommandFrame } from '../board/frames.js'
import { type Transport, TransportError } from '../client/transport.js'
import { type ClientDoor, type RegisteredClient, Visibility } from './visibility.js'

/** An HSM's card: its command port, and when it is gone. */
export interface Card extends CommandDoor {
  readonly closed?: Promise<void>
}

/** A Network HSM's appliance without a network: the same rules for every client, no TLS. */
export class InProcessAppliance {
  readonly #visibility: Visibility

  constructor(private readonly card: Card) {
    this.#visibility = new Visibility(card)
  }

  /** Connects a client; its identity is taken as given. */
  connect(client: RegisteredClient): NtlsTransport {
    return new NtlsTransport(this.#visibility.connect(client), this.card.closed)
  }
}

/** One client's connection. Its sessions end with it. */
export class NtlsTransport implements Transport {
  readonly closed: Promise<void>
  readonly #ended: () => void
  readonly #refuse = new Set<(error: TransportError) => void>()
  #gone: TransportError | undefined

  constructor(
    private readonly door: ClientDoor,
    cardClosed: Promise<void> | undefined,
  ) {
    let ended = (): void => undefined
    this.closed = new Promise((resolve) => {
      ended = resolve
    })
    this.#ended = ended
    cardClosed?.then(() => this.#end(new TransportError('TRANSPORT_REMOVED', 'the HSM behind the appliance is gone')))
  }

  /**
   * Rejects with TRANSPORT_FRAME where the frame is malformed, TRANSPORT_CLOSED after `close`, TRANSPORT_REMOVED when
   * the card is gone.
   */
  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    if (this.#gone) throw this.#gone
    if (!isCommandFrame(frame)) {
      throw new TransportError('TRANSPORT_FRAME', `${frame.length} bytes are not one command frame`)
    }
    return new Promise((resolve, reject) => {
      this.#refuse.add(reject)
      // It never rejects.
      this.door.exchange(frame).then((answer) => {
        this.#refuse.delete(reject)
        resolve(answer)
      }, reject)
    })
  }

  async close(): Promise<void> {
    this.#end(new TransportError('TRANSPORT_CLOSED', 'the connection was closed'))
    await this.door.close()
  }

  #end(error: TransportError): void {
    if (this.#gone) return
    this.#gone = error
    for (const refuse of this.#refuse) refuse(error)
    this.#ended()
  }
}
