// The known answers of OBC-1 §13, recomputed by the oracle and, where it has the means, by an independent library.
import { readFileSync } from 'node:fs'
import { aeskw, gcm } from '@noble/ciphers/aes.js'
import { p384 } from '@noble/curves/nist.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as atRest from './obc1/at-rest.js'
import { cat } from './obc1/bytes.js'
import { contentKey, domainKey, H, RED_KEY, textDomain, wrap } from './obc1/crypto.js'
import { encodeAttributes } from './obc1/envelope.js'
import { expand, extract, tagS, tagT, transcript } from './obc1/key-schedule.js'
import { object, R, sourceToken, TARGET_SERIAL, targetToken, vector } from './obc1/known-answers.js'
import { encodeM2core } from './obc1/messages.js'
import { ecdh, publicKey, verify } from './obc1/p384.js'
import { Source } from './obc1/source.js'
import { Target } from './obc1/target.js'

const FILE = new URL('../../../fixtures/obc1/known-answers.txt', import.meta.url)

/** NAME → value, as the file has them. */
function documented(): Map<string, string> {
  const lines = readFileSync(FILE, 'utf8').split('\n')
  const rows = lines.filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    rows.map((line) => {
      const parts = /^(lengths)\s+(.*)$/.exec(line) ?? /^(.*?):?\s+([0-9a-f]{32,})(?:\s+\(.*\))?$/.exec(line)
      const [, name, value] = parts ?? []
      if (name === undefined || value === undefined) throw new Error(`not a known answer: ${line}`)
      return [name, value]
    }),
  )
}

const s = sourceToken()
const t = targetToken()

function session() {
  const source = new Source(s, R)
  const target = new Target(t, () => ({ code: 0, handle: 19 }), R)
  const m1 = source.init()
  const m2 = target.init(m1)
  source.targetHello(m2)
  const m3 = source.batch([object], { last: true })
  const m4 = target.batch(m3)
  assert.equal(source.result(m4), [{ seq: 0, code: 0, handle: 19 }])
  const envelope = m3.subarray(72, -32)

  const [ephS, ephT] = [publicKey(vector('ephS')), publicKey(vector('ephT'))]
  const core = encodeM2core({
    sidS: R('sidS', 16),
    sidT: R('sidT', 16),
    nonce: R('nonceT', 32),
    eph: ephT,
    domains: 1,
    token: t,
  })
  const th = transcript(m1, core)
  const ze = ecdh(vector('ephS'), ephT)
  const zs = ecdh(vector('tukS'), publicKey(vector('tukT')))
  const dv = vector('domain')
  const dk = domainKey(dv, RED_KEY)
  const prk = extract({ th, ze, zs, dk })
  const keys = expand(prk, th)
  const parties = { s: { ...s, eph: ephS }, t: { ...t, eph: ephT }, th }
  const other = expand(extract({ th, ze, zs, dk: domainKey(vector('otherdomain'), RED_KEY) }), th)

  const values = {
    ...{ 'H(HOC S)': H(s.hoc), 'H(TWC S)': H(s.twc), 'H(HOC T)': H(t.hoc), 'H(TWC T)': H(t.twc) },
    ...{ 'H(M1)': H(m1), TH: th, Ze: ze, Zs: zs, DV: dv, DK: dk, PRK: prk },
    ...{ MacKey: keys.macKey, KEK: keys.kek, HKs: keys.hkS, HKt: keys.hkT },
    ...{ tagT: tagT(keys, parties), tagS: tagS(keys, parties, [m2.subarray(-32)]) },
    'tagT with DV = R("otherdomain",48)': tagT(other, parties),
    ...{ 'envelope[0..40]': envelope.subarray(0, 40), 'KW(KEK, CEK)': envelope.subarray(40, 80) },
    ...{
      plaintext: encodeAttributes(object.attributes),
      ciphertext: envelope.subarray(80, -16),
      'GCM tag': envelope.subarray(-16),
    },
    ...{ 'batch MAC': m3.subarray(-32), 'H(M3)': H(m3), M4: m4, 'M5 CLOSE of the source': source.close() },
  }
  return { values, lengths: [m1, m2, m3, m4].map((message, i) => `M${i + 1} ${message.length}`).join('  ') }
}

