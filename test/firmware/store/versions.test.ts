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

/** Changes the layout of both superblocks, or of one of them (0 = the newest). */
const superblockLayout = (layout: number, which?: number) => (state: State) => {
  for (const [i, { offset }] of superblocks(state.flash.image).entries()) {
    if (which === undefined || which === i) u32(offset + SUPERBLOCK.layout, layout)(state)
  }
}

test('superblocks of another layout', async () => {
  for (const layout of [1, 3, 0xffff_fffe]) {
    assert.is(await bootOf(superblockLayout(layout)), RC_STORAGE_VERSION, `${layout}`)
  }
})

test('a newer firmware has booted once: the superblock before it is not taken for the last one, nor for a roll-back', async () => {
  assert.is(superblocks(made.flash.image).length, 2)
  assert.is(await bootOf(superblockLayout(3, 0)), RC_STORAGE_VERSION)
})

test('rubbish in the older slot is nothing, a layout of its own neither', async () => {
  const expected = await viewOf(TestToken.on(copyState(made)).client)
  for (const change of [superblockLayout(3, 1), superblockLayout(0xffff_ffff, 1)]) {
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
