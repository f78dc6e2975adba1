// The known answers of OBC-1 §13 in the firmware: function by function in a test-only build, and the messages of the session once
// more out of the product itself, whose TRNG gives the bytes that the document names.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { SystemTrng, type Trng } from '../../../host/board/index.js'
import * as atRest from '../../oracle/obc1/at-rest.js'
import { cat, u16, u32 } from '../../oracle/obc1/bytes.js'
import { RED_KEY } from '../../oracle/obc1/crypto.js'
import { object, R, SOURCE_SERIAL, TARGET_SERIAL, targetToken, vector } from '../../oracle/obc1/known-answers.js'
import { publicKey } from '../../oracle/obc1/p384.js'
import { Source } from '../../oracle/obc1/source.js'
import { type Officer, prepare } from '../support/officer.js'
import { PedDesk, TableClock } from '../support/ped-desk.js'
import { TestToken } from '../support/test-token.js'
import { objectsOf } from './ends.js'
import { documentedAnswers, KnownAnswerModule } from './known-answer-module.js'

const PARTITION = 1
const FIRMWARE = protocol.PROFILE_6_27_0
const HOC = { type: 2, usage: 1 }
const TWC = { type: 3, usage: 2 }
const FIRST_AND_LAST = 3
const SLOT_PSK = 1

const documented = documentedAnswers()
const module = await KnownAnswerModule.build()
const { call } = module
const root = publicKey(vector('root'))

function same(values: Readonly<Record<string, Uint8Array>>): string[] {
  for (const [name, value] of Object.entries(values)) {
    assert.is(Buffer.from(value).toString('hex'), documented.get(name), name)
  }
  return Object.keys(values)
}

function certificate(kind: typeof HOC, serial: bigint, model: number, subject: string, issuer: string): Buffer {
  const [issuerKey, key] = [module.put(publicKey(vector(issuer))), module.put(publicKey(vector(subject)))]
  return module.made(protocol.OBC_CERTIFICATE, (out) => {
    call.certificateBody(out, kind.type, kind.usage, issuerKey, serial, model, FIRMWARE, key)
    assert.is(call.signCertificate(out, module.put(vector(issuer))), 1)
  })
}

const certificates = {
  s: {
    hoc: certificate(HOC, SOURCE_SERIAL, protocol.MODEL_NETWORK, 'hokS', 'root'),
    twc: certificate(TWC, SOURCE_SERIAL, protocol.MODEL_NETWORK, 'tukS', 'hokS'),
  },
  t: {
    hoc: certificate(HOC, TARGET_SERIAL, protocol.MODEL_BACKUP, 'hokT', 'root'),
    twc: certificate(TWC, TARGET_SERIAL, protocol.MODEL_BACKUP, 'tukT', 'hokT'),
  },
}

/** M1 and M2 without its tag, as the firmware writes them. */
function hellos() {
  const { s, t } = certificates
  const m1 = module.made(699, (out) => {
    module.set(out + 16, cat(R('sidS', 16), R('nonceS', 32), publicKey(vector('ephS'))))
    call.becomeToken(SOURCE_SERIAL, protocol.MODEL_NETWORK, FIRMWARE, module.put(s.hoc, s.twc))
    call.m1Write(out, PARTITION)
  })
  const core = module.made(712, (out) => {
    module.set(out + 32, cat(R('sidT', 16), R('nonceT', 32), publicKey(vector('ephT'))))
    call.becomeToken(TARGET_SERIAL, protocol.MODEL_BACKUP, FIRMWARE, module.put(t.hoc, t.twc))
    call.m2Write(out, module.put(R('sidS', 16)), PARTITION, 1)
  })
  return { m1, core }
}

/** Ze ∥ Zs as one side computes it. */
function agreement(tuk: string, own: string, peerHello: Buffer, eph: number, identity: number): Buffer {
  module.set(call.KEY_TUK.value, vector(tuk))
  const peer = module.put(peerHello)
  assert.is(call.agree(module.put(vector(own)), peer + eph, peer + identity), protocol.RC_OK)
  return module.take(call.SHARED.value, 96)
}

