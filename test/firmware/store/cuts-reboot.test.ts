// Recovery can be cut too, any number of times: it ends in the same token.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { FaultyMemory, type NonVolatile, type State } from '../../../host/board/index.js'
import type { TokenClient } from '../../../host/client/index.js'
import { type Brim, brim, createOneMore } from '../support/brim.js'
import { recordScenario, TORN_SEED } from '../support/cut-scenario.js'
import { officerOn, prepare, soOn } from '../support/officer.js'
import { type Cut, cutRecovery, cutStates, seededNumbers, storeDigest } from '../support/power-cuts.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts in the recovery')

/** Of the cuts of a command, one in so many has its recovery cut. */
const EVERY = 7
/** Ways of half an operation, for the command and for its recovery. */
const WAYS = 2

let base: State
let partition = 0
let full: Brim
let cuts = 0

test.before(async () => {
  const { token, client, session, partition: id } = await prepare(await TestToken.make({ sectors: 12 }))
  for (let i = 0; i < 3; i++) {
    await client.objects.create(session, dataObject(`public ${i}`, `value ${i}`))
    await client.objects.create(session, aesKey(`key ${i}`, Buffer.alloc(32, i + 1)))
  }
  token.board.powerOff()
  base = copyState(token.state)
  partition = id
  full = await brim()
})

test.after(() => console.log(`${cuts} power cuts in recoveries`))

type Work = (client: TokenClient, session: number, admin: number) => Promise<unknown>

/** The cuts of a command. */
async function cutsOf(from: State, id: number, work: Work): Promise<Cut[]> {
  const recording = await recordScenario({
    from,
    prepare: async ({ client }) => {
      const admin = await soOn(client)
      const session = await officerOn(client, id)
      return () => work(client, session, admin)
    },
  })
  return [...cutStates(recording, TORN_SEED, WAYS)]
}

const COMMANDS: readonly (readonly [name: string, work: Work])[] = [
  ['create', (client, session) => client.objects.create(session, dataObject('new', 'value'))],
  [
    'destroy',
    async (client, session) => {
      const rows = await client.objects.list(session)
      await client.objects.destroy(
        session,
        rows.slice(0, 4).map(({ handle }) => handle),
      )
    },
  ],
  ['clear', (client, session) => client.partitions.clear(session)],
  ['delete a partition', (client, _, admin) => client.partitions.delete(admin, partition)],
  ['zeroize', (client, _, admin) => client.hsm.zeroize(admin)],
]

for (const [name, work] of COMMANDS) {
  test(`${name}: the recovery of a cut, cut at every operation, leads to the same token`, async () => {
    const all = await cutsOf(base, partition, work)
    for (const [i, cut] of all.entries()) if (i % EVERY === 0) cuts += await cutRecovery(cut, TORN_SEED, WAYS)
  })
}

test('create where a sector has to be cleaned', async () => {
  const all = await cutsOf(full.state, full.partition, createOneMore)
  for (const [i, cut] of all.entries()) if (i % (3 * EVERY) === 0) cuts += await cutRecovery(cut, TORN_SEED, 1)
})

test('cut again and again, at random, it ends in the same token', async () => {
  const numbers = seededNumbers(TORN_SEED)
  const all = await cutsOf(base, partition, (client, session) => client.partitions.clear(session))
  for (let chain = 0; chain < 12; chain++) {
    const cut = all[numbers() % all.length]
    if (!cut) throw new Error('no cut')
    const expected = TestToken.on(copyState(cut.state))
    let faults: FaultyMemory | undefined
    const wrap = (memory: NonVolatile) => {
      faults = new FaultyMemory(memory)
      return faults
    }
    const token = new TestToken(copyState(cut.state), { wrap })
    for (let i = 0; i < 8; i++) {
      faults?.cut({ at: 1 + (numbers() % 14), torn: () => numbers() & 0xff })
      try {
        token.board.powerOn()
      } catch {
        cuts++
      }
      token.board.powerOff()
    }
    faults?.cut()
    assert.is(token.board.powerOn(), protocol.RC_OK)
    assert.is(storeDigest(token.state), storeDigest(expected.state), `chain ${chain}, cut ${cut.what}`)
  }
})

test.run()
