// Wear is counted per sector, survives what happens to a sector, and is the same everywhere in the end.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { sectorHeaders, setErases } from '../support/flash-image.js'
import { type Officer, officerOn, prepare, soOn } from '../support/officer.js'
import { seededNumbers } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: wear')

const SEED = Number(process.env.MOONLET_SEED ?? 4711)
const KIB = 1024
/** DESIGN.md "Wear": the most worn sector is never further ahead of the least worn one than this. */
const MOST_SPREAD = 20

test.before(() => console.log(`seed ${SEED}`))

const erasesOf = (state: State): (number | undefined)[] => sectorHeaders(state.flash.image).map(({ erases }) => erases)

/** Of sectors that were used. */
const known = (state: State): number[] => erasesOf(state).flatMap((erases) => (erases === undefined ? [] : [erases]))

async function smallFlash(sectors = 16): Promise<Officer> {
  const token = await TestToken.make({ sectors, storage: 8_000_000n })
  return prepare(token, { size: 7_000_000n })
}

const create = ({ client, session }: Officer, value: Buffer) =>
  client.objects.create(session, dataObject('object', value))

const destroy = ({ client, session }: Officer, handles: readonly number[]) => client.objects.destroy(session, handles)

/** Objects come and go until the sectors were erased so often in all. */
async function wearDown(officer: Officer, erases: number): Promise<void> {
  const numbers = seededNumbers(SEED)
  const handles: number[] = []
  const total = () => known(officer.token.state).reduce((sum, one) => sum + one, 0)
  const end = total() + erases
  for (let i = 0; i % 16 !== 0 || total() < end; i++) {
    handles.push(await create(officer, Buffer.alloc(1 + (numbers() % (16 * KIB)), i)))
    if (handles.length > 6) await destroy(officer, handles.splice(numbers() % handles.length, 1))
  }
  await destroy(officer, handles)
}

test('sectors that were never used are blank, and FLASH_INFO says what the headers say', async () => {
  const officer = await smallFlash()
  assert.equal(erasesOf(officer.token.state), Array(11).fill(undefined))
  const info = await officer.client.hsm.flash()
  assert.equal(info, {
    sectorSize: protocol.FLASH_SECTOR,
    sectors: 11,
    free: 11,
    reserve: 4,
    live: 0n,
    dead: 0n,
    leastErases: 0,
    mostErases: 0,
    endurance: protocol.FLASH_ENDURANCE,
    superblocks: officer.token.state.counter,
  })
  const [first = 0] = [await create(officer, Buffer.alloc(1000)), await create(officer, Buffer.alloc(2000))]
  assert.equal(erasesOf(officer.token.state), [0, ...Array(10).fill(undefined)])
  const { free, live, dead } = await officer.client.hsm.flash()
  assert.is(free, 10)
  assert.ok(live > 3000n && live < 3500n && dead === 0n, `${live} live, ${dead} dead`)
  await destroy(officer, [first])
  const after = await officer.client.hsm.flash()
  assert.ok(after.live > 2000n && after.live < 2300n, `${after.live} live`)
  // The object, and the tombstone that ended it.
  assert.is(after.dead, live - after.live + 128n)
})

test('a zeroized HSM does not say', async () => {
  const officer = await smallFlash()
  await officer.client.hsm.zeroize(officer.admin)
  await refuses(protocol.RC_TOKEN_NOT_RECOGNIZED, officer.client.hsm.flash())
})

test('counts survive restarts, zeroization and initialization', async () => {
  const officer = await smallFlash()
  await wearDown(officer, 60)
  const worn = known(officer.token.state)
  officer.token.powerCycle()
  assert.equal(erasesOf(officer.token.state), worn, 'after a restart')
  const { leastErases, mostErases } = await officer.client.hsm.flash()
  assert.equal([leastErases, mostErases], [Math.min(...worn), Math.max(...worn)])
  await officer.client.hsm.zeroize(await soOn(officer.client))
  const zeroized = known(officer.token.state)
  zeroized.forEach((erases, i) => {
    assert.ok(erases === worn[i] || erases === (worn[i] ?? 0) + 1, `sector ${i}: ${worn[i]}, then ${erases}`)
  })
  officer.token.powerCycle()
  await prepare(officer.token)
  assert.equal(erasesOf(officer.token.state), zeroized, 'after initialization')
})