function session() {
  const { m1, core } = hellos()
  const th = module.made(48, (out) => {
    call.hashBegin()
    call.hashPart(module.put(m1), m1.length)
    call.hashPart(module.put(core), core.length)
    call.hashEnd(out)
  })
  const z = agreement('tukS', 'ephS', core, 80, 180)
  assert.equal(agreement('tukT', 'ephT', m1, 64, 167), z, 'both sides agree')

  const dv = vector('domain')
  const dk = module.made(48, (out) => call.domainKey(module.put(dv), RED_KEY, out))
  const prk = module.made(48, (out) => {
    call.macBegin(module.put(th), 48)
    call.macPart(module.put(z, dk), 144)
    call.macEnd(out)
  })
  const keysOf = (domain: Buffer) =>
    module.made(176, (out) => call.sessionKeysOf(module.put(domain), RED_KEY, module.put(th), out))
  const km = keysOf(dv)
  // Addresses of what the tags cover.
  const [idS, idT] = [module.put(m1.subarray(167, 179)), module.put(core.subarray(180, 192))]
  const [ephS, ephT] = [module.put(m1.subarray(64, 161)), module.put(core.subarray(80, 177))]
  const tagT = (keys: Buffer) =>
    module
      .made(48, (out) => call.tagOfTarget(module.put(keys), idT, idS, ephT, ephS, module.put(th), out))
      .subarray(0, 32)
  const m2 = cat(core, tagT(km))
  const tags = module.put(m2.subarray(-32))
  const tagS = module
    .made(48, (out) => call.tagOfSource(module.put(km), idS, idT, ephS, ephT, module.put(th), tags, 1, out))
    .subarray(0, 32)
  return { m1, m2, th, z, dv, dk, prk, km, tagS, otherTag: tagT(keysOf(vector('otherdomain'))) }
}

/** Puts the first `count` attributes of the object in hand; the encoded list. */
function takeObject(count: number): Buffer {
  call.plainBegin()
  for (const { type, value } of object.attributes.slice(0, count)) {
    assert.is(call.plainPut(type, module.put(value), value.length), protocol.RC_OK)
  }
  module.set(call.OBJECT_OUID.value, object.ouid)
  call.setObject(object.handle, object.class, object.keyType, object.bits)
  return module.take(call.PLAIN.value, call.plainSize())
}

function batch({ km, th, tagS }: ReturnType<typeof session>) {
  const plaintext = takeObject(3)
  const [kek, hkS, sid] = [km.subarray(48, 80), km.subarray(80, 128), th.subarray(0, 16)]
  module.set(call.CEK.value, R('cek0', 32))
  const room = module.room(256)
  const envelope = module.take(room, call.envelopeSealWith(room, module.put(kek), module.put(sid), 0))
  const head = cat(sid, u32(0), Buffer.of(0, FIRST_AND_LAST), u16(1), tagS)
  const length = head.length + envelope.length + 32
  const message = cat('OBC1', Buffer.of(3, 1), u16(0), u32(length), u32(1), head, envelope)
  const mac = module.made(48, (out) => call.batchMac(module.put(hkS), module.put(message), 1, out)).subarray(0, 32)
  const m5 = module.made(68, (out) => call.closeWrite(out, module.put(hkS), module.put(sid), 2, 1))
  return { plaintext, envelope, mac, m3: cat(message, mac), m5 }
}

const test = suite('firmware: known answers of OBC-1')

const SESSION = [
  ...['H(HOC S)', 'H(TWC S)', 'H(HOC T)', 'H(TWC T)', 'H(M1)', 'TH', 'Ze', 'Zs', 'DV', 'DK', 'PRK'],
  ...['MacKey', 'KEK', 'HKs', 'HKt', 'tagT', 'tagS', 'tagT with DV = R("otherdomain",48)', 'envelope[0..40]'],
  ...['KW(KEK, CEK)', 'plaintext', 'ciphertext', 'GCM tag', 'batch MAC', 'H(M3)', 'M5 CLOSE of the source'],
]
const AT_REST = [
  ...['PinKey (password)', 'RoleKEK', 'KW(RoleKEK, PSK)', 'PinKey (PED)', 'RSK', 'RAK', 'FK'],
  ...['DV of text domain "my-domain"', 'record', 'directory hash'],
]
/** Answered by the product alone, below. */
const PRODUCT = ['lengths', 'M4']

test('no line of the file is left out', () => {
  assert.equal([...SESSION, ...AT_REST, ...PRODUCT].sort(), [...documented.keys()].sort())
})

