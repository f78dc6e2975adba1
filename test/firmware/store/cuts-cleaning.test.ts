// Power cuts while a sector is cleaned: no object is lost or damaged, and no copy of one is left to outlive it.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Change, FaultyMemory, type NonVolatile, type State } from '../../../host/board/index.js'
import { type Brim, brim, createOneMore, young } from '../support/brim.js'
import { recordScenario, TORN_SEED } from '../support/cut-scenario.js'
import { codeOf } from '../support/expect.js'
import { strayCopies, tracesOf, wrappedKeys } from '../support/flash-image.js'
import { officerOn } from '../support/officer.js'
import { cutStates, seededNumbers } from '../support/power-cuts.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts while the log is cleaned')

let full: Brim
let worn: Brim
let cuts = 0

test.before(async () => {
  full = await brim()
  worn = await young()
})

test.after(() => console.log(`${cuts} power cuts`))

const scenario = (base: Brim) => ({
  from: base.state,
  prepare: async ({ client }: TestToken) => {
    const session = await officerOn(client, base.partition)
    return () => createOneMore(client, session)
  },
})

/** Every object has its value, and stands in the image once: when it is destroyed there will be no other copy of it. */
async function assertWhole(token: TestToken, base: Brim, what: string): Promise<void> {
  const { client } = token
  const session = await client.openSession(base.partition)
  for (const [handle, value] of base.values) {
    const [answer] = await client.objects.get(session, handle, [protocol.CKA_VALUE])
    assert.ok(answer && value.equals(answer.value), `${what}: object ${handle}`)
  }
  const more = (await client.partitions.info(base.partition)).objects - base.values.size
  assert.ok(more === 0 || more === 1, `${what}: ${more} objects more`)
  assert.equal(strayCopies(token.state.flash.image), [], `${what}: copies`)
}

const isCleaning = (change: Change): boolean => change.kind === 'erase' && change.sector >= protocol.FLASH_LOG

for (const [name, base] of [
  ['for room', () => full],
  ['for wear', () => worn],
] as const) {
  test(`cut while objects move ${name}: each is whole, and there once`, async () => {
    const recording = await recordScenario(scenario(base()))
    assert.ok(recording.changes.some(isCleaning), 'a sector is cleaned')
    for (const { what, state } of cutStates(recording, TORN_SEED)) {
      await assertWhole(TestToken.on(state), base(), what)
      cuts++
    }
  })
}

test('cut again and again in the middle of cleaning, an HSM does not run out of room', async () => {
  const numbers = seededNumbers(TORN_SEED)
  let faults: FaultyMemory | undefined
  const wrap = (memory: NonVolatile) => {
    faults = new FaultyMemory(memory)
    return faults
  }
  const token = TestToken.on(copyState(full.state), { wrap })
  for (let i = 0; i < 24; i++) {
    const session = await officerOn(token.client, full.partition)
    // Behind the first copies, before the erase.
    faults?.cut({ at: 4 + (numbers() % 8), torn: () => numbers() & 0xff })
    assert.is(await codeOf(createOneMore(token.client, session)).catch(() => -1), -1, `cut ${i} happens`)
    faults?.cut()
    assert.is(token.board.powerOn(), protocol.RC_OK)
    cuts++
    const { free, reserve } = await token.client.hsm.flash()
    assert.ok(free >= reserve - 1, `${free} sectors are free after cut ${i}`)
  }
  await assertWhole(token, full, 'in the end')
  const keys = wrappedKeys(full.state.flash.image)
  const session = await officerOn(token.client, full.partition)
  const handles = [...full.values.keys()]
  assert.equal(await token.client.objects.destroy(session, handles), Array(handles.length).fill(protocol.RC_OK))
  const left = wrappedKeys(token.state.flash.image)
  const gone = [...keys].filter((key) => !left.has(key))
  assert.ok(gone.length >= handles.length)
  assert.equal(tracesOf(token.state.flash.image, gone), [])
})

/** Raises the tamper line at one operation, in the middle of the command. */
class TamperAt implements NonVolatile {
  token: TestToken | undefined
  #operations = 0

  constructor(
    private readonly inner: NonVolatile,
    private readonly at: number,
  ) {}

  get state(): State {
    return this.inner.state
  }

  get dirty(): boolean {
    return this.inner.dirty
  }

  apply(change: Change): void {
    this.inner.apply(change)
    if (!this.token || change.kind === 'random' || change.kind === 'alive') return
    this.#operations++
    if (this.#operations === this.at) this.token.board.tamper(1)
  }

  sync(): void {
    this.inner.sync()
  }

  get reached(): boolean {
    return this.#operations >= this.at
  }
}

test('a tamper while the log is cleaned loses nothing either', async () => {
  let at = 1
  for (; ; at++) {
    let line: TamperAt | undefined
    const wrap = (memory: NonVolatile) => {
      line = new TamperAt(memory, at)
      return line
    }
    const token = TestToken.on(copyState(full.state), { wrap })
    const session = await officerOn(token.client, full.partition)
    if (line) line.token = token
    const code = await codeOf(createOneMore(token.client, session)).catch(() => protocol.RC_HSM_TAMPERED)
    if (!line?.reached) break
    assert.is(code, protocol.RC_HSM_TAMPERED, `operation ${at}`)
    line.token = undefined
    token.board.tamper(0)
    assert.is(token.powerCycle(), protocol.RC_OK, `operation ${at}`)
    await assertWhole(token, full, `tampered at operation ${at}`)
  }
  assert.ok(at > 20, `${at} operations`)
})

test.run()
