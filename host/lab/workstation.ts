import { ADMIN_PARTITION } from '../../assembly/protocol.js'
import {
  type PartitionInfo,
  type PedConnector,
  type Slot,
  type SlotSource,
  type TokenClient,
  TokenError,
  TransportError,
} from '../client/index.js'
import { LabError } from './errors.js'
import { ADMIN_SLOT, type HsmKind, type LabView } from './lab-file.js'
import { shownSlots } from './slot-places.js'

/** A workstation's cable to one HSM. */
export interface Line {
  readonly hsm: { readonly name: string; readonly kind: HsmKind }
  readonly client: TokenClient
  /** Brings remote PEDs to the HSM. */
  readonly ped: PedConnector
  /** It was found at the other end of a network: what it shows is this client's, whether or not the view names it. */
  readonly found?: boolean
  /** As it was last seen, for the time when the cable is gone. */
  partitions: readonly PartitionInfo[]
}

/** The slots at one workstation: a view of a lab, and the cables to what is in it. */
export class Workstation implements SlotSource {
  /** All lines that there were, also those that are pulled out. */
  readonly #seen = new Set<Line>()

  /** @param plugged cables whose other ends come and go */
  constructor(
    private readonly at: () => LabView,
    private readonly lines: readonly Line[],
    private readonly plugged: () => Promise<readonly Line[]> = async () => [],
  ) {
    for (const line of lines) this.#seen.add(line)
  }

  get view(): LabView {
    return this.at()
  }

  /**
   * The slots that show something. Partitions that a PCIe HSM has and the view does not name come in the next free ones,
   * and so does what was found on the network.
   */
  async slots(): Promise<readonly Slot[]> {
    const plugged = await this.plugged()
    for (const line of plugged) this.#seen.add(line)
    const hsms = await Promise.all(
      [...this.lines, ...plugged].map(async (line) => {
        line.partitions = await partitionsOf(line.client, line.partitions)
        const { partitions, found } = line
        return { ...line.hsm, partitions, line, everything: found }
      }),
    )
    return shownSlots(this.view, hsms).flatMap(({ slot: id, hsm, partition: serial }): Slot[] => {
      const shown = hsms.find(({ name }) => name === hsm)
      if (!shown) return []
      const { kind, partitions, line } = shown
      const partition =
        serial === ADMIN_SLOT ? ADMIN_PARTITION : partitions.find((one) => String(one.serial) === serial)?.id
      if (partition === undefined) return []
      return [{ id, kind, partition, client: line.client, ped: line.ped }]
    })
  }

  /** @throws LabError LAB_SLOT_UNKNOWN */
  async slot(id: number): Promise<Slot> {
    const slots = await this.slots()
    const slot = slots.find((one) => one.id === id)
    if (slot) return slot
    const known = slots.map((one) => one.id).join(', ')
    throw new LabError(
      'LAB_SLOT_UNKNOWN',
      `there is no slot ${id}; the view "${this.view.name}" has ${known || 'none'}`,
    )
  }

  /** The HSM that a slot of this workstation is on. @throws LabError LAB_SLOT_UNKNOWN */
  hsmOf(slot: Slot): Line['hsm'] {
    const line = [...this.#seen].find(({ client }) => client === slot.client)
    if (!line) throw new LabError('LAB_SLOT_UNKNOWN', `slot ${slot.id} is not of this lab`)
    return line.hsm
  }

  /** Pulls all cables. */
  async close(): Promise<void> {
    await Promise.allSettled(this.lines.map(({ client }) => client.close()))
  }
}

/** The HSM's partitions; where it cannot say, as it was. */
export async function partitionsOf(
  client: TokenClient,
  known: readonly PartitionInfo[],
): Promise<readonly PartitionInfo[]> {
  try {
    return await client.partitions.list()
  } catch (error) {
    if (error instanceof TransportError || error instanceof TokenError) return known
    throw error
  }
}
