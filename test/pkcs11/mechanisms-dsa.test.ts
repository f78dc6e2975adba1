// DSA at the door: domain parameters, key pairs, signatures, and OpenSSL on the other side.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { integerSequence, readSequence } from '../../host/board/der.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { bare, Desk, hex } from './mechanism-desk.js'
import { ckrOf, data, flag, number } from './support.js'

const test = suite('pkcs11 mechanisms: DSA')

const { CKA_BASE, CKA_PRIME, CKA_PRIME_BITS, CKA_SUBPRIME, CKA_SUBPRIME_BITS, CKA_VALUE } = protocol
const GROUP = [CKA_PRIME, CKA_SUBPRIME, CKA_BASE] as const
const MECHANISMS = [
  { type: protocol.CKM_DSA_SHA1, hash: 'sha1' },
  { type: protocol.CKM_DSA_SHA224, hash: 'sha224' },
  { type: protocol.CKM_DSA_SHA256, hash: 'sha256' },
  { type: protocol.CKM_DSA_SHA384, hash: 'sha384' },
  { type: protocol.CKM_DSA_SHA512, hash: 'sha512' },
  { type: protocol.CKM_DSA_SHA3_256, hash: 'sha3-256' },
  { type: protocol.CKM_LUNA_DSA_SHA256, hash: 'sha256' },
]

let desk: Desk
test.before(async () => {
  desk = await Desk.open()
})

const element = (tag: number, content: Uint8Array): Buffer => {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

/** The public key as OpenSSL takes it. */
async function opened(key: number): Promise<KeyObject> {
  const numbers: Buffer[] = []
  for (const type of GROUP) numbers.push(await desk.value(key, type))
  const [y] = readSequence(integerSequence(await desk.value(key, CKA_VALUE))) ?? []
  const algorithm = element(0x30, Buffer.concat([hex('06072a8648ce380401'), integerSequence(...numbers)]))
  const bits = element(3, Buffer.concat([Buffer.of(0), y?.whole ?? Buffer.alloc(0)]))
  return createPublicKey({ key: element(0x30, Buffer.concat([algorithm, bits])), format: 'der', type: 'spki' })
}

/** p, q and g of a group that OpenSSL made. */
function group(bits: number, order: number) {
  const { publicKey } = generateKeyPairSync('dsa', { modulusLength: bits, divisorLength: order })
  const [algorithm] = readSequence(publicKey.export({ format: 'der', type: 'spki' })) ?? []
  const [, numbers] = readSequence(algorithm?.whole ?? Buffer.alloc(0)) ?? []
  const found = readSequence(numbers?.whole ?? Buffer.alloc(0)) ?? []
  const bare_ = (bytes: Uint8Array): Uint8Array => (bytes[0] === 0 ? bytes.subarray(1) : bytes)
  return found.map(({ content }, i) => data(GROUP[i] ?? 0, bare_(content)))
}

const pair = (numbers: ReturnType<typeof group>): Promise<[number, number]> =>
  desk.pair(bare(protocol.CKM_DSA_KEY_PAIR_GEN), numbers, [flag(protocol.CKA_SIGN, true)])

for (const [bits, order] of [
  [1024, 160],
  [2048, 224],
  [2048, 256],
] as const) {
  test(`${bits} bits, ${order}: what is signed verifies, here and outside`, async () => {
    const [open, own] = await pair(group(bits, order))
    const key = { key: await opened(open), dsaEncoding: 'ieee-p1363' } as const
    for (const { type, hash } of MECHANISMS) {
      const message = fill(100)
      const signature = await desk.sign(bare(type), own, message)
      assert.is(signature.length, order / 4)
      assert.ok(verify(hash, message, key, signature), hash)
      await desk.verify(bare(type), open, message, signature)
      assert.equal(await desk.signParts(bare(type), own, message, 33), signature)
      const digest = createHash(hash).update(message).digest()
      await desk.verify(bare(protocol.CKM_DSA), open, digest, signature)
      await desk.verifyParts(bare(protocol.CKM_DSA), open, digest, signature, 7)
      assert.is(await ckrOf(() => desk.verify(bare(type), open, fill(99), signature)), 0xc0)
      assert.is(await ckrOf(() => desk.verify(bare(type), open, message, signature.subarray(1))), 0xc1)
    }
  })
}

test('domain parameters are made, found, and good for keys', async () => {
  const made = await desk.generate(bare(protocol.CKM_DSA_PARAMETER_GEN), [number(CKA_PRIME_BITS, 1024)])
  assert.is((await desk.value(made, protocol.CKA_CLASS))[0], protocol.CKO_DOMAIN_PARAMETERS)
  assert.is((await desk.value(made, CKA_SUBPRIME_BITS))[0], 160)
  const numbers = await Promise.all(GROUP.map(async (type) => data(type, await desk.value(made, type))))
  const [open, own] = await pair(numbers)
  const message = fill(20)
  const signature = await desk.sign(bare(protocol.CKM_DSA_SHA1), own, message)
  assert.ok(verify('sha1', message, { key: await opened(open), dsaEncoding: 'ieee-p1363' }, signature))
  const size = (...template: Parameters<typeof number>[]) =>
    ckrOf(() =>
      desk.generate(
        bare(protocol.CKM_DSA_PARAMETER_GEN),
        template.map((one) => number(...one)),
      ),
    )
  assert.is(await size(), protocol.RC_TEMPLATE_INCOMPLETE >>> 16)
  assert.is(await size([CKA_PRIME_BITS, 1536]), protocol.RC_KEY_SIZE_RANGE >>> 16)
  assert.is(await size([CKA_PRIME_BITS, 1024], [CKA_SUBPRIME_BITS, 256]), protocol.RC_KEY_SIZE_RANGE >>> 16)
})

test('a private key is wrapped as PKCS#8 that OpenSSL reads, and one of OpenSSL’s is unwrapped', async () => {
  const by = await desk.secret(protocol.CKK_AES, fill(32))
  const kwp: CkMechanism = { type: protocol.CKM_AES_KEY_WRAP_KWP, parameter: { form: 'iv', iv: new Uint8Array(0) } }
  for (const [bits, order] of [
    [1024, 160],
    [2048, 256],
  ] as const) {
    const [open, own] = await desk.pair(bare(protocol.CKM_DSA_KEY_PAIR_GEN), group(bits, order), [
      flag(protocol.CKA_SIGN, true),
      flag(protocol.CKA_EXTRACTABLE, true),
    ])
    const wrapped = await desk.wrap(kwp, by, own)
    const cipher = createDecipheriv('id-aes256-wrap-pad', fill(32), Buffer.from('a65959a6', 'hex'))
    const key = Buffer.concat([cipher.update(wrapped), cipher.final()])
    const outside = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    assert.is(outside.asymmetricKeyType, 'dsa')
    const signature = sign('sha256', fill(50), { key: outside, dsaEncoding: 'ieee-p1363' })
    await desk.verify(bare(protocol.CKM_DSA_SHA256), open, fill(50), signature)

    const { privateKey, publicKey } = generateKeyPairSync('dsa', { modulusLength: bits, divisorLength: order })
    const theirs = privateKey.export({ format: 'der', type: 'pkcs8' })
    const template = [
      number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_DSA),
      flag(protocol.CKA_SIGN, true),
    ]
    const back = await desk.unwrap(kwp, by, wrap(theirs), template)
    const made = await desk.sign(bare(protocol.CKM_DSA_SHA256), back, fill(60))
    assert.ok(verify('sha256', fill(60), { key: publicKey, dsaEncoding: 'ieee-p1363' }, made))
    // A byte of p, one of q or of g.
    for (const at of [theirs.length >> 1, 40, theirs.length - order / 8 - 10]) {
      const wrong = Uint8Array.from(theirs)
      wrong[at] = (wrong[at] ?? 0) ^ 0x80
      assert.is.not(await ckrOf(() => desk.unwrap(kwp, by, wrap(wrong), template)), 0, `${at}`)
    }
    for (let cut = 1; cut < 60; cut += 7)
      assert.is.not(await ckrOf(() => desk.unwrap(kwp, by, wrap(theirs.subarray(0, -cut)), template)), 0)
  }
})

