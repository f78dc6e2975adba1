// Boards with the real firmware, in memory, behind the shell: what a person at lunacm meets.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as protocol from '../../assembly/protocol.js'
import {
  Board,
  BoardError,
  FirmwareImage,
  frameCable,
  type ManufacturingRecord,
  manufacture,
  NonVolatileMemory,
  State,
  SystemTrng,
  VirtualClock,
} from '../../host/board/index.js'
import { type PedConnector, type Slot, type SlotSource, TokenClient, type Transport } from '../../host/client/index.js'
import { blankPedKey, defaultRules, Ped, type PedEvent, PedKeyBox, RuleOperator } from '../../host/ped/index.js'

const FLASH = 4_194_304
const START = Date.UTC(2026, 0, 1)
const COLOURS = ['blue', 'black', 'gray', 'red', 'orange', 'purple', 'white'] as const

/** One board in this thread; every frame that passes its command port is kept. */
class RealHsm implements Transport {
  readonly frames: Buffer[] = []
  readonly closed = new Promise<void>(() => {})
  readonly board: Board

  constructor() {
    const state = State.blank(FLASH)
    const chips = { memory: new NonVolatileMemory(state), trng: new SystemTrng(), clock: new VirtualClock(START) }
    this.board = new Board(FirmwareImage.load(), chips)
    this.board.powerOn()
  }

  exchange(frame: Uint8Array): Promise<Uint8Array> {
    this.frames.push(Buffer.from(frame))
    return new Promise((resolve, reject) => {
      this.board.submit(frame, (answer) => {
        if (answer instanceof BoardError) reject(answer)
        else {
          this.frames.push(Buffer.from(answer))
          resolve(answer)
        }
      })
    })
  }

  async close(): Promise<void> {
    this.board.powerOff()
  }
}

/** Keys in a folder of their own, and PEDs whose person works by the book. */
class PedDesk {
  readonly folder = mkdtempSync(join(tmpdir(), 'lunacm-peds-'))
  readonly box = new PedKeyBox(this.folder)
  /** Questions that any PED has asked so far. */
  questions = 0

  async fill(): Promise<void> {
    for (const colour of COLOURS) await this.box.add(colour, blankPedKey(colour))
  }

  /** Puts blank keys in the place of some: what they held is lost. */
  async blank(...names: (typeof COLOURS)[number][]): Promise<void> {
    for (const name of names) await this.box.write(name, blankPedKey(name))
  }

  plug(hsm: RealHsm, connector: 'local' | 'remote'): Ped {
    const [near, far] = frameCable()
    const onEvent = ({ event }: PedEvent): void => {
      if (event === 'question') this.questions++
    }
    const operator = new RuleOperator({ rules: defaultRules(), box: this.box })
    const ped = new Ped({ box: this.box, operator, onEvent })
    hsm.board.attachPed(connector, near)
    ped.connect(far)
    return ped
  }
}

/** A PCIe HSM in slot 0, its partitions in the slots after it, a Backup HSM in slot 9. */
export class RealLab implements SlotSource {
  readonly card = new RealHsm()
  readonly backup = new RealHsm()
  readonly desk = new PedDesk()
  #clients = { card: new TokenClient(this.card), backup: new TokenClient(this.backup) }

  static async make(options: { auth: number; profile?: number; backupStorage?: bigint }): Promise<RealLab> {
    const lab = new RealLab()
    const record: Omit<ManufacturingRecord, 'serial' | 'model' | 'storage'> = {
      profile: options.profile ?? protocol.PROFILE_6_27_0,
      auth: options.auth,
      maxPartitions: 20,
      partitionBase: 9,
      partitionMultiplier: 1000,
    }
    const [card, backup] = [protocol.MODEL_PCIE, protocol.MODEL_BACKUP]
    await manufacture(lab.card, { ...record, serial: 500409n, model: card, storage: 2_000_000n })
    const storage = options.backupStorage ?? 1_000_000n
    await manufacture(lab.backup, { ...record, serial: 700101n, model: backup, storage })
    if (options.auth === protocol.AUTH_PED) {
      await lab.desk.fill()
      lab.desk.plug(lab.card, 'local')
      lab.desk.plug(lab.backup, 'local')
    }
    return lab
  }

  /** Another run of lunacm: other access ids, so nobody is logged in. */
  newClients(): void {
    this.#clients = { card: new TokenClient(this.card), backup: new TokenClient(this.backup) }
  }

  get clients(): { card: TokenClient; backup: TokenClient } {
    return this.#clients
  }

  async slots(): Promise<readonly Slot[]> {
    const { card, backup } = this.#clients
    // An HSM without its keys shows itself alone.
    const tampered = (await card.status()).state === protocol.STATE_TAMPERED
    const partitions = tampered ? [] : (await card.partitions.list()).map(({ id }) => id)
    return [
      ...[protocol.ADMIN_PARTITION, ...partitions].map(
        (partition, id): Slot => ({ id, kind: 'pcie', partition, client: card, ped: this.#connector(this.card) }),
      ),
      { id: 9, kind: 'backup', partition: protocol.ADMIN_PARTITION, client: backup, ped: this.#connector(this.backup) },
    ]
  }

  close(): void {
    this.card.board.powerOff()
    this.backup.board.powerOff()
    rmSync(this.desk.folder, { recursive: true, force: true })
  }

  #connector(hsm: RealHsm): PedConnector {
    return {
      connect: async () => {
        this.desk.plug(hsm, 'remote')
      },
      disconnect: async () => hsm.board.detachPed('remote'),
    }
  }
}