test('sectors whose data never changes wear like the others', async () => {
  const officer = await smallFlash()
  const still = new Map<number, Buffer>()
  // Half of the sectors hold what nobody will ever touch.
  for (let i = 0; i < 150; i++) {
    const value = Buffer.alloc(2 * KIB, i)
    still.set(await create(officer, value), value)
  }
  let widest = 0
  for (let round = 0; round < 12; round++) {
    await wearDown(officer, 60)
    const { leastErases, mostErases } = await officer.client.hsm.flash()
    widest = Math.max(widest, mostErases - leastErases)
    assert.ok(widest <= MOST_SPREAD, `${leastErases} to ${mostErases} erases`)
  }
  const { leastErases, mostErases } = await officer.client.hsm.flash()
  console.log(`${leastErases} to ${mostErases} erases, never more than ${widest} apart`)
  assert.ok(leastErases > 30, `${leastErases} erases at least`)
  for (const [handle, value] of still) {
    const [answer] = await officer.client.objects.get(officer.session, handle, [protocol.CKA_VALUE])
    assert.ok(answer && value.equals(answer.value), `object ${handle}`)
  }
})

for (const [name, damage] of [
  ['torn', (header: Buffer) => header.fill(0xf7, 2, 9)],
  ['lost', (header: Buffer) => header.fill(0xff)],
] as const) {
  test(`a sector whose header is ${name} counts as worn as the worst`, async () => {
    const officer = await smallFlash()
    await wearDown(officer, 60)
    officer.token.board.powerOff()
    const state = copyState(officer.token.state)
    const worst = Math.max(...known(state))
    const free = sectorHeaders(state.flash.image).find(({ sector }) => {
      const at = sector * protocol.FLASH_SECTOR
      return state.flash.image.subarray(at + 16, at + protocol.FLASH_SECTOR).every((byte) => byte === 0xff)
    })
    if (!free) throw new Error('no sector is free')
    const at = free.sector * protocol.FLASH_SECTOR
    damage(Buffer.from(state.flash.image.buffer, state.flash.image.byteOffset + at, 16))
    const token = TestToken.on(state)
    const erases = sectorHeaders(state.flash.image).find(({ sector }) => sector === free.sector)?.erases
    // Only what is not blank has to be erased.
    assert.is(erases, name === 'torn' ? worst + 1 : worst)
    assert.is((await token.client.hsm.flash()).mostErases, erases)
  })
}

test('worn-out flash stores nothing new, but what it holds can be read and deleted', async () => {
  const officer = await smallFlash()
  const handle = await create(officer, Buffer.from('still here'))
  officer.token.board.powerOff()
  const state = copyState(officer.token.state)
  for (const { sector } of sectorHeaders(state.flash.image))
    setErases(state.flash.image, sector, protocol.FLASH_ENDURANCE - 2)
  const token = TestToken.on(state)
  const again = { ...officer, token, client: token.client, session: await officerOn(token.client, officer.partition) }
  const handles: number[] = []
  let code = protocol.RC_OK
  for (let i = 0; i < 2000 && code === protocol.RC_OK; i++) {
    code = await codeOf(create(again, Buffer.alloc(16 * KIB)).then((made) => handles.push(made)))
    if (code === protocol.RC_OK && handles.length > 3) await destroy(again, handles.splice(0, 1))
  }
  assert.is(code, protocol.RC_STORAGE_WORN)
  assert.equal(
    await destroy(again, handles),
    handles.map(() => protocol.RC_OK),
  )
  await refuses(protocol.RC_STORAGE_WORN, create(again, Buffer.from('new')))
  const [answer] = await again.client.objects.get(again.session, handle, [protocol.CKA_VALUE])
  assert.is(Buffer.from(answer?.value ?? []).toString(), 'still here')
  assert.is(token.powerCycle(), protocol.RC_OK)
  await officerOn(token.client, officer.partition)
})

test.run()
