// Objects that are sealed rightly and made wrongly, and messages that chance has changed: a peer that holds certificates and the domain
// is still not believed. One bad object never spoils another.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { cat, u32 } from '../../oracle/obc1/bytes.js'
import { seal, wrap } from '../../oracle/obc1/crypto.js'
import { type CloneObject, encodeAttributes, OVERHEAD } from '../../oracle/obc1/envelope.js'
import { decodeM4, encodeM3, FIRST } from '../../oracle/obc1/messages.js'
import type { Source } from '../../oracle/obc1/source.js'
import { codeOf } from '../support/expect.js'
import {
  aesObject,
  bytesOf,
  dataObjectOf,
  deliver,
  failures,
  firmwareEnd,
  flip,
  helloFrom,
  helloTo,
  objectCount,
  objectsOf,
  oracleSource,
  oracleTarget,
} from './ends.js'

const seed = Number(process.env.MOONLET_SEED ?? Date.now() & 0x7fffffff)
fc.configureGlobal({ seed, numRuns: 120 })
console.log(`seed ${seed}`)

const INCONSISTENT = 'CKR_TEMPLATE_INCONSISTENT'
const INCOMPLETE = 'CKR_TEMPLATE_INCOMPLETE'
const VALUE_INVALID = 'CKR_ATTRIBUTE_VALUE_INVALID'
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

interface Raw extends Omit<CloneObject, 'attributes'> {
  /** The attribute list as it shall stand in the envelope. */
  readonly plaintext: Buffer
}

/** An envelope as the oracle makes it, around any plaintext. */
function envelopeOf({ keys, sid }: Source['session'], seq: number, object: Raw): Buffer {
  const { handle, ouid, class: objectClass, keyType, bits, plaintext } = object
  const place = cat(u32(seq), u32(OVERHEAD + plaintext.length), u32(handle), ouid)
  const kind = cat(u32(objectClass), u32(keyType), u32(bits), u32(plaintext.length))
  const cek = bytesOf(`cek ${seq}`, 32)
  const head = cat(place, kind, wrap(keys.kek, cek))
  return cat(head, seal(cek, cat('OBC1', u32(0), u32(seq)), cat(sid, head), plaintext))
}

/** The first batch of a session, with these objects, and the results of the firmware. */
async function sendRaw(to: Awaited<ReturnType<typeof firmwareEnd>>, objects: readonly Raw[]) {
  const { session } = await helloTo(to)
  const { keys, sid, confirmation } = session
  const envelopes = objects.map((object, i) => envelopeOf(session, i, object))
  const m3 = encodeM3({ hkS: keys.hkS, sid, number: 0, slot: 0, flags: FIRST, confirmation, envelopes })
  const m4 = await deliver(to, m3)
  return decodeM4(m4, { hkT: keys.hkT, sid, number: 0, firstSeq: 0, count: objects.length })
}

const attributes = (...list: [type: number, value: Uint8Array | string][]): Buffer =>
  Buffer.concat(list.map(([type, value]) => encodeAttributes([{ type, value: Buffer.from(value) }])))
const raw = (object: CloneObject, plaintext = encodeAttributes(object.attributes)): Raw => ({ ...object, plaintext })

const test = suite('firmware: malformed objects and messages')

test('attribute lists that are not exactly as described', async () => {
  const to = await firmwareEnd('lists')
  const value = dataObjectOf(0, Buffer.from('v'))
  const good = attributes([protocol.CKA_LABEL, 'label'], [protocol.CKA_VALUE, 'v'])
  const lists: Record<string, Buffer> = {
    'not ascending': attributes([protocol.CKA_VALUE, 'v'], [protocol.CKA_LABEL, 'l']),
    twice: attributes([protocol.CKA_LABEL, 'a'], [protocol.CKA_LABEL, 'b']),
    'padding is not zero': flip(good, good.length - 1),
    'padding is missing': good.subarray(0, -3),
    'longer than what is there': cat(u32(protocol.CKA_LABEL), u32(5), 'abcd'),
    'as long as can be': cat(u32(protocol.CKA_LABEL), u32(0xffff_ffff), 'abcd'),
    'wraps around': cat(u32(protocol.CKA_LABEL), u32(0xffff_fff8), 'abcdefgh'),
  }
  const inHeader = [
    ...[protocol.CKA_CLASS, protocol.CKA_TOKEN, protocol.CKA_PRIVATE, protocol.CKA_KEY_TYPE, protocol.CKA_SENSITIVE],
    ...[protocol.CKA_EXTRACTABLE, protocol.CKA_LOCAL, protocol.CKA_NEVER_EXTRACTABLE],
    ...[protocol.CKA_ALWAYS_SENSITIVE, protocol.CKA_MODIFIABLE],
  ]
  for (const type of inHeader) lists[`0x${type.toString(16)} is in the header`] = attributes([type, '\x01'])
  // The first attribute alone is 16 bytes, and a list.
  for (let n = 1; n < good.length; n++) if (n !== 16) lists[`cut at ${n}`] = good.subarray(0, n)
  const bad = Object.entries(lists).map(([, list], i) => raw({ ...value, ouid: bytesOf(`bad ${i}`, 12) }, list))
  const whole = [raw(value, good), raw(dataObjectOf(1, value.ouid), Buffer.alloc(0))]
  const results = await sendRaw(to, [...bad, ...whole])
  const names = Object.keys(lists)
  const failed = failures(results)
  for (const [i, name] of names.entries()) assert.is(failed[i], INCONSISTENT, name)
  assert.is(Object.keys(failed).length, names.length, 'the two good ones behind them are stored')
  assert.is(await objectCount(to), 2)
})

