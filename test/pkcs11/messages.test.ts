// Encryption and decryption message by message (PKCS#11 3.0 §5.9, §5.11): GCM and CCM held against published vectors and OpenSSL, nonces
// that the token makes, and what a session may do when.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { CANCEL } from '../../host/pkcs11/mechanism-codec.js'
import { messageCalls } from '../../host/pkcs11/message-calls.js'
import { bytes, readVectors, text } from '../crypto/core.js'
import { fill, flipped } from '../firmware/support/crypt-keys.js'
import { prepare } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'
import { CCM, GCM, MessageDesk, type MessageOptions, NONE, ROOM, sealed, wire } from './message-desk.js'
import { ckrOf, flag, Program, partitionInSlot, QUERY, room, slotOf } from './support.js'

const test = suite('pkcs11 messages')

const { CKG_GENERATE, CKG_GENERATE_COUNTER, CKG_GENERATE_COUNTER_XOR, CKG_GENERATE_RANDOM, CKG_NO_GENERATE } = protocol
const seed = Number(process.env.MOONLET_SEED ?? Date.now() & 0x7fffffff)

let desk: MessageDesk
let slots: Awaited<ReturnType<typeof partitionInSlot>>['slots']
test.before(async () => {
  console.log(`seed ${seed}`)
  slots = (await partitionInSlot()).slots
})
test.before.each(async () => {
  desk = await MessageDesk.open(slots)
})
test.after.each(() => desk.program.call(calls.finalize, undefined))

/** Lengths of IV and tag that both the token and OpenSSL take. */
const gcmOptions = fc.record({
  type: fc.constant(GCM),
  nonce: fc.uint8Array({ minLength: 1, maxLength: 32 }),
  tag: fc.constantFrom(4, 8, 12, 13, 14, 15, 16),
  aad: fc.uint8Array({ maxLength: 100 }),
})
const ccmOptions = fc.record({
  type: fc.constant(CCM),
  nonce: fc.uint8Array({ minLength: 7, maxLength: 13 }),
  tag: fc.constantFrom(4, 6, 8, 10, 12, 14, 16),
  aad: fc.uint8Array({ maxLength: 100 }),
})

test('NIST’s vectors, as one message and in parts', async () => {
  const vectors = readVectors('gcm.txt').filter((one) => one.has('plaintext') && one.get('plaintext') !== 'FAIL')
  let seen = 0
  for (const vector of vectors.filter((_, i) => i % 5 === 0)) {
    const key = await desk.key(bytes(vector, 'key'))
    const [data, ciphertext, tag] = [bytes(vector, 'plaintext'), text(vector, 'ciphertext'), text(vector, 'tag')]
    const options = { nonce: bytes(vector, 'iv'), aad: bytes(vector, 'aad'), tag: tag.length / 2 }
    await desk.begin('Encrypt', GCM, key)
    await desk.begin('Decrypt', GCM, key)
    for (const message of [await desk.encrypt(data, options), await desk.encryptParts(data, 5, options)]) {
      assert.is(message.ciphertext.toString('hex'), ciphertext)
      assert.is(message.tag.toString('hex'), tag)
      assert.equal(await desk.decrypt(message, options), Buffer.from(data))
      seen++
    }
    await desk.end('Encrypt')
    await desk.end('Decrypt')
    await desk.program.call(calls.destroyObject, [desk.session, key])
  }
  assert.ok(seen > 10, `${seen}`)
})