test('a session, function by function', () => {
  const { s, t } = certificates
  for (const [chain, serial] of [
    [s, SOURCE_SERIAL],
    [t, TARGET_SERIAL],
  ] as const) {
    assert.is(call.chainIsGood(module.put(chain.hoc, chain.twc), serial), 1)
  }
  assert.equal(module.take(call.rootKey(), 97), root, 'the pinned root is the published one')
  const one = session()
  const { plaintext, envelope, mac, m3, m5 } = batch(one)
  const names = same({
    ...{ 'H(HOC S)': module.hash(s.hoc), 'H(TWC S)': module.hash(s.twc) },
    ...{ 'H(HOC T)': module.hash(t.hoc), 'H(TWC T)': module.hash(t.twc) },
    ...{ 'H(M1)': module.hash(one.m1), TH: one.th, Ze: one.z.subarray(0, 48), Zs: one.z.subarray(48) },
    ...{ DV: one.dv, DK: one.dk, PRK: one.prk, MacKey: one.km.subarray(0, 48), KEK: one.km.subarray(48, 80) },
    ...{ HKs: one.km.subarray(80, 128), HKt: one.km.subarray(128), tagT: one.m2.subarray(-32), tagS: one.tagS },
    ...{ 'tagT with DV = R("otherdomain",48)': one.otherTag, 'envelope[0..40]': envelope.subarray(0, 40) },
    ...{ 'KW(KEK, CEK)': envelope.subarray(40, 80), plaintext, ciphertext: envelope.subarray(80, -16) },
    ...{ 'GCM tag': envelope.subarray(-16), 'batch MAC': mac, 'H(M3)': module.hash(m3) },
    'M5 CLOSE of the source': m5,
  })
  assert.equal(names, SESSION)
})

test('keys and a record at rest, function by function', () => {
  const [psk, salt] = [module.put(R('PSK', 32)), module.put(R('salt', 32))]
  module.set(call.KEY_KEK.value, R('KEK', 32))
  module.set(call.KEY_MTK.value, R('MTK', 32))
  const { t } = certificates
  call.becomeToken(TARGET_SERIAL, protocol.MODEL_BACKUP, FIRMWARE, module.put(t.hoc, t.twc))
  const serial = call.serialBytes()
  const password = Buffer.from('userpin-1234')
  const pinKey = module.made(48, (out) => call.pinKeyOfPassword(module.put(password), password.length, salt, out))
  const roleKek = module.made(32, (out) => call.roleKey(serial, PARTITION, 0, 0, module.put(pinKey), out))
  call.deriveRootKeys(serial)
  call.deriveFactoryKey(serial)
  const text = Buffer.from('my-domain')

  const plaintext = takeObject(2)
  module.set(call.CEK.value, R('cekrest', 32))
  const { class: objectClass, keyType, bits } = object
  const ouid = module.put(object.ouid)
  call.recordHead(PARTITION, 0, 19, 0, ouid, objectClass, keyType, bits, SLOT_PSK, plaintext.length, 2n)
  const length = call.recordSealWith(psk, call.PLAIN.value, plaintext.length)
  // Into the log and out of the flash: the commit word is programmed last.
  assert.is(call.logBegin(), 1)
  call.logErase()
  const offset = call.logAppend(call.RECORD.value, length)
  const uncommitted = Buffer.from(module.state.flash.read(offset, length))
  assert.equal(uncommitted.subarray(-4), Buffer.alloc(4, 0xff))
  call.logCommit(offset, length)
  call.listRecord(PARTITION, 19, 0, plaintext.length)

  const names = same({
    ...{ 'PinKey (password)': pinKey, RoleKEK: roleKek },
    'KW(RoleKEK, PSK)': module.made(40, (out) => call.kwWrap(module.put(roleKek), 32, psk, 32, out)),
    'PinKey (PED)': module.made(48, (out) => call.pinKeyOfPed(module.put(vector('pedsecret')), salt, out)),
    ...{ RSK: module.take(call.KEY_RSK.value, 32), RAK: module.take(call.KEY_RAK.value, 48) },
    FK: module.take(call.KEY_FK.value, 32),
    'DV of text domain "my-domain"': module.made(48, (out) =>
      call.textDomainVector(module.put(text), text.length, out),
    ),
    record: Buffer.from(module.state.flash.read(offset, length)),
    'directory hash': module.made(48, (out) => call.directoryHash(PARTITION, out)),
  })
  assert.equal(names, AT_REST)
})