test('class, key type, bits and values that no token makes', async () => {
  const to = await firmwareEnd('values')
  const aes = aesObject(0)
  const data = dataObjectOf(0, Buffer.of(1))
  const key = (objectClass: number, keyType: number, ...list: Parameters<typeof attributes>): Raw => ({
    ...raw({ ...aes, class: objectClass, keyType }, attributes(...list)),
  })
  const secret = (keyType: number, ...list: Parameters<typeof attributes>) =>
    key(protocol.CKO_SECRET_KEY, keyType, ...list)
  const point = Buffer.alloc(65, 4)
  const number = (length: number) => Buffer.alloc(length, 0x81)
  const rsa = (modulus: number, more = 64): Parameters<typeof attributes> => [
    [protocol.CKA_MODULUS, number(modulus)],
    [protocol.CKA_PUBLIC_EXPONENT, Buffer.of(1, 0, 1)],
    [protocol.CKA_PRIVATE_EXPONENT, number(more)],
    ...[0, 1, 2, 3, 4].map((i): [number, Buffer] => [protocol.CKA_PRIME_1 + i, number(more)]),
  ]
  const { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKK_AES, CKK_RSA, CKK_EC, CKK_GENERIC_SECRET } = protocol
  const cases: [what: string, object: Raw, code: string][] = [
    ['class 5', raw({ ...data, class: 5 }), VALUE_INVALID],
    ['vendor class', raw({ ...data, class: 0x8000_0000 }), VALUE_INVALID],
    ['bit 8', raw({ ...data, bits: data.bits | 0x100 }), INCONSISTENT],
    ['bit 31', raw({ ...data, bits: (data.bits | 0x8000_0000) >>> 0 }), INCONSISTENT],
    ['data with a key type', raw({ ...data, keyType: CKK_AES }), INCONSISTENT],
    ['secret key without a type', secret(protocol.UNAVAILABLE, [protocol.CKA_VALUE, 'v']), VALUE_INVALID],
    ['secret RSA key', secret(CKK_RSA, [protocol.CKA_VALUE, 'v']), VALUE_INVALID],
    ['private AES key', key(CKO_PRIVATE_KEY, CKK_AES, [protocol.CKA_VALUE, number(16)]), VALUE_INVALID],
    ['AES without a value', secret(CKK_AES, [protocol.CKA_LABEL, 'l']), INCOMPLETE],
    ['AES of no bytes', secret(CKK_AES, [protocol.CKA_VALUE, '']), INCOMPLETE],
    ['AES of 5 bytes', secret(CKK_AES, [protocol.CKA_VALUE, 'short']), VALUE_INVALID],
    ['AES of 20,000 bytes', secret(CKK_AES, [protocol.CKA_VALUE, number(20_000)]), VALUE_INVALID],
    ['generic secret of no bytes', secret(CKK_GENERIC_SECRET, [protocol.CKA_VALUE, '']), INCOMPLETE],
    ['RSA without components', key(CKO_PRIVATE_KEY, CKK_RSA), INCOMPLETE],
    ['RSA without a prime', key(CKO_PRIVATE_KEY, CKK_RSA, ...rsa(256).slice(0, -1)), INCOMPLETE],
    ['RSA of 127 bytes', key(CKO_PRIVATE_KEY, CKK_RSA, ...rsa(127)), VALUE_INVALID],
    ['RSA of 513 bytes', key(CKO_PUBLIC_KEY, CKK_RSA, ...rsa(513).slice(0, 2)), VALUE_INVALID],
    ['RSA of 4,000 bytes', key(CKO_PRIVATE_KEY, CKK_RSA, ...rsa(4000)), VALUE_INVALID],
    ['RSA with primes of 600 bytes', key(CKO_PRIVATE_KEY, CKK_RSA, ...rsa(256, 600)), VALUE_INVALID],
    ['EC without a curve', key(CKO_PRIVATE_KEY, CKK_EC, [protocol.CKA_VALUE, number(32)]), INCOMPLETE],
    ['EC without a scalar', key(CKO_PRIVATE_KEY, CKK_EC, [protocol.CKA_EC_PARAMS, P256]), INCOMPLETE],
    [
      'EC on an unknown curve',
      key(CKO_PRIVATE_KEY, CKK_EC, [protocol.CKA_VALUE, number(32)], [protocol.CKA_EC_PARAMS, '\x06\x01\x00']),
      VALUE_INVALID,
    ],
    [
      'EC with a short scalar',
      key(CKO_PRIVATE_KEY, CKK_EC, [protocol.CKA_VALUE, number(31)], [protocol.CKA_EC_PARAMS, P256]),
      VALUE_INVALID,
    ],
    [
      'EC with half a point',
      key(CKO_PUBLIC_KEY, CKK_EC, [protocol.CKA_EC_PARAMS, P256], [protocol.CKA_EC_POINT, point.subarray(0, 33)]),
      VALUE_INVALID,
    ],
    [
      'a boolean of no bytes',
      secret(CKK_AES, [protocol.CKA_VALUE, number(16)], [protocol.CKA_SIGN, '']),
      VALUE_INVALID,
    ],
    ['a boolean of 2', secret(CKK_AES, [protocol.CKA_VALUE, number(16)], [protocol.CKA_SIGN, '\x02']), VALUE_INVALID],
    [
      'a number of 3 bytes',
      secret(CKK_AES, [protocol.CKA_VALUE, number(16)], [protocol.CKA_VALUE_LEN, 'abc']),
      VALUE_INVALID,
    ],
  ]
  for (const [what, object, code] of cases) {
    const results = await sendRaw(to, [{ ...object, ouid: bytesOf(what, 12) }])
    assert.equal(failures(results), { 0: code }, what)
  }
  assert.is(await objectCount(to), 0)

  // What is unknown but well made is kept.
  const kept = secret(CKK_AES, [protocol.CKA_VALUE, number(16)], [0x9999_9999, 'of a later version'])
  assert.equal(failures(await sendRaw(to, [kept])), {})
  const [row] = await objectsOf(to)
  const [answer] = await to.client.objects.get(to.session, row?.handle ?? 0, [0x9999_9999])
  assert.is(Buffer.from(answer?.value ?? []).toString(), 'of a later version')
})