for (const [name, options] of [
  ['GCM', gcmOptions],
  ['CCM', ccmOptions],
] as const) {
  test(`${name}: many messages under one key, as OpenSSL makes them; opened again, and not when a bit is wrong`, async () => {
    const value = fill(32, 3)
    const key = await desk.key(value)
    const type = name === 'GCM' ? GCM : CCM
    await desk.begin('Encrypt', type, key)
    await desk.begin('Decrypt', type, key)
    const property = fc.asyncProperty(
      options,
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 1, max: 120 }),
      fc.nat(),
      async (of, data, size, flip) => {
        const expected = sealed(value, data, of)
        assert.equal(await desk.encrypt(data, of), expected)
        assert.equal(await desk.encryptParts(data, size, of), expected)
        assert.equal(await desk.decrypt(expected, of), Buffer.from(data))
        assert.equal(await desk.decryptParts(expected, size, of), Buffer.from(data))
        const wrong = { ...expected, tag: Buffer.from(expected.tag), ciphertext: Buffer.from(expected.ciphertext) }
        const target = flip % 2 === 0 && data.length > 0 ? wrong.ciphertext : wrong.tag
        const at = (flip >>> 1) % target.length
        target[at] = (target[at] ?? 0) ^ (1 << (flip % 8))
        assert.is(await ckrOf(() => desk.decrypt(wrong, of)), CKR.AEAD_DECRYPT_FAILED)
        assert.is(await ckrOf(() => desk.decryptParts(wrong, size, of)), CKR.AEAD_DECRYPT_FAILED)
      },
    )
    await fc.assert(property, { seed, numRuns: 40 })
  })
}

test('the token counts: behind the fixed bits, into what the program brought first, and never further than there are bits', async () => {
  const value = fill(16, 5)
  const key = await desk.key(value)
  const property = fc.asyncProperty(
    fc.uint8Array({ minLength: 12, maxLength: 12 }),
    fc.integer({ min: 0, max: 92 }),
    fc.boolean(),
    async (nonce, fixed, exclusive) => {
      await desk.begin('Encrypt', GCM, key)
      const generator = exclusive ? CKG_GENERATE_COUNTER_XOR : CKG_GENERATE_COUNTER
      for (let count = 0n; count < 4n; count++) {
        const of = { nonce, fixed, generator }
        const message = count === 2n ? await desk.encryptParts(fill(9), 4, of) : await desk.encrypt(fill(9), of)
        assert.is(message.nonce.toString('hex'), counted(nonce, fixed, exclusive, count))
        assert.equal(message, sealed(value, fill(9), { nonce: message.nonce }))
      }
      await desk.end('Encrypt')
    },
  )
  await fc.assert(property, { seed, numRuns: 25 })
  await desk.begin('Encrypt', GCM, key)
  const two = { nonce: fill(12), fixed: 94, generator: CKG_GENERATE_COUNTER }
  const seen = new Set<string>()
  for (let i = 0; i < 4; i++) seen.add((await desk.encrypt(NONE, two)).nonce.toString('hex'))
  assert.is(seen.size, 4)
  assert.is(await ckrOf(() => desk.encrypt(NONE, two)), CKR.DATA_LEN_RANGE)
  assert.is(await ckrOf(() => desk.encryptBegin(two, 0)), CKR.DATA_LEN_RANGE)
})

function counted(nonce: Uint8Array, fixed: number, exclusive: boolean, count: bigint): string {
  const bits = BigInt(8 * nonce.length)
  const free = (1n << (bits - BigInt(fixed))) - 1n
  const brought = BigInt(`0x${Buffer.from(nonce).toString('hex')}`)
  const made = exclusive ? brought ^ (count & free) : (brought & ~free) | (count & free)
  return made.toString(16).padStart(2 * nonce.length, '0')
}

