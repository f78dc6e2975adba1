// Keys that may be used so many times: CKA_USAGE_LIMIT, CKA_USAGE_COUNT, OBJECT_COUNT.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, ulongValue } from '../../../host/client/index.js'
import { cryptOfficer, fill, importAes } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, officerOn } from '../support/officer.js'
import { aesKey, dataObject } from '../support/templates.js'

const test = suite('crypt: usage limits')

const { bool, bytes, ulong } = attribute
const { CKA_USAGE_COUNT, CKA_USAGE_LIMIT, COUNT_INCREMENT, COUNT_SET, RC_KEY_NOT_ACTIVE } = protocol
const ECB = { mechanism: protocol.CKM_AES_ECB }
const KW = { mechanism: protocol.CKM_AES_KEY_WRAP }
const HMAC = { mechanism: protocol.CKM_SHA256_HMAC }
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
const limit = (times: number): Attribute => ulong(CKA_USAGE_LIMIT, times)

let officer: Officer
test.before(async () => {
  officer = await cryptOfficer()
})

async function numberOf({ client, session }: Officer, key: number, type: number): Promise<number> {
  const [row] = await client.objects.get(session, key, [type])
  assert.is(row?.code, protocol.RC_OK)
  return ulongValue(row?.value ?? new Uint8Array(4))
}
const countOf = (one: Officer, key: number): Promise<number> => numberOf(one, key, CKA_USAGE_COUNT)

async function encryptsOnce({ client, session }: Officer, key: number): Promise<void> {
  await client.crypto.encrypt(session, ECB, key, fill(16))
}

for (const token of [false, true]) {
  test(`a ${token ? 'token' : 'session'} key is used as often as its limit says, and no more`, async () => {
    const key = await importAes(officer, fill(32), [bool(protocol.CKA_TOKEN, token), limit(3)])
    for (let used = 0; used < 3; used++) {
      assert.is(await countOf(officer, key), used)
      await encryptsOnce(officer, key)
    }
    await refuses(RC_KEY_NOT_ACTIVE, encryptsOnce(officer, key))
    const { client, session } = officer
    await refuses(RC_KEY_NOT_ACTIVE, client.crypto.decrypt(session, ECB, key, fill(16)))
    await refuses(RC_KEY_NOT_ACTIVE, client.crypto.wrap(session, KW, key, key))
    assert.is(await countOf(officer, key), 3)
    assert.is(await numberOf(officer, key, CKA_USAGE_LIMIT), 3)
  })
}

test('a private key signs so often, whatever the power does; its public key verifies on', async () => {
  const { token, client, partition } = officer
  let { session } = officer
  const lasting = bool(protocol.CKA_TOKEN, true)
  const mechanism = { mechanism: protocol.CKM_ECDSA_SHA256 }
  const pair = await client.objects.generatePair(
    session,
    protocol.CKM_EC_KEY_PAIR_GEN,
    [lasting, bytes(protocol.CKA_EC_PARAMS, P256)],
    [lasting, limit(2)],
  )
  const signature = await client.crypto.sign(session, mechanism, pair.privateKey, fill(40))
  token.powerCycle()
  session = await officerOn(client, partition)
  officer = { ...officer, session }
  assert.is(await countOf(officer, pair.privateKey), 1)
  await client.crypto.sign(session, mechanism, pair.privateKey, fill(40))
  await refuses(RC_KEY_NOT_ACTIVE, client.crypto.sign(session, mechanism, pair.privateKey, fill(40)))
  await client.crypto.verify(session, mechanism, pair.publicKey, fill(40), signature)
  assert.is(await countOf(officer, pair.publicKey), 0)
})

test('what does not get as far as the key is not counted; a signature that does not verify is', async () => {
  const { client, session } = officer
  const key = await importAes(officer, fill(32), [limit(5)])
  await refuses(protocol.RC_DATA_LEN_RANGE, client.crypto.encrypt(session, ECB, key, fill(15)))
  await refuses(
    protocol.RC_KEY_TYPE_INCONSISTENT,
    client.crypto.encrypt(session, { mechanism: protocol.CKM_DES3_ECB }, key, fill(16)),
  )
  assert.is(await countOf(officer, key), 0)
  const cmac = { mechanism: protocol.CKM_AES_CMAC }
  const signing = await importAes(officer, fill(32), [bool(protocol.CKA_VERIFY, true), limit(5)])
  await refuses(protocol.RC_SIGNATURE_INVALID, client.crypto.verify(session, cmac, signing, fill(9), fill(16)))
  assert.is(await countOf(officer, signing), 1)
})

