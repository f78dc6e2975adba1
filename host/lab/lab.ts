import { join } from 'node:path'
import type { Slot, SlotPlaces, SlotSource } from '../client/index.js'
import { type PedClock, type PedEvent, PedKeyBox, type RemotePedEvent, type SerialEvent } from '../ped/index.js'
import type { LabCapture } from './capture.js'
import { type BoardSettings, Chance } from './chance.js'
import { LabError } from './errors.js'
import { type Hsm, startHsms } from './hsm.js'
import { changeLabFile, type HsmKind, type LabFile, type LabHsm, type LabView, readLabFile } from './lab-file.js'
import { type NetworkLines, networkLines } from './network-lines.js'
import { PedDesk } from './ped-desk.js'
import { type PedSeatOptions, seatedOperator } from './ped-seat.js'
import type { Recorder } from './recorder.js'
import { RemotePeds } from './remote-peds.js'
import { runningServers } from './running.js'
import { dropPartition, isOpen, putPartition } from './slot-places.js'
import { UsbCables, type UsbSocket } from './usb-cables.js'
import { busIdOf } from './usb-service.js'
import { type Line, partitionsOf, Workstation } from './workstation.js'

export interface LabOptions extends PedSeatOptions {
  /** Name of the workstation's view; the first of the lab file unless given. */
  readonly view?: string | undefined
  /** Start all HSMs of the lab, not only those that the view shows. */
  readonly all?: boolean | undefined
  /** Switch on the HSMs of this kind, or those named of them, and nothing else, for other processes: no cable of a view is plugged in. */
  readonly serve?: { readonly kind: HsmKind; readonly names?: readonly string[] | undefined } | undefined
  /**
   * Folder of Chrystoki.conf. What its servers show is found over NTLS; Network HSMs are not switched on here then. Unless given,
   * `ntlsConfig` is looked at where other processes have switched HSMs of the lab on.
   */
  readonly ntls?: string | undefined
  readonly ntlsConfig?: string | undefined
  /** USB/IP servers with a Backup HSM for this workstation; none is switched on here then. */
  readonly usb?: readonly UsbSocket[] | undefined
  /** HSMs of this kind are left to others: neither switched on nor reached by USB. */
  readonly without?: HsmKind | undefined
  /** Hears what there is to say of NTLS links: not reached, lost and there again. */
  readonly onLink?: ((line: string) => void) | undefined
  /** Name of the HSM whose own connector the PED is plugged into. */
  readonly localPed?: string | undefined
  readonly boards?: BoardSettings | undefined
  /** All that is random in the lab follows from it, and time stands still unless `boards` says otherwise: for repeatable runs. */
  readonly seed?: string | undefined
  /** Takes in what passes the USB cables of this workstation. */
  readonly capture?: LabCapture | undefined
  /** Sees every frame on every cable. */
  readonly recorder?: Recorder | undefined
  readonly onPedEvent?: ((event: PedEvent | RemotePedEvent | SerialEvent) => void) | undefined
  /** Time of the cables to remote PEDs: real unless given. */
  readonly pedClock?: PedClock | undefined
}

/**
 * A lab that is switched on: the HSMs that a workstation sees, their cables, the PED. Nobody else can switch on the same HSMs
 * until `close`; those that another process has switched on are reached over the network.
 */
export class Lab implements SlotSource {
  readonly places: SlotPlaces = {
    isFree: async (near, id) =>
      isOpen(this.view, this.hsmOf(near).name, id) && (await this.slots()).every((slot) => slot.id !== id),
    put: (near, slot, serial) =>
      this.#write((file) => putPartition(file, { slot, hsm: this.hsmOf(near).name, partition: String(serial) })),
    drop: (near, serial) => this.#write((file) => dropPartition(file, this.hsmOf(near).name, String(serial))),
  }
  #file: LabFile
  readonly #workstation: Workstation

