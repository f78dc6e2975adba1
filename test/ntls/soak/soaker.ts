import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import type { NtlsClient } from '../../../host/ntls/index.js'
import { SECRETS } from '../../firmware/support/officer.js'
import type { Random } from '../../fuzz/engine/random.js'
import { codeOf, tokenOf } from '../support/site.js'
import type { CutProxy } from './cut-proxy.js'
import { SessionModel, type Thing } from './model.js'
import { loggedOut, operate, type Room, type Turn } from './operations.js'

export interface SoakerOptions {
  readonly number: number
  readonly link: NtlsClient
  readonly proxy: CutProxy
  readonly partition: number
  readonly forbidden: number
  readonly sessions: number
  readonly room: Room
  readonly random: Random
}

/** All clients say this one: what keeps them apart is the appliance. */
const ACCESS = 1n

/** Operations of each session between two changes to the client's log-in. */
const OPERATIONS = 4

/** One client, its sessions, and what each answer has to be. */
export class Soaker {
  operations = 0
  readonly handles = new Set<number>()
  readonly #client: TokenClient
  readonly #models: SessionModel[] = []
  /** A client of another partition. */
  neighbour: Soaker | undefined

  constructor(private readonly options: SoakerOptions) {
    this.#client = tokenOf(options.link, ACCESS)
  }

  async begin(): Promise<void> {
    const { number, sessions, random } = this.options
    for (let i = 0; i < sessions; i++) {
      const id = Buffer.of(number >> 8, number & 0xff, i)
      this.#models.push(new SessionModel(await this.#open(), id, random.fork()))
    }
    await this.#login()
  }

  /** Objects and sessions that it knows of. */
  get remembered(): number {
    return this.#models.reduce((sum, { things }) => sum + things.size, this.handles.size)
  }

  get tokenThings(): readonly Thing[] {
    return this.#models.flatMap(({ things }) => [...things.values()].filter(({ isToken }) => isToken))
  }

  /** A session of this client and something that it has made in it. */
  get sample(): Turn['foreign'] {
    const model = this.#models.length > 0 ? this.options.random.pick(this.#models) : undefined
    return model && { session: model.session, thing: model.pick(() => true) }
  }

  /** Works until the moment has come. */
  async work(until: number): Promise<void> {
    while (Date.now() < until) {
      await this.#everySession(OPERATIONS, operate)
      await this.#change()
    }
  }

  /** Works until its link is cut after so many more bytes. @throws whatever was wrong before */
  async workUntilCut(bytes: number): Promise<void> {
    let cut = false
    const over = this.options.proxy.cutAfter(bytes).then(() => {
      cut = true
    })
    const work = this.#models.map(async (model) => {
      while (!cut) await operate(this.#turn(model))
    })
    const results = await Promise.allSettled([...work, over])
    for (const result of results) {
      if (result.status === 'rejected' && !isLost(result.reason)) throw result.reason
    }
  }

  async #everySession(times: number, what: (turn: Turn) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#models.map(async (model) => {
        for (let i = 0; i < times; i++) {
          await what(this.#turn(model))
          this.operations++
        }
      }),
    )
  }

  #turn(own: SessionModel): Turn {
    const { partition, forbidden, room } = this.options
    return { client: this.#client, own, partition, forbidden, room, foreign: this.neighbour?.sample }
  }

  /** Something that concerns the client as a whole: now and then. */
  async #change(): Promise<void> {
    const { random } = this.options
    if (random.oneIn(6)) {
      const model = random.pick(this.#models)
      const old = model.session
      await this.#client.closeSession(old)
      model.session = await this.#open()
      assert.match(await codeOf(this.#client.sessionInfo(old)), /CKR_SESSION_HANDLE_INVALID/)
    }
    if (!random.oneIn(10)) return
    const { session } = random.pick(this.#models)
    await this.#client.roles.logout(session)
    await this.#everySession(1, loggedOut)
    // A log-out ends what is private and of a session.
    for (const { things } of this.#models) {
      for (const { handle, isPrivate, isToken } of things.values()) {
        if (!isPrivate || isToken) continue
        things.delete(handle)
        this.options.room.left++
      }
    }
    if (random.oneIn(4)) {
      const wrong = this.#client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'not the password')
      assert.match(await codeOf(wrong), /CKR_PIN_INCORRECT/)
    }
    await this.#login()
  }

  async #open(): Promise<number> {
    const session = await this.#client.openSession(this.options.partition)
    assert.not.ok(this.handles.has(session), 'a session that there was already')
    this.handles.add(session)
    return session
  }

  async #login(): Promise<void> {
    const { session } = this.options.random.pick(this.#models)
    await this.#client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  }
}

const isLost = (error: unknown): boolean => /TRANSPORT_REMOVED/.test(describe(error))

/** An assertion has the code that came in place of the one expected. */
function describe(error: unknown): string {
  if (error instanceof assert.Assertion) return `${error.actual}`
  if (error instanceof Error && 'code' in error) return String(error.code)
  return String(error)
}
