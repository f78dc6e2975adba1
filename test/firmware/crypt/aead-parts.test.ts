// AEAD_PART: GCM and CCM in parts, held against OpenSSL; nothing of a plaintext before the tag was right; nobody goes back or exchanges.
import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import {
  type AeadKey,
  type AeadPart,
  AeadSealing,
  attribute,
  type Mechanism,
  openAead,
  ulongValue,
  Writer,
} from '../../../host/client/index.js'
import { seedProperties } from '../../crypto/core.js'
import { cryptOfficer, fill, flipped, gcm, importAes } from '../support/crypt-keys.js'
import { refuses } from '../support/expect.js'
import { type Officer, officerOn } from '../support/officer.js'

const test = suite('crypt: AEAD in parts')
seedProperties()

const { CKM_AES_CCM, RC_ARGUMENTS_BAD, RC_ENCRYPTED_DATA_INVALID, RC_KEY_NOT_ACTIVE, RC_SAVED_STATE_INVALID } = protocol
const NONE = new Uint8Array(0)
const VALUE = fill(32, 3)
const IV = fill(12, 4)
const AAD = fill(21, 5)
const GCM = gcm(IV, AAD, 128)
const CCM: Mechanism = { mechanism: CKM_AES_CCM, parameter: new Writer().bytes(IV).bytes(AAD).u32(16).finish() }

let officer: Officer
let key: number

test.before(async () => {
  officer = await cryptOfficer()
  key = await importAes(officer, VALUE)
})

const of = (mechanism: Mechanism, session = officer.session): AeadKey => ({
  ...{ crypto: officer.client.crypto, session, mechanism, key },
})

interface Parameter {
  readonly iv?: Uint8Array
  readonly aad?: Uint8Array
  readonly tag?: number
}

function byOpenssl(mechanism: Mechanism, data: Uint8Array, { iv = IV, aad = AAD, tag = 16 }: Parameter = {}): Buffer {
  const options = { authTagLength: tag }
  const cipher =
    mechanism.mechanism === CKM_AES_CCM
      ? createCipheriv('aes-256-ccm', VALUE, iv, options)
      : createCipheriv('aes-256-gcm', VALUE, iv, options)
  cipher.setAAD(aad, { plaintextLength: data.length })
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
}

type Asked = Partial<AeadPart> & Pick<AeadPart, 'purpose'>
const ask = (part: Asked, session = officer.session): Promise<[Uint8Array, Uint8Array]> =>
  officer.client.crypto.aeadPart(session, {
    ...{ mechanism: GCM, key, length: 0, state: NONE, data: NONE, last: false, proof: NONE, message: false },
    ...part,
  })

/** Ends of the pieces that `cuts` (of a thousand) makes of so many bytes. */
const ends = (length: number, cuts: readonly number[]): number[] => [
  ...cuts.map((cut) => Math.floor((cut * length) / 1000)).sort((a, b) => a - b),
  length,
]

/** The first pass over pieces that end there: what the token has said before each, and the proof at last. */
async function check(sealed: Uint8Array, at: readonly number[], mechanism = GCM, tag = 16): Promise<Uint8Array[]> {
  const states: Uint8Array[] = [NONE]
  let from = 0
  for (const [i, end] of at.entries()) {
    const last = i === at.length - 1
    const proof = last ? sealed.subarray(end, end + tag) : NONE
    const part = { state: states[i] ?? NONE, data: sealed.slice(from, end), last, proof, mechanism }
    const [state, nothing] = await ask({ purpose: 'check', length: sealed.length - tag, ...part })
    assert.is(nothing.length, 0)
    states.push(state)
    from = end
  }
  return states
}

test('any text in parts of any lengths is what OpenSSL makes of it, and opens again', async () => {
  const arbitrary = fc.record({
    length: fc.oneof(fc.nat(200), fc.nat(4000)),
    cuts: fc.array(fc.nat(1000), { maxLength: 6 }),
    iv: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    aad: fc.uint8Array({ maxLength: 70 }),
    tag: fc.constantFrom(4, 8, 12, 13, 16),
  })
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ length, cuts, iv, aad, tag }) => {
      const mechanism = gcm(iv, aad, 8 * tag)
      const data = fill(length, 6)
      const sealing = new AeadSealing(of(mechanism), 0)
      const at = ends(length, cuts)
      const out: Uint8Array[] = []
      let from = 0
      for (const [i, end] of at.entries()) {
        out.push(await sealing.add(data.subarray(from, end), i === at.length - 1))
        from = end
      }
      const sealed = Buffer.concat(out)
      assert.equal(sealed, byOpenssl(mechanism, data, { iv, aad, tag }))
      // What has left was as long as what had come.
      assert.equal(
        out.slice(0, -1).map((part) => part.length),
        at.slice(0, -1).map((end, i) => end - (at[i - 1] ?? 0)),
      )
      const states = await check(sealed, at, mechanism, tag)
      let proof = states.pop() ?? NONE
      for (let i = at.length - 1; i >= 0; i--) {
        const [begin, end] = [at[i - 1] ?? 0, at[i] ?? 0]
        const part = { state: states[i] ?? NONE, data: sealed.slice(begin, end), proof, mechanism }
        const [before, plaintext] = await ask({ purpose: 'open', length, ...part })
        assert.equal(Buffer.from(plaintext), data.subarray(begin, end))
        proof = before
      }
      assert.is(proof.length, 0)
    }),
    { numRuns: 25 },
  )
})

