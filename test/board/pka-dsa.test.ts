// DSA, and ECDSA on curves for old programs: the published values of RFC 6979 (appendix A.2), and OpenSSL on the other side.
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  PERIPHERAL_INVALID,
  PERIPHERAL_MISMATCH,
  PKA_DSA_GENERATE,
  PKA_DSA_PARAMETERS,
  PKA_DSA_SIGN,
  PKA_DSA_VERIFY,
  PKA_NAMED_ECDH,
  PKA_NAMED_PUBLIC,
  PKA_NAMED_SIGN,
  PKA_NAMED_VERIFY,
} from '../../assembly/protocol.js'
import { integerSequence, readSequence } from '../../host/board/der.js'
import { hex, ok, run, sized } from './pka-support.js'
import { u32 } from './support.js'

const test = suite('board: accelerator, DSA and older curves')

const DIGESTS = ['sha1', 'sha224', 'sha256', 'sha384', 'sha512'] as const
const digestOf = (name: string, text = 'sample'): Buffer => createHash(name).update(text).digest()
const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)
const long = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.length), bytes])
const short = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(bytes.length), bytes])

interface Group {
  readonly p: Buffer
  readonly q: Buffer
  readonly g: Buffer
}

/** RFC 6979 appendix A.2.1 and A.2.2: r ∥ s over "sample", by the digests above. */
const PUBLISHED: readonly { readonly group: Group; readonly x: Buffer; readonly signatures: readonly string[] }[] = [
  {
    group: {
      p: hex(
        '86f5ca03dcfeb225063ff830a0c769b9dd9d6153ad91d7ce27f787c43278b447e6533b86b18bed6e8a48b784a14c252c5be0dbf60b86d6385bd2f12fb763ed88' +
          '73abfd3f5ba2e0a8c0a59082eac056935e529daf7c610467899c77adedfc846c881870b7b19b2b58f9be0521a17002e3bdd6b86685ee90b3d9a1b02b782b1779',
      ),
      q: hex('996f967f6c8e388d9e28d01e205fba957a5698b1'),
      g: hex(
        '07b0f92546150b62514bb771e2a0c0ce387f03bda6c56b505209ff25fd3c133d89bbcd97e904e09114d9a7defdeadfc9078ea544d2e401aeecc40bb9fbbf78fd' +
          '87995a10a1c27cb7789b594ba7efb5c4326a9fe59a070e136db77175464adca417be5dce2f40d10a46a3a3943f26ab7fd9c0398ff8c76ee0a56826a8a88f1dbd',
      ),
    },
    x: hex('411602cb19a6ccc34494d79d98ef1e7ed5af25f7'),
    signatures: [
      '2e1a0c2562b2912caaf89186fb0f42001585da5529efb6b0aff2d7a68eb70ca313022253b9a88df5',
      '4bc3b686aea70145856814a6f1bb53346f02101e410697b92295d994d21edd2f4ada85566f6f94c1',
      '81f2f5850be5bc123c43f71a3033e9384611c5454cdd914b65eb6c66a8aaad27299bee6b035f5e89',
      '07f2108557ee0e3921bc1774f1ca9b410b4ce65a54df70456c86fac10fab47c1949ab83f2c6f7595',
      '16c3491f9b8c3fbbdd5e7a7b667057f0d8ee8e1b02c36a127a7b89edbb72e4ffbc71dabc7d4fc69c',
    ],
  },
  {
    group: {
      p: hex(
        '9db6fb5951b66bb6fe1e140f1d2ce5502374161fd6538df1648218642f0b5c48c8f7a41aadfa187324b87674fa1822b00f1ecf8136943d7c55757264e5a1a44f' +
          'fe012e9936e00c1d3e9310b01c7d179805d3058b2a9f4bb6f9716bfe6117c6b5b3cc4d9be341104ad4a80ad6c94e005f4b993e14f091eb51743bf33050c38de2' +
          '35567e1b34c3d6a5c0ceaa1a0f368213c3d19843d0b4b09dcb9fc72d39c8de41f1bf14d4bb4563ca28371621cad3324b6a2d392145bebfac748805236f5ca2fe' +
          '92b871cd8f9c36d3292b5509ca8caa77a2adfc7bfd77dda6f71125a7456fea153e433256a2261c6a06ed3693797e7995fad5aabbcfbe3eda2741e375404ae25b',
      ),
      q: hex('f2c3119374ce76c9356990b465374a17f23f9ed35089bd969f61c6dde9998c1f'),
      g: hex(
        '5c7ff6b06f8f143fe8288433493e4769c4d988ace5be25a0e24809670716c613d7b0cee6932f8faa7c44d2cb24523da53fbe4f6ec3595892d1aa58c4328a06c4' +
          '6a15662e7eaa703a1decf8bbb2d05dbe2eb956c142a338661d10461c0d135472085057f3494309ffa73c611f78b32adbb5740c361c9f35be90997db2014e2ef5' +
          'aa61782f52abeb8bd6432c4dd097bc5423b285dafb60dc364e8161f4a2a35aca3a10b1c4d203cc76a470a33afdcbdd92959859abd8b56e1725252d78eac66e71' +
          'ba9ae3f1dd2487199874393cd4d832186800654760e1e34c09e4d155179f9ec0dc4473f996bdce6eed1cabed8b6f116f7ad9cf505df0f998e34ab27514b0ffe7',
      ),
    },
    x: hex('69c7548c21d0dfea6b9a51c9ead4e27c33d3b3f180316e5bcab92c933f0e4dbc'),
    signatures: [
      '3a1b2dbd7489d6ed7e608fd036c83af396e290dbd602408e8677daabd6e7445ad26fcba19fa3e3058ffc02ca1596cdbb6e0d20cb37b06054f7e36ded0cdbbccf',
      'dc9f4deada8d8ff588e98fed0ab690ffce858dc8c79376450eb6b76c24537e2ca65a9c3bc7babe286b195d5da68616da8d47fa0097f36dd19f517327dc848cec',
      'eace8bdbbe353c432a795d9ec556c6d021f7a03f42c36e9bc87e4ac7932cc8097081e175455f9247b812b74583e9e94f9ea79bd640dc962533b0680793a38d53',
      'b2da945e91858834fd9bf616ebac151edbc4b45d27d0dd4a7f6a22739f45c00b19048b63d9fd6bca1d9bae3664e1bcb97f7276c306130969f63f38fa8319021b',
      '2016ed092dc5fb669b8efb3d1f31a91eecb199879be0cf78f02ba062cb4c942ed0c76f84b5f091e141572a639a4fb8c230807eea7d55c8a154a224400aff2351',
    ],
  },
]

