// What a key may be used for: usage flags, and what sensitive and unextractable keys show.
import { generateKeyPairSync } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute } from '../../../host/client/index.js'
import {
  cryptOfficer,
  fill,
  importAes,
  importGeneric,
  importPrivate,
  importPublic,
  oaep,
  opensslWrap,
} from '../support/crypt-keys.js'
import { codeOf, refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'
import { aesKey } from '../support/templates.js'

const test = suite('crypt: usage')

const { bool, bytes, ulong } = attribute
const { RC_ATTRIBUTE_SENSITIVE, RC_KEY_FUNCTION_NOT_PERMITTED, RC_OK } = protocol
const KW = { mechanism: protocol.CKM_AES_KEY_WRAP }
const ECB = { mechanism: protocol.CKM_AES_ECB }
const HMAC = { mechanism: protocol.CKM_SHA256_HMAC }
const PKCS = { mechanism: protocol.CKM_SHA256_RSA_PKCS }
const OAEP = oaep(protocol.CKM_SHA256)

const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 })
const AES = [
  ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
  ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
  bool(protocol.CKA_TOKEN, false),
]

/** What a flag rules: how a key with it is made, and the command that must be refused without it. */
interface Use {
  readonly what: string
  readonly flag: number
  readonly make: (officer: Officer, more: readonly Attribute[]) => Promise<number>
  readonly use: (officer: Officer, key: number) => Promise<unknown>
}

const wrapped = opensslWrap(fill(32), fill(32), false)
const oaepText = Buffer.alloc(128)
const USES: readonly Use[] = [
  {
    what: 'AES encrypts',
    flag: protocol.CKA_ENCRYPT,
    make: (o, more) => importAes(o, fill(32), more),
    use: ({ client, session }, key) => client.crypto.encrypt(session, ECB, key, fill(16)),
  },
  {
    what: 'AES decrypts',
    flag: protocol.CKA_DECRYPT,
    make: (o, more) => importAes(o, fill(32), more),
    use: ({ client, session }, key) => client.crypto.decrypt(session, ECB, key, fill(16)),
  },
  {
    what: 'AES wraps',
    flag: protocol.CKA_WRAP,
    make: (o, more) => importAes(o, fill(32), more),
    use: ({ client, session }, key) => client.crypto.wrap(session, KW, key, key),
  },
  {
    what: 'AES unwraps',
    flag: protocol.CKA_UNWRAP,
    make: (o, more) => importAes(o, fill(32), more),
    use: ({ client, session }, key) => client.crypto.unwrap(session, KW, key, wrapped, AES),
  },
  {
    what: 'a generic secret signs',
    flag: protocol.CKA_SIGN,
    make: (o, more) => importGeneric(o, fill(32), more),
    use: ({ client, session }, key) => client.crypto.sign(session, HMAC, key, fill(3)),
  },
  {
    what: 'a generic secret verifies',
    flag: protocol.CKA_VERIFY,
    make: (o, more) => importGeneric(o, fill(32), more),
    use: async ({ client, session }, key) => {
      const code = await codeOf(client.crypto.verify(session, HMAC, key, fill(3), fill(32)))
      if (code !== protocol.RC_SIGNATURE_INVALID) await client.crypto.verify(session, HMAC, key, fill(3), fill(32))
    },
  },
  {
    what: 'RSA signs',
    flag: protocol.CKA_SIGN,
    make: (o, more) => importPrivate(o, rsa.privateKey, more),
    use: ({ client, session }, key) => client.crypto.sign(session, PKCS, key, fill(3)),
  },
  {
    what: 'RSA decrypts',
    flag: protocol.CKA_DECRYPT,
    make: (o, more) => importPrivate(o, rsa.privateKey, more),
    use: async ({ client, session }, key) => {
      const code = await codeOf(client.crypto.decrypt(session, OAEP, key, oaepText))
      if (code !== protocol.RC_ENCRYPTED_DATA_INVALID) await client.crypto.decrypt(session, OAEP, key, oaepText)
    },
  },
  {
    what: 'RSA unwraps',
    flag: protocol.CKA_UNWRAP,
    make: (o, more) => importPrivate(o, rsa.privateKey, more),
    use: async ({ client, session }, key) => {
      const code = await codeOf(client.crypto.unwrap(session, OAEP, key, oaepText, AES))
      if (code !== protocol.RC_WRAPPED_KEY_INVALID) await client.crypto.unwrap(session, OAEP, key, oaepText, AES)
    },
  },
  {
    what: 'a public RSA key encrypts',
    flag: protocol.CKA_ENCRYPT,
    make: (o, more) => importPublic(o, rsa.publicKey, more),
    use: ({ client, session }, key) => client.crypto.encrypt(session, OAEP, key, fill(3)),
  },
  {
    what: 'a public RSA key wraps',
    flag: protocol.CKA_WRAP,
    make: (o, more) => importPublic(o, rsa.publicKey, more),
    use: async (o, key) => {
      const secret = await importAes(o, fill(16))
      const code = await codeOf(o.client.crypto.wrap(o.session, OAEP, key, secret))
      await o.client.objects.destroy(o.session, [secret])
      assert.ok(code === RC_OK || code === RC_KEY_FUNCTION_NOT_PERMITTED)
      if (code !== RC_OK) await o.client.crypto.wrap(o.session, OAEP, key, key)
    },
  },
  {
    what: 'a public RSA key verifies',
    flag: protocol.CKA_VERIFY,
    make: (o, more) => importPublic(o, rsa.publicKey, more),
    use: async ({ client, session }, key) => {
      const code = await codeOf(client.crypto.verify(session, PKCS, key, fill(3), fill(128)))
      if (code !== protocol.RC_SIGNATURE_INVALID) await client.crypto.verify(session, PKCS, key, fill(3), fill(128))
    },
  },
]

