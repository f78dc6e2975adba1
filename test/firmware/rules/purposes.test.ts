// Partition policy 10, multipurpose keys: on, keys do what their template says; off, each serves one purpose.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, Writer } from '../../../host/client/index.js'
import { cryptOfficer, fill, importAes } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'

const test = suite('rules: purposes of keys')

const { bool, bytes, ulong } = attribute
const { CKA_DECRYPT, CKA_DERIVE, CKA_ENCRYPT, CKA_SIGN, CKA_UNWRAP, CKA_VERIFY, CKA_WRAP } = protocol
const { RC_OK, RC_TEMPLATE_INCONSISTENT } = protocol
const USAGES = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE]
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

let officer: Officer
test.before(async () => {
  officer = await cryptOfficer()
})

const only = (...types: readonly number[]): Attribute[] => USAGES.map((type) => bool(type, types.includes(type)))
const generated = (more: readonly Attribute[]): Promise<number> =>
  officer.client.objects.generate(officer.session, protocol.CKM_AES_KEY_GEN, [
    ulong(protocol.CKA_VALUE_LEN, 32),
    ...more,
  ])

async function usagesOf(key: number): Promise<number[]> {
  const rows = await officer.client.objects.get(officer.session, key, USAGES)
  return rows.filter(({ code, value }) => code === RC_OK && value[0] === 1).map(({ type }) => type)
}

/** Half a byte of a key as a key of its own. */
function cutting(bits: number): { mechanism: number; parameter: Uint8Array } {
  return { mechanism: protocol.CKM_EXTRACT_KEY_FROM_KEY, parameter: new Writer().u32(bits).finish() }
}

async function cut(length: number): Promise<number> {
  const { client, session } = officer
  const base = await importAes(officer, fill(32), only(CKA_DERIVE))
  return client.crypto.derive(session, cutting(8), base, [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
    ulong(protocol.CKA_VALUE_LEN, length),
  ])
}

test('as a partition comes, a key may wrap and decrypt, and be cut to a byte', async () => {
  assert.equal(await usagesOf(await generated(only(CKA_WRAP, CKA_DECRYPT))), [CKA_DECRYPT, CKA_WRAP])
  await cut(1)
})

test('with policy 10 off a key serves one purpose, however it is made or changed', async () => {
  const { client, session, admin, partition } = officer
  await client.partitions.setPolicy(admin, partition, protocol.POLICY_MULTIPURPOSE, 0)
  const purposes = [[CKA_ENCRYPT, CKA_DECRYPT], [CKA_SIGN, CKA_VERIFY], [CKA_WRAP, CKA_UNWRAP], [CKA_DERIVE]]
  for (const purpose of purposes) {
    assert.equal(await usagesOf(await generated(only(...purpose))), purpose)
    for (const other of purposes.filter((one) => one !== purpose)) {
      const both = only(purpose[0] ?? 0, other.at(-1) ?? 0)
      await refuses(RC_TEMPLATE_INCONSISTENT, generated(both))
      await refuses(RC_TEMPLATE_INCONSISTENT, importAes(officer, fill(32), both))
    }
  }
  // What nobody says is not so.
  assert.equal(await usagesOf(await generated([bool(CKA_ENCRYPT, true)])), [CKA_ENCRYPT])
  assert.equal(await usagesOf(await generated([])), [])
  const curve = bytes(protocol.CKA_EC_PARAMS, P256)
  const pair = (own: readonly Attribute[]) =>
    client.objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, [curve, bool(CKA_VERIFY, true)], own)
  assert.equal(await usagesOf((await pair([bool(CKA_SIGN, true)])).privateKey), [CKA_SIGN])
  await refuses(RC_TEMPLATE_INCONSISTENT, pair([bool(CKA_SIGN, true), bool(CKA_DERIVE, true)]))
  const key = await generated(only(CKA_ENCRYPT))
  await refuses(RC_TEMPLATE_INCONSISTENT, client.objects.set(session, key, [bool(CKA_SIGN, true)]))
  await refuses(RC_TEMPLATE_INCONSISTENT, client.objects.copy(session, key, [bool(CKA_UNWRAP, true)]))
  assert.equal(await usagesOf(await client.objects.copy(session, key, only(CKA_SIGN))), [CKA_SIGN])
  assert.equal(await usagesOf(key), [CKA_ENCRYPT])
})

test('with policy 10 off no key of less than 112 bits is derived', async () => {
  await refuses(protocol.RC_KEY_SIZE_RANGE, cut(1))
  await refuses(protocol.RC_KEY_SIZE_RANGE, cut(13))
  await cut(14)
})

test.run()
