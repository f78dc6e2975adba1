// What OBC-1's state machines must refuse, and what must still work: its §14 as far as it needs no flash, and the attacks of §16.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import * as atRest from './obc1/at-rest.js'
import { fault, HOC, issue, TWC } from './obc1/certificates.js'
import { RED_KEY, TEXT } from './obc1/crypto.js'
import { type CloneObject, decodeAttributes, encodeAttributes, splitEnvelopes } from './obc1/envelope.js'
import { G5, K6, object, R, root, SOURCE_SERIAL, sourceToken, targetToken, vector } from './obc1/known-answers.js'
import { encodeM3, FIRST, NO_HANDLE, ProtocolError, type Result } from './obc1/messages.js'
import { isValidPoint, publicKey } from './obc1/p384.js'
import { Source } from './obc1/source.js'
import { type Store, Target } from './obc1/target.js'
import type { Token } from './obc1/token.js'

const domains = (...names: string[]) => names.map((name) => ({ vector: vector(name), type: RED_KEY }))
const another = (i: number): CloneObject => ({ ...object, handle: 100 + i, ouid: R(`ouid${i}`, 12) })
const codes = (results: readonly Result[]) => results.map(({ code }) => code)
const ok: Store = () => ({ code: protocol.RC_OK, handle: 19 })

/** The action ends in a ProtocolError, with this code where one is named. */
function refused(action: () => unknown, code?: number): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    if (code !== undefined) assert.is(error.code, code, error.message)
    return
  }
  assert.unreachable('nothing was refused')
}

/** The message with one byte changed. */
function flip(message: Buffer, at: number): Buffer {
  const changed = Buffer.from(message)
  changed.writeUInt8(changed.readUInt8(at) ^ 0x40, at)
  return changed
}

function pair({ s = sourceToken(), t = targetToken() }: { s?: Token; t?: Token } = {}) {
  const stored: CloneObject[] = []
  const store: Store = (each) => {
    if (stored.some(({ ouid }) => ouid.equals(each.ouid))) return { code: protocol.RC_OBJECT_ALREADY_EXISTS }
    return { code: protocol.RC_OK, handle: stored.push(each) }
  }
  return { source: new Source(s), target: new Target(t, store), stored }
}

function ready(tokens: { s?: Token; t?: Token } = {}) {
  const ends = pair(tokens)
  ends.source.targetHello(ends.target.init(ends.source.init()))
  return ends
}

const test = suite('oracle: behaviour of OBC-1')

test('every byte of M1 and M2, with three domains of which one is common', () => {
  const tokens = {
    s: sourceToken({ domains: domains('domain') }),
    t: targetToken({ domains: domains('x', 'domain', 'y') }),
  }
  const { source, target, stored } = pair(tokens)
  const m1 = source.init()
  const finish = (from: Source, to: Target, m2: Buffer) => {
    from.targetHello(m2)
    to.batch(from.batch([object], { last: true }))
  }
  for (let i = 0; i < m1.length; i++) {
    refused(() => {
      const to = target.fork()
      finish(source.fork(), to, to.init(flip(m1, i)))
    })
  }
  const m2 = target.init(m1)
  assert.is(m2.length, 744 + 64)
  for (let i = 0; i < m2.length; i++) refused(() => finish(source.fork(), target.fork(), flip(m2, i)))
  assert.is(stored.length, 0)
  finish(source, target, m2)
  assert.is(stored.length, 1)
})

test('every byte of M3: refused, or the one object fails', () => {
  const { source, target, stored } = ready()
  const m3 = source.batch([object])
  let failed = 0
  for (let i = 0; i < m3.length; i++) {
    const [from, to] = [source.fork(), target.fork()]
    let m4: Buffer
    try {
      m4 = to.batch(flip(m3, i))
    } catch (error) {
      assert.instance(error, ProtocolError)
      assert.is(to.state, 'T0')
      continue
    }
    assert.equal(codes(from.result(m4)), [protocol.RC_CERTIFICATE_DATA_INVALID])
    failed++
  }
  assert.is(stored.length, 0)
  assert.ok(failed > 0, 'some bytes are only the object’s')
})

