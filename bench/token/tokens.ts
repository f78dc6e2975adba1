// Tokens to measure: prepared in memory, where a commit costs no disk, then saved as the state folder of a board.
import {
  ADMIN_PARTITION,
  AUTH_PASSWORD,
  BATTERY_REGIONS,
  FLASH_SECTOR,
  FLASH_SIZE,
  MODEL_BACKUP,
  MODEL_PCIE,
  PROFILE_6_27_0,
  ROLE_CRYPTO_OFFICER,
  ROLE_SO,
  SERIAL_OWN_MULTIPLIER,
} from '../../assembly/protocol.js'
import {
  Board,
  BoardError,
  BoardFolder,
  createBoardFolder,
  FirmwareImage,
  manufacture,
  NonVolatileMemory,
  openBoard,
  RealClock,
  State,
  SystemTrng,
  Token,
} from '../../host/board/index.js'
import { type CloneEnd, TokenClient, type Transport } from '../../host/client/index.js'

const SO = 'so-password'
const OFFICER = 'officer-password'
const DOMAIN = 'a common domain'

export const PROFILE = PROFILE_6_27_0

/** Sectors that hold no records, or are kept back. */
const OWN_SECTORS = 16
/** Bytes that a record of an object may take, with what cleaning leaves behind. */
const ROOM = 2

let image: FirmwareImage | undefined

function firmware(): FirmwareImage {
  image ??= FirmwareImage.load()
  return image
}

/** A board on this thread as a cable. */
class LocalCable implements Transport {
  readonly closed = new Promise<void>(() => undefined)

  constructor(
    readonly board: Board,
    private readonly end: () => Promise<void>,
  ) {}

  exchange(frame: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.board.submit(frame, (answer) => (answer instanceof BoardError ? reject(answer) : resolve(answer)))
    })
  }

  close(): Promise<void> {
    return this.end()
  }
}

/** A token with one partition whose Crypto Officer is logged in. */
export interface Officer extends CloneEnd {
  readonly partition: number
  readonly transport: Transport
  close(): Promise<void>
}

/** A log-in of the Crypto Officer of a prepared token, over any cable. */
export async function officer(transport: Transport, partition: number): Promise<Officer> {
  const client = new TokenClient(transport)
  const session = await client.openSession(partition)
  await client.roles.login(session, ROLE_CRYPTO_OFFICER, OFFICER)
  return { client, session, partition, transport, close: () => transport.close() }
}

/** A token to work with, a Backup HSM, and one whose objects only ever go to others. */
export type TokenKind = 'hsm' | 'backup' | 'maker'

const SERIALS: Readonly<Record<TokenKind, bigint>> = { hsm: 500409n, backup: 700101n, maker: 500001n }

/** A token in memory: what is in it can be saved any number of times. */
export class Prepared {
  private constructor(
    readonly state: State,
    readonly officer: Officer,
  ) {}

  /**
   * A new token, initialized, with one partition and its domain.
   * @param bytes that the records of its objects will take
   */
  static async make(kind: TokenKind, bytes: number): Promise<Prepared> {
    const size = BigInt(ROOM * bytes + FLASH_SECTOR)
    const needed = (OWN_SECTORS + Math.ceil(Number(size) / FLASH_SECTOR)) * FLASH_SECTOR
    const state = State.blank(Math.max(FLASH_SIZE, needed))
    const cable = inMemory(state)
    await manufacture(cable, {
      serial: SERIALS[kind],
      model: kind === 'backup' ? MODEL_BACKUP : MODEL_PCIE,
      profile: PROFILE,
      auth: AUTH_PASSWORD,
      maxPartitions: 4,
      storage: size,
      partitionBase: 9,
      partitionMultiplier: SERIAL_OWN_MULTIPLIER,
    })
    const client = new TokenClient(cable)
    const admin = await client.openSession(ADMIN_PARTITION)
    await client.hsm.init(admin, { label: kind, password: SO, domain: DOMAIN })
    await client.roles.login(admin, ROLE_SO, SO)
    const { id } = await client.partitions.create(admin, {
      legacy: true,
      label: 'partition',
      password: OFFICER,
      size,
    })
    const made = await officer(cable, id)
    await client.partitions.setDomain(made.session, DOMAIN)
    return new Prepared(state, made)
  }

  /** Writes the token as it is now into a folder, as a board that was switched off would leave it. */
  save(folder: string): void {
    const { state } = this
    createBoardFolder(folder, { flashSize: state.flash.size })
    const files = BoardFolder.open(folder)
    const memory = new NonVolatileMemory(files.state, files)
    for (let offset = 0; offset < state.flash.size; offset += FLASH_SECTOR) {
      const data = state.flash.read(offset, FLASH_SECTOR)
      if (data.some((byte) => byte !== 0xff)) memory.apply({ kind: 'program', offset, data })
    }
    memory.apply({ kind: 'counter', value: state.counter })
    for (let region = 0; region < BATTERY_REGIONS; region++) {
      if (state.battery(region).length > 0) memory.apply({ kind: 'battery', region, data: state.battery(region) })
    }
    if (state.split) memory.apply({ kind: 'split', data: state.split })
    memory.apply({ kind: 'alive', time: BigInt(Date.now()) })
    memory.sync()
    files.close()
  }
}

function inMemory(state: State): LocalCable {
  const chips = { memory: new NonVolatileMemory(state), trng: new SystemTrng(), clock: new RealClock() }
  const board = new Board(firmware(), chips)
  board.powerOn()
  return new LocalCable(board, async () => board.powerOff())
}

/** The partition that `Prepared.make` makes. */
export const FIRST_PARTITION = 1

/** Opens a folder in a worker thread of its own. */
export async function openInWorker(folder: string): Promise<Officer> {
  return officer(await Token.open({ dir: folder }), FIRST_PARTITION)
}

/** Opens a folder on this thread. */
export async function openHere(folder: string): Promise<Officer> {
  const { board, close } = await openBoard({ dir: folder })
  return officer(new LocalCable(board, close), FIRST_PARTITION)
}