function rest() {
  const [kek, mtk, psk, salt] = [R('KEK', 32), R('MTK', 32), R('PSK', 32), R('salt', 32)]
  const place = { serial: TARGET_SERIAL, partition: 1, role: 0, epoch: 0 }
  const pinKey = atRest.pinKeyOfPassword('userpin-1234', salt)
  const roleKek = atRest.roleKek({ kek, mtk }, place, pinKey)
  const { rsk, rak } = atRest.rootKeys({ kek, mtk }, TARGET_SERIAL)
  const header = { ...object, ...place, handle: 19, generation: 0, slot: atRest.PSK_SLOT, admission: 2n }
  const plaintext = encodeAttributes(object.attributes.slice(0, 2))
  const record = atRest.sealRecord(header, plaintext, { storageKey: psk, cek: R('cekrest', 32) })
  return {
    ...{ 'PinKey (password)': pinKey, RoleKEK: roleKek, 'KW(RoleKEK, PSK)': wrap(roleKek, psk) },
    'PinKey (PED)': atRest.pinKeyOfPed(vector('pedsecret'), salt),
    ...{ RSK: rsk, RAK: rak, FK: atRest.factoryKey(mtk, TARGET_SERIAL) },
    'DV of text domain "my-domain"': textDomain('my-domain'),
    ...{ record, 'directory hash': atRest.directoryHash([record]) },
  }
}

const test = suite('oracle: known answers of OBC-1')

test('every value, and no value left out', () => {
  const there = documented()
  const { values, lengths } = session()
  const here = new Map(Object.entries({ ...values, ...rest() }).map(([name, value]) => [name, value.toString('hex')]))
  here.set('lengths', lengths)
  for (const [name, value] of here) assert.is(value, there.get(name), name)
  assert.equal([...there.keys()].sort(), [...here.keys()].sort())
})

test('certificates, key agreement, key wrap and GCM by another library', () => {
  const { values } = session()
  const stored = rest()
  const signature = (certificate: Buffer, by: string) =>
    p384.sign(certificate.subarray(0, 160), vector(by), { lowS: false })
  const x = (own: string, peer: string) => p384.getSharedSecret(vector(own), publicKey(vector(peer))).subarray(1)
  const head = cat(values['envelope[0..40]'], values['KW(KEK, CEK)'])
  const nonce = cat('OBC1', Buffer.alloc(8))
  const pairs: [name: string, theirs: Uint8Array, ours: Buffer][] = [
    ['HOC S', signature(s.hoc, 'root'), s.hoc.subarray(160)],
    ['TWC S', signature(s.twc, 'hokS'), s.twc.subarray(160)],
    ['HOC T', signature(t.hoc, 'root'), t.hoc.subarray(160)],
    ['TWC T', signature(t.twc, 'hokT'), t.twc.subarray(160)],
    ['Ze', x('ephS', 'ephT'), values.Ze],
    ['Zs', x('tukT', 'tukS'), values.Zs],
    ['KW(KEK, CEK)', aeskw(values.KEK).encrypt(R('cek0', 32)), values['KW(KEK, CEK)']],
    ['KW(RoleKEK, PSK)', aeskw(stored.RoleKEK).encrypt(R('PSK', 32)), stored['KW(RoleKEK, PSK)']],
    [
      'envelope',
      gcm(R('cek0', 32), nonce, cat(values.TH.subarray(0, 16), head)).encrypt(values.plaintext),
      cat(values.ciphertext, values['GCM tag']),
    ],
  ]
  for (const [name, theirs, ours] of pairs) assert.is(Buffer.from(theirs).toString('hex'), ours.toString('hex'), name)
  assert.ok(verify(publicKey(vector('hokS')), s.twc.subarray(0, 160), s.twc.subarray(160)))
})

test('a content key depends on the random bytes, the place and the data', () => {
  const [random, place, data] = [R('random', 32), R('place', 20), Buffer.from('data')]
  const keys = [
    contentKey(random, place, data),
    contentKey(R('other', 32), place, data),
    contentKey(random, R('elsewhere', 20), data),
    contentKey(random, place, Buffer.from('date')),
  ].map((key) => key.toString('hex'))
  assert.is(new Set(keys).size, 4)
  assert.equal(contentKey(random, place, data).toString('hex'), keys[0])
})

test.run()
