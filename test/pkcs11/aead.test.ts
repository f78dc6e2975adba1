// GCM and CCM at the door, of any length: what is encrypted goes out as it comes, what is decrypted when its tag was right.
import { createCipheriv } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import type { Slot } from '../../host/client/index.js'
import { AEAD_GATHERED } from '../../host/pkcs11/aead-cipher.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill, flipped } from '../firmware/support/crypt-keys.js'
import { initHsm, ownPartition, prepare, SECRETS } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { AtSlot } from './at-slot.js'
import { secret } from './mechanism-desk.js'
import { ckrOf, needed, Program, QUERY, room, slotOf, whole } from './support.js'

const test = suite('pkcs11 AEAD')
const at = new AtSlot(test)

const VALUE = fill(32, 5)
const IV = fill(12, 6)
const AAD = fill(33, 7)
const NONE = new Uint8Array(0)
const gcm = (iv: Uint8Array = IV): CkMechanism => ({
  type: protocol.CKM_AES_GCM,
  parameter: { form: 'gcm', iv, ivBits: 8 * iv.length, aad: AAD, tagBits: 128 },
})
const ccm = (length: number): CkMechanism => ({
  type: protocol.CKM_AES_CCM,
  parameter: { form: 'ccm', length, nonce: IV, aad: AAD, mac: 16 },
})

/** OpenSSL's opinion. */
function sealed({ type }: CkMechanism, data: Uint8Array, iv: Uint8Array = IV): Buffer {
  const length = { authTagLength: 16 }
  const cipher =
    type === protocol.CKM_AES_CCM
      ? createCipheriv('aes-256-ccm', VALUE, iv, length)
      : createCipheriv('aes-256-gcm', VALUE, iv, length)
  cipher.setAAD(AAD, { plaintextLength: data.length })
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
}

type Directed = 'encrypt' | 'decrypt'

function begin(direction: Directed, how: CkMechanism, key: number): Promise<void> {
  return at.program.call(direction === 'encrypt' ? calls.encryptInit : calls.decryptInit, [at.session, how, key])
}

const once = (direction: Directed, data: Uint8Array, space = room(data.length + 32)) =>
  at.program.call(direction === 'encrypt' ? calls.encrypt : calls.decrypt, [at.session, data, space])

const update = (direction: Directed, data: Uint8Array) =>
  at.program.call(direction === 'encrypt' ? calls.encryptUpdate : calls.decryptUpdate, [
    at.session,
    data,
    room(data.length),
  ])

const final = (direction: Directed, space = room(AEAD_GATHERED)) =>
  at.program.call(direction === 'encrypt' ? calls.encryptFinal : calls.decryptFinal, [at.session, space])

function* pieces(data: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < data.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    yield data.subarray(at, at + size)
    at += size
  }
}

test('five megabytes in parts: encrypted as they come, decrypted at the end', async () => {
  const key = await at.aes(VALUE)
  const data = fill(5_000_011, 8)
  const expected = sealed(gcm(), data)
  await begin('encrypt', gcm(), key)
  const out: Uint8Array[] = []
  for (const part of pieces(data, [1, 900_000, 15, 61_440, 17])) {
    const result = whole(await update('encrypt', part))
    assert.is(result.length, part.length)
    out.push(result)
  }
  assert.is(needed(await final('encrypt', QUERY)), 16)
  assert.is(needed(await final('encrypt', room(15))), 16)
  out.push(whole(await final('encrypt', room(16))))
  assert.ok(Buffer.concat(out).equals(expected))
  await begin('decrypt', gcm(), key)
  for (const part of pieces(expected, [1_000_000, 3])) assert.is(whole(await update('decrypt', part)).length, 0)
  assert.is(needed(await final('decrypt', QUERY)), data.length)
  assert.is(needed(await final('decrypt', room(data.length - 1))), data.length)
  assert.ok(data.equals(whole(await final('decrypt'))))
  assert.is(await ckrOf(() => final('decrypt')), CKR.OPERATION_NOT_INITIALIZED)
})

test('a megabyte at once', async () => {
  const key = await at.aes(VALUE)
  const data = fill(1_000_003, 8)
  for (const how of [gcm(), ccm(data.length)]) {
    const expected = sealed(how, data)
    await begin('encrypt', how, key)
    assert.is(needed(await once('encrypt', data, room(data.length + 15))), data.length + 16)
    assert.ok(expected.equals(whole(await once('encrypt', data))))
    await begin('decrypt', how, key)
    assert.is(needed(await once('decrypt', expected, room(data.length - 1))), data.length)
    assert.ok(data.equals(whole(await once('decrypt', expected))))
    await begin('encrypt', how, key)
    for (const part of pieces(data, [400_001])) await update('encrypt', part)
    const rest = whole(await final('encrypt'))
    assert.ok(expected.subarray(expected.length - rest.length).equals(rest))
  }
})

