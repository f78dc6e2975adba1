// Who may use keys: Crypto Officer and Crypto User, other clients, nobody on a Backup HSM.
import { generateKeyPairSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute, type TokenClient } from '../../../host/client/index.js'
import {
  cryptOfficer,
  fill,
  importAes,
  importGeneric,
  importPrivate,
  importPublic,
  oaep,
  opensslWrap,
  storesNothing,
} from '../support/crypt-keys.js'
import { codeOf, refuses } from '../support/expect.js'
import { initHsm, legacyPartition, type Officer, officerOn, ownPartition, SECRETS } from '../support/officer.js'
import { aesKey, dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('crypt: rights')

const { bool, ulong } = attribute
const { ROLE_CRYPTO_USER: CU, ROLE_PARTITION_SO: PSO } = protocol
const { RC_USER_NOT_LOGGED_IN } = protocol
const KW = { mechanism: protocol.CKM_AES_KEY_WRAP }
const ECB = { mechanism: protocol.CKM_AES_ECB }
const DERIVATION = { mechanism: protocol.CKM_AES_ECB_ENCRYPT_DATA, parameter: fill(32) }
const HMAC = { mechanism: protocol.CKM_SHA256_HMAC }
const PKCS = { mechanism: protocol.CKM_SHA256_RSA_PKCS }
const OAEP = oaep(protocol.CKM_SHA256)

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 })
const AES = [
  ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
  ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
  bool(protocol.CKA_TOKEN, false),
]

// ---- Crypto Officer and Crypto User -----------------------------------------------------------------------------------

const wrapped = opensslWrap(fill(32), fill(32), false)
const RSA_PAIR = [ulong(protocol.CKA_MODULUS_BITS, 2048)]

/** Commands on the keys that the officer has made, by what they need. */
function commands(client: TokenClient, session: number, key: number, mac: number, own: number, open: number) {
  const { crypto, objects } = client
  return {
    users: {
      encrypt: () => crypto.encrypt(session, ECB, key, fill(16)),
      decrypt: () => crypto.decrypt(session, ECB, key, fill(16)),
      'sign, HMAC': () => crypto.sign(session, HMAC, mac, fill(3)),
      'sign, RSA': () => crypto.sign(session, PKCS, own, fill(3)),
      'encrypt, OAEP': () => crypto.encrypt(session, OAEP, open, fill(3)),
      create: () => objects.create(session, dataObject('by a user', 'value')),
    },
    officers: {
      wrap: () => crypto.wrap(session, KW, key, key),
      unwrap: () => crypto.unwrap(session, KW, key, wrapped, AES),
      derive: () => crypto.derive(session, DERIVATION, key, AES),
      generate: () =>
        objects.generate(session, protocol.CKM_AES_KEY_GEN, [
          ulong(protocol.CKA_VALUE_LEN, 16),
          bool(protocol.CKA_TOKEN, false),
        ]),
      'generate a pair': () => objects.generatePair(session, protocol.CKM_RSA_PKCS_KEY_PAIR_GEN, RSA_PAIR, []),
      set: () => objects.set(session, key, [attribute.text(protocol.CKA_LABEL, 'renamed')]),
      destroy: () => objects.destroy(session, [0x1234]),
    },
  }
}

async function everyone() {
  const token = await TestToken.make({}, { seed: 'everyone' })
  const admin = await initHsm(token)
  const partition = await ownPartition(token.client, admin, { user: true })
  const session = await officerOn(token.client, partition)
  const officer: Officer = { token, client: token.client, admin, partition, session }
  const stored = [bool(protocol.CKA_TOKEN, true)]
  const key = await token.client.objects.create(session, aesKey('key', fill(32), [bool(protocol.CKA_DERIVE, true)]))
  const mac = await importGeneric(officer, fill(32), stored)
  const own = await importPrivate(officer, rsa.privateKey, stored)
  const open = await importPublic(officer, rsa.publicKey, stored)
  const { users, officers } = commands(token.client, session, key, mac, own, open)
  return { officer, users, officers, key, mac, own, open }
}