test('the token draws: all bits but the fixed ones, a nonce of its own for each message', async () => {
  const value = fill(16, 5)
  const key = await desk.key(value)
  for (const generator of [CKG_GENERATE, CKG_GENERATE_RANDOM]) {
    await desk.begin('Encrypt', GCM, key)
    const nonces = new Set<string>()
    const of = { nonce: fill(16, 0xab), fixed: 29, generator }
    for (let i = 0; i < 20; i++) {
      const { nonce, ciphertext, tag } = await (i % 2 ? desk.encryptParts(fill(30), 7, of) : desk.encrypt(fill(30), of))
      assert.is(nonce.readUInt32BE() >>> 3, Buffer.from(fill(16, 0xab)).readUInt32BE() >>> 3)
      assert.equal({ nonce, ciphertext, tag }, sealed(value, fill(30), { nonce }))
      nonces.add(nonce.subarray(4).toString('hex'))
    }
    assert.is(nonces.size, 20)
    await desk.end('Encrypt')
  }
  // SP 800-38D §8.2.2: too few bits to draw. CKG_GENERATE counts then.
  await desk.begin('Encrypt', GCM, key)
  const few = { nonce: fill(12, 1), fixed: 8 }
  assert.is(
    await ckrOf(() => desk.encrypt(NONE, { ...few, generator: CKG_GENERATE_RANDOM })),
    CKR.MECHANISM_PARAM_INVALID,
  )
  const { nonce } = await desk.encrypt(NONE, { ...few, generator: CKG_GENERATE })
  assert.is(nonce.toString('hex'), counted(few.nonce, 8, false, 0n))
})

test('nonces of one process are of one make', async () => {
  const key = await desk.key(fill(16))
  const of = { nonce: fill(12), fixed: 32, generator: CKG_GENERATE_COUNTER }
  const others: MessageOptions[] = [
    { ...of, generator: CKG_GENERATE_COUNTER_XOR },
    { ...of, generator: CKG_NO_GENERATE },
    { ...of, fixed: 40 },
    { ...of, nonce: fill(13) },
    { ...of, generator: 5 },
    { ...of, generator: 256 },
    { ...of, fixed: 96 },
    { ...of, nonce: fill(17) },
    { ...of, nonce: NONE },
    { ...of, tag: 7 },
    { ...of, tag: 17 },
  ]
  await desk.begin('Encrypt', GCM, key)
  await desk.encrypt(NONE, of)
  for (const other of others) {
    assert.is(await ckrOf(() => desk.encrypt(NONE, other)), CKR.MECHANISM_PARAM_INVALID, JSON.stringify(other))
    assert.is(await ckrOf(() => desk.encryptBegin(other, 0)), CKR.MECHANISM_PARAM_INVALID)
  }
  // What was refused has counted nothing, and ended nothing.
  assert.is((await desk.encrypt(NONE, of)).nonce.at(-1), 1)
  await desk.end('Encrypt')
  await desk.begin('Encrypt', GCM, key)
  assert.is((await desk.encrypt(NONE, of)).nonce.at(-1), 0)
  const { session, program } = desk
  const ccm = wire({ type: CCM }, 0)
  const none: typeof ccm = [
    [0, 0, fill(12)],
    [0, 0, 128],
  ]
  for (const parameter of [ccm, none]) {
    const values: Parameters<typeof send> = [session, parameter]
    assert.is(await ckrOf(() => send(...values)), CKR.MECHANISM_PARAM_INVALID)
  }
  function send(one: number, parameter: typeof ccm) {
    return program.call(messageCalls.encryptMessage, [one, parameter, NONE, NONE, [ROOM, ROOM, ROOM]])
  }
})

test('who only asks how much room there must be, or has too little, uses no nonce up', async () => {
  const key = await desk.key(fill(16))
  const { program, session } = desk
  const of = { nonce: fill(12), fixed: 32, generator: CKG_GENERATE_COUNTER }
  await desk.begin('Encrypt', GCM, key)
  for (const little of [QUERY, room(9)]) {
    const answer = await program.call(messageCalls.encryptMessage, [
      session,
      wire(of, 10),
      NONE,
      fill(10),
      [little, ROOM, ROOM],
    ])
    assert.equal(answer, [{ missing: 10 }, NONE, NONE])
  }
  assert.is((await desk.encrypt(fill(10), of)).nonce.at(-1), 0)
  const nonce = await desk.encryptBegin(of, 10)
  assert.is(nonce.at(-1), 1)
  await program.call(messageCalls.encryptMessageNext, [session, fill(4), 0, [QUERY, ROOM]])
  const [first] = await desk.encryptNext(fill(6), false)
  for (const little of [QUERY, room(3)]) {
    const answer = await program.call(messageCalls.encryptMessageNext, [session, fill(4), 1, [little, ROOM]])
    assert.equal(answer, [{ missing: 4 }, NONE])
  }
  const [second, tag] = await desk.encryptNext(fill(4), true)
  const ciphertext = Buffer.concat([first, second])
  const whole = Buffer.concat([fill(6), fill(4)])
  const expected = sealed(fill(16), whole, { nonce })
  assert.equal({ ciphertext, nonce, tag }, expected)
  await desk.begin('Decrypt', GCM, key)
  for (const little of [QUERY, room(9)]) {
    const parameter = wire({ nonce }, 10)
    const asked = await program.call(messageCalls.decryptMessage, [session, parameter, [tag, NONE, ciphertext], little])
    assert.equal(asked, { missing: 10 })
  }
  assert.equal(await desk.decrypt(expected), whole)
})

