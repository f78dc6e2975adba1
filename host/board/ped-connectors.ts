import { PED_ID_LOCAL, PED_ID_REMOTE, PED_LINE_LOCAL, PED_LINE_REMOTE } from '../../assembly/protocol.js'
import { BoardError } from './errors.js'
import type { FrameLink } from './frame-link.js'
import { pedIdOf } from './frames.js'

export type PedConnectorName = 'local' | 'remote'

const CONNECTORS = {
  local: { id: PED_ID_LOCAL, line: PED_LINE_LOCAL },
  remote: { id: PED_ID_REMOTE, line: PED_LINE_REMOTE },
} as const

/** What a board does with its PEDs. */
export interface PedEvents {
  /** A frame has come in. */
  frame(frame: Uint8Array): void
  /** A PED was plugged in or unplugged. */
  changed(): void
}

/** The two PED connectors of a board. */
export class PedConnectors {
  readonly #links = new Map<PedConnectorName, FrameLink>()

  constructor(private readonly events: PedEvents) {}

  /** A set of PED_LINE_… bits: where a PED is plugged in. */
  get lines(): number {
    return [...this.#links.keys()].reduce((set, connector) => set | CONNECTORS[connector].line, 0)
  }

  /** Throws PED_IN_USE where one is plugged in. */
  attach(connector: PedConnectorName, link: FrameLink): void {
    if (this.#links.has(connector)) throw new BoardError('PED_IN_USE', `there is a PED on the ${connector} connector`)
    this.#links.set(connector, link)
    link.onClose(() => this.#unplugged(connector, link))
    link.onFrame((frame) => {
      // Noise, and a PED that claims to sit on the other connector, ends here.
      if (this.#links.get(connector) !== link || pedIdOf(frame) !== CONNECTORS[connector].id) return
      this.events.frame(frame)
    })
    this.events.changed()
  }

  /** Unplugs the PED; the link is closed. */
  detach(connector: PedConnectorName): void {
    const link = this.#links.get(connector)
    if (!link) return
    this.#unplugged(connector, link)
    link.close()
  }

  /** Sends a frame of the firmware to the PED that it names. */
  send(frame: Uint8Array): void {
    const id = pedIdOf(frame)
    for (const [connector, link] of this.#links) if (CONNECTORS[connector].id === id) link.send(frame)
  }

  #unplugged(connector: PedConnectorName, link: FrameLink): void {
    if (this.#links.get(connector) !== link) return
    this.#links.delete(connector)
    this.events.changed()
  }
}