test('each usage flag rules its own command, and no other', async () => {
  const officer = await cryptOfficer()
  for (const { what, flag, make, use } of USES) {
    const allowed = await make(officer, [bool(flag, true)])
    await use(officer, allowed)
    const others = USES.filter((one) => one.make.toString() === make.toString() && one.flag !== flag)
    const denied = await make(officer, [bool(flag, false), ...others.map((one) => bool(one.flag, true))])
    await refuses(RC_KEY_FUNCTION_NOT_PERMITTED, use(officer, denied), what)
    for (const one of others) await one.use(officer, denied)
    const mine = (await officer.client.objects.list(officer.session)).map(({ handle }) => handle)
    await officer.client.objects.destroy(officer.session, mine)
  }
})

test('a usage flag may be changed where policy 11 lets it, and holds at once', async () => {
  const { client, session, admin, partition } = await cryptOfficer({}, { seed: 'policy 11' })
  const key = await client.objects.create(session, aesKey('key', fill(32)))
  const encrypt = () => client.crypto.encrypt(session, ECB, key, fill(16))
  await encrypt()
  await client.objects.set(session, key, [bool(protocol.CKA_ENCRYPT, false)])
  await refuses(RC_KEY_FUNCTION_NOT_PERMITTED, encrypt())
  await client.partitions.setPolicy(admin, partition, protocol.POLICY_CHANGE_ATTRIBUTES, 0)
  const set = client.objects.set(session, key, [bool(protocol.CKA_ENCRYPT, true)])
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set)
  await refuses(RC_KEY_FUNCTION_NOT_PERMITTED, encrypt())
})

// ---- sensitive and unextractable ----------------------------------------------------------------------------------------

const RSA_SECRETS = [
  protocol.CKA_PRIVATE_EXPONENT,
  protocol.CKA_PRIME_1,
  protocol.CKA_PRIME_2,
  protocol.CKA_EXPONENT_1,
  protocol.CKA_EXPONENT_2,
  protocol.CKA_COEFFICIENT,
]

test('the value of a key is read only where it is extractable and not sensitive', async () => {
  const officer = await cryptOfficer({}, { seed: 'sensitive' })
  const { client, session } = officer
  for (const sensitive of [true, false]) {
    for (const extractable of [true, false]) {
      const more = [bool(protocol.CKA_SENSITIVE, sensitive), bool(protocol.CKA_EXTRACTABLE, extractable)]
      const what = `sensitive ${sensitive}, extractable ${extractable}`
      const expected = extractable && !sensitive ? RC_OK : RC_ATTRIBUTE_SENSITIVE
      const aes = await importAes(officer, fill(32), more)
      const own = await importPrivate(officer, rsa.privateKey, more)
      for (const [key, types] of [
        [aes, [protocol.CKA_VALUE]],
        [own, RSA_SECRETS],
      ] as const) {
        const answers = await client.objects.get(session, key, types)
        for (const { code, value } of answers) {
          assert.is(code, expected, what)
          assert.is(value.length > 0, expected === RC_OK, what)
        }
      }
      const [modulus] = await client.objects.get(session, own, [protocol.CKA_MODULUS])
      assert.is(modulus?.value.length, 128)
      // Nor is it found by guessing: a template with the value never matches.
      const guessed = await client.objects.list(session, [bytes(protocol.CKA_VALUE, fill(32))])
      assert.equal(guessed, [], what)
      await client.objects.destroy(session, [aes, own])
    }
  }
})

test('sensitive is only ever set, extractable only ever cleared', async () => {
  const { client, session } = await cryptOfficer({}, { seed: 'one way' })
  const open = [bool(protocol.CKA_SENSITIVE, false), bool(protocol.CKA_EXTRACTABLE, true)]
  const key = await client.objects.create(session, aesKey('key', fill(32), open))
  const set = (type: number, value: boolean) => client.objects.set(session, key, [bool(type, value)])
  const read = async () => (await client.objects.get(session, key, [protocol.CKA_VALUE]))[0]?.code
  assert.is(await read(), RC_OK)
  await set(protocol.CKA_SENSITIVE, true)
  assert.is(await read(), RC_ATTRIBUTE_SENSITIVE)
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(protocol.CKA_SENSITIVE, false))
  await client.crypto.wrap(session, KW, key, key)
  await set(protocol.CKA_EXTRACTABLE, false)
  await refuses(protocol.RC_KEY_UNEXTRACTABLE, client.crypto.wrap(session, KW, key, key))
  await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(protocol.CKA_EXTRACTABLE, true))
  for (const type of [protocol.CKA_ALWAYS_SENSITIVE, protocol.CKA_NEVER_EXTRACTABLE, protocol.CKA_LOCAL]) {
    await refuses(protocol.RC_ATTRIBUTE_READ_ONLY, set(type, true))
  }
  assert.is(await read(), RC_ATTRIBUTE_SENSITIVE)
})

test.run()