test('a process lasts until it is ended, whatever its messages come to; a message is one at a time', async () => {
  const { program, session } = desk
  const key = await desk.key(fill(16))
  const own = { nonce: fill(12) }
  const ended = CKR.OPERATION_NOT_INITIALIZED
  for (const act of [
    () => desk.encrypt(NONE, own),
    () => desk.encryptBegin(own, 0),
    () => desk.encryptNext(NONE, true),
    () => desk.end('Encrypt'),
    () => desk.decrypt(sealed(fill(16), NONE, own)),
    () => desk.end('Decrypt'),
    () => desk.end('Sign'),
    () => desk.end('Verify'),
  ]) {
    assert.is(await ckrOf(act), ended)
  }
  await desk.begin('Encrypt', GCM, key)
  const active = CKR.OPERATION_ACTIVE
  assert.is(await ckrOf(() => desk.begin('Encrypt', GCM, key)), active)
  const gcm = { type: GCM, parameter: { form: 'gcm' as const, iv: fill(12), ivBits: 96, aad: NONE, tagBits: 128 } }
  assert.is(await ckrOf(() => program.call(calls.encryptInit, [session, gcm, key])), active)
  assert.is(await ckrOf(() => program.call(calls.encrypt, [session, fill(1), ROOM])), ended)
  assert.is(await ckrOf(() => program.call(calls.getOperationState, [session, ROOM])), CKR.STATE_UNSAVEABLE)
  assert.is(await ckrOf(() => desk.encryptNext(NONE, true)), ended, 'no message has begun')
  await desk.encryptBegin(own, 3)
  for (const act of [() => desk.encrypt(NONE, own), () => desk.encryptBegin(own, 0), () => desk.end('Encrypt')]) {
    assert.is(await ckrOf(act), active)
  }
  // A failure ends the message and nothing else.
  const bad = () => program.call(messageCalls.encryptMessageNext, [session, fill(3), 2, [ROOM, ROOM]])
  assert.is(await ckrOf(bad), CKR.ARGUMENTS_BAD)
  assert.is(await ckrOf(() => desk.encryptNext(NONE, true)), ended)
  await desk.encrypt(fill(3), own)
  await desk.encryptBegin(own, 3)
  // A null pointer for a mechanism ends both.
  await desk.begin('Encrypt', CANCEL, 0)
  assert.is(await ckrOf(() => desk.encryptNext(NONE, true)), ended)

  await program.call(calls.encryptInit, [session, gcm, key])
  assert.is(await ckrOf(() => desk.begin('Encrypt', GCM, key)), active)
  await program.call(calls.sessionCancel, [session, 0x100])
  await desk.begin('Encrypt', GCM, key)
  await desk.begin('Decrypt', GCM, key)
  await program.call(calls.sessionCancel, [session, 0x2])
  assert.is(await ckrOf(() => desk.end('Encrypt')), ended)
  await desk.end('Decrypt')
  await desk.begin('Encrypt', GCM, key)
  await program.call(calls.logout, session)
  assert.is(await ckrOf(() => desk.encrypt(NONE, own)), ended, 'a log-out ends all')
})