function wrap(key: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap-pad', fill(32), Buffer.from('a65959a6', 'hex'))
  return Buffer.concat([cipher.update(key), cipher.final()])
}

test('numbers that are no group make no key; the private value stays inside', async () => {
  const numbers = group(1024, 160)
  const [, own] = await pair(numbers)
  assert.is(
    await ckrOf(() =>
      desk.program.call(calls.getAttributeValue, [desk.session, own, [{ type: CKA_VALUE, capacity: 64 }]]),
    ),
    0,
  )
  const [[secret], ckr] = await desk.program.call(calls.getAttributeValue, [
    desk.session,
    own,
    [{ type: CKA_VALUE, capacity: 64 }],
  ])
  assert.is(secret?.value, undefined)
  assert.is(ckr, CKR.ATTRIBUTE_SENSITIVE)
  const [p, q, g] = numbers
  if (!p || !q || !g) throw new Error('no group')
  const wrong = [
    { is: [p, q], ckr: protocol.RC_TEMPLATE_INCOMPLETE >>> 16 },
    { is: [p, q, data(CKA_BASE, Uint8Array.of(2))], ckr: protocol.RC_DOMAIN_PARAMS_INVALID >>> 16 },
    { is: [p, data(CKA_SUBPRIME, fill(20)), g], ckr: protocol.RC_DOMAIN_PARAMS_INVALID >>> 16 },
    { is: [data(CKA_PRIME, fill(128)), q, g], ckr: protocol.RC_DOMAIN_PARAMS_INVALID >>> 16 },
  ]
  for (const { is, ckr: expected } of wrong) assert.is(await ckrOf(() => pair(is)), expected)
})

test.run()
