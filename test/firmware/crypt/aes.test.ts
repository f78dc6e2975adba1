// ENCRYPT and DECRYPT with AES, held against OpenSSL: every mode, every key size, ragged lengths, and all that must be refused.
import { createCipheriv } from 'node:crypto'
import { gcm as nobleGcm } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { Mechanism } from '../../../host/client/index.js'
import { cryptOfficer, fill, flipped, gcm, importAes, storesNothing } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'

const test = suite('crypt: AES')

const {
  CKM_AES_ECB: ECB,
  CKM_AES_CBC: CBC,
  CKM_AES_CBC_PAD: CBC_PAD,
  CKM_AES_CTR: CTR,
  RC_DATA_LEN_RANGE,
  RC_ENCRYPTED_DATA_INVALID,
  RC_ENCRYPTED_DATA_LEN_RANGE,
  RC_MECHANISM_INVALID,
  RC_MECHANISM_PARAM_INVALID,
} = protocol
const NAMES = new Map<number, string>([
  [ECB, 'ecb'],
  [CBC, 'cbc'],
  [CBC_PAD, 'cbc'],
  [CTR, 'ctr'],
])

let officer: Officer

test.before(async () => {
  officer = await cryptOfficer()
})

const encrypt = (mechanism: Mechanism, key: number, data: Uint8Array) =>
  officer.client.crypto.encrypt(officer.session, mechanism, key, data)
const decrypt = (mechanism: Mechanism, key: number, data: Uint8Array) =>
  officer.client.crypto.decrypt(officer.session, mechanism, key, data)

/** Runs with a session key that is gone afterwards: there is room for few. */
async function withKey<Result>(value: Uint8Array, work: (key: number) => Promise<Result>): Promise<Result> {
  const key = await importAes(officer, value)
  try {
    return await work(key)
  } finally {
    await officer.client.objects.destroy(officer.session, [key])
  }
}

function byOpenssl({ mechanism, parameter }: Mechanism, value: Uint8Array, data: Uint8Array): Buffer {
  const iv = mechanism === ECB ? null : (parameter ?? null)
  const cipher = createCipheriv(`aes-${8 * value.length}-${NAMES.get(mechanism)}`, value, iv)
  cipher.setAutoPadding(mechanism === CBC_PAD)
  return Buffer.concat([cipher.update(data), cipher.final()])
}

function gcmByOpenssl(value: Uint8Array, iv: Uint8Array, aad: Uint8Array, bits: number, data: Uint8Array): Buffer {
  const name = value.length === 16 ? 'aes-128-gcm' : value.length === 24 ? 'aes-192-gcm' : 'aes-256-gcm'
  const cipher = createCipheriv(name, value, iv, { authTagLength: bits / 8 })
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
}

const hex = (text: string) => Buffer.from(text, 'hex')

