// Power cuts in commands on objects: each is all or nothing.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { attribute, type TokenClient } from '../../../host/client/index.js'
import { assertUsable, cutEverywhere } from '../support/cut-scenario.js'
import { officerOn, prepare, soOn } from '../support/officer.js'
import { aesKey, dataObject } from '../support/templates.js'
import { copyState, TestToken } from '../support/test-token.js'

const test = suite('store: power cuts in commands on objects')

let base: State
let partition = 0
const handles: number[] = []
let cuts = 0

test.before(async () => {
  const { token, client, session, partition: id } = await prepare(await TestToken.make({ sectors: 12 }))
  for (let i = 0; i < 3; i++) {
    handles.push(await client.objects.create(session, dataObject(`public ${i}`, `value ${i}`)))
    handles.push(await client.objects.create(session, aesKey(`key ${i}`, Buffer.alloc(32, i + 1))))
  }
  token.board.powerOff()
  base = copyState(token.state)
  partition = id
})

test.after(() => console.log(`${cuts} power cuts`))

/** Cuts a command of the Crypto Officer. */
async function cutOfficer(command: (client: TokenClient, session: number) => Promise<unknown>): Promise<void> {
  const outcomes = await cutEverywhere({
    from: base,
    prepare: async ({ client }) => {
      const session = await officerOn(client, partition)
      return () => command(client, session)
    },
    check: (token, _, { what }) => assertUsable(token, partition, what),
  })
  cuts += outcomes.before + outcomes.after
}

test('create a public object', () =>
  cutOfficer((client, session) => client.objects.create(session, dataObject('new', 'a new value'))))

test('create a private key', () =>
  cutOfficer((client, session) => client.objects.create(session, aesKey('new', Buffer.alloc(32, 9)))))

test('generate a key pair: both keys or none', () =>
  cutOfficer(async (client, session) => {
    const point = Buffer.from('06082a8648ce3d030107', 'hex')
    const token = attribute.bool(protocol.CKA_TOKEN, true)
    const curve = [token, attribute.bytes(protocol.CKA_EC_PARAMS, point), attribute.bool(protocol.CKA_VERIFY, true)]
    const key = [token, attribute.bool(protocol.CKA_PRIVATE, true), attribute.bool(protocol.CKA_SIGN, true)]
    await client.objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, curve, key)
  }))

test('change an attribute', () =>
  cutOfficer((client, session) =>
    client.objects.set(session, handles[1] ?? 0, [attribute.text(protocol.CKA_LABEL, 'another label')]),
  ))

test('destroy one object', () =>
  cutOfficer(async (client, session) =>
    assert.equal(await client.objects.destroy(session, handles.slice(2, 3)), [protocol.RC_OK]),
  ))

test('destroy several objects: all or none', () =>
  cutOfficer(async (client, session) =>
    assert.equal(await client.objects.destroy(session, handles.slice(1, 5)), Array(4).fill(protocol.RC_OK)),
  ))

test('clear the partition', () =>
  cutOfficer(async (client, session) => assert.is(await client.partitions.clear(session), handles.length)))

test('a destructive partition policy empties the partition, or nothing happens', async () => {
  const token = TestToken.on(copyState(base))
  const policy = protocol.POLICY_PRIVATE_CLONING
  await token.client.partitions.setPolicy(await soOn(token.client), partition, policy, 0)
  token.board.powerOff()
  const { before, after } = await cutEverywhere({
    from: token.state,
    prepare: async ({ client }) => {
      const admin = await soOn(client)
      return () => client.partitions.setPolicy(admin, partition, policy, 1)
    },
    check: (recovered, _, { what }) => assertUsable(recovered, partition, what),
  })
  cuts += before + after
})

test.run()