test('messages of several commands, GCM’s as they come', async () => {
  const value = fill(32, 9)
  const key = await desk.key(value)
  const data = fill(200_003, 4)
  for (const type of [GCM, CCM]) {
    const of = { type, nonce: fill(12, type), aad: fill(5000) }
    const expected = sealed(value, data, of)
    await desk.begin('Encrypt', type, key)
    await desk.begin('Decrypt', type, key)
    assert.equal(await desk.encrypt(data, of), expected)
    assert.equal(await desk.encryptParts(data, 70_001, of), expected)
    assert.ok((await desk.decrypt(expected, of)).equals(data))
    assert.ok((await desk.decryptParts(expected, 70_001, of)).equals(data))
    const wrong = { ...expected, tag: flipped(expected.tag, 3) }
    assert.is(await ckrOf(() => desk.decrypt(wrong, of)), CKR.AEAD_DECRYPT_FAILED)
    // The nonce is the token's too.
    await desk.begin('Encrypt', CANCEL, 0)
    await desk.begin('Encrypt', type, key)
    const drawn = { ...of, generator: CKG_GENERATE_RANDOM }
    const made = await desk.encrypt(data, drawn)
    assert.equal(made, sealed(value, data, { ...of, nonce: made.nonce }))
    await desk.begin('Encrypt', CANCEL, 0)
    await desk.begin('Decrypt', CANCEL, 0)
  }
  await desk.begin('Encrypt', GCM, key)
  await desk.encryptBegin({ nonce: fill(12) }, 0)
  for (const length of [1, 16, 31]) assert.is((await desk.encryptNext(fill(length), false))[0].length, length)
})

test('keys and mechanisms that are of no use here', async () => {
  const key = await desk.key(fill(16), [flag(protocol.CKA_ENCRYPT, false)])
  assert.is(await ckrOf(() => desk.begin('Encrypt', GCM, key)), CKR.KEY_FUNCTION_NOT_PERMITTED)
  assert.is(await ckrOf(() => desk.begin('Encrypt', GCM, 0xfffffe)), CKR.KEY_HANDLE_INVALID)
  assert.is(await ckrOf(() => desk.begin('Decrypt', protocol.CKM_AES_CBC, key)), CKR.MECHANISM_INVALID)
  assert.is(await ckrOf(() => desk.begin('Encrypt', protocol.CKM_SHA256_HMAC, key)), CKR.MECHANISM_INVALID)
  const gmac = { type: protocol.CKM_AES_GMAC, parameter: { form: 'iv' as const, iv: fill(12) } }
  assert.is(await ckrOf(() => desk.begin('Sign', gmac, key)), CKR.MECHANISM_INVALID)
  const other = await desk.key(fill(16))
  await desk.begin('Encrypt', CCM, other)
  const short = { type: CCM, nonce: fill(12), length: 9 }
  assert.is(await ckrOf(() => desk.encrypt(fill(10), short)), CKR.DATA_LEN_RANGE)
  await desk.encryptBegin(short, 9)
  await desk.encryptNext(fill(10), false)
  assert.is(await ckrOf(() => desk.encryptNext(NONE, true)), CKR.DATA_LEN_RANGE)
  // Beside associated data that fills a command there is room for none.
  const of = { type: CCM, nonce: fill(12), aad: fill(61_441) }
  assert.is(await ckrOf(() => desk.encrypt(fill(10), of)), CKR.DATA_LEN_RANGE)
  await desk.begin('Decrypt', CCM, other)
  const tooLong = { ciphertext: fill(10), nonce: fill(12), tag: fill(16) }
  assert.is(await ckrOf(() => desk.decrypt(tooLong, of)), CKR.ENCRYPTED_DATA_LEN_RANGE)
  await desk.program.call(calls.destroyObject, [desk.session, other])
  assert.is(await ckrOf(() => desk.encrypt(NONE, { type: CCM })), CKR.KEY_HANDLE_INVALID)
})

