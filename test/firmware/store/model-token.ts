// The token beside the model: real firmware on a small flash whose power can be cut at any operation.
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { BoardError, FaultyMemory, type State } from '../../../host/board/index.js'
import type { TokenClient } from '../../../host/client/index.js'
import { strayCopies } from '../support/flash-image.js'
import { officerOn, prepare, soOn } from '../support/officer.js'
import { assertFreshKeys, seededNumbers } from '../support/power-cuts.js'
import { copyState, TestToken } from '../support/test-token.js'
import type { Contents, ModelObject, ModelPartition } from './model.js'

export const STORAGE = 600_000n

/** Where the power goes while a command runs, and what a torn write leaves. */
export interface CutPlan {
  readonly at: number
  readonly seed: number
  /** The recovery is cut as well, at this operation; 0 = it is not. */
  readonly again: number
}

/** What became of a command: the code that it was answered with, or the power was cut. */
export type Outcome = number | 'cut'

export class ModelToken {
  readonly token: TestToken
  readonly #faults: FaultyMemory
  client: TokenClient
  admin = 0
  readonly #sessions = new Map<number, number>()

  private constructor(state: State) {
    let faults: FaultyMemory | undefined
    this.token = TestToken.on(state, {
      wrap: (memory) => {
        faults = new FaultyMemory(memory)
        return faults
      },
    })
    if (!faults) throw new Error('a token without peripherals')
    this.#faults = faults
    this.client = this.token.newClient()
  }

  /** An initialized HSM with a partition that is empty. */
  static async make(): Promise<State> {
    const token = await TestToken.make({ sectors: 12, storage: STORAGE, maxPartitions: 3 })
    await prepare(token, { size: 250_000n })
    token.board.powerOff()
    return copyState(token.state)
  }

  static async on(state: State): Promise<ModelToken> {
    const it = new ModelToken(copyState(state))
    it.admin = await soOn(it.client)
    return it
  }

  /** A session of the partition's Crypto Officer. */
  async session(id: number): Promise<number> {
    const session = this.#sessions.get(id) ?? (await officerOn(this.client, id))
    this.#sessions.set(id, session)
    return session
  }

  ended(id: number): void {
    this.#sessions.delete(id)
  }

  /** Runs a command, the power perhaps cut; the token is on again afterwards. */
  async run(command: () => Promise<number>, plan: CutPlan | undefined): Promise<Outcome> {
    if (plan) this.#faults.cut({ at: plan.at, torn: tearing(plan.seed) })
    try {
      return await command()
    } catch (error) {
      if (!isCut(error) || !plan) throw error
      if (plan.again > 0) this.#cutRecovery(plan)
      this.#faults.cut()
      await this.reboot()
      return 'cut'
    } finally {
      this.#faults.cut()
    }
  }

  #cutRecovery({ again, seed }: CutPlan): void {
    this.#faults.cut({ at: again, torn: tearing(seed + 1) })
    try {
      this.token.board.powerOn()
    } catch (error) {
      if (!isCut(error)) throw error
    }
    this.token.board.powerOff()
  }

  async reboot(): Promise<void> {
    assert.is(this.token.powerCycle(), protocol.RC_OK)
    this.client = this.token.newClient()
    this.#sessions.clear()
    this.admin = await soOn(this.client)
    assert.equal(strayCopies(this.token.state.flash.image), [], 'no object has a copy')
    assertFreshKeys(this.token.state.flash.image, 'no key is used twice')
  }

  /** Boots with another flash image, which must be refused, then again with its own. */
  async rollBack(image: Uint8Array): Promise<void> {
    this.token.board.powerOff()
    const own = Uint8Array.from(this.token.state.flash.image)
    this.token.state.flash.image.set(image)
    assert.is(this.token.board.powerOn(), protocol.RC_STORAGE_INTEGRITY, 'an older image is refused')
    this.token.board.powerOff()
    assert.equal(this.token.state.flash.image, Uint8Array.from(image), 'and left as it is')
    this.token.state.flash.image.set(own)
    await this.reboot()
  }

  image(): Uint8Array {
    return Uint8Array.from(this.token.state.flash.image)
  }

  /** Everything that the token holds, asked command by command. */
  async contents(): Promise<Contents> {
    const contents = new Map<number, ModelPartition>()
    for (const info of await this.client.partitions.list()) {
      const objects = await this.#objects(info.id)
      assert.is(info.objects, objects.size, 'the number of objects')
      assert.ok(info.used <= info.total, 'no more is used than there is')
      contents.set(info.id, { label: info.label, size: info.total, objects, fresh: [], given: new Set() })
    }
    return contents
  }

  async #objects(id: number): Promise<Map<number, ModelObject>> {
    const session = await this.session(id)
    const objects = new Map<number, ModelObject>()
    for (const { handle, objectClass, bits } of await this.client.objects.list(session)) {
      const type = objectClass === protocol.CKO_DATA ? protocol.CKA_VALUE : protocol.CKA_CHECK_VALUE
      const [label, content] = await this.client.objects.get(session, handle, [protocol.CKA_LABEL, type])
      objects.set(handle, {
        label: Buffer.from(label?.value ?? []).toString(),
        kind: `${objectClass} ${bits}`,
        content: Buffer.from(content?.value ?? []).toString('hex'),
      })
    }
    return objects
  }

  /** Of all that the log can hold without its reserve, the part that it holds. */
  async fullness(): Promise<number> {
    const { sectorSize, sectors, reserve, live } = await this.client.hsm.flash()
    return Number(live) / ((sectors - reserve) * sectorSize)
  }
}

const isCut = (error: unknown): boolean => error instanceof BoardError && error.code === 'POWER_CUT'

/** Masks for what a torn write still does: all kinds of halves. */
function tearing(seed: number): (index: number) => number {
  const numbers = seededNumbers(seed)
  const kind = numbers() % 5
  const edge = numbers() % 2048
  if (kind === 0) return () => 0
  if (kind === 1) return (index) => (index < edge ? 0xff : 0)
  if (kind === 2) return (index) => (index < edge ? 0 : 0xff)
  if (kind === 3) return () => numbers() & 0xff
  return () => (numbers() | numbers() | numbers()) & 0xff
}