for (const mechanism of [GCM, CCM]) {
  const name = mechanism === GCM ? 'GCM' : 'CCM'

  test(`${name}: what takes several commands is what OpenSSL makes of it, and opens again`, async () => {
    for (const length of [0, 1, 61_440, 61_441, 150_001]) {
      const data = fill(length, 7)
      // node makes no tag of CCM over nothing: there ENCRYPT has to do.
      const { client, session } = officer
      const sealed = Buffer.from(
        length > 0 ? byOpenssl(mechanism, data) : await client.crypto.encrypt(session, mechanism, key, data),
      )
      const made = await new AeadSealing(of(mechanism), length).add(data, true)
      assert.ok(sealed.equals(made), `${length} encrypted`)
      assert.ok(data.equals(await openAead(of(mechanism), sealed, 16)), `${length} decrypted`)
    }
  })

  test(`${name}: a bit of ciphertext, tag, associated data or nonce that is another opens nothing`, async () => {
    const sealed = byOpenssl(mechanism, fill(70_000, 7))
    for (const bit of [0, 8 * 61_440, 8 * 70_000 - 1, 8 * 70_016 - 1])
      await refuses(RC_ENCRYPTED_DATA_INVALID, openAead(of(mechanism), flipped(sealed, bit), 16))
    for (const place of [5, 20]) {
      const parameter = Buffer.from(mechanism.parameter ?? NONE)
      const other = { ...mechanism, parameter: flipped(parameter, 8 * place) }
      await refuses(RC_ENCRYPTED_DATA_INVALID, openAead(of(other), sealed, 16))
    }
    await refuses(RC_ENCRYPTED_DATA_INVALID, openAead(of(mechanism), sealed.subarray(1), 16))
  })

  test(`${name}: between the passes nobody exchanges parts, states or proofs`, async () => {
    const data = fill(112, 8)
    const sealed = byOpenssl(mechanism, data)
    const at = [48, 80, 112]
    const states = await check(sealed, at, mechanism)
    const [one, two, three] = [sealed.slice(0, 48), sealed.slice(48, 80), sealed.slice(80, 112)]
    const proof = states[3] ?? NONE
    const open = (state: Uint8Array, part: Uint8Array, of: Uint8Array) =>
      ask({ purpose: 'open', mechanism, length: 112, state, data: part, proof: of })
    const refused: [Uint8Array | undefined, Uint8Array, Uint8Array][] = [
      [states[2], flipped(three, 0), proof],
      [states[2], two, proof],
      [states[2], three.subarray(1), proof],
      [states[1], three, proof],
      [states[1], two, proof],
      [states[0], one, proof],
      [undefined, three, proof],
      [proof, NONE, proof],
      // A state is no proof: nobody has seen the tag of what it stands for.
      [states[1], two, states[2] ?? NONE],
      [states[2], three, flipped(proof, 9)],
      [states[2], three, NONE],
    ]
    for (const [state, part, of] of refused) await refuses(RC_SAVED_STATE_INVALID, open(state ?? NONE, part, of))
    // A second history of the same message that leads elsewhere: its states are good, and lead to no proved one.
    const forked = await ask({
      ...{ purpose: 'check', mechanism, length: 112, state: states[1] ?? NONE, data: flipped(two, 3) },
    })
    await refuses(RC_SAVED_STATE_INVALID, open(forked[0], three, proof))
    const [before, plaintext] = await open(states[2] ?? NONE, three, proof)
    assert.equal(Buffer.from(plaintext), data.subarray(80))
    await refuses(RC_SAVED_STATE_INVALID, open(states[1] ?? NONE, flipped(two, 3), before))
    await refuses(RC_SAVED_STATE_INVALID, open(states[2] ?? NONE, three, before))
    assert.equal(Buffer.from((await open(states[1] ?? NONE, two, before))[1]), data.subarray(48, 80))
  })
}