test('every byte of M4 and of CLOSE', () => {
  const { source, target } = ready()
  const m4 = target.batch(source.batch([object]))
  for (let i = 0; i < m4.length; i++) refused(() => source.fork().result(flip(m4, i)), protocol.RC_NEGOTIATION_INVALID)
  const m5 = source.fork().close()
  for (let i = 0; i < m5.length; i++) refused(() => target.fork().closed(flip(m5, i)), protocol.RC_NEGOTIATION_INVALID)
  target.closed(m5)
})

test('too short and too long messages', () => {
  const { source, target } = pair()
  const m1 = source.init()
  const wrong = [
    m1.subarray(0, -1),
    Buffer.concat([m1, Buffer.alloc(1)]),
    Buffer.alloc(0),
    Buffer.alloc(protocol.OBC_MAX_MESSAGE + 1),
  ]
  for (const message of wrong) refused(() => target.fork().init(message), protocol.RC_NEGOTIATION_INVALID)
})

test('domain matrix', () => {
  const slot = (own: Token['domains'], theirs: Token['domains']) =>
    ready({ s: sourceToken({ domains: own }), t: targetToken({ domains: theirs }) }).source.session.slot
  assert.is(slot(domains('a'), domains('a')), 0)
  assert.is(slot(domains('a', 'b', 'c'), domains('x', 'y', 'c')), 2)
  assert.is(slot(domains('a', 'b'), domains('b', 'a')), 1, 'lowest own domain first')
  refused(() => slot(domains('a'), domains('b')), protocol.RC_NEGOTIATION_NO_PSK)
  refused(() => slot(domains('a'), [{ vector: vector('a'), type: TEXT }]), protocol.RC_NEGOTIATION_NO_PSK)
  refused(() => slot([], domains('a')), protocol.RC_CLONING_PARAMETER_MISSING)
})

test('a blanked tag cannot choose among common domains', () => {
  const both = domains('strong', 'weak')
  const { source, target } = pair({ s: sourceToken({ domains: both }), t: targetToken({ domains: both }) })
  const m2 = target.init(source.init())
  source.targetHello(flip(m2, m2.length - 64))
  assert.is(source.session.slot, 1)
  refused(() => target.batch(source.batch([object])), protocol.RC_NEGOTIATION_INVALID)
})

test('a batch of 10: one damaged in transit, one duplicate, order kept', () => {
  const { source, target, stored } = ready()
  const list = Array.from({ length: 10 }, (_, i) => another(i === 7 ? 0 : i))
  const m3 = source.batch(list)
  const envelope = (m3.length - 16 - 56 - 32) / 10
  const results = source.result(target.batch(flip(m3, 72 + 4 * envelope + 90)))
  const expected = Array.from({ length: 10 }, () => protocol.RC_OK)
  expected[4] = protocol.RC_CERTIFICATE_DATA_INVALID
  expected[7] = protocol.RC_OBJECT_ALREADY_EXISTS
  assert.equal(codes(results), expected)
  assert.is(results[4]?.handle, NO_HANDLE)
  assert.is(stored.length, 8)
})

test('lost answer: same batch, same answer, no second copy; an older one ends the session', () => {
  const { source, target, stored } = ready()
  const first = source.batch([another(1)])
  const answer = target.batch(first)
  assert.equal(target.batch(first), answer)
  const second = source.batch([another(2)], { last: true })
  source.result(answer)
  source.result(target.batch(second))
  assert.is(stored.length, 2)
  refused(() => target.fork().batch(first), protocol.RC_NEGOTIATION_INVALID)
  assert.equal(target.batch(second), target.batch(second))
})