test('SP 800-38A, F.1.5, F.2.5 and F.5.5: AES-256 in ECB, CBC and CTR', async () => {
  const key = hex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4')
  const plain = hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51')
  const vectors: [Mechanism, string][] = [
    [{ mechanism: ECB }, 'f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870'],
    [
      { mechanism: CBC, parameter: hex('000102030405060708090a0b0c0d0e0f') },
      'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d',
    ],
    [
      { mechanism: CTR, parameter: hex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff') },
      '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5',
    ],
  ]
  for (const [mechanism, expected] of vectors) {
    await withKey(key, async (handle) => {
      assert.is(Buffer.from(await encrypt(mechanism, handle, plain)).toString('hex'), expected)
      assert.equal(Buffer.from(await decrypt(mechanism, handle, hex(expected))), plain)
    })
  }
})

for (const [mechanism, lengths] of [
  [ECB, [0, 16, 48, 128, 4096]],
  [CBC, [0, 16, 48, 128, 4096]],
  [CBC_PAD, [0, 1, 15, 16, 17, 31, 32, 1000]],
  [CTR, [0, 1, 15, 16, 17, 127, 129, 1000]],
] as const) {
  test(`${NAMES.get(mechanism)}${mechanism === CBC_PAD ? ' with padding' : ''}: every key size, as OpenSSL does it`, async () => {
    for (const size of [16, 24, 32]) {
      const value = fill(size, size)
      const parameter = mechanism === ECB ? Buffer.alloc(0) : fill(16, 7)
      await withKey(value, async (key) => {
        for (const length of lengths) {
          const plain = fill(length, length)
          const cipher = await encrypt({ mechanism, parameter }, key, plain)
          assert.equal(Buffer.from(cipher), byOpenssl({ mechanism, parameter }, value, plain), `${size}, ${length}`)
          assert.equal(Buffer.from(await decrypt({ mechanism, parameter }, key, cipher)), plain, `${size}, ${length}`)
        }
      })
    }
  })
}

test('CTR counts over all 128 bits', async () => {
  const value = fill(32)
  const parameter = Buffer.alloc(16, 0xff)
  const plain = fill(300)
  await withKey(value, async (key) => {
    for (const last of [0xff, 0xf8, 0xf0]) {
      parameter[15] = last
      const mechanism = { mechanism: CTR, parameter }
      assert.equal(Buffer.from(await encrypt(mechanism, key, plain)), byOpenssl(mechanism, value, plain))
    }
  })
})

test('GCM: nonces from 1 to 256 bytes, associated data, tags from 96 to 128 bits', async () => {
  for (const size of [16, 24, 32]) {
    const value = fill(size, size)
    await withKey(value, async (key) => {
      for (const [ivLength, aadLength, bits, length] of [
        [12, 0, 128, 0],
        [12, 20, 128, 60],
        [1, 16, 96, 17],
        [16, 1, 104, 16],
        [60, 33, 112, 128],
        [128, 300, 120, 1000],
      ] as const) {
        const [iv, aad, plain] = [fill(ivLength, 2), fill(aadLength, 3), fill(length, 4)]
        const what = `${size} ${ivLength} ${aadLength} ${bits} ${length}`
        const sealed = await encrypt(gcm(iv, aad, bits), key, plain)
        assert.equal(Buffer.from(sealed), gcmByOpenssl(value, iv, aad, bits, plain), what)
        assert.equal(Buffer.from(await decrypt(gcm(iv, aad, bits), key, sealed)), plain, what)
      }
      // OpenSSL takes nonces of 128 bytes at most.
      const [iv, aad, plain] = [fill(256, 2), fill(5, 3), fill(100, 4)]
      const sealed = await encrypt(gcm(iv, aad, 128), key, plain)
      assert.equal(Buffer.from(sealed), Buffer.from(nobleGcm(value, iv, aad).encrypt(plain)))
      assert.equal(Buffer.from(await decrypt(gcm(iv, aad, 128), key, sealed)), plain)
    })
  }
})

test('any key, mode, vector and data: OpenSSL says the same', async () => {
  const modes = fc.constantFrom(ECB, CBC, CBC_PAD, CTR)
  const sizes = fc.constantFrom(16, 24, 32).chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))
  const iv = fc.uint8Array({ minLength: 16, maxLength: 16 })
  const property = fc.asyncProperty(modes, sizes, iv, fc.uint8Array({ maxLength: 400 }), async (mechanism, ...rest) => {
    const [value, vector, bytes] = rest
    const plain = mechanism === ECB || mechanism === CBC ? bytes.subarray(0, bytes.length & ~15) : bytes
    const parameter = mechanism === ECB ? new Uint8Array(0) : vector
    await withKey(value, async (key) => {
      const cipher = await encrypt({ mechanism, parameter }, key, plain)
      assert.equal(Buffer.from(cipher), byOpenssl({ mechanism, parameter }, value, plain))
      assert.equal(Buffer.from(await decrypt({ mechanism, parameter }, key, cipher)), Buffer.from(plain))
    })
  })
  await fc.assert(property, { numRuns: 60 })
})

test('as much as a frame holds comes back; one block more is refused', async () => {
  const value = fill(32)
  const mechanism = { mechanism: CTR, parameter: fill(16) }
  // Mechanism, parameter, key and two lengths are 32 bytes of the request; the answer must have room to be sealed.
  const most = protocol.MAX_BODY - 32
  const plain = fill(most)
  await withKey(value, async (key) => {
    const cipher = await encrypt(mechanism, key, plain)
    assert.equal(Buffer.from(cipher), byOpenssl(mechanism, value, plain))
    assert.equal(Buffer.from(await decrypt(mechanism, key, cipher)), plain)
    await refuses(RC_DATA_LEN_RANGE, encrypt({ mechanism: CBC_PAD, parameter: fill(16) }, key, plain))
    const fits = protocol.MAX_BODY - 4 - protocol.SEALED_OVERHEAD - 16
    const sealed = await encrypt(gcm(fill(12), fill(0), 128), key, plain.subarray(0, fits))
    assert.is(sealed.length, fits + 16)
    await refuses(RC_DATA_LEN_RANGE, encrypt(gcm(fill(12), fill(0), 128), key, plain.subarray(0, fits + 1)))
  })
})

test('GCM: one changed bit anywhere, or a shorter tag, and nothing is opened', async () => {
  const [iv, aad, plain] = [fill(12, 2), fill(20, 3), fill(33, 4)]
  await withKey(fill(32), (key) =>
    storesNothing(officer, async () => {
      const sealed = Buffer.from(await encrypt(gcm(iv, aad, 128), key, plain))
      for (let bit = 0; bit < 8 * sealed.length; bit += 5) {
        await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(gcm(iv, aad, 128), key, flipped(sealed, bit)), `bit ${bit}`)
      }
      for (let bit = 0; bit < 96; bit += 11) {
        await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(gcm(flipped(iv, bit), aad, 128), key, sealed))
        await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(gcm(iv, flipped(aad, bit), 128), key, sealed))
      }
      await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(gcm(iv, aad, 120), key, sealed))
      await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt(gcm(iv, aad, 128), key, sealed.subarray(0, -1)))
      await refuses(RC_ENCRYPTED_DATA_LEN_RANGE, decrypt(gcm(iv, aad, 128), key, sealed.subarray(0, 15)))
      await refuses(RC_ENCRYPTED_DATA_LEN_RANGE, decrypt(gcm(iv, aad, 128), key, Buffer.alloc(0)))
    }),
  )
})