test('CKA_TOKEN is not asked for: what is cloned is a token object', async () => {
  const to = await firmwareEnd('token bit')
  assert.equal(failures(await sendRaw(to, [raw({ ...aesObject(0), bits: 0 })])), {})
  const [row] = await objectsOf(to)
  assert.is(row?.bits, protocol.BIT_TOKEN)
})

test('envelope counts and lengths that do not fill the message', async () => {
  const to = await firmwareEnd('counts')
  const message = (await helloTo(to)).batch([aesObject(1), aesObject(2)])
  const count = 16 + 22
  const length = 16 + 56 + 4
  const plain = 16 + 56 + 36
  const put = (at: number, value: number, width: 2 | 4) => (m3: Buffer) => {
    if (width === 2) m3.writeUInt16BE(value, at)
    else m3.writeUInt32BE(value, at)
  }
  const first = message.readUInt32BE(length)
  const wrong: ((m3: Buffer) => void)[] = [
    ...[0, 1, 3, 1024, 1025, 0xffff].map((n) => put(count, n, 2)),
    ...[0, 95, first - 4, first + 4, 0xffff_ffff, 0x8000_0000].map((n) => put(length, n, 4)),
    ...[0, first, 0xffff_ffff, 0xffff_ffff - 95].map((n) => put(plain, n, 4)),
  ]
  for (const [i, change] of wrong.entries()) {
    const source = await helloTo(to)
    const m3 = source.batch([aesObject(1), aesObject(2)])
    change(m3)
    assert.is(await codeOf(deliver(to, m3)), protocol.RC_NEGOTIATION_INVALID, `change ${i}`)
  }
  assert.is(await objectCount(to), 0)
})

