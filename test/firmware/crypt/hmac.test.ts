// HMAC through the command port, held against OpenSSL and RFC 4231.
import { createHmac } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import { cryptOfficer, fill, flipped, HASHES, importAes, importGeneric } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'

const test = suite('crypt: HMAC')

let officer: Officer

test.before(async () => {
  officer = await cryptOfficer()
})

const mac = async (mechanism: number, key: number, data: Uint8Array, parameter = Buffer.alloc(0)) =>
  Buffer.from(await officer.client.crypto.sign(officer.session, { mechanism, parameter }, key, data))
const check = (mechanism: number, key: number, data: Uint8Array, value: Uint8Array, parameter = Buffer.alloc(0)) =>
  officer.client.crypto.verify(officer.session, { mechanism, parameter }, key, data, value)

async function withKey(value: Uint8Array, work: (key: number) => Promise<void>): Promise<void> {
  const key = await importGeneric(officer, value)
  await work(key)
  await officer.client.objects.destroy(officer.session, [key])
}

test('RFC 4231, test case 2', () =>
  withKey(Buffer.from('Jefe'), async (key) => {
    const values = [
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    ]
    for (const [i, { hmac }] of HASHES.entries()) {
      assert.is((await mac(hmac, key, Buffer.from('what do ya want for nothing?'))).toString('hex'), values[i])
    }
  }))

test('keys from 1 to 512 bytes, data from none to many blocks: as OpenSSL', async () => {
  for (const n of [1, 16, 63, 64, 65, 127, 128, 129, 512]) {
    await withKey(fill(n, n), async (key) => {
      for (const { name, hmac } of HASHES) {
        for (const length of [0, 1, 63, 64, 111, 112, 128, 5000]) {
          const data = fill(length, length)
          const expected = createHmac(name, fill(n, n)).update(data).digest()
          assert.equal(await mac(hmac, key, data), expected, `${name} ${n} ${length}`)
          await check(hmac, key, data, expected)
        }
      }
    })
  }
})

test('what is not the value of this data, key and hash', () =>
  withKey(fill(40), async (key) => {
    const data = fill(100)
    const another = await importGeneric(officer, fill(41))
    for (const { hmac, length } of HASHES) {
      const value = await mac(hmac, key, data)
      for (let bit = 0; bit < 8 * length; bit += 7) {
        await refuses(protocol.RC_SIGNATURE_INVALID, check(hmac, key, data, flipped(value, bit)), `bit ${bit}`)
      }
      await refuses(protocol.RC_SIGNATURE_INVALID, check(hmac, key, flipped(data, 99), value))
      await refuses(protocol.RC_SIGNATURE_INVALID, check(hmac, another, data, value))
      for (const n of [0, 1, length - 1]) {
        await refuses(protocol.RC_SIGNATURE_LEN_RANGE, check(hmac, key, data, value.subarray(0, n)), `${n}`)
      }
      await refuses(protocol.RC_SIGNATURE_LEN_RANGE, check(hmac, key, data, Buffer.concat([value, Buffer.alloc(1)])))
      await refuses(protocol.RC_MECHANISM_PARAM_INVALID, mac(hmac, key, data, Buffer.alloc(1)))
      await refuses(protocol.RC_MECHANISM_PARAM_INVALID, check(hmac, key, data, value, Buffer.alloc(1)))
    }
    await officer.client.objects.destroy(officer.session, [another])
  }))

test('an AES key does it where it is allowed to, and a generic secret does not encrypt', async () => {
  const flags = [attribute.bool(protocol.CKA_SIGN, true), attribute.bool(protocol.CKA_VERIFY, true)]
  const aes = await importAes(officer, fill(32), flags)
  const expected = createHmac('sha256', fill(32)).update(fill(9)).digest()
  assert.equal(await mac(protocol.CKM_SHA256_HMAC, aes, fill(9)), expected)
  await check(protocol.CKM_SHA256_HMAC, aes, fill(9), expected)
  const generic = await importGeneric(officer, fill(32), [attribute.bool(protocol.CKA_ENCRYPT, true)])
  const ecb = officer.client.crypto.encrypt(officer.session, { mechanism: protocol.CKM_AES_ECB }, generic, fill(16))
  await refuses(protocol.RC_KEY_TYPE_INCONSISTENT, ecb)
})

test('a digest alone is no mechanism of signing', () =>
  withKey(fill(32), async (key) => {
    for (const mechanism of [protocol.CKM_SHA256, protocol.CKM_SHA512, protocol.CKM_AES_CBC]) {
      await refuses(protocol.RC_MECHANISM_INVALID, mac(mechanism, key, fill(3)))
      await refuses(protocol.RC_MECHANISM_INVALID, check(mechanism, key, fill(3), fill(32)))
    }
  }))

test.run()