test('a message in parts is one use', async () => {
  const { client, session } = officer
  const key = await client.objects.create(session, [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
    bytes(protocol.CKA_VALUE, fill(20)),
    bool(protocol.CKA_SIGN, true),
    limit(1),
  ])
  const part = { purpose: 'sign', mechanism: HMAC, key } as const
  const state = await client.crypto.part(session, { ...part, state: new Uint8Array(0), data: fill(70), last: false })
  const next = await client.crypto.part(session, { ...part, state, data: fill(70), last: false })
  assert.is(await countOf(officer, key), 0)
  await client.crypto.part(session, { ...part, state: next, data: fill(7), last: true })
  await refuses(RC_KEY_NOT_ACTIVE, client.crypto.part(session, { ...part, state, data: fill(7), last: true }))
})

test('a key that unwrapping with the last use makes is there, and none after it', async () => {
  const { client, session } = officer
  const key = await importAes(officer, fill(32), [limit(2)])
  const wrapped = await client.crypto.wrap(session, KW, key, await importAes(officer, fill(16, 2)))
  const template = [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
    bool(protocol.CKA_TOKEN, false),
  ]
  await encryptsOnce(officer, await client.crypto.unwrap(session, KW, key, wrapped, template))
  assert.is(await countOf(officer, key), 2)
  await refuses(RC_KEY_NOT_ACTIVE, client.crypto.unwrap(session, KW, key, wrapped, template))
})

test('the officer sets limit and count; a template sets no count; data has neither', async () => {
  const { client, session } = officer
  const key = await importAes(officer, fill(32))
  assert.is(await countOf(officer, key), 0)
  await client.objects.count(session, key, COUNT_INCREMENT, 4)
  await client.objects.count(session, key, COUNT_INCREMENT, 3)
  assert.is(await countOf(officer, key), 7)
  await client.objects.set(session, key, [limit(8)])
  await encryptsOnce(officer, key)
  await refuses(RC_KEY_NOT_ACTIVE, encryptsOnce(officer, key))
  await client.objects.count(session, key, COUNT_SET, 0)
  await encryptsOnce(officer, key)
  assert.is(await countOf(officer, key), 1)
  await refuses(protocol.RC_ARGUMENTS_BAD, client.objects.count(session, key, COUNT_INCREMENT, 0xffff_ffff))
  await refuses(protocol.RC_ARGUMENTS_BAD, client.objects.count(session, key, 3, 1))
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, client.objects.set(session, key, [ulong(CKA_USAGE_COUNT, 0)]))
  const counted = aesKey('counted', fill(16), [ulong(CKA_USAGE_COUNT, 0)])
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, client.objects.create(session, counted))
  const data = await client.objects.create(session, dataObject('data', 'value'))
  await refuses(protocol.RC_KEY_HANDLE_INVALID, client.objects.count(session, data, COUNT_SET, 1))
  await refuses(protocol.RC_ATTRIBUTE_TYPE_INVALID, client.objects.set(session, data, [limit(1)]))
  await refuses(
    protocol.RC_TEMPLATE_INCONSISTENT,
    client.objects.create(session, [...dataObject('limited', 'value'), limit(1)]),
  )
})

test('a copy has the count of its original', async () => {
  const { client, session } = officer
  const key = await importAes(officer, fill(32), [limit(2)])
  await encryptsOnce(officer, key)
  const copy = await client.objects.copy(session, key)
  await encryptsOnce(officer, copy)
  await refuses(RC_KEY_NOT_ACTIVE, encryptsOnce(officer, copy))
  assert.is(await countOf(officer, key), 1)
})

test('what a client brings changes the random numbers of a seeded token, and is not what they are made of', async () => {
  const drawn = async (seed?: Uint8Array): Promise<string> => {
    const { client } = await cryptOfficer()
    if (seed) await client.seedRandom(seed)
    return Buffer.from(await client.random(32)).toString('hex')
  }
  const [none, one, other] = [await drawn(), await drawn(fill(100)), await drawn(fill(100, 2))]
  assert.is(new Set([none, one, other]).size, 3)
  const { client } = await cryptOfficer()
  await client.seedRandom(fill(100))
  const first = await client.random(32)
  await client.seedRandom(fill(100))
  assert.is.not(Buffer.from(await client.random(32)).toString('hex'), Buffer.from(first).toString('hex'))
})

test.run()
