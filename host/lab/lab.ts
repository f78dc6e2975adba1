import { join } from 'node:path'
import { ADMIN_PARTITION } from '../../assembly/protocol.js'
import { BoardError, FolderLock } from '../board/index.js'
import {
  type PartitionInfo,
  type Slot,
  type SlotPlaces,
  type SlotSource,
  type TokenClient,
  TokenError,
  TransportError,
} from '../client/index.js'
import { type PedClock, type PedEvent, PedKeyBox, type RemotePedEvent, type SerialEvent } from '../ped/index.js'
import { type BoardSettings, Chance } from './chance.js'
import { LabError } from './errors.js'
import { type Hsm, startHsms } from './hsm.js'
import { ADMIN_SLOT, type LabFile, type LabHsm, type LabView, readLabFile, writeLabFile } from './lab-file.js'
import { PedDesk } from './ped-desk.js'
import { type PedSeatOptions, seatedOperator } from './ped-seat.js'
import type { Recorder } from './recorder.js'
import { RemotePeds } from './remote-peds.js'
import { dropPartition, isOpen, putPartition, shownSlots } from './slot-places.js'

export interface LabOptions extends PedSeatOptions {
  /** Name of the workstation's view; the first of the lab file unless given. */
  readonly view?: string | undefined
  /** Start all HSMs of the lab, not only those that the view shows. */
  readonly all?: boolean | undefined
  /** Name of the HSM whose own connector the PED is plugged into. */
  readonly localPed?: string | undefined
  readonly boards?: BoardSettings | undefined
  /** All that is random in the lab follows from it, and time stands still unless `boards` says otherwise: for repeatable runs. */
  readonly seed?: string | undefined
  /** Sees every frame on every cable. */
  readonly recorder?: Recorder | undefined
  readonly onPedEvent?: ((event: PedEvent | RemotePedEvent | SerialEvent) => void) | undefined
  /** Time of the cables to remote PEDs: real unless given. */
  readonly pedClock?: PedClock | undefined
}

/** A workstation's cable to one HSM. */
interface Line {
  readonly hsm: Hsm
  readonly client: TokenClient
  /** As it was last seen, for the time when the cable is gone. */
  partitions: readonly PartitionInfo[]
}

/**
 * A lab that is switched on: the HSMs that a workstation sees, their cables, the PED. Nobody else can use the state
 * folder until `close`.
 */
export class Lab implements SlotSource {
  readonly places: SlotPlaces = {
    isFree: async (near, id) =>
      isOpen(this.view, this.hsmOf(near).name, id) && (await this.slots()).every((slot) => slot.id !== id),
    put: async (near, slot, serial) =>
      this.#write(putPartition(this.#file, { slot, hsm: this.hsmOf(near).name, partition: String(serial) })),
    drop: async (near, serial) => this.#write(dropPartition(this.#file, this.hsmOf(near).name, String(serial))),
  }
  #file: LabFile

  private constructor(
    readonly stateDir: string,
    file: LabFile,
    private readonly viewName: string,
    readonly desk: PedDesk,
    private readonly hsms: ReadonlyMap<string, Hsm>,
    private readonly lines: readonly Line[],
    private readonly lock: FolderLock,
  ) {
    this.#file = file
  }

  get file(): LabFile {
    return this.#file
  }

