import { join } from 'node:path'
import { ADMIN_PARTITION } from '../../assembly/protocol.js'
import { BoardError, FolderLock } from '../board/index.js'
import {
  type PartitionInfo,
  type Slot,
  type SlotSource,
  type TokenClient,
  TokenError,
  TransportError,
} from '../client/index.js'
import {
  type Operator,
  type PedEvent,
  PedKeyBox,
  type PersonTerminal,
  RuleOperator,
  readOperatorRules,
  TerminalOperator,
  UnattendedOperator,
} from '../ped/index.js'
import { type BoardSettings, Chance } from './chance.js'
import { LabError } from './errors.js'
import { type Hsm, startHsms } from './hsm.js'
import { ADMIN_SLOT, type LabFile, type LabHsm, type LabSlot, type LabView, readLabFile } from './lab-file.js'
import { PedDesk } from './ped-desk.js'
import type { Recorder } from './recorder.js'

export interface LabOptions {
  /** Name of the workstation's view; the first of the lab file unless given. */
  readonly view?: string | undefined
  /** Start all HSMs of the lab, not only those that the view shows. */
  readonly all?: boolean | undefined
  /** File of operator rules that come before the lab's own. */
  readonly rules?: string | undefined
  /** The lab's own rules do not count: the person at the terminal is asked, if there is one. */
  readonly byHand?: boolean | undefined
  /** Terminal of a person who is asked where no rule says what to do at the PED. */
  readonly person?: PersonTerminal | undefined
  /** Where nobody is at the PED: gets the lines of what it shows to be read, such as a challenge, which then counts as read. */
  readonly pedScreen?: ((line: string) => void) | undefined
  /** Name of the HSM whose own connector the PED is plugged into. */
  readonly localPed?: string | undefined
  readonly boards?: BoardSettings | undefined
  /** All that is random in the lab follows from it, and time stands still unless `boards` says otherwise: for repeatable runs. */
  readonly seed?: string | undefined
  /** Sees every frame on every cable. */
  readonly recorder?: Recorder | undefined
  readonly onPedEvent?: ((event: PedEvent) => void) | undefined
}

/** A workstation's cable to one HSM. */
interface Line {
  readonly hsm: Hsm
  readonly client: TokenClient
  /** The slots of the view that show this HSM. */
  readonly slots: readonly LabSlot[]
  /** As it was last seen, for the time when the cable is gone. */
  partitions: readonly PartitionInfo[]
}

/**
 * A lab that is switched on: the HSMs that a workstation sees, their cables, the PED. Nobody else can use the state
 * folder until `close`.
 */
export class Lab implements SlotSource {
  private constructor(
    readonly stateDir: string,
    readonly file: LabFile,
    readonly view: LabView,
    readonly desk: PedDesk,
    private readonly hsms: ReadonlyMap<string, Hsm>,
    private readonly lines: readonly Line[],
    private readonly lock: FolderLock,
  ) {}

  /**
   * @throws LabError LAB_MISSING, LAB_STATE_NEWER, LAB_FILE_INVALID, LAB_VIEW_UNKNOWN, LAB_HSM_UNKNOWN; BoardError
   * STATE_LOCKED where another process has the lab, and what else boards refuse with; PedError for the rules file.
   * Nothing stays open then.
   */
  static async open(stateDir: string, options: LabOptions = {}): Promise<Lab> {
    const lock = await lockLab(stateDir)
    let hsms: ReadonlyMap<string, Hsm> = new Map()
    try {
      const file = readLabFile(stateDir)
      const view = chooseView(file, options.view)
      const chance = new Chance(options.seed, `view ${view.name}`)
      const desk = await setDesk(stateDir, file, options, chance)
      const wanted = file.hsms.filter((hsm) => options.all || isNeeded(hsm, view, options))
      hsms = await startHsms(stateDir, wanted, { settings: options.boards, chance, recorder: options.recorder })
      const shown = [...hsms.values()].filter((hsm) => view.slots.some((slot) => slot.hsm === hsm.name))
      const lines = await Promise.all(shown.map((hsm) => plugIn(hsm, view)))
      const lab = new Lab(stateDir, file, view, desk, hsms, lines, lock)
      if (options.localPed !== undefined) desk.plugLocal(options.localPed, lab.hsm(options.localPed).token)
      return lab
    } catch (error) {
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

  /** The slots of the workstation. Partitions that a PCIe HSM has and the view does not name come in the next free ones. */
  async slots(): Promise<readonly Slot[]> {
    const slots = (await Promise.all(this.lines.map((line) => this.#slotsOf(line)))).flat()
    const used = new Set(this.view.slots.map(({ slot }) => slot))
    return slots.map(({ id, ...slot }): Slot => {
      if (id !== undefined) return { id, ...slot }
      let free = Math.min(...used) + 1
      while (used.has(free)) free++
      used.add(free)
      return { id: free, ...slot }
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
      await Promise.allSettled(this.lines.map(({ client }) => client.close()))
      const closed = await Promise.allSettled([...this.hsms.values()].map((hsm) => hsm.close()))
      for (const result of closed) if (result.status === 'rejected') throw result.reason
    } finally {
      await this.lock.release()
    }
  }

  async #slotsOf(line: Line): Promise<readonly (Omit<Slot, 'id'> & { readonly id: number | undefined })[]> {
    const { hsm, client } = line
    line.partitions = await partitionsOf(client, line.partitions)
    const { partitions } = line
    const { kind } = hsm
    const ped = this.desk.connector(hsm.name, hsm.token)
    const named = line.slots.flatMap(({ slot: id, partition: serial }) => {
      if (serial === ADMIN_SLOT) return [{ id, kind, partition: ADMIN_PARTITION, client, ped }]
      const found = partitions.find((one) => String(one.serial) === serial)
      return found ? [{ id, kind, partition: found.id, client, ped }] : []
    })
    if (kind !== 'pcie') return named
    const others = partitions.filter(({ id }) => named.every(({ partition }) => partition !== id))
    return [...named, ...others.map(({ id }) => ({ id: undefined, kind, partition: id, client, ped }))]
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

async function setDesk(stateDir: string, { ped }: LabFile, options: LabOptions, chance: Chance): Promise<PedDesk> {
  const box = new PedKeyBox(join(stateDir, ped.keys))
  const { rules: given, byHand } = options
  const rules = [
    ...(given === undefined ? [] : await readOperatorRules(given)),
    ...(byHand ? [] : await readOperatorRules(join(stateDir, ped.rules))),
  ]
  const fallback = whoElse(options, box)
  const operator = new RuleOperator({ rules, box, ...(fallback ? { fallback } : {}) })
  const { addresses, port } = ped
  const { recorder, onPedEvent: onEvent } = options
  return new PedDesk({ box, operator, addresses, port, random: chance.source('ped'), recorder, onEvent })
}

/** Whoever answers the PED where no rule does. */
function whoElse({ person, pedScreen }: LabOptions, box: PedKeyBox): Operator | undefined {
  if (person) return new TerminalOperator({ terminal: person, box })
  return pedScreen && new UnattendedOperator(pedScreen)
}

async function plugIn(hsm: Hsm, view: LabView): Promise<Line> {
  const slots = view.slots.filter((slot) => slot.hsm === hsm.name)
  const serials = new Set(slots.map(({ partition }) => partition))
  const all = await partitionsOf(hsm.console, [])
  const assigned = new Set(all.filter(({ serial }) => serials.has(String(serial))).map(({ id }) => id))
  const client = await hsm.connect(view.name, (partition) => assigned.has(partition))
  return { hsm, client, slots, partitions: all }
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
