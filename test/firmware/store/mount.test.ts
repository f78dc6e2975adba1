// Power-up reads a log whose sectors stand in any order, with far more tombstones than there can be objects.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { RECORD, recordOf, setErases } from '../support/flash-image.js'
import { prepare } from '../support/officer.js'
import { seededNumbers } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'
import { viewOf } from '../support/token-view.js'

const test = suite('store: power-up')

const { FLASH_LOG, FLASH_SECTOR } = protocol
const SEED = Number(process.env.MOONLET_SEED ?? 4711)

interface Base {
  readonly state: State
  readonly partition: number
  readonly destroyed: number
  readonly view: string
}

/** A token with objects in several sectors, some of them rewritten, one destroyed. */
async function base(sectors: number): Promise<Base> {
  const { token, client, session, partition } = await prepare(await TestToken.make({ sectors, storage: 8_000_000n }), {
    size: 7_000_000n,
  })
  const handles: number[] = []
  for (let i = 0; i < 90; i++) {
    handles.push(await client.objects.create(session, dataObject(`object ${i}`, Buffer.alloc(3000, i))))
    const label = { type: protocol.CKA_LABEL, value: Buffer.from(`renamed ${i}`) }
    if (i % 3 === 0) await client.objects.set(session, handles[(i * 7) % handles.length] ?? 0, [label])
  }
  const [destroyed = 0] = handles
  await client.objects.destroy(session, [destroyed])
  token.board.powerOff()
  const state = copyState(token.state)
  return { state, partition, destroyed, view: await viewOf(TestToken.on(copyState(state)).client) }
}

/** The same items in another order. */
function shuffled<Item>(items: readonly Item[], numbers: () => number): Item[] {
  const rest = [...items]
  return items.flatMap(() => rest.splice(numbers() % rest.length, 1))
}

test('sectors in any order give the same token', async () => {
  const { state, view } = await base(20)
  const numbers = seededNumbers(SEED)
  const log = Array.from({ length: state.flash.size / FLASH_SECTOR - FLASH_LOG }, (_, i) => FLASH_LOG + i)
  for (let round = 0; round < 8; round++) {
    const order = round === 0 ? [...log].reverse() : shuffled(log, numbers)
    const moved = copyState(state)
    for (const [i, from] of order.entries()) {
      const sector = state.flash.image.subarray(from * FLASH_SECTOR, (from + 1) * FLASH_SECTOR)
      moved.flash.image.set(sector, (FLASH_LOG + i) * FLASH_SECTOR)
    }
    const token = new TestToken(moved)
    assert.is(token.board.powerOn(), protocol.RC_OK)
    assert.is(await viewOf(token.client), view, `order ${order}`)
  }
})

test('more tombstones than the directory has rows are no more than room to be cleaned', async () => {
  const sectors = 320
  const { state, partition, destroyed, view } = await base(sectors)
  const tombstone = recordOf(state.flash.image, partition, destroyed).bytes
  assert.is(tombstone.readUInt32BE(RECORD.slot), 2)
  let handle = 1_000_000
  const image = Buffer.from(state.flash.image.buffer)
  for (let sector = state.flash.size / FLASH_SECTOR - 280; sector < state.flash.size / FLASH_SECTOR; sector++) {
    setErases(image, sector, 0)
    for (let at = 16; at + tombstone.length <= FLASH_SECTOR; at += tombstone.length) {
      const copy = Buffer.from(tombstone)
      copy.writeUInt32BE(handle++, RECORD.handle)
      copy.copy(image, sector * FLASH_SECTOR + at)
    }
  }
  assert.ok(handle > 1_000_000 + 131_072)
  const token = new TestToken(state)
  assert.is(token.board.powerOn(), protocol.RC_OK)
  assert.is(await viewOf(token.client), view)
  const { dead } = await token.client.hsm.flash()
  assert.ok(dead > 280n * 65_000n, `${dead} dead bytes`)
})

test.run()
