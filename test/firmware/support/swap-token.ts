// A token whose board can be taken down into a snapshot and set up again under the hands of its clients.
import {
  type Board,
  BoardError,
  type OpenBoard,
  type RestoreOptions,
  restoreBoard,
  type State,
} from '../../../host/board/index.js'
import { seededRandom, TokenClient, type Transport } from '../../../host/client/index.js'
import { type OfficerOf, prepare } from './officer.js'
import { quickFirmware } from './quick-firmware.js'
import { TestToken, type TokenOptions, type TokenParts } from './test-token.js'

export class SwapToken implements Transport {
  readonly closed = new Promise<void>(() => {})
  /** Every frame of the cable, `>` to the token and `<` from it, in hex. */
  readonly frames: string[] = []
  readonly client: TokenClient

  /** @param state what the board keeps without power */
  constructor(
    readonly name: string,
    public board: Board,
    public state: State,
  ) {
    this.client = this.newClient()
  }

  static async make(name: string, options: TokenOptions = {}, parts: TokenParts = {}): Promise<SwapToken> {
    const { board, state } = await TestToken.make(options, { seed: name, ...parts })
    return new SwapToken(name, board, state)
  }

  newClient(name = 'client'): TokenClient {
    return new TokenClient(this, { now: 0n, random: seededRandom(`${this.name} ${name}`) })
  }

  exchange(frame: Uint8Array): Promise<Uint8Array> {
    this.frames.push(`> ${Buffer.from(frame).toString('hex')}`)
    return new Promise((resolve, reject) => {
      this.board.submit(frame, (answer) => {
        if (answer instanceof BoardError) return reject(answer)
        this.frames.push(`< ${Buffer.from(answer).toString('hex')}`)
        resolve(answer)
      })
    })
  }

  async close(): Promise<void> {
    this.board.powerOff()
  }

  /** Another token, running, from this one's snapshot. */
  async fork(options: Omit<RestoreOptions, 'snapshot'> = {}): Promise<SwapToken> {
    return new SwapToken(this.name, ...(await restored(this.board.snapshot(), options)))
  }

  /** Takes a snapshot, throws the board away and goes on with a new one: clients notice nothing. */
  async swap(): Promise<void> {
    const snapshot = this.board.snapshot()
    this.board.powerOff()
    ;[this.board, this.state] = await restored(snapshot)
  }
}

/** The board of a snapshot, and what it keeps without power. */
async function restored(
  snapshot: Uint8Array,
  options: Omit<RestoreOptions, 'snapshot'> = {},
): Promise<[board: Board, state: State]> {
  let state: State | undefined
  const { board }: OpenBoard = await restoreBoard({ snapshot, firmware: quickFirmware(), ...options }, (memory) => {
    state = memory.state
    return memory
  })
  if (!state) throw new Error('a board without peripherals')
  return [board, state]
}

export type SwapOfficer = OfficerOf<SwapToken>

/** Crypto Officer on a new password HSM with a partition in the common domain. */
export async function swapOfficer(name: string, options: TokenOptions = {}): Promise<SwapOfficer> {
  return prepare(await SwapToken.make(name, options))
}