/** A.2.3 and A.2.4, on curves that the token knows by name alone. */
const CURVES = [
  {
    openssl: 'prime192v1',
    oid: hex('06082a8648ce3d030101'),
    scalar: hex('6fab034934e4c0fc9ae67f5b5659a9d7d1fefd187ee09fd4'),
    signatures: [
      '98c6bd12b23eaf5e2a2045132086be3eb8ebd62abf6698ff57a22b07dea9530f8de9471b1dc6624472e8e2844bc25b64',
      'a1f00dad97aeec91c95585f36200c65f3c01812aa60378f5e07ec1304c7c6c9debbe980b9692668f81d4de7922a0f97a',
      '4b0b8ce98a92866a2820e20aa6b75b56382e0f9bfd5ecb55ccdb006926ea9565cbadc840829d8c384e06de1f1e381b85',
    ],
  },
  {
    openssl: 'secp224r1',
    oid: hex('06052b81040021'),
    scalar: hex('f220266e1105bfe3083e03ec7a3a654651f45e37167e88600bf257c1'),
    signatures: [
      '22226f9d40a96e19c4a301ce5b74b115303c0f3a4fd30fc257fb57ac66d1cdd83e3af75605dd6e2feff196d30aa7ed7a2edf7af475403d69',
      '1cdfe6662dde1e4a1ec4cdedf6a1f5a2fb7fbd9145c12113e6abfd3ea6694fd7718a21053f225d3f46197ca699d45006c06f871808f43ebc',
      '61aa3da010e8e8406c656bc477a7a7189895e7e840cdfe8ff42307babc814050dab5d23770879494f9e0a680dc1af7161991bde692b10101',
    ],
  },
] as const