  private constructor(
    readonly stateDir: string,
    file: LabFile,
    private readonly viewName: string,
    readonly desk: PedDesk,
    private readonly hsms: ReadonlyMap<string, Hsm>,
    lines: readonly Line[],
    private readonly network: NetworkLines | undefined,
    private readonly usb: UsbCables,
  ) {
    this.#file = file
    this.#workstation = new Workstation(
      () => this.view,
      lines,
      () => usb.plugged(),
    )
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
    let hsms: ReadonlyMap<string, Hsm> = new Map()
    let desk: PedDesk | undefined
    let network: NetworkLines | undefined
    let usb: UsbCables | undefined
    try {
      const file = readLabFile(stateDir)
      const view = chooseView(file, options.view)
      const chance = new Chance(options.seed, `view ${view.name}`)
      const peds = await setDesk(stateDir, file, options, chance)
      desk = peds
      const far = await elsewhere(stateDir, file, options)
      const wanted = file.hsms.filter((hsm) => !far.names.has(hsm.name) && isWanted(hsm, view, options))
      hsms = await startHsms(stateDir, wanted, { settings: options.boards, chance, recorder: options.recorder })
      const shown = [...hsms.values()].filter((hsm) => view.slots.some((slot) => slot.hsm === hsm.name))
      const lines = options.serve ? [] : await Promise.all(shown.map((hsm) => plugIn(hsm, view, peds)))
      const { recorder, onLink } = options
      if (far.config !== undefined) {
        const found = {
          config: far.config,
          names: far.serials,
          chance,
          recorder,
          onLink,
          onKeys: options.capture?.onKeys,
        }
        network = await networkLines(file.hsms, view, found)
        lines.unshift(...network.lines)
        for (const name of far.ntls) {
          if (lines.every(({ hsm }) => hsm.name !== name)) onLink?.(unseen(name))
        }
      }
      usb = new UsbCables(
        far.usb,
        { names: far.serials, chance, recorder, desk: peds, capture: options.capture },
        onLink,
      )
      await usb.plugged()
      const lab = new Lab(stateDir, file, view.name, desk, hsms, lines, network, usb)
      if (options.localPed !== undefined) desk.plugLocal(options.localPed, lab.hsm(options.localPed).token)
      await desk.plugLines(file.ped.serial ?? [], (hsm) => hsms.get(hsm)?.token)
      return lab
    } catch (error) {
      await desk?.close()
      await network?.close()
      await usb?.close()
      await Promise.allSettled([...hsms.values()].map((hsm) => hsm.close()))
      throw error
    }
  }

  /** Whether this lab has switched the HSM on. */
  isOn(name: string): boolean {
    return this.hsms.has(name)
  }

  /** @throws LabError LAB_HSM_UNKNOWN: there is none of that name, or it is not switched on */
  hsm(name: string): Hsm {
    const hsm = this.hsms.get(name)
    if (!hsm) throw unknownHsm(this.file, name)
    return hsm
  }

  slots(): Promise<readonly Slot[]> {
    return this.#workstation.slots()
  }

  /** @throws LabError LAB_SLOT_UNKNOWN */
  slot(id: number): Promise<Slot> {
    return this.#workstation.slot(id)
  }

  /** The HSM that a slot of this lab is on. @throws LabError LAB_SLOT_UNKNOWN */
  hsmOf(slot: Slot): Line['hsm'] {
    return this.#workstation.hsmOf(slot)
  }

  /** Pulls all cables, switches the boards off. Rejects with STATE_IO where a board could not be saved. */
  async close(): Promise<void> {
    await this.desk.close()
    await this.#workstation.close()
    await this.network?.close()
    await this.usb.close()
    const closed = await Promise.allSettled([...this.hsms.values()].map((hsm) => hsm.close()))
    for (const result of closed) if (result.status === 'rejected') throw result.reason
  }

  /** @throws LabError LAB_IO; the lab is as it was then */
  async #write(change: (file: LabFile) => LabFile): Promise<void> {
    this.#file = await changeLabFile(this.stateDir, change)
  }
}

