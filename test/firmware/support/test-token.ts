// A token with the real firmware on this thread: its peripherals in memory, its chance from a seed, its time standing still.
import * as protocol from '../../../assembly/protocol.js'
import {
  Board,
  BoardError,
  FirmwareImage,
  manufacture,
  type NonVolatile,
  NonVolatileMemory,
  SeededTrng,
  State,
  type Trng,
  VirtualClock,
} from '../../../host/board/index.js'
import { TokenClient, type Transport } from '../../../host/client/index.js'
import { quickFirmware } from './quick-firmware.js'
import { RememberingPka } from './remembering-pka.js'

/** Where the virtual clocks of test tokens start. */
export const START = Date.UTC(2026, 0, 1)

/** Sectors of the audit log, and the one that zeroization keeps. */
const AUDIT = protocol.FLASH_AUDIT_SECTORS + 1

/** Compiled once for all tokens of a test process; passwords are quick. */
const image = FirmwareImage.load(quickFirmware())

export interface TokenOptions {
  /** AUTH_… Password unless given. */
  readonly auth?: number
  /** MODEL_… A PCIe card unless given. */
  readonly model?: number
  /** PROFILE_… 6.27.0 unless given. */
  readonly profile?: number
  readonly serial?: bigint
  /** Bytes for objects; the log holds (sectors − 8) × 64 KiB at most. */
  readonly storage?: bigint
  readonly maxPartitions?: number
  /** Flash of so many sectors beside those of the audit log: 5 are taken, 3 are kept back by the log. */
  readonly sectors?: number
}

/** What surrounds a board; two tokens with the same parts do the same. */
export interface TokenParts {
  /** Seed of the TRNG. */
  readonly seed?: string
  readonly clock?: VirtualClock
  /** Puts a fault injector or a recorder between firmware and peripherals. */
  readonly wrap?: (memory: NonVolatile) => NonVolatile
  /** Another TRNG than the seeded one, on the (wrapped) memory of the board. */
  readonly trng?: (memory: NonVolatile) => Trng
}

/** A deep copy of everything that a board keeps without power. */
export function copyState(state: State): State {
  const copy = State.blank(state.flash.size)
  copy.flash.image.set(state.flash.image)
  copy.counter = state.counter
  copy.split = state.split && Uint8Array.from(state.split)
  copy.randomPosition = state.randomPosition
  copy.aliveAt = state.aliveAt
  for (let region = 0; region < protocol.BATTERY_REGIONS; region++) {
    copy.apply({ kind: 'battery', region, data: state.battery(region) })
  }
  return copy
}

export class TestToken implements Transport {
  readonly closed = new Promise<void>(() => {})
  readonly state: State
  readonly memory: NonVolatile
  readonly clock: VirtualClock
  readonly board: Board
  /** The first client; `newClient` makes others. */
  readonly client: TokenClient
  readonly #seed: string

  /** A board on this state, still off. The state is used in place. */
  constructor(state: State, parts: TokenParts = {}) {
    const plain = new NonVolatileMemory(state)
    this.state = state
    this.memory = parts.wrap?.(plain) ?? plain
    this.clock = parts.clock ?? new VirtualClock(START)
    this.#seed = parts.seed ?? 'test token'
    const trng = parts.trng?.(this.memory) ?? new SeededTrng(this.#seed, this.memory)
    this.board = new Board(image, { memory: this.memory, clock: this.clock, trng, pka: new RememberingPka(trng) })
    this.client = this.newClient()
  }

  /** A board on this state, switched on. */
  static on(state: State, parts: TokenParts = {}): TestToken {
    const token = new TestToken(state, parts)
    token.board.powerOn()
    return token
  }

  /** A new token as the factory delivers it: on, zeroized. */
  static async make(options: TokenOptions = {}, parts: TokenParts = {}): Promise<TestToken> {
    const token = TestToken.on(State.blank(((options.sectors ?? 16) + AUDIT) * protocol.FLASH_SECTOR), parts)
    await manufacture(token, {
      serial: options.serial ?? 500409n,
      model: options.model ?? protocol.MODEL_PCIE,
      profile: options.profile ?? protocol.PROFILE_6_27_0,
      auth: options.auth ?? protocol.AUTH_PASSWORD,
      maxPartitions: options.maxPartitions ?? 20,
      storage: options.storage ?? 500_000n,
      partitionBase: 9,
      partitionMultiplier: protocol.SERIAL_OWN_MULTIPLIER,
    })
    return token
  }

  exchange(frame: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.board.submit(frame, (answer) => (answer instanceof BoardError ? reject(answer) : resolve(answer)))
    })
  }

  async close(): Promise<void> {
    this.board.powerOff()
  }

  /** Another program on the same token; `access` names it, random unless given. */
  newClient(access?: bigint): TokenClient {
    // The certificates of test tokens have no dates; the clock of the host has no part in a test.
    return new TokenClient(this, access === undefined ? { now: 0n } : { now: 0n, access })
  }

  /** Off for so many milliseconds, then on: sessions and log-ins are gone. @returns what the boot answered */
  powerCycle(milliseconds = 0): number {
    this.board.powerOff()
    this.clock.advance(milliseconds)
    return this.board.powerOn()
  }

  /** Another board with a copy of this one's state, switched on: from here on the two part. */
  fork(parts: TokenParts = {}): TestToken {
    const clock = new VirtualClock(this.clock.now())
    return TestToken.on(copyState(this.state), { seed: this.#seed, clock, ...parts })
  }
}