test('the Crypto Officer does all, the Crypto User uses keys and makes none, and nobody else does either', async () => {
  const { officer, users, officers, open, own } = await everyone()
  const { client, session, partition } = officer
  for (const work of Object.values({ ...users, ...officers })) await work()
  const signature = await client.crypto.sign(session, PKCS, own, fill(3))
  await client.roles.logout(session)
  await client.roles.login(session, CU, SECRETS.user)
  for (const work of Object.values(users)) await work()
  await storesNothing(officer, async () => {
    for (const [what, work] of Object.entries(officers)) await refuses(RC_USER_NOT_LOGGED_IN, work(), what)
  })
  for (const role of [undefined, PSO]) {
    await client.roles.logout(session)
    if (role !== undefined) await client.roles.login(session, role, SECRETS.partitionSo)
    await storesNothing(officer, async () => {
      for (const [what, work] of Object.entries({ ...users, ...officers })) {
        await refuses(RC_USER_NOT_LOGGED_IN, work(), `${role} ${what}`)
      }
    })
    // Public keys are for everyone.
    await client.crypto.verify(session, PKCS, open, fill(3), signature)
    await refuses(protocol.RC_KEY_HANDLE_INVALID, client.crypto.verify(session, PKCS, own, fill(3), signature))
    if (role === undefined) await client.roles.login(session, CU, SECRETS.user)
  }
  assert.is((await client.sessionInfo(session)).partition, partition)
})

test("the keys of one client are nobody else's: session objects, and log-ins", async () => {
  const officer = await cryptOfficer({}, { seed: 'two clients' })
  const { token, session, partition } = officer
  const passing = await importAes(officer, fill(32))
  const other = token.newClient()
  const theirs = await other.openSession(partition)
  await refuses(RC_USER_NOT_LOGGED_IN, other.crypto.encrypt(theirs, ECB, passing, fill(16)))
  await other.roles.login(theirs, protocol.ROLE_CRYPTO_OFFICER, SECRETS.officer)
  await refuses(protocol.RC_KEY_HANDLE_INVALID, other.crypto.encrypt(theirs, ECB, passing, fill(16)))
  await officer.client.crypto.encrypt(session, ECB, passing, fill(16))
})

/** Two clients as Crypto Officer; the first has a private session key that could be read. */
async function withPassingKey(seed: string) {
  const token = await TestToken.make({ profile: protocol.PROFILE_7_0_3 }, { seed })
  const admin = await initHsm(token)
  await token.client.hsm.setPolicy(admin, protocol.HSM_POLICY_SO_RESET_PIN, 1)
  const partition = await ownPartition(token.client, admin, { user: true })
  const session = await officerOn(token.client, partition)
  const officer: Officer = { token, client: token.client, admin, partition, session }
  const key = await importAes(officer, fill(32, 77), [bool(protocol.CKA_SENSITIVE, false)])
  const [before] = await officer.client.objects.get(session, key, [protocol.CKA_VALUE])
  assert.equal(Buffer.from(before?.value ?? []), fill(32, 77))
  return { officer, key, other: token.newClient() }
}

const isInMemory = (officer: Officer) =>
  Buffer.from(officer.token.board.memoryImage() ?? new Uint8Array(0)).includes(fill(32, 77))

for (const [how, end] of [
  [
    'by the client',
    async ({ client, session }: Officer) => {
      await client.roles.logout(session)
    },
  ],
  [
    'because somebody else used up the attempts',
    async ({ partition }: Officer, other: TokenClient) => {
      const theirs = await other.openSession(partition)
      for (let i = 0; i < 10; i++) await codeOf(other.roles.login(theirs, protocol.ROLE_CRYPTO_OFFICER, 'not the one'))
    },
  ],
  [
    'because the Partition SO gave the role a new secret',
    async ({ partition }: Officer, other: TokenClient) => {
      const theirs = await other.openSession(partition)
      await other.roles.login(theirs, PSO, SECRETS.partitionSo)
      await other.roles.resetSecret(theirs, protocol.ROLE_CRYPTO_OFFICER, 'another password')
    },
  ],
] as const) {
  test(`a private session object ends with the log-in, ended ${how}`, async () => {
    const { officer, key, other } = await withPassingKey(how)
    const { client, session } = officer
    await end(officer, other)
    assert.is((await client.sessionInfo(session)).role, undefined)
    await refuses(protocol.RC_OBJECT_HANDLE_INVALID, client.objects.get(session, key, [protocol.CKA_VALUE]))
    assert.not.ok(isInMemory(officer), 'its value is gone from memory')
  })
}