function chooseView({ views }: LabFile, name: string | undefined): LabView {
  const view = name === undefined ? views[0] : views.find((one) => one.name === name)
  if (view) return view
  const known = views.map((one) => one.name).join(', ')
  throw new LabError('LAB_VIEW_UNKNOWN', `this lab has no view "${name}", only ${known}`)
}

function isWanted(hsm: LabHsm, view: LabView, { all, serve, localPed, without }: LabOptions): boolean {
  if (hsm.kind === without) return false
  if (serve) return hsm.kind === serve.kind && serve.names?.includes(hsm.name) !== false
  return all === true || hsm.name === localPed || view.slots.some((slot) => slot.hsm === hsm.name)
}

/** What a client of a running lab is told that sees nothing of an HSM. */
function unseen(name: string): string {
  return `NTLS: the HSM "${name}" is switched on by another process, which shows this client nothing of it: see 'vtl --help', 'moonlet lunash' and 'moonlet rbs --help'`
}

interface Elsewhere {
  /** HSMs that are not switched on here. */
  readonly names: ReadonlySet<string>
  /** Names of HSMs by which they are known at the end of a cable. */
  readonly serials: ReadonlyMap<bigint, string>
  /** Those of them that NTLS servers of this lab have. */
  readonly ntls: readonly string[]
  /** Folder of the client configuration by which they are reached; undefined = they are not. */
  readonly config: string | undefined
  readonly usb: readonly UsbSocket[]
}

/** Where a server that listens everywhere is reached on this computer. */
const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)

/** What of the lab is reached over the network: what the options say, and what other processes have switched on. */
async function elsewhere(stateDir: string, file: LabFile, options: LabOptions): Promise<Elsewhere> {
  if (options.serve) return { names: new Set(), serials: new Map(), ntls: [], config: undefined, usb: [] }
  const running = await runningServers(stateDir)
  const known = file.hsms.flatMap(({ name, serial }): [bigint, string][] =>
    serial === undefined ? [] : [[BigInt(serial), name]],
  )
  const serials = new Map([...known, ...running.flatMap(({ hsms }) => [...hsms])])
  const { ntls, ntlsConfig, usb: sockets = [] } = options
  const others = file.hsms.filter(
    ({ kind }) => (kind === 'network' && ntls !== undefined) || (kind === 'backup' && sockets.length > 0),
  )
  const names = new Set([...running.flatMap(({ hsms }) => [...hsms.values()]), ...others.map(({ name }) => name)])
  const [byUsb, byNtls] = [
    running.filter(({ cable }) => cable === 'usb'),
    running.filter(({ cable }) => cable === 'ntls'),
  ]
  const own = byUsb.flatMap(({ host, port, hsms }) =>
    [...hsms.values()].map((name): UsbSocket => ({ host: reachable(host), port, busId: busIdOf(file, name) })),
  )
  return {
    names,
    serials,
    ntls: byNtls.flatMap(({ hsms }) => [...hsms.values()]),
    config: ntls ?? (byNtls.length > 0 ? ntlsConfig : undefined),
    usb: options.without === 'backup' ? [] : [...sockets, ...own],
  }
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

async function plugIn(hsm: Hsm, view: LabView, desk: PedDesk): Promise<Line> {
  const serials = new Set(view.slots.filter((slot) => slot.hsm === hsm.name).map(({ partition }) => partition))
  const partitions = await partitionsOf(hsm.console, [])
  const assigned = new Set(partitions.filter(({ serial }) => serials.has(String(serial))).map(({ id }) => id))
  const client = await hsm.connect(view.name, (partition) => assigned.has(partition))
  return { hsm, client, ped: desk.connector(hsm.name, hsm.token), partitions }
}
