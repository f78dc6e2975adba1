// The log is cleaned while the token works: objects stay right, full is an answer, and deleting makes room again.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { BoardError, FaultyMemory, type NonVolatile } from '../../../host/board/index.js'
import { TokenError } from '../../../host/client/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { type Officer, officerOn, prepare } from '../support/officer.js'
import { assertFreshKeys, seededNumbers } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { TestToken, type TokenParts } from '../support/test-token.js'

const test = suite('store: cleaning the log')

const SEED = Number(process.env.MOONLET_SEED ?? 4711)
const SECTORS = 13
const KIB = 1024

test.before(() => console.log(`seed ${SEED}`))

/** What should be in a partition: values by handle. */
type Model = Map<number, Buffer>

/** A token whose log is full long before its storage is, by the account of the partition. */
async function smallFlash(parts?: TokenParts): Promise<Officer> {
  const token = await TestToken.make({ sectors: SECTORS, storage: 8_000_000n }, parts)
  return prepare(token, { size: 7_000_000n })
}

const create = ({ client, session }: Officer, value: Buffer) =>
  client.objects.create(session, dataObject('object', value))

/** Asserts that the partition holds exactly the model. */
async function assertHolds({ client, session }: Officer, model: Model, what: string): Promise<void> {
  const handles = (await client.objects.list(session)).map(({ handle }) => handle).sort((a, b) => a - b)
  assert.equal(
    handles,
    [...model.keys()].sort((a, b) => a - b),
    what,
  )
  for (const [handle, value] of model) {
    const [answer] = await client.objects.get(session, handle, [protocol.CKA_VALUE])
    assert.ok(answer && value.equals(answer.value), `object ${handle}, ${what}`)
  }
}

async function reboot(officer: Officer): Promise<Officer> {
  assert.is(officer.token.powerCycle(), protocol.RC_OK)
  return { ...officer, session: await officerOn(officer.client, officer.partition) }
}

/** Creates objects of one size until the log is full. */
async function fill(officer: Officer, model: Model, size: number): Promise<void> {
  for (let i = 0; ; i++) {
    const value = Buffer.alloc(size, i)
    try {
      model.set(await create(officer, value), value)
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      assert.is(error.code, 'CKR_HSM_STORAGE_FULL')
      return
    }
  }
}

async function destroy({ client, session }: Officer, model: Model, handles: readonly number[]): Promise<void> {
  assert.equal(await client.objects.destroy(session, handles), Array(handles.length).fill(protocol.RC_OK))
  for (const handle of handles) model.delete(handle)
}

test('far more bytes than the flash holds go through it', async () => {
  const numbers = seededNumbers(SEED)
  let officer = await smallFlash()
  const model: Model = new Map()
  let written = 0
  for (let step = 1; written < 40 * SECTORS * protocol.FLASH_SECTOR; step++) {
    const live = [...model.values()].reduce((sum, value) => sum + value.length, 0)
    if (live < 100 * KIB || numbers() % 2 === 0) {
      const value = Buffer.alloc(1 + (numbers() % (12 * KIB)), step)
      model.set(await create(officer, value), value)
      written += value.length
    }
    const handles = [...model.keys()]
    if (live > 150 * KIB) await destroy(officer, model, handles.slice(0, 1 + (numbers() % 8)))
    if (step % 500 === 0) {
      officer = await reboot(officer)
      await assertHolds(officer, model, `after ${written} bytes`)
      assertFreshKeys(officer.token.state.flash.image, `after ${written} bytes`)
    }
  }
  await assertHolds(officer, model, 'in the end')
})

for (const size of [100, 5 * KIB, 20 * KIB, 33 * KIB, 60 * KIB]) {
  test(`full of objects of ${size} bytes: an answer, nothing lost, and room again after deleting`, async () => {
    let officer = await smallFlash()
    const model: Model = new Map()
    await fill(officer, model, size)
    assert.ok(model.size * size > 90 * KIB, `${model.size} objects`)
    await assertHolds(officer, model, 'when it is full')
    officer = await reboot(officer)
    await refuses(protocol.RC_HSM_STORAGE_FULL, create(officer, Buffer.alloc(size)))
    const count = model.size
    for (let round = 0; round < 3; round++) {
      const doomed = [...model.keys()].filter((_, i) => i % 2 === 0)
      for (const handle of doomed) await destroy(officer, model, [handle])
      await fill(officer, model, size)
      assert.ok(model.size > count * 0.8, `${model.size} of ${count} objects fit in round ${round}`)
    }
    await assertHolds(officer, model, 'in the end')
    await assertHolds(await reboot(officer), model, 'after a restart')
  })
}

