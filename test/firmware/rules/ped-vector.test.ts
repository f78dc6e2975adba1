// The remote PED vector: who makes and erases it, what goes with it, and that it stays erased.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, ownPartition, soOn } from '../support/officer.js'
import { insert, PedDesk, press, ScriptedOperator } from '../support/ped-desk.js'
import { cutStates, recordedToken } from '../support/power-cuts.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('rules: remote PED vector')

const { ADMIN_PARTITION: ADMIN, ROLE_SO: SO } = protocol

async function withDesk(work: (desk: PedDesk, token: TestToken) => Promise<void>): Promise<void> {
  const desk = await PedDesk.lay()
  try {
    const token = await TestToken.make({ auth: protocol.AUTH_PED, sectors: 12 }, { clock: desk.clock })
    desk.plug(token)
    await work(desk, token)
    await token.close()
  } finally {
    desk.clear()
  }
}

/** The vector records of the factory sector that hold anything. */
function vectors(state: State): Buffer[] {
  const sector = Buffer.from(
    state.flash.read(protocol.FLASH_FACTORY_SECTOR * protocol.FLASH_SECTOR, protocol.FLASH_SECTOR),
  )
  const found: Buffer[] = []
  for (let at = 4096; at + 64 <= sector.length && sector.readUInt32BE(at) !== 0xffff_ffff; at += 64) {
    const record = sector.subarray(at, at + 64)
    if (record.subarray(4).some((byte) => byte !== 0)) found.push(record)
  }
  return found
}

test('the SO makes it with the orange key and erases it; the link then is refused, after a restart too', () =>
  withDesk(async (desk, token) => {
    const { client } = token
    const admin = await initHsm(token)
    assert.is((await client.ped.get()).vector, false)
    await refuses(protocol.RC_SECURITY_PARAMETER_MISSING, client.ped.connect())
    await client.ped.initVector(admin)
    assert.equal([(await client.ped.get()).vector, (await client.status()).vector], [true, true])
    assert.is(vectors(token.state).length, 1)
    const secret = Buffer.from((await desk.box.read('orange')).content?.secret ?? [])
    const inMemory = () => Buffer.from(token.board.memoryImage() ?? []).includes(secret)
    assert.ok(inMemory())
    await client.ped.eraseVector(admin)
    assert.not.ok(inMemory(), 'the vector is not in memory any more')
    for (const power of [false, true]) {
      if (power) token.powerCycle()
      assert.equal([(await client.ped.get()).vector, (await client.status()).vector], [false, false])
      assert.equal(vectors(token.state), [], 'nothing of it is in the flash')
      await refuses(protocol.RC_SECURITY_PARAMETER_MISSING, client.ped.connect())
    }
    // To erase what is not there is no error, and a new one can be made.
    const again = await soOn(client)
    await client.ped.eraseVector(again)
    await client.ped.initVector(again)
    assert.is((await client.ped.get()).vector, true)
  }))

test('nobody but the SO erases it, and only on the HSM itself', () =>
  withDesk(async (_, token) => {
    const { client } = token
    const admin = await initHsm(token)
    await client.ped.initVector(admin)
    const partition = await ownPartition(client, admin)
    const other = token.newClient()
    const session = await other.openSession(ADMIN)
    await refuses(protocol.RC_USER_NOT_LOGGED_IN, other.ped.eraseVector(session))
    const theirs = await other.openSession(partition)
    await other.roles.login(theirs, protocol.ROLE_PARTITION_SO)
    await refuses(protocol.RC_CONTAINER_HANDLE_INVALID, other.ped.eraseVector(theirs))
    const reader = token.newClient()
    const readOnly = await reader.openSession(ADMIN, { readWrite: false })
    await reader.roles.login(readOnly, SO)
    await refuses(protocol.RC_SESSION_READ_ONLY, reader.ped.eraseVector(readOnly))
    assert.is((await client.ped.get()).vector, true)
    assert.is(vectors(token.state).length, 1)
  }))

test('a password HSM has none', async () => {
  const token = await TestToken.make()
  const admin = await initHsm(token)
  await refuses(protocol.RC_PED_UNSUPPORTED, token.client.ped.eraseVector(admin))
  await refuses(protocol.RC_PED_UNSUPPORTED, token.client.ped.initVector(admin))
})

test('erasing it ends the remote link; not while somebody is asked there', () =>
  withDesk(async (desk, token) => {
    const { client } = token
    const admin = await initHsm(token)
    await client.ped.initVector(admin)
    const partition = await ownPartition(client, admin)
    const person = new ScriptedOperator(desk.byTheBook())
    token.board.detachPed('local')
    person.next(insert('orange'))
    desk.plug(token, person, 'remote')
    await client.ped.connect()
    assert.is((await client.ped.get()).id, protocol.PED_ID_REMOTE)
    const other = token.newClient()
    const session = await other.openSession(partition)
    person.next(press('no-key'))
    const asked = person.asked()
    const login = codeOf(other.roles.login(session, protocol.ROLE_CRYPTO_OFFICER))
    await asked
    await refuses(protocol.RC_PED_BUSY, client.ped.eraseVector(admin))
    assert.is((await client.ped.get()).vector, true)
    desk.clock.advance(protocol.PED_KEY_TIMEOUT)
    token.board.tick()
    assert.is(await login, protocol.RC_TIMEOUT)
    await client.ped.eraseVector(admin)
    assert.equal([(await client.ped.get()).id, (await client.ped.get()).vector], [protocol.PED_ID_LOCAL, false])
    await refuses(protocol.RC_PED_UNPLUGGED, other.roles.login(session, protocol.ROLE_CRYPTO_OFFICER))
  }))

test('zeroization keeps it, a factory reset takes it', () =>
  withDesk(async (_, token) => {
    const { client } = token
    const admin = await initHsm(token)
    await client.ped.initVector(admin)
    await client.hsm.zeroize(admin)
    assert.is((await client.ped.get()).vector, true)
    token.powerCycle()
    assert.is((await client.ped.get()).vector, true)
    const again = await client.openSession(ADMIN)
    await client.hsm.factoryReset(again)
    assert.is((await client.ped.get()).vector, false)
    assert.equal(vectors(token.state), [])
  }))

test('before the HSM is initialized: whatever cuts leave, a factory reset takes every vector there is', () =>
  withDesk(async (desk, token) => {
    const parts = { clock: desk.clock }
    await token.client.ped.initVector(await token.client.openSession(ADMIN))
    token.board.powerOff()
    const { token: again, recorder } = recordedToken(copyState(token.state), parts)
    again.board.powerOn()
    desk.plug(again)
    const session = await again.client.openSession(ADMIN)
    const recording = await recorder.record(() => again.client.ped.initVector(session))
    again.board.powerOff()
    const left: number[] = []
    for (const { what, state } of cutStates(recording, 20260101)) {
      const cut = TestToken.on(state, parts)
      const { client } = cut
      assert.is((await client.ped.get()).vector, true, what)
      left.push(vectors(cut.state).length)
      await client.hsm.factoryReset(await client.openSession(ADMIN))
      assert.is(vectors(cut.state).length, 0, what)
      cut.powerCycle()
      assert.is((await client.ped.get()).vector, false, what)
      cut.board.powerOff()
    }
    assert.ok(left.includes(1) && left.includes(2), 'one cut leaves both')
  }))

test.run()