test('a state of an encryption serves once, in its session, and the newest alone', async () => {
  const { client, partition } = officer
  const other = await client.openSession(partition, { readWrite: true })
  const data = fill(40, 9)
  const seal = (state: Uint8Array, session = officer.session) => ask({ purpose: 'seal', state, data }, session)
  const [first] = await seal(NONE)
  await refuses(RC_SAVED_STATE_INVALID, seal(first, other))
  const [second] = await seal(first)
  await refuses(RC_SAVED_STATE_INVALID, seal(first))
  // A look at an older one does not end the newest.
  const [, rest] = await ask({ purpose: 'seal', state: second, data, last: true })
  assert.equal(
    Buffer.concat([rest.slice(0, 40), rest.slice(40)]),
    byOpenssl(GCM, Buffer.concat([data, data, data])).subarray(80),
  )
  await refuses(RC_SAVED_STATE_INVALID, seal(second))
  const [third] = await seal(NONE)
  await seal(NONE)
  await refuses(RC_SAVED_STATE_INVALID, seal(third))
  // Neither a decryption's nor that of another parameter.
  const [checking] = await ask({ purpose: 'check', data })
  await refuses(RC_SAVED_STATE_INVALID, seal(checking))
  const [fourth] = await seal(NONE)
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'check', state: fourth, data }))
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'seal', state: fourth, data, mechanism: gcm(IV, AAD, 96) }))
  await client.closeSession(other)
})

test('what was begun before a power cut goes on nowhere', async () => {
  const data = fill(40, 9)
  const [sealing] = await ask({ purpose: 'seal', data })
  const sealed = byOpenssl(GCM, data)
  const states = await check(sealed, [16, 40])
  officer.token.powerCycle()
  officer = { ...officer, session: await officerOn(officer.client, officer.partition) }
  key = await importAes(officer, VALUE)
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'seal', state: sealing, data }))
  const part = { state: states[1] ?? NONE, data: sealed.slice(16, 40) }
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'check', ...part }))
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'open', ...part, proof: states[2] ?? NONE }))
})

test('a use is counted with what first goes out, or with a look at the tag', async () => {
  const { client, session } = officer
  const limited = await importAes(officer, VALUE, [attribute.ulong(protocol.CKA_USAGE_LIMIT, 3)])
  const count = async () => {
    const [row] = await client.objects.get(session, limited, [protocol.CKA_USAGE_COUNT])
    return ulongValue(row?.value ?? new Uint8Array(4))
  }
  const data = fill(64, 9)
  const sealed = byOpenssl(GCM, data)
  const one = (part: Asked) => ask({ ...part, key: limited })
  const [state] = await one({ purpose: 'seal', data: data.slice(0, 32) })
  assert.is(await count(), 1)
  await one({ purpose: 'seal', state, data: data.slice(32), last: true })
  assert.is(await count(), 1)
  const [half] = await one({ purpose: 'check', data: sealed.slice(0, 32) })
  assert.is(await count(), 1)
  const ending = { purpose: 'check', state: half, data: sealed.slice(32, 64), last: true } as const
  await refuses(RC_ENCRYPTED_DATA_INVALID, one({ ...ending, proof: fill(16) }))
  assert.is(await count(), 2)
  const [proof] = await one({ ...ending, proof: sealed.slice(64) })
  assert.is(await count(), 3)
  await refuses(RC_KEY_NOT_ACTIVE, one({ ...ending, proof: sealed.slice(64) }))
  await refuses(RC_KEY_NOT_ACTIVE, one({ purpose: 'seal', data }))
  // What was counted goes on to its end.
  const [before] = await one({ purpose: 'open', state: half, data: sealed.slice(32, 64), proof })
  await one({ purpose: 'open', data: sealed.slice(0, 32), proof: before })
  assert.is(await count(), 3)
})

test('what is no part of either', async () => {
  const data = fill(40, 9)
  await refuses(protocol.RC_DATA_LEN_RANGE, ask({ purpose: 'seal', mechanism: CCM, length: 80, data }))
  await refuses(protocol.RC_DATA_LEN_RANGE, ask({ purpose: 'seal', mechanism: CCM, length: 41, data, last: true }))
  await refuses(protocol.RC_DATA_LEN_RANGE, ask({ purpose: 'seal', mechanism: CCM, length: 2 ** 31, data, last: true }))
  const tag = fill(16)
  await refuses(
    protocol.RC_ENCRYPTED_DATA_LEN_RANGE,
    ask({ purpose: 'check', mechanism: CCM, length: 39, data, last: true, proof: tag }),
  )
  await refuses(RC_ARGUMENTS_BAD, ask({ purpose: 'seal', data, proof: tag }))
  await refuses(RC_ARGUMENTS_BAD, ask({ purpose: 'check', data, proof: tag }))
  await refuses(RC_ARGUMENTS_BAD, ask({ purpose: 'check', data, last: true, proof: fill(15) }))
  await refuses(RC_ARGUMENTS_BAD, ask({ purpose: 'check', data, message: true }))
  await refuses(protocol.RC_MECHANISM_INVALID, ask({ purpose: 'seal', data, mechanism: { mechanism: 0x1082 } }))
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'seal', data, state: fill(136) }))
  await refuses(RC_SAVED_STATE_INVALID, ask({ purpose: 'seal', data, state: fill(8) }))
})

test.run()