test('attribute lists that are not exactly as described', () => {
  const list = (...attributes: [type: number, value: string][]) =>
    Buffer.concat(attributes.map(([type, value]) => encodeAttributes([{ type, value: Buffer.from(value) }])))
  const good = list([protocol.CKA_LABEL, 'label'], [protocol.CKA_VALUE, 'v'])
  assert.equal(
    decodeAttributes(good)?.map(({ value }) => value.toString()),
    ['label', 'v'],
  )
  assert.equal(decodeAttributes(Buffer.alloc(0)), [])
  for (const type of [protocol.CKA_CLASS, protocol.CKA_KEY_TYPE, protocol.CKA_EXTRACTABLE, protocol.CKA_MODIFIABLE]) {
    assert.is(decodeAttributes(list([type, '\x01'])), null, 'the header carries it')
  }
  assert.is(decodeAttributes(list([protocol.CKA_LABEL, 'a'], [protocol.CKA_LABEL, 'b'])), null, 'twice')
  assert.is(decodeAttributes(list([protocol.CKA_VALUE, 'v'], [protocol.CKA_LABEL, 'l'])), null, 'not ascending')
  assert.is(decodeAttributes(flip(good, good.length - 1)), null, 'padding')
  // Sixteen bytes are the whole first attribute.
  for (let length = 1; length < good.length; length++) {
    if (length !== 16) assert.is(decodeAttributes(good.subarray(0, length)), null, `${length} bytes`)
  }
  const { source, target } = ready()
  const bad = { ...object, attributes: [{ type: protocol.CKA_CLASS, value: Buffer.alloc(4) }] }
  assert.equal(codes(source.result(target.batch(source.batch([bad])))), [protocol.RC_TEMPLATE_INCONSISTENT >>> 16])
})

test('one batch more than are under way, not two; nothing after the last', () => {
  const { source } = ready()
  for (let i = 0; i <= protocol.OBC_BATCHES_OUT; i++) source.batch([another(i)])
  refused(() => source.fork().batch([another(protocol.OBC_BATCHES_OUT + 1)]))
  const done = ready()
  done.target.batch(done.source.batch([], { last: true }))
  refused(() => done.source.batch([another(1)]))
})

test('an envelope of another session or place', () => {
  const [one, two] = [ready(), ready()]
  const m3 = one.source.batch([another(1)])
  refused(() => two.target.fork().batch(m3), protocol.RC_CLONE_SESSION_INVALID)
  // Even with the batch MAC made anew (the courier lacks hkS) the object does not open.
  const { keys, sid, confirmation } = two.source.session
  const envelopes = splitEnvelopes(m3.subarray(72, -32), 1) ?? []
  const mixed = encodeM3({ hkS: keys.hkS, sid, number: 0, slot: 0, flags: FIRST, confirmation, envelopes })
  assert.is(two.target.batch(mixed).readUInt32BE(16 + 24 + 4), protocol.RC_CERTIFICATE_DATA_INVALID)
})

test('reflection and role confusion', () => {
  const { source, target } = pair()
  const m1 = source.init()
  const m2 = target.init(m1)
  refused(() => source.fork().targetHello(m1))
  refused(() => target.fork().init(m2))
  const self = sourceToken()
  refused(() => new Target(self, ok).init(m1), protocol.RC_NEGOTIATION_INVALID)
  const neighbour = ready({ s: self, t: { ...self, partition: 2 } })
  assert.equal(codes(neighbour.source.result(neighbour.target.batch(neighbour.source.batch([object])))), [
    protocol.RC_OK,
  ])
  source.targetHello(m2)
  const m3 = source.batch([object])
  refused(() => source.fork().result(m3))
})

test('a certified stranger may not borrow a public key (unknown key share)', () => {
  // The stranger certifies the target's TUK as its own and relays; the hashes of the two sides differ.
  const { source, target } = pair()
  const serial = 4711n
  const hok = vector('hokX')
  const common = { serial, model: G5, firmware: protocol.PROFILE_6_27_0 }
  const hoc = issue({ ...common, type: HOC, key: publicKey(hok), issuerPrivateKey: vector('root') })
  const twc = issue({ ...common, type: TWC, key: publicKey(vector('tukT')), issuerPrivateKey: hok })
  const m2 = Buffer.from(target.init(source.init()))
  m2.writeBigUInt64BE(serial, 16 + 164)
  hoc.copy(m2, 16 + 184)
  twc.copy(m2, 16 + 440)
  refused(() => source.targetHello(m2), protocol.RC_NEGOTIATION_NO_PSK)
})