test('another bit anywhere, and nothing comes out', async () => {
  const key = await at.aes(VALUE)
  const data = fill(200_000, 8)
  for (const how of [gcm(), ccm(data.length)]) {
    const good = sealed(how, data)
    for (const bit of [0, 8 * 100_000, 8 * good.length - 1]) {
      const bad = flipped(good, bit)
      await begin('decrypt', how, key)
      assert.is(await ckrOf(() => once('decrypt', bad)), CKR.ENCRYPTED_DATA_INVALID)
      await begin('decrypt', how, key)
      for (const part of pieces(bad, [90_000])) assert.is(whole(await update('decrypt', part)).length, 0)
      assert.is(await ckrOf(() => final('decrypt')), CKR.ENCRYPTED_DATA_INVALID)
      assert.is(await ckrOf(() => final('decrypt')), CKR.OPERATION_NOT_INITIALIZED)
    }
  }
})

test('what waits for its end has a limit', async () => {
  const key = await at.aes(VALUE)
  await begin('decrypt', gcm(), key)
  const part = new Uint8Array(AEAD_GATHERED / 16)
  for (let i = 0; i < 16; i++) await update('decrypt', part)
  assert.is(await ckrOf(() => update('decrypt', new Uint8Array(1))), CKR.ENCRYPTED_DATA_LEN_RANGE)
  assert.is(await ckrOf(() => final('decrypt')), CKR.OPERATION_NOT_INITIALIZED)
})

/** A slot where the HSM's policy 12 is off. */
async function fipsHsm(): Promise<Slot> {
  const { token, client, admin } = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  await client.hsm.setPolicy(admin, protocol.HSM_POLICY_NON_FIPS, 0)
  const made = { legacy: true, label: 'fips', password: SECRETS.officer }
  return slotOf(token.newClient(), (await client.partitions.create(admin, made)).id)
}

/** A slot where the partition's policy 43 is off. */
async function fipsPartition(): Promise<Slot> {
  const token = await TestToken.make({ sectors: 24, storage: 900_000n, profile: protocol.PROFILE_7_8_0 })
  const { client } = token
  const id = await ownPartition(client, await initHsm(token))
  const session = await client.openSession(id)
  await client.roles.login(session, protocol.ROLE_PARTITION_SO, SECRETS.partitionSo)
  await client.partitions.setPolicy(session, id, protocol.POLICY_NON_FIPS, 0)
  await client.closeSession(session)
  return slotOf(token.newClient(), id)
}

for (const [where, made] of [
  ['HSM', fipsHsm],
  ['partition', fipsPartition],
] as const)
  test(`in FIPS mode of the ${where}, the token makes the IV, and puts it behind the tag`, async () => {
    const slot = await made()
    const { program } = Program.at({ slots: async () => [slot] }, 2)
    await program.initialize()
    const [before, own] = [at.session, at.program]
    at.program = program
    at.session = await program.officer()
    try {
      const key = await program.call(calls.createObject, [at.session, secret(protocol.CKK_AES, VALUE)])
      const seen = new Set<string>()
      const looksRight = async (result: Uint8Array, data: Uint8Array): Promise<void> => {
        assert.is(result.length, data.length + 32)
        const iv = result.slice(-16)
        seen.add(Buffer.from(iv).toString('hex'))
        assert.ok(sealed(gcm(), data, iv).equals(result.slice(0, -16)))
        await begin('decrypt', gcm(iv), key)
        assert.ok(Buffer.from(data).equals(whole(await once('decrypt', result.slice(0, -16)))))
      }
      // Whatever the program brings, or nothing.
      for (const iv of [IV, NONE, fill(16)]) {
        for (const length of [0, 100, 70_000]) {
          const data = fill(length, 9)
          await begin('encrypt', gcm(iv), key)
          assert.is(needed(await once('encrypt', data, room(length + 31))), length + 32)
          await looksRight(whole(await once('encrypt', data)), data)
          await begin('encrypt', gcm(iv), key)
          const first = whole(await update('encrypt', data.subarray(0, 50)))
          const second = whole(await update('encrypt', data.subarray(50)))
          assert.is(needed(await final('encrypt', QUERY)), 32)
          await looksRight(Buffer.concat([first, second, whole(await final('encrypt'))]), data)
        }
      }
      assert.is(seen.size, 18)
      await begin('decrypt', gcm(NONE), key)
      assert.is(await ckrOf(() => once('decrypt', fill(40))), CKR.MECHANISM_PARAM_INVALID)
      // CCM asks for no more than that none comes twice.
      await begin('encrypt', ccm(100), key)
      assert.ok(sealed(ccm(100), fill(100)).equals(whole(await once('encrypt', fill(100)))))
    } finally {
      ;[at.session, at.program] = [before, own]
    }
  })

test.run()
