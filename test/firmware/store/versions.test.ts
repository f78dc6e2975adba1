// Flash that a newer firmware has written, or no firmware of ours: the token says so, answers status only, and changes nothing.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { newestSuperblock, SUPERBLOCK, superblocks } from '../support/flash-image.js'
import { prepare } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'
import { viewOf } from '../support/token-view.js'

const test = suite('store: layouts of other versions')

const { RC_OK, RC_STORAGE_INTEGRITY, RC_STORAGE_VERSION } = protocol
/** Offsets in the factory record. */
const [LAYOUT, PROFILE, COMMIT] = [4, 20, 1024]

let made: State

test.before(async () => {
  const own = await prepare(await TestToken.make({ sectors: 12 }))
  await own.client.objects.create(own.session, dataObject('kept', 'value'))
  own.token.board.powerOff()
  made = own.token.state
})

const view = (image: Uint8Array): Buffer => Buffer.from(image.buffer, image.byteOffset, image.length)

/** Boots a changed copy. @returns what the boot answered; asserts that an error state writes nothing and does nothing */
async function bootOf(change: (state: State) => void): Promise<number> {
  const state = copyState(made)
  change(state)
  const before = copyState(state)
  const token = new TestToken(state)
  const code = token.board.powerOn()
  const status = await token.client.status()
  assert.is(status.error, code)
  if (code !== RC_OK) {
    assert.is(status.state, protocol.STATE_ERROR)
    await refuses(protocol.RC_ERROR_STATE, token.client.openSession(protocol.ADMIN_PARTITION))
    await refuses(protocol.RC_ERROR_STATE, token.client.hsm.info())
    assert.ok(view(state.flash.image).equals(view(before.flash.image)), 'flash is as it was')
    assert.is(state.counter, before.counter)
    for (let region = 0; region < protocol.BATTERY_REGIONS; region++) {
      assert.equal(state.battery(region), before.battery(region), 'batteries are as they were')
    }
    assert.is(token.powerCycle(), code, 'and again')
  }
  token.board.powerOff()
  return code
}

const u32 = (offset: number, value: number) => (state: State) => {
  view(state.flash.image).writeUInt32BE(value >>> 0, offset)
}

test('unchanged it boots', async () => {
  assert.is(await bootOf(() => {}), RC_OK)
})

test('a factory record of a newer layout', async () => {
  for (const layout of [2, 3, 0x7fff_ffff, 0xffff_fffe]) {
    assert.is(await bootOf(u32(LAYOUT, layout)), RC_STORAGE_VERSION, `${layout}`)
  }
})

test('a factory record of a profile that this firmware does not know', async () => {
  for (const profile of [0x0709_0000, 0x0800_0000, 0x0600_0000, 0]) {
    assert.is(await bootOf(u32(PROFILE, profile)), RC_STORAGE_VERSION, profile.toString(16))
  }
  // One that it does know, but that is not the one of this HSM: the record's MAC says so.
  assert.is(await bootOf(u32(PROFILE, protocol.PROFILE_7_0_3)), RC_STORAGE_INTEGRITY)
})

test('an older layout number, or another magic, is no record of ours', async () => {
  assert.is(await bootOf(u32(LAYOUT, 0)), RC_STORAGE_INTEGRITY)
  assert.is(await bootOf(u32(0, 0x4f42_4d32)), RC_STORAGE_INTEGRITY)
})

test('without its commit word the board is blank', async () => {
  assert.is(await bootOf(u32(COMMIT, 0xffff_ffff)), RC_OK)
})

/** Changes the layout of the superblock. */
const superblockLayout = (layout: number) => (state: State) => {
  for (const { offset } of superblocks(state.flash.image)) u32(offset + SUPERBLOCK.layout, layout)(state)
}

/** Programs the other slot as a firmware of another layout would, one step after the superblock that is there. */
const nextSuperblock = (layout: number) => (state: State) => {
  const { offset, sequence, bytes } = newestSuperblock(state.flash.image)
  const slots = [protocol.FLASH_SUPERBLOCK_A, protocol.FLASH_SUPERBLOCK_B].map((slot) => slot * protocol.FLASH_SECTOR)
  const other = slots.find((slot) => slot !== offset) ?? 0
  view(state.flash.image).set(bytes, other)
  u32(other + SUPERBLOCK.layout, layout)(state)
  view(state.flash.image).writeBigUInt64BE(sequence + 1n, other + SUPERBLOCK.sequence)
}

const counterStep = (state: State) => state.apply({ kind: 'counter', value: state.counter + 1n })

test('superblocks of another layout', async () => {
  for (const layout of [1, 3, 0xffff_fffe]) {
    assert.is(await bootOf(superblockLayout(layout)), RC_STORAGE_VERSION, `${layout}`)
  }
})

test('a newer firmware was cut after its first step: the superblock before it is not taken for a roll-back', async () => {
  const code = await bootOf((state) => {
    nextSuperblock(3)(state)
    counterStep(state)
  })
  assert.is(code, RC_STORAGE_VERSION)
  // Without it that is what it would be.
  assert.is(await bootOf(counterStep), RC_STORAGE_INTEGRITY)
})

test('cut before the counter it has not happened: the superblock that is there counts, whatever lies beside it', async () => {
  const expected = await viewOf(TestToken.on(copyState(made)).client)
  for (const change of [nextSuperblock(3), nextSuperblock(0xffff_ffff)]) {
    const state = copyState(made)
    change(state)
    const token = TestToken.on(state)
    assert.is(await viewOf(token.client), expected)
    token.board.powerOff()
  }
})

test('a superblock that was changed, or both of them gone, is no matter of versions', async () => {
  assert.is(
    await bootOf((state) => {
      for (const { bytes } of superblocks(state.flash.image)) bytes[600] = (bytes[600] ?? 0) ^ 1
    }),
    RC_STORAGE_INTEGRITY,
  )
  assert.is(
    await bootOf((state) => {
      const { offset } = newestSuperblock(state.flash.image)
      view(state.flash.image).fill(0xff, offset, offset + protocol.FLASH_SECTOR)
    }),
    RC_STORAGE_INTEGRITY,
  )
})

test('a newer layout does not keep the HSM from being what it is: with the old flash back all is there', async () => {
  const state = copyState(made)
  superblockLayout(3)(state)
  const token = new TestToken(state)
  assert.is(token.board.powerOn(), RC_STORAGE_VERSION)
  assert.is(await codeOf(token.client.selfTest()), protocol.RC_ERROR_STATE)
  token.board.powerOff()
  superblockLayout(2)(state)
  assert.is(token.board.powerOn(), RC_OK)
  assert.is(await viewOf(token.client), await viewOf(TestToken.on(copyState(made)).client))
})

test.run()
