// A log-in that waits for a key at the PED, taken down in the middle and set up again.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { decodeSnapshot, type FrameLink, frameCable } from '../../../host/board/index.js'
import { type Operator, Ped, type PedAction, type PedPrompt } from '../../../host/ped/index.js'
import { ownPartition } from '../support/officer.js'
import { PedDesk } from '../support/ped-desk.js'
import { SwapToken } from '../support/swap-token.js'

const test = suite('snapshots: parked commands')

/** A PED cable whose plug can be moved from board to board while the PED notices nothing. */
class MovingPlug {
  #frame: ((frame: Uint8Array) => void) | undefined
  constructor(private readonly cable: FrameLink) {
    cable.onFrame((frame) => this.#frame?.(frame))
  }

  into(token: SwapToken): void {
    const { cable } = this
    token.board.attachPed('local', {
      send: (frame) => cable.send(frame),
      onFrame: (handler) => {
        this.#frame = handler
      },
      onClose: () => undefined,
      close: () => undefined,
    })
  }
}

/** A person who works by the book, but takes time to find a key when told to. */
class SlowOperator implements Operator {
  #asked: (() => void) | undefined
  #finding: Promise<void> | undefined

  constructor(private readonly byTheBook: Operator) {}

  /** The next question is answered after `found`. */
  slowDown(): { readonly asked: Promise<void>; readonly found: () => void } {
    let found = (): void => undefined
    this.#finding = new Promise((resolve) => {
      found = resolve
    })
    const asked = new Promise<void>((resolve) => {
      this.#asked = resolve
    })
    return { asked, found }
  }

  async answer(prompt: PedPrompt, signal: AbortSignal): Promise<PedAction> {
    this.#asked?.()
    await this.#finding
    return this.byTheBook.answer(prompt, signal)
  }
}

interface Table {
  readonly desk: PedDesk
  readonly token: SwapToken
  readonly plug: MovingPlug
  readonly operator: SlowOperator
  readonly admin: number
}

async function withTable(work: (table: Table) => Promise<void>): Promise<void> {
  const desk = await PedDesk.lay()
  try {
    const token = await SwapToken.make('parked', { auth: protocol.AUTH_PED }, { clock: desk.clock })
    const operator = new SlowOperator(desk.byTheBook())
    const [near, far] = frameCable()
    new Ped({ box: desk.box, operator, clock: desk.clock }).connect(far)
    const plug = new MovingPlug(near)
    plug.into(token)
    const fresh = await token.client.openSession(protocol.ADMIN_PARTITION)
    await token.client.hsm.init(fresh, { label: 'parked' })
    const admin = await token.client.openSession(protocol.ADMIN_PARTITION)
    await work({ desk, token, plug, operator, admin })
  } finally {
    desk.clear()
  }
}

/** Starts a log-in; the person has been asked for the blue key and looks for it until `found` is called. */
async function atThePrompt({ token, operator, admin }: Table): Promise<{ readonly found: () => void }> {
  const { asked, found } = operator.slowDown()
  const login = token.client.roles.login(admin, protocol.ROLE_SO)
  login.catch(() => undefined)
  await asked
  return { found }
}

const roleOf = async (token: SwapToken, session: number): Promise<number | undefined> =>
  (await token.client.sessionInfo(session)).role

test('without a PED the restored command ends at the first tick, with nobody logged in', () =>
  withTable(async (table) => {
    const { token, admin } = table
    await atThePrompt(table)
    const fork = await token.fork()
    assert.is(decodeSnapshot(fork.board.snapshot()).pending.length, 1)
    fork.board.tick()
    assert.is(decodeSnapshot(fork.board.snapshot()).pending.length, 0)
    assert.is(await roleOf(fork, admin), undefined)
    assert.is(fork.board.crash, undefined)
  }))

test('another PED has not the keys of the link: the command ends when its time is over', () =>
  withTable(async (table) => {
    const { desk, token, admin } = table
    await atThePrompt(table)
    const fork = await token.fork()
    const [near, far] = frameCable()
    new Ped({ box: desk.box, operator: desk.byTheBook(), clock: desk.clock }).connect(far)
    fork.board.attachPed('local', near)
    assert.is(decodeSnapshot(fork.board.snapshot()).pending.length, 1, 'it goes on waiting')
    fork.board.advance(protocol.PED_KEY_TIMEOUT)
    assert.is(decodeSnapshot(fork.board.snapshot()).pending.length, 0)
    await fork.client.roles.login(admin, protocol.ROLE_SO)
    assert.is(await roleOf(fork, admin), protocol.ROLE_SO, 'the next one is served by the new PED')
  }))

test('an activated role is activated on the restored token: its challenge alone logs in, without a PED', () =>
  withTable(async ({ token, admin }) => {
    const { client } = token
    await client.roles.login(admin, protocol.ROLE_SO)
    const partition = await ownPartition(client, admin)
    const session = await client.openSession(partition)
    await client.roles.login(session, protocol.ROLE_PARTITION_SO)
    await client.partitions.setPolicy(session, partition, protocol.POLICY_ACTIVATION, 1)
    await client.roles.createChallenge(session, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')
    await client.roles.logout(session)
    await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')
    await client.roles.logout(session)
    await token.swap()
    const { wasActivated } = await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, 'a challenge')
    assert.ok(wasActivated)
  }))

test('the PED that was asked answers the restored token: the log-in counts, though nobody hears of it', () =>
  withTable(async (table) => {
    const { token, plug, admin } = table
    const { found } = await atThePrompt(table)
    const fork = await token.fork()
    token.board.powerOff()
    plug.into(fork)
    found()
    // The answer is on its way through the cable, a few turns long.
    while (decodeSnapshot(fork.board.snapshot()).pending.length > 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.is(await roleOf(fork, admin), protocol.ROLE_SO)
    assert.is(fork.board.crash, undefined)
  }))

test.run()
