// A key with a limit: whoever has a signature of it has paid for it, whenever the power goes.
// test-timeout: 400
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import { attribute, type TokenClient, ulongValue } from '../../../host/client/index.js'
import { cutEverywhere } from '../support/cut-scenario.js'
import { officerOn, prepare } from '../support/officer.js'
import { copyState, TestToken } from '../support/test-token.js'
import { syncRecordedToken } from '../support/unsynced.js'

const test = suite('store: power cuts in uses that are counted')

const { bool, bytes, ulong } = attribute
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const ECDSA = { mechanism: protocol.CKM_ECDSA_SHA256 }
const LIMIT = 3

let base: State
let partition = 0
let key = 0

test.before(async () => {
  const { token, client, session, partition: id } = await prepare(await TestToken.make({ sectors: 12 }))
  const lasting = bool(protocol.CKA_TOKEN, true)
  const pair = await client.objects.generatePair(
    session,
    protocol.CKM_EC_KEY_PAIR_GEN,
    [lasting, bytes(protocol.CKA_EC_PARAMS, P256)],
    [lasting, ulong(protocol.CKA_USAGE_LIMIT, LIMIT)],
  )
  key = pair.privateKey
  token.board.powerOff()
  base = copyState(token.state)
  partition = id
})

const sign = (client: TokenClient, session: number): Promise<Uint8Array> =>
  client.crypto.sign(session, ECDSA, key, Buffer.from('counted'))

async function countIn(token: TestToken): Promise<number> {
  const client = token.newClient()
  const session = await officerOn(client, partition)
  const [row] = await client.objects.get(session, key, [protocol.CKA_USAGE_COUNT])
  await client.closeSession(session)
  assert.is(row?.code, protocol.RC_OK)
  return ulongValue(row?.value ?? new Uint8Array(4))
}

async function countAfter(state: State): Promise<number> {
  const token = TestToken.on(copyState(state))
  try {
    return await countIn(token)
  } finally {
    token.board.powerOff()
  }
}

test('a cut at any operation of a signature leaves the key there, with the use counted or not begun', async () => {
  let left = LIMIT
  const outcomes = await cutEverywhere({
    from: base,
    prepare: async ({ client }) => {
      const session = await officerOn(client, partition)
      return () => sign(client, session)
    },
    view: async (token) => String(await countIn(token)),
    check: async (token, outcome, { what }) => {
      assert.is(await countIn(token), outcome === 'after' ? 1 : 0, what)
      // What is left of the limit can be used, and no more.
      if (outcome === 'before' || left === 0) return
      left = 0
      const session = await officerOn(token.client, partition)
      for (let used = 1; used < LIMIT; used++) await sign(token.client, session)
      const refused = await sign(token.client, session).then(
        () => 0,
        (error: unknown) => (error instanceof Error && 'code' in error ? error.code : -1),
      )
      assert.is.not(refused, 0, what)
    },
  })
  assert.is(left, 0)
  console.log(`${outcomes.before + outcomes.after} power cuts`)
})

test('who has the signature has paid, though the power takes all that was not synced', async () => {
  let from = copyState(base)
  for (let used = 1; used <= LIMIT; used++) {
    const { token, recorder } = syncRecordedToken(copyState(from))
    const session = await officerOn(token.client, partition)
    let signature: Uint8Array | undefined
    const { moments, after } = await recorder.record(
      async () => {
        signature = await sign(token.client, session)
      },
      () => signature !== undefined,
    )
    token.board.powerOff()
    assert.is(signature?.length, 64)
    assert.ok(moments.some(({ operation }) => operation === 'sync'))
    for (const { left, seen } of moments) {
      const count = await countAfter(left)
      assert.ok(count === used - 1 || count === used)
      assert.ok(count === used || !seen, 'the signature was out before its use was kept')
    }
    assert.is(await countAfter(after), used)
    from = after
  }
})

test.run()