test('at the brim, deleting is never refused', async () => {
  for (const most of [300, 5 * KIB, 30 * KIB]) {
    const numbers = seededNumbers(SEED)
    const officer = await smallFlash()
    const model: Model = new Map()
    for (let step = 0; step < 3000; step++) {
      const value = Buffer.alloc(1 + (numbers() % most), step)
      const code = await codeOf(create(officer, value).then((handle) => model.set(handle, value)))
      if (code === protocol.RC_OK) continue
      assert.is(code, protocol.RC_HSM_STORAGE_FULL)
      const handles = [...model.keys()]
      for (let i = numbers() % 4; i >= 0; i--) {
        const [victim] = handles.splice(numbers() % handles.length, 1)
        if (victim !== undefined) await destroy(officer, model, [victim])
      }
    }
    await assertHolds(officer, model, `objects up to ${most} bytes`)
  }
})

test('a full log takes the longest list of objects to destroy', async () => {
  const officer = await smallFlash()
  const model: Model = new Map()
  await fill(officer, model, 1)
  assert.ok(model.size > 1024)
  await destroy(officer, model, [...model.keys()].slice(0, 1024))
  await assertHolds(officer, model, 'after that')
})

test('a full partition says so, and takes objects again after deleting', async () => {
  const token = await TestToken.make({ sectors: SECTORS })
  const officer = await prepare(token, { size: 10_000n })
  const handles: number[] = []
  const code = async () => codeOf(create(officer, Buffer.alloc(900)).then((handle) => handles.push(handle)))
  while ((await code()) === protocol.RC_OK);
  assert.is(await code(), protocol.RC_CONTAINER_STORAGE_FULL)
  const { total, used } = await officer.client.partitions.info(officer.partition)
  assert.ok(total === 10_000n && used <= total && used > 8000n)
  await officer.client.objects.destroy(officer.session, handles.slice(0, 1))
  assert.is(await code(), protocol.RC_OK)
})

test('power cuts anywhere, at the brim: what was answered holds, what was not is whole', async () => {
  const numbers = seededNumbers(SEED)
  let faults: FaultyMemory | undefined
  const wrap = (memory: NonVolatile) => {
    faults = new FaultyMemory(memory)
    return faults
  }
  let officer = await smallFlash({ wrap })
  const { token } = officer
  const model: Model = new Map()
  await fill(officer, model, 9 * KIB)
  let cuts = 0
  while (cuts < 200) {
    faults?.cut({ at: 1 + (numbers() % 60), torn: () => numbers() & 0xff })
    const value = Buffer.alloc(1 + (numbers() % (16 * KIB)), cuts)
    let tried: number[] = []
    let creating = false
    try {
      for (;;) {
        creating = numbers() % 2 === 0
        tried = [...model.keys()].filter(() => numbers() % 12 === 0).slice(0, 3)
        if (creating) {
          const code = await codeOf(create(officer, value).then((handle) => model.set(handle, value)))
          assert.ok(code === protocol.RC_OK || code === protocol.RC_HSM_STORAGE_FULL, `code ${code}`)
        } else if (tried.length > 0) await destroy(officer, model, tried)
      }
    } catch (error) {
      if (!(error instanceof BoardError && error.code === 'POWER_CUT')) throw error
      cuts++
    }
    // Half of the recoveries are cut as well.
    if (numbers() % 2 === 0) {
      faults?.cut({ at: 1 + (numbers() % 12), torn: () => numbers() & 0xff })
      try {
        token.board.powerOn()
        token.board.powerOff()
      } catch (error) {
        if (!(error instanceof BoardError && error.code === 'POWER_CUT')) throw error
      }
    }
    faults?.cut()
    assert.is(token.board.powerOn(), protocol.RC_OK, `boot after cut ${cuts}`)
    officer = { ...officer, session: await officerOn(officer.client, officer.partition) }
    const rows = new Set((await officer.client.objects.list(officer.session)).map(({ handle }) => handle))
    if (creating) {
      const [extra] = [...rows].filter((handle) => !model.has(handle))
      if (extra !== undefined) model.set(extra, value)
    } else if (tried.every((handle) => !rows.has(handle))) for (const handle of tried) model.delete(handle)
    await assertHolds(officer, model, `after cut ${cuts}`)
    assertFreshKeys(token.state.flash.image, `after cut ${cuts}`)
  }
  console.log(`${cuts} power cuts`)
})

test.run()