// ---- Backup HSM -------------------------------------------------------------------------------------------------------

test('a Backup HSM refuses all of it, whoever is logged in, and has no mechanisms', async () => {
  const token = await TestToken.make({ model: protocol.MODEL_BACKUP }, { seed: 'backup' })
  const { client } = token
  const admin = await initHsm(token)
  const { partition, session } = await legacyPartition(client, admin)
  const officer: Officer = { token, client, admin, partition, session }
  const { users, officers } = commands(client, session, 1, 1, 1, 1)
  const { destroy, ...refused } = officers
  assert.equal(await destroy(), [protocol.RC_OBJECT_HANDLE_INVALID])
  const roles = {
    'make a role': () => client.roles.init(session, CU, SECRETS.user),
    'make a challenge': () => client.roles.createChallenge(session, CU, 'a challenge'),
    'reset a secret': () => client.roles.resetSecret(session, CU, 'another one'),
    deactivate: () => client.roles.deactivate(session, protocol.ROLE_CRYPTO_OFFICER),
    'initialize a partition': () =>
      client.partitions.init(session, { label: 'p', password: SECRETS.partitionSo, domain: SECRETS.domain }),
  }
  const verify = () => client.crypto.verify(session, HMAC, 1, fill(3), fill(32))
  await storesNothing(officer, async () => {
    for (const [what, work] of Object.entries({ ...users, ...refused, ...roles, verify })) {
      await refuses(protocol.RC_COMMAND_NON_BACKUP, work(), what)
    }
  })
  await client.roles.logout(session)
  for (const [what, work] of Object.entries({ ...users, ...refused, verify })) {
    await refuses(protocol.RC_COMMAND_NON_BACKUP, work(), what)
  }
  assert.equal(await client.crypto.mechanisms(), [])
})

test('what the mechanism list promises is what the commands take', async () => {
  const officer = await cryptOfficer({}, { seed: 'list' })
  const { client, session } = officer
  const list = await client.crypto.mechanisms()
  assert.is(new Set(list.map(({ mechanism }) => mechanism)).size, list.length)
  assert.ok(list.length > 120)
  const flags = new Map(list.map(({ mechanism, flags: all }) => [mechanism, all]))
  const key = await importAes(officer, fill(32))
  const { crypto } = client
  const [ENCRYPT, DECRYPT, DIGEST, SIGN, VERIFY] = [0x100, 0x200, 0x400, 0x800, 0x2000]
  const [WRAP, UNWRAP, DERIVE] = [0x20000, 0x40000, 0x80000]
  const part = { key: 0, state: new Uint8Array(0), data: fill(16), last: true }
  const numbers = Object.entries(protocol).flatMap(([name, value]) => (name.startsWith('CKM_') ? [value] : []))
  for (const mechanism of numbers) {
    const calls: [number, Promise<unknown>][] = [
      [ENCRYPT, crypto.encrypt(session, { mechanism }, key, fill(16))],
      [DECRYPT, crypto.decrypt(session, { mechanism }, key, fill(16))],
      [SIGN, crypto.sign(session, { mechanism }, key, fill(16))],
      [VERIFY, crypto.verify(session, { mechanism }, key, fill(16), fill(16))],
      [WRAP, crypto.wrap(session, { mechanism }, key, key)],
      [UNWRAP, crypto.unwrap(session, { mechanism }, key, fill(40), AES)],
      [DIGEST, crypto.part(session, { ...part, purpose: 'digest', mechanism: { mechanism } })],
    ]
    if (mechanism !== protocol.CKM_PKCS5_PBKD2) {
      calls.push([DERIVE, crypto.derive(session, { mechanism }, key, AES)])
    }
    for (const [flag, call] of calls) {
      const known = (await codeOf(call)) !== protocol.RC_MECHANISM_INVALID
      assert.is(known, ((flags.get(mechanism) ?? 0) & flag) !== 0, `${mechanism.toString(16)} ${flag.toString(16)}`)
    }
  }
})

test.run()