/** One way in which a message may arrive. */
interface Damage {
  readonly cut: number
  readonly flips: readonly { readonly at: number; readonly mask: number }[]
  readonly tail: Uint8Array
}

const damage: fc.Arbitrary<Damage> = fc.record({
  cut: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
  flips: fc.array(fc.record({ at: fc.nat(700), mask: fc.integer({ min: 1, max: 255 }) }), { maxLength: 3 }),
  tail: fc.oneof({ weight: 3, arbitrary: fc.constant(new Uint8Array(0)) }, fc.uint8Array({ maxLength: 40 })),
})

function damaged(message: Uint8Array, { cut, flips, tail }: Damage): Buffer {
  let changed: Buffer = Buffer.from(message.subarray(0, Math.floor(message.length * cut)))
  for (const { at, mask } of flips) if (at < changed.length) changed = flip(changed, at, mask)
  return Buffer.concat([changed, tail])
}

test('any damage to M1 and M3: nothing that was not sent is stored, and the token goes on', async () => {
  const to = await firmwareEnd('damage in', { size: 200_000n })
  let next = 0
  await fc.assert(
    fc.asyncProperty(damage, damage, async (toHello, toBatch) => {
      const before = await objectCount(to)
      const source = oracleSource()
      const m1 = source.init()
      const bad = damaged(m1, toHello)
      const answered = await codeOf(to.client.cloning.targetInit(to.session, bad))
      if (bad.equals(m1)) assert.is(answered, protocol.RC_OK)

      const again = await helloTo(to)
      const m3 = again.batch([aesObject(next++), aesObject(next++)])
      const batch = damaged(m3, toBatch)
      const code = await codeOf(deliver(to, batch))
      const stored = (await objectCount(to)) - before
      if (batch.equals(m3)) assert.is(stored, 2)
      else assert.ok(code === protocol.RC_OK ? stored < 2 : stored === 0)
    }),
  )
})

test('any damage to M2 and M4: nothing is believed that was not said', async () => {
  const from = await firmwareEnd('damage out')
  const handle = await from.client.objects.create(from.session, [
    { type: protocol.CKA_CLASS, value: u32(protocol.CKO_DATA) },
    { type: protocol.CKA_TOKEN, value: Buffer.of(1) },
    { type: protocol.CKA_VALUE, value: Buffer.of(1) },
  ])
  const { cloning } = from.client
  await fc.assert(
    fc.asyncProperty(damage, damage, async (toHello, toResult) => {
      const { target } = oracleTarget()
      const m2 = target.init(Buffer.from(await cloning.sourceInit(from.session)))
      const bad = damaged(m2, toHello)
      const hello = await codeOf(cloning.sourceHello(from.session, bad))
      assert.is(hello === protocol.RC_OK, bad.equals(m2))

      await helloFrom(from, target)
      const { message } = await cloning.sourceBatch(from.session, [handle], true)
      const m4 = target.batch(Buffer.from(message))
      const result = damaged(m4, toResult)
      const code = await codeOf(cloning.sourceResult(from.session, result))
      assert.is(code === protocol.RC_OK, result.equals(m4))
    }),
  )
})

test('any bytes at all in place of a message', async () => {
  const end = await firmwareEnd('noise')
  const { cloning } = end.client
  const header = fc
    .record({ type: fc.integer({ min: 0, max: 8 }), number: fc.nat(3), body: fc.uint8Array({ maxLength: 900 }) })
    .map(({ type, number, body }) => cat('OBC1', Buffer.of(type, 1, 0, 0), u32(body.length), u32(number), body))
  const message = fc.oneof(fc.uint8Array({ maxLength: 900 }), header)
  await fc.assert(
    fc.asyncProperty(message, fc.nat(4), async (bytes, step) => {
      await helloFrom(end, oracleTarget().target)
      await helloTo(end)
      const steps = [
        () => cloning.targetInit(end.session, bytes),
        () => cloning.sourceHello(end.session, bytes),
        () => cloning.targetBatch(end.session, bytes, true),
        () => cloning.sourceResult(end.session, bytes),
        () => cloning.targetClose(end.session, bytes),
      ]
      assert.is.not(await codeOf(steps[step]?.() ?? Promise.resolve()), protocol.RC_OK)
    }),
  )
  assert.is(await objectCount(end), 0)
  assert.is(end.token.board.crash, undefined)
})

test.run()