test('CK_MECHANISM_INFO tells our own library of them, and no other client', async () => {
  const flags = async (program: Program, type: number): Promise<number> =>
    (await program.call(calls.getMechanismInfo, [1, type])).flags & 0x3e
  const { program: theirs } = Program.at(slots, 2)
  await theirs.initialize()
  assert.is(await flags(desk.program, GCM), 0x26)
  assert.is(await flags(desk.program, CCM), 0x26)
  assert.is(await flags(desk.program, protocol.CKM_SHA256_HMAC), 0x38)
  assert.is(await flags(desk.program, protocol.CKM_RSA_PKCS), 0x18)
  assert.is(await flags(desk.program, protocol.CKM_AES_CBC), 0)
  assert.is(await flags(desk.program, protocol.CKM_AES_GMAC), 0)
  assert.is(await flags(desk.program, protocol.CKM_SHA256), 0)
  assert.is(await flags(theirs, GCM), 0)
})

test('FIPS mode: nobody but the token makes an IV of GCM, and it draws it', async () => {
  const officer = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  await officer.client.hsm.setPolicy(officer.admin, protocol.HSM_POLICY_NON_FIPS, 0)
  const { id } = await officer.client.partitions.create(officer.admin, {
    ...{ legacy: true, label: 'fips', password: 'officer-password' },
  })
  const client = officer.token.newClient()
  const fips = await MessageDesk.open({ slots: async () => [slotOf(client, id)] })
  const value = fill(32, 7)
  const key = await fips.key(value)
  await fips.begin('Encrypt', GCM, key)
  for (const [generator, fixed, length] of [
    [CKG_NO_GENERATE, 0, 12],
    [CKG_GENERATE_COUNTER, 32, 12],
    [CKG_GENERATE_COUNTER_XOR, 32, 12],
    [CKG_GENERATE, 32, 12],
    [CKG_GENERATE_RANDOM, 1, 12],
  ] as const) {
    const of = { nonce: fill(length), fixed, generator }
    assert.is(await ckrOf(() => fips.encrypt(fill(5), of)), CKR.MECHANISM_PARAM_INVALID, `${generator}`)
    assert.is(await ckrOf(() => fips.encryptBegin(of, 5)), CKR.MECHANISM_PARAM_INVALID, `${generator}`)
  }
  for (const of of [
    { nonce: fill(12), generator: CKG_GENERATE },
    { nonce: fill(16), fixed: 32, generator: CKG_GENERATE_RANDOM },
  ]) {
    await fips.begin('Encrypt', CANCEL, 0)
    await fips.begin('Encrypt', GCM, key)
    const message = await fips.encryptParts(fill(5), 2, of)
    assert.equal(message, sealed(value, fill(5), { nonce: message.nonce }))
    assert.not.equal(message.nonce, Buffer.from(fill(of.nonce.length)))
  }
  // Any may be opened; and CCM asks for no more than that none comes twice.
  await fips.begin('Decrypt', GCM, key)
  assert.equal(await fips.decrypt(sealed(value, fill(5), {})), Buffer.from(fill(5)))
  await fips.begin('Encrypt', CANCEL, 0)
  await fips.begin('Encrypt', CCM, key)
  await fips.encrypt(fill(5), { type: CCM, nonce: fill(12) })
})

test('sessions do not share a count', async () => {
  const key = await desk.key(fill(16))
  const { program } = desk
  const of = { nonce: fill(12), fixed: 32, generator: CKG_GENERATE_COUNTER }
  await desk.begin('Encrypt', GCM, key)
  await desk.encrypt(NONE, of)
  const other = await program.call(calls.openSession, [1, 6])
  await program.call(messageCalls.messageEncryptInit, [other, { type: GCM, parameter: undefined }, key])
  const [, nonce] = await program.call(messageCalls.encryptMessage, [
    other,
    wire(of, 0),
    NONE,
    NONE,
    [ROOM, ROOM, ROOM],
  ])
  assert.is(nonce instanceof Uint8Array ? nonce.at(-1) : -1, 0)
  assert.is((await desk.encrypt(NONE, of)).nonce.at(-1), 1)
})

test.run()