test('padding that is none is refused, whatever is wrong with it', async () => {
  const value = fill(32)
  const parameter = fill(16, 5)
  await withKey(value, async (key) => {
    for (const end of ['00', '11', 'ff', '0102', '0303', '04040304']) {
      const block = Buffer.concat([Buffer.alloc(16 - end.length / 2, 0x55), hex(end)])
      const cipher = byOpenssl({ mechanism: CBC, parameter }, value, block)
      await refuses(RC_ENCRYPTED_DATA_INVALID, decrypt({ mechanism: CBC_PAD, parameter }, key, cipher), end)
    }
    // 02 02, a whole block, and one byte are paddings.
    for (const [end, left] of [
      ['0202', 14],
      ['10'.repeat(16), 0],
      ['01', 15],
    ] as const) {
      const block = Buffer.concat([Buffer.alloc(16 - end.length / 2, 0x55), hex(end)])
      const cipher = byOpenssl({ mechanism: CBC, parameter }, value, block)
      assert.is((await decrypt({ mechanism: CBC_PAD, parameter }, key, cipher)).length, left)
    }
  })
})

test('lengths that the mode cannot have', async () => {
  const parameter = fill(16)
  await withKey(fill(16), async (key) => {
    for (const mechanism of [ECB, CBC]) {
      const own = mechanism === ECB ? { mechanism } : { mechanism, parameter }
      for (const length of [1, 15, 17, 31]) {
        await refuses(RC_DATA_LEN_RANGE, encrypt(own, key, fill(length)), `${length}`)
        await refuses(RC_ENCRYPTED_DATA_LEN_RANGE, decrypt(own, key, fill(length)), `${length}`)
      }
    }
    for (const length of [0, 1, 15, 17, 31]) {
      const cut = decrypt({ mechanism: CBC_PAD, parameter }, key, fill(length))
      await refuses(RC_ENCRYPTED_DATA_LEN_RANGE, cut, `${length}`)
    }
  })
})

test('parameters of any other length, and a GCM parameter that does not hold together', async () => {
  await withKey(fill(32), async (key) => {
    for (const way of [encrypt, decrypt]) {
      for (const mechanism of [CBC, CBC_PAD, CTR]) {
        for (const length of [0, 1, 15, 17, 32]) {
          const call = way({ mechanism, parameter: fill(length) }, key, fill(32))
          await refuses(RC_MECHANISM_PARAM_INVALID, call, `${mechanism} ${length}`)
        }
      }
      await refuses(RC_MECHANISM_PARAM_INVALID, way({ mechanism: ECB, parameter: fill(16) }, key, fill(32)))
      const whole = gcm(fill(12), fill(5), 128).parameter ?? Buffer.alloc(0)
      const parameters = {
        empty: Buffer.alloc(0),
        short: whole.subarray(0, -1),
        long: Buffer.concat([whole, Buffer.alloc(1)]),
        'only a nonce': whole.subarray(0, 16),
        'no nonce': gcm(Buffer.alloc(0), fill(5), 128).parameter,
        'long nonce': gcm(fill(257), fill(5), 128).parameter,
        'tag of 40 bits': gcm(fill(12), fill(5), 40).parameter,
        'tag of 88 bits': gcm(fill(12), fill(5), 88).parameter,
        'tag of 136 bits': gcm(fill(12), fill(5), 136).parameter,
        'tag of 97 bits': gcm(fill(12), fill(5), 97).parameter,
        'no tag': gcm(fill(12), fill(5), 0).parameter,
        'nonce longer than all': Buffer.concat([hex('00000100'), fill(12)]),
        'nonce of 2^32 - 1': Buffer.concat([hex('ffffffff'), fill(12)]),
        'associated data of 2^32 - 1': Buffer.concat([hex('00000001aaffffffff'), fill(12)]),
        'associated data longer than all': Buffer.concat([hex('00000001aa00000009'), fill(12)]),
      }
      for (const [what, parameter] of Object.entries(parameters)) {
        const mechanism = { mechanism: protocol.CKM_AES_GCM, parameter: parameter ?? Buffer.alloc(0) }
        await refuses(RC_MECHANISM_PARAM_INVALID, way(mechanism, key, fill(32)), what)
      }
    }
  })
})

test('mechanisms that do not encrypt', async () => {
  await withKey(fill(32), async (key) => {
    for (const mechanism of [
      protocol.CKM_AES_CMAC,
      protocol.CKM_AES_CBC_ENCRYPT_DATA,
      protocol.CKM_AES_KEY_GEN,
      protocol.CKM_RSA_PKCS_PSS,
      protocol.CKM_SHA256_HMAC,
      0x1234_5678,
      0xffff_ffff,
    ]) {
      await refuses(RC_MECHANISM_INVALID, encrypt({ mechanism }, key, fill(16)), `${mechanism}`)
      await refuses(RC_MECHANISM_INVALID, decrypt({ mechanism }, key, fill(16)), `${mechanism}`)
    }
  })
})

test.run()