const operands = ({ p, q, g }: Group): Buffer[] => [sized(p), sized(q), sized(g)]

const element = (tag: number, content: Uint8Array): Buffer => {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
const bits = (content: Uint8Array): Buffer => element(3, Buffer.concat([Buffer.of(0), content]))

function dsaKey({ p, q, g }: Group, y: Buffer): KeyObject {
  const [number] = readSequence(integerSequence(y)) ?? []
  const algorithm = element(0x30, Buffer.concat([hex('06072a8648ce380401'), integerSequence(p, q, g)]))
  const der = element(0x30, Buffer.concat([algorithm, bits(number?.whole ?? y)]))
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

function ecKey(parameters: Uint8Array, point: Uint8Array): KeyObject {
  const algorithm = element(0x30, Buffer.concat([hex('06072a8648ce3d0201'), parameters]))
  return createPublicKey({ key: element(0x30, Buffer.concat([algorithm, bits(point)])), format: 'der', type: 'spki' })
}

for (const { group, x, signatures } of PUBLISHED) {
  test(`DSA with ${8 * group.p.length} bits signs as RFC 6979 has it`, () => {
    for (const [i, name] of DIGESTS.entries()) {
      const digest = digestOf(name)
      assert.is(ok(PKA_DSA_SIGN, ...operands(group), sized(x), digest).toString('hex'), signatures[i], name)
    }
  })

  test(`keys of a group of ${8 * group.p.length} bits are OpenSSL's too`, () => {
    const key = ok(PKA_DSA_GENERATE, ...operands(group))
    const [own, y] = [key.subarray(0, group.q.length), Buffer.from(key.subarray(group.q.length))]
    assert.is(y.length, group.p.length)
    const theirs = { key: dsaKey(group, y), dsaEncoding: 'ieee-p1363' } as const
    const signature = Buffer.from(ok(PKA_DSA_SIGN, ...operands(group), sized(own), digestOf('sha256', 'text')))
    assert.ok(verify('sha256', Buffer.from('text'), theirs, signature))
    const check = (s: Uint8Array, text: string) =>
      run(PKA_DSA_VERIFY, ...operands(group), sized(y), s, digestOf('sha256', text)).status
    assert.is(check(signature, 'text'), 0)
    assert.is(check(signature, 'test'), -PERIPHERAL_MISMATCH)
    assert.is(check(Buffer.alloc(signature.length), 'text'), -PERIPHERAL_MISMATCH)
    const odd = Buffer.from(signature)
    odd[3] = (odd[3] ?? 0) ^ 1
    assert.is(check(odd, 'text'), -PERIPHERAL_MISMATCH)
  })
}

test('new domain parameters are a group, and others are refused', () => {
  const made = ok(PKA_DSA_PARAMETERS, u32(1024), u32(160))
  assert.is(made.length, 128 + 20 + 128)
  const group = {
    p: Buffer.from(made.subarray(0, 128)),
    q: Buffer.from(made.subarray(128, 148)),
    g: Buffer.from(made.subarray(148)),
  }
  const key = ok(PKA_DSA_GENERATE, ...operands(group))
  const { publicKey } = { publicKey: dsaKey(group, Buffer.from(key.subarray(20))) }
  assert.is(publicKey.asymmetricKeyDetails?.modulusLength, 1024)
  const signature = ok(PKA_DSA_SIGN, ...operands(group), sized(key.subarray(0, 20)), digestOf('sha1', 'text'))
  assert.ok(verify('sha1', Buffer.from('text'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature))
  assert.is(run(PKA_DSA_PARAMETERS, u32(1024), u32(256)).status, -PERIPHERAL_INVALID)
  assert.is(run(PKA_DSA_PARAMETERS, u32(512), u32(160)).status, -PERIPHERAL_INVALID)
  // A generator of another order, and a p that is no prime.
  const composite = Buffer.from(group.p)
  composite[60] = (composite[60] ?? 0) ^ 1
  for (const wrong of [
    { ...group, g: Buffer.of(2) },
    { ...group, p: composite },
    { ...group, g: group.p },
  ])
    assert.is(run(PKA_DSA_GENERATE, ...operands(wrong)).status, -PERIPHERAL_INVALID)
  assert.is(run(PKA_DSA_SIGN, ...operands(group), sized(group.q), digestOf('sha1')).status, -PERIPHERAL_INVALID)
})

for (const { openssl, oid, scalar, signatures } of CURVES) {
  const point = (): Buffer => Buffer.from(ok(PKA_NAMED_PUBLIC, long(oid), scalar))

  test(`ECDSA on ${openssl} signs as RFC 6979 has it`, () => {
    for (const [i, expected] of signatures.entries()) {
      const digest = digestOf(DIGESTS[i] ?? '')
      const signature = Buffer.from(ok(PKA_NAMED_SIGN, long(oid), short(scalar), digest))
      assert.is(signature.toString('hex'), expected)
      const check = (what: Uint8Array) => run(PKA_NAMED_VERIFY, long(oid), long(point()), long(what), digest).status
      assert.is(check(signature), 0)
      signature[5] = (signature[5] ?? 0) ^ 1
      assert.is(check(signature), -PERIPHERAL_MISMATCH)
      assert.is(check(Buffer.alloc(signature.length)), -PERIPHERAL_MISMATCH)
    }
  })

  test(`${openssl} by name and written out are one curve`, () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: openssl, paramEncoding: 'explicit' })
    const [algorithm, bitString] = readSequence(publicKey.export({ format: 'der', type: 'spki' })) ?? []
    const [, parameters] = readSequence(algorithm?.whole ?? oid) ?? []
    const written = parameters?.whole ?? oid
    assert.equal(Buffer.from(ok(PKA_NAMED_PUBLIC, long(written), scalar)), point())
    const peer = Buffer.from(bitString?.content.subarray(1) ?? [])
    const agreed = Buffer.from(ok(PKA_NAMED_ECDH, long(oid), short(scalar), peer))
    assert.equal(Buffer.from(ok(PKA_NAMED_ECDH, long(written), short(scalar), peer)), agreed)
    const theirs = sign('sha256', Buffer.from('text'), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const digest = digestOf('sha256', 'text')
    assert.is(run(PKA_NAMED_VERIFY, long(written), long(peer), long(theirs), digest).status, 0)
    const ours = ok(PKA_NAMED_SIGN, long(written), short(scalar), digest)
    assert.ok(verify('sha256', Buffer.from('text'), { key: ecKey(oid, point()), dsaEncoding: 'ieee-p1363' }, ours))
    // Every number counts; the seed of some curves does not.
    for (const at of [30, 45, 60, written.length - 8]) {
      const wrong = Buffer.from(written)
      wrong[at] = (wrong[at] ?? 0) ^ 2
      assert.is(run(PKA_NAMED_PUBLIC, long(wrong), scalar).status, -PERIPHERAL_INVALID, `byte ${at}`)
    }
  })

  test(`scalars of ${openssl} out of range are refused`, () => {
    for (const wrong of [Buffer.alloc(scalar.length), Buffer.alloc(scalar.length, 0xff), scalar.subarray(1)])
      assert.is(run(PKA_NAMED_PUBLIC, long(oid), wrong).status, -PERIPHERAL_INVALID)
  })
}

test('curves over binary fields agree, and sign nothing', () => {
  const sect163k1 = hex('06052b81040001')
  const scalar = Buffer.alloc(21, 1)
  const point = Buffer.from(ok(PKA_NAMED_PUBLIC, long(sect163k1), scalar))
  assert.is(ok(PKA_NAMED_ECDH, long(sect163k1), short(scalar), point).length, 21)
  assert.is(run(PKA_NAMED_SIGN, long(sect163k1), short(scalar), digestOf('sha1')).status, -PERIPHERAL_INVALID)
  const signature = long(Buffer.alloc(42, 1))
  assert.is(
    run(PKA_NAMED_VERIFY, long(sect163k1), long(point), signature, digestOf('sha1')).status,
    -PERIPHERAL_INVALID,
  )
})

test.run()