  /** The workstation that this lab was opened for. */
  get view(): LabView {
    return chooseView(this.#file, this.viewName)
  }

  /**
   * @throws LabError LAB_MISSING, LAB_STATE_NEWER, LAB_FILE_INVALID, LAB_VIEW_UNKNOWN, LAB_HSM_UNKNOWN; BoardError
   * STATE_LOCKED where another process has the lab, and what else boards refuse with; PedError for the rules file.
   * Nothing stays open then.
   */
  static async open(stateDir: string, options: LabOptions = {}): Promise<Lab> {
    const lock = await lockLab(stateDir)
    let hsms: ReadonlyMap<string, Hsm> = new Map()
    let desk: PedDesk | undefined
    try {
      const file = readLabFile(stateDir)
      const view = chooseView(file, options.view)
      const chance = new Chance(options.seed, `view ${view.name}`)
      desk = await setDesk(stateDir, file, options, chance)
      const wanted = file.hsms.filter((hsm) => options.all || isNeeded(hsm, view, options))
      hsms = await startHsms(stateDir, wanted, { settings: options.boards, chance, recorder: options.recorder })
      const shown = [...hsms.values()].filter((hsm) => view.slots.some((slot) => slot.hsm === hsm.name))
      const lines = await Promise.all(shown.map((hsm) => plugIn(hsm, view)))
      const lab = new Lab(stateDir, file, view.name, desk, hsms, lines, lock)
      if (options.localPed !== undefined) desk.plugLocal(options.localPed, lab.hsm(options.localPed).token)
      await desk.plugLines(file.ped.serial ?? [], (hsm) => hsms.get(hsm)?.token)
      return lab
    } catch (error) {
      await desk?.close()
      await Promise.allSettled([...hsms.values()].map((hsm) => hsm.close()))
      await lock.release()
      throw error
    }
  }

  /** @throws LabError LAB_HSM_UNKNOWN: there is none of that name, or it is not switched on */
  hsm(name: string): Hsm {
    const hsm = this.hsms.get(name)
    if (!hsm) throw unknownHsm(this.file, name)
    return hsm
  }

  /** The slots of the workstation that show something. Partitions that a PCIe HSM has and the view does not name come in the next free ones. */
  async slots(): Promise<readonly Slot[]> {
    const lines = await Promise.all(
      this.lines.map(async (line) => {
        line.partitions = await partitionsOf(line.client, line.partitions)
        const { name, kind } = line.hsm
        return { name, kind, line, partitions: line.partitions }
      }),
    )
    return shownSlots(this.view, lines).flatMap(({ slot: id, hsm, partition: serial }): Slot[] => {
      const shown = lines.find(({ name }) => name === hsm)
      if (!shown) return []
      const { kind, line, partitions } = shown
      const partition =
        serial === ADMIN_SLOT ? ADMIN_PARTITION : partitions.find((one) => String(one.serial) === serial)?.id
      if (partition === undefined) return []
      return [{ id, kind, partition, client: line.client, ped: this.desk.connector(hsm, line.hsm.token) }]
    })
  }

  /** @throws LabError LAB_SLOT_UNKNOWN */
  async slot(id: number): Promise<Slot> {
    const slots = await this.slots()
    const slot = slots.find((one) => one.id === id)
    if (slot) return slot
    const known = slots.map((one) => one.id).join(', ')
    throw new LabError('LAB_SLOT_UNKNOWN', `there is no slot ${id}; the view "${this.view.name}" has ${known}`)
  }

  /** The name of the HSM that a slot of this lab is on. @throws LabError LAB_SLOT_UNKNOWN */
  hsmOf(slot: Slot): Hsm {
    const line = this.lines.find(({ client }) => client === slot.client)
    if (!line) throw new LabError('LAB_SLOT_UNKNOWN', `slot ${slot.id} is not of this lab`)
    return line.hsm
  }

  /** Pulls all cables, switches the boards off, frees the folder. Rejects with STATE_IO where a board could not be saved. */
  async close(): Promise<void> {
    try {
      await this.desk.close()
      await Promise.allSettled(this.lines.map(({ client }) => client.close()))
      const closed = await Promise.allSettled([...this.hsms.values()].map((hsm) => hsm.close()))
      for (const result of closed) if (result.status === 'rejected') throw result.reason
    } finally {
      await this.lock.release()
    }
  }

  /** @throws LabError LAB_IO; the lab is as it was then */
  #write(file: LabFile): void {
    if (file === this.#file) return
    writeLabFile(this.stateDir, file)
    this.#file = file
  }
}

/** @throws LabError LAB_MISSING; BoardError STATE_LOCKED */
export async function lockLab(stateDir: string): Promise<FolderLock> {
  try {
    return await FolderLock.acquire(stateDir)
  } catch (cause) {
    if (!(cause instanceof BoardError && cause.code === 'STATE_MISSING')) throw cause
    throw new LabError('LAB_MISSING', `there is no lab in ${stateDir}: run \`moonlet init\``, { cause })
  }
}

function chooseView({ views }: LabFile, name: string | undefined): LabView {
  const view = name === undefined ? views[0] : views.find((one) => one.name === name)
  if (view) return view
  const known = views.map((one) => one.name).join(', ')
  throw new LabError('LAB_VIEW_UNKNOWN', `this lab has no view "${name}", only ${known}`)
}

function isNeeded(hsm: LabHsm, view: LabView, { localPed }: LabOptions): boolean {
  return hsm.name === localPed || view.slots.some((slot) => slot.hsm === hsm.name)
}

/** @throws LabError LAB_HSM_UNKNOWN */
export function hsmNamed(file: LabFile, name: string): LabHsm {
  const hsm = file.hsms.find((one) => one.name === name)
  if (!hsm) throw unknownHsm(file, name)
  return hsm
}

function unknownHsm({ hsms }: LabFile, name: string): LabError {
  const known = hsms.map((hsm) => hsm.name).join(', ')
  return new LabError('LAB_HSM_UNKNOWN', `there is no HSM "${name}" here; this lab has ${known}`)
}

export async function setDesk(
  stateDir: string,
  { ped }: LabFile,
  options: LabOptions,
  chance: Chance,
): Promise<PedDesk> {
  const box = new PedKeyBox(join(stateDir, ped.keys))
  const operator = await seatedOperator(box, join(stateDir, ped.rules), options)
  const { addresses, port } = ped
  const { recorder, onPedEvent: onEvent, pedClock: clock } = options
  const remotes = new RemotePeds({ stateDir, aliases: addresses, clock, onEvent })
  const settings = { addresses, port, remotes, random: chance.source('ped'), recorder, onEvent, clock }
  return new PedDesk({ box, operator, ...settings })
}

async function plugIn(hsm: Hsm, view: LabView): Promise<Line> {
  const serials = new Set(view.slots.filter((slot) => slot.hsm === hsm.name).map(({ partition }) => partition))
  const all = await partitionsOf(hsm.console, [])
  const assigned = new Set(all.filter(({ serial }) => serials.has(String(serial))).map(({ id }) => id))
  const client = await hsm.connect(view.name, (partition) => assigned.has(partition))
  return { hsm, client, partitions: all }
}

/** The HSM's partitions; where it cannot say, as it was. */
async function partitionsOf(client: TokenClient, known: readonly PartitionInfo[]): Promise<readonly PartitionInfo[]> {
  try {
    return await client.partitions.list()
  } catch (error) {
    if (error instanceof TransportError || error instanceof TokenError) return known
    throw error
  }
}