test('the directory hash of objects in several leaves', () => {
  const partition = PARTITION + 1
  const [key, ouid] = [module.put(vector('PSK')), module.put(object.ouid)]
  const records: Buffer[] = []
  const firmware = () => module.made(48, (out) => call.directoryHash(partition, out))
  assert.equal(firmware(), atRest.directoryHash([]))
  for (const handle of [19, 511, 512, 1024, 70_000, 70_001, 600, 601, 513, 602, 70_002]) {
    const plaintext = takeObject(2)
    module.set(call.CEK.value, R(`cek ${handle}`, 32))
    call.recordHead(
      partition,
      0,
      handle,
      3,
      ouid,
      object.class,
      object.keyType,
      object.bits,
      SLOT_PSK,
      plaintext.length,
      2n,
    )
    records.push(module.take(call.RECORD.value, call.recordSealWith(key, call.PLAIN.value, plaintext.length)))
    call.listRecord(partition, handle, 3, plaintext.length)
    assert.equal(firmware(), atRest.directoryHash(records), `with handle ${handle}`)
  }
})

// ---- the product ------------------------------------------------------------------------------------------------------

/** What a test lays out goes to the next request of that length; everything else is chance. */
class LaidOutTrng implements Trng {
  readonly left: Buffer[] = []
  readonly #chance = new SystemTrng()

  fill(target: Uint8Array): void {
    if (this.left[0]?.length === target.length) target.set(this.left.shift() ?? [])
    else this.#chance.fill(target)
  }
}

interface Product extends Officer {
  readonly trng: LaidOutTrng
}

/** A PED-authenticated HSM with the certified keys of the document and its domain on the red key. */
async function product(letter: 'S' | 'T', serial: bigint, model: number, desk: PedDesk): Promise<Product> {
  const trng = new LaidOutTrng()
  trng.left.push(vector(`hok${letter}`), vector(`tuk${letter}`))
  const token = await TestToken.make(
    { serial, model, auth: protocol.AUTH_PED },
    { clock: desk.clock, trng: () => trng },
  )
  assert.is(trng.left.length, 0)
  desk.plug(token)
  return { trng, ...(await prepare(token)) }
}

/** Lets the firmware draw these at its next hello. */
function layOut({ trng }: Product, letter: 'S' | 'T'): void {
  trng.left.push(R(`sid${letter}`, 16), R(`nonce${letter}`, 32), vector(`eph${letter}`))
}

test('the same session out of the product', async () => {
  const desk = await PedDesk.lay(new TableClock())
  try {
    const content = { kind: protocol.PED_KIND_DOMAIN, secret: vector('domain'), pin: false }
    await desk.box.write('red', { colour: 'red', label: '', content })
    const s = await product('S', SOURCE_SERIAL, protocol.MODEL_NETWORK, desk)
    const t = await product('T', TARGET_SERIAL, protocol.MODEL_BACKUP, desk)
    for (const [{ client }, chain] of [
      [s, certificates.s],
      [t, certificates.t],
    ] as const) {
      const { hoc, twc } = await client.certificates()
      assert.equal(Buffer.concat([hoc, twc]), Buffer.concat([chain.hoc, chain.twc]))
    }

    // The object comes from elsewhere, behind so many others that its handle is that of the document.
    const others = Array.from({ length: 80 }, (_, i) => ({ ...object, ouid: R(`filler${i}`, 12) }))
    const giver = new Source(targetToken())
    giver.targetHello(Buffer.from(await s.client.cloning.targetInit(s.session, giver.init())))
    await s.client.cloning.targetBatch(s.session, giver.batch([...others, object]), true)
    assert.is((await objectsOf(s)).at(-1)?.handle, object.handle)

    layOut(s, 'S')
    const m1 = await s.client.cloning.sourceInit(s.session)
    layOut(t, 'T')
    const m2 = await t.client.cloning.targetInit(t.session, m1)
    const expected = session()
    assert.equal(Buffer.from(m1), expected.m1)
    assert.equal(Buffer.from(m2), expected.m2)
    await s.client.cloning.sourceHello(s.session, m2)
    const { m3 } = batch(expected)
    const sealed = await s.client.cloning.sourceBatch(s.session, [object.handle], true)
    // All but what its own content key makes of the object.
    assert.equal(Buffer.from(sealed.message).subarray(0, 72 + 40), m3.subarray(0, 72 + 40))
    const m4 = await t.client.cloning.targetBatch(t.session, m3, true)
    assert.equal(await s.client.cloning.sourceResult(s.session, m4), [
      { handle: object.handle, code: protocol.RC_OK, newHandle: 19 },
    ])
    const m5 = await s.client.cloning.sourceClose(s.session)
    await t.client.cloning.targetClose(t.session, m5)
    same({ M4: m4, 'M5 CLOSE of the source': m5 })
    const lengths = [m1, m2, m3, m4].map((message, i) => `M${i + 1} ${message.length}`).join('  ')
    assert.is(lengths, documented.get('lengths'))
  } finally {
    desk.clear()
  }
})

test.run()