test('invalid points, also inside a well-signed certificate', () => {
  const bad = flip(publicKey(vector('tukS')), 96)
  assert.not(isValidPoint(bad))
  assert.not(isValidPoint(Buffer.alloc(97, 4)))
  assert.not(isValidPoint(Buffer.from([0])))
  const hok = vector('hokS')
  const fields = { serial: SOURCE_SERIAL, model: K6, firmware: protocol.PROFILE_6_27_0 }
  const twc = issue({ ...fields, type: TWC, key: bad, issuerPrivateKey: hok })
  assert.is(fault(twc, { type: TWC, serial: SOURCE_SERIAL, issuerKey: publicKey(hok) }), 'public key')
  const m1 = new Source(sourceToken({ twc })).init()
  refused(() => new Target(targetToken(), ok).init(m1), protocol.RC_NEGOTIATION_NO_ROOTS)
})

test('certificates in the wrong place, of the wrong token, out of date', () => {
  const [s, t] = [sourceToken(), targetToken()]
  const swapped: Partial<Token>[] = [{ hoc: s.twc }, { twc: s.hoc }, { hoc: t.hoc }, { hoc: t.hoc, twc: t.twc }]
  for (const wrong of swapped) {
    const m1 = new Source({ ...s, ...wrong }).init()
    refused(() => new Target(t, ok).init(m1), protocol.RC_NEGOTIATION_NO_ROOTS)
  }
  const fields = { type: HOC, serial: 1n, notBefore: 100n, notAfter: 200n, model: G5, firmware: 1 } as const
  const dated = issue({ ...fields, key: publicKey(vector('hokT')), issuerPrivateKey: vector('root') })
  const at = (clock: bigint) => fault(dated, { type: HOC, serial: 1n, issuerKey: root, clock })
  assert.equal([at(0n), at(99n), at(100n), at(201n)], [null, 'validity', null, 'validity'])
})

test('keys are wiped when a session ends', () => {
  const { source, target } = ready()
  const secrets = [source.session.keys, ...target.keySets].flatMap(({ macKey, kek, hkS, hkT }) => [
    macKey,
    kek,
    hkS,
    hkT,
  ])
  target.batch(source.batch([object]))
  target.closed(source.close())
  assert.is(secrets.length, 8)
  for (const secret of secrets) assert.ok(secret.every((byte) => byte === 0))
  assert.equal([source.state, target.state], ['S0', 'T0'])
})

test('at rest: a second try after a cut has another key; a record elsewhere does not open', () => {
  const header = {
    partition: 1,
    epoch: 0,
    handle: 1,
    generation: 1,
    ...{ ouid: object.ouid, class: 4, keyType: 0x1f, bits: 3 },
  }
  const storageKey = R('PSK', 32)
  const write = (cek: string, more: Partial<atRest.RecordHeader> = {}) =>
    atRest.sealRecord({ ...header, slot: atRest.PSK_SLOT, admission: 5n, ...more }, Buffer.from(cek), {
      storageKey,
      cek: R(cek, 32),
    })
  const [first, second] = [write('one'), write('two')]
  assert.not.equal(first.subarray(64, 104), second.subarray(64, 104))
  assert.is(atRest.openRecord(storageKey, first)?.toString(), 'one')
  for (let i = 0; i < 104; i++) assert.is(atRest.openRecord(storageKey, flip(first, i)), null, `byte ${i}`)
  const old = write('old', { generation: 0, admission: 1n })
  assert.equal(atRest.listed([old, first], 4n), [old], 'not yet admitted')
  assert.equal(atRest.listed([old, first], 5n), [first], 'rewritten')
  const gone = atRest.tombstone({ ...header, generation: 2, slot: atRest.PSK_SLOT, admission: 6n })
  assert.is(gone.length, gone.readUInt32BE(4))
  assert.equal(atRest.listed([old, first, gone], 5n), [first], 'deletion not admitted')
  assert.equal(atRest.listed([old, first, gone], 6n), [], 'deleted')
  assert.not.equal(atRest.directoryHash([old]), atRest.directoryHash([first]))
  const verdicts = [5n, 6n, 4n, 7n].map((sequence) => atRest.sequenceVerdict(sequence, 5n))
  assert.equal(verdicts, ['current', 'step the counter', 'rolled back', 'rolled back'])
})

test.run()
