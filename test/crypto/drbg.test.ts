import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { arbitraryBytes, bytes, Core, equalBytes, readVectors, seedProperties, text } from './core.js'

const test = suite('HMAC_DRBG')
const core = new Core()
seedProperties()
core.after(() => {
  core.call.drbgUninstantiate()
  core.assertNothingLeft()
})

const NONE = new Uint8Array(0)

function instantiate(entropy: Uint8Array, nonce: Uint8Array, personal: Uint8Array, resistant = false): boolean {
  const [e, n, p] = [core.put(entropy), core.put(nonce), core.put(personal)]
  return core.call.drbgInstantiate(resistant, e, entropy.length, n, nonce.length, p, personal.length) === 1
}

function reseed(entropy: Uint8Array, additional: Uint8Array): boolean {
  return core.call.drbgReseed(core.put(entropy), entropy.length, core.put(additional), additional.length) === 1
}

/** With entropy: a request with prediction resistance. */
function generate(n: number, additional: Uint8Array, entropy?: Uint8Array): Uint8Array | null {
  const out = core.room(n, 0x99)
  const more = core.put(additional)
  const given =
    entropy === undefined
      ? core.call.drbgGenerate(out, n, more, additional.length) === 1
      : core.call.drbgGenerateResistant(out, n, core.put(entropy), entropy.length, more, additional.length) === 1
  if (!given) equalBytes(core.take(out, n), Buffer.alloc(n, 0x99), 'bytes were written by a refused request')
  return given ? core.take(out, n) : null
}

/** SP 800-90A §10.1.2 written from the standard, over node:crypto. */
class Reference {
  #key: Uint8Array = Buffer.alloc(64)
  #v: Uint8Array = Buffer.alloc(64, 1)

  constructor(seed: Uint8Array) {
    this.update(seed)
  }

  update(data: Uint8Array): void {
    for (const separator of data.length > 0 ? [0, 1] : [0]) {
      this.#key = createHmac('sha512', this.#key).update(this.#v).update(Buffer.of(separator)).update(data).digest()
      this.#v = createHmac('sha512', this.#key).update(this.#v).digest()
    }
  }

  generate(n: number, additional: Uint8Array): Uint8Array {
    if (additional.length > 0) this.update(additional)
    const blocks: Uint8Array[] = []
    for (let length = 0; length < n; length += 64) {
      this.#v = createHmac('sha512', this.#key).update(this.#v).digest()
      blocks.push(this.#v)
    }
    this.update(additional)
    return Buffer.concat(blocks).subarray(0, n)
  }
}

test(
  'the NIST examples, without and with everything',
  core.checked(() => {
    for (const vector of readVectors('hmac-drbg.txt')) {
      assert.ok(instantiate(bytes(vector, 'entropy'), bytes(vector, 'nonce'), bytes(vector, 'personalization')))
      for (const round of ['1', '2']) {
        if (vector.has(`reseed${round}`)) {
          assert.ok(reseed(bytes(vector, `reseed${round}`), bytes(vector, `additional${round}`)))
        }
        const expected = bytes(vector, `out${round}`)
        const actual = generate(expected.length, NONE)
        if (actual === null) throw new Error(`${text(vector, 'source')}: refused`)
        equalBytes(actual, expected, `${text(vector, 'source')}, request ${round}`)
      }
    }
  }),
)

test(
  'any sequence of requests and reseeds agrees with the standard',
  core.checked(() => {
    const step = fc.record({
      seed: fc.option(arbitraryBytes(32, 80), { nil: undefined }),
      n: fc.integer({ min: 0, max: 300 }),
      additional: arbitraryBytes(0, 70),
    })
    fc.assert(
      fc.property(
        arbitraryBytes(32, 120),
        arbitraryBytes(16, 40),
        arbitraryBytes(0, 60),
        fc.array(step, { maxLength: 5 }),
        (entropy, nonce, personal, steps) => {
          const reference = new Reference(Buffer.concat([entropy, nonce, personal]))
          assert.ok(instantiate(entropy, nonce, personal))
          for (const { seed, n, additional } of steps) {
            if (seed !== undefined) {
              assert.ok(reseed(seed, additional))
              reference.update(Buffer.concat([seed, additional]))
            }
            const actual = generate(n, additional)
            if (actual === null) throw new Error('refused')
            equalBytes(actual, reference.generate(n, additional))
          }
          core.reset()
        },
      ),
    )
  }),
)

test(
  'prediction resistance is a reseed with the additional input, then a request without any',
  core.checked(() => {
    const request = fc.record({ entropy: arbitraryBytes(32, 80), n: fc.integer({ min: 0, max: 200 }) })
    fc.assert(
      fc.property(
        arbitraryBytes(32, 64),
        fc.array(fc.tuple(request, arbitraryBytes(0, 70)), { minLength: 1, maxLength: 4 }),
        (seed, requests) => {
          const nonce = Buffer.alloc(16, 3)
          const reference = new Reference(Buffer.concat([seed, nonce]))
          assert.ok(instantiate(seed, nonce, NONE, true))
          for (const [{ entropy, n }, additional] of requests) {
            const actual = generate(n, additional, entropy)
            if (actual === null) throw new Error('refused')
            reference.update(Buffer.concat([entropy, additional]))
            equalBytes(actual, reference.generate(n, NONE))
          }
          core.reset()
        },
      ),
    )
  }),
)

test(
  'prediction resistance is for instances that were made for it, with entropy enough',
  core.checked(() => {
    const [entropy, nonce] = [Buffer.alloc(32, 1), Buffer.alloc(16, 2)]
    assert.is(generate(16, NONE, entropy), null, 'no instance')
    assert.ok(instantiate(entropy, nonce, NONE, false))
    assert.is(generate(16, NONE, entropy), null, 'an instance without it')
    assert.ok(generate(16, NONE))
    assert.ok(instantiate(entropy, nonce, NONE, true))
    assert.is(generate(16, NONE, entropy.subarray(1)), null, 'too little entropy')
    assert.is(generate(65537, NONE, entropy), null, 'too much at once')
    assert.ok(generate(16, NONE, entropy))
  }),
)

test(
  'when a reseed is due only a reseed, or prediction resistance, goes on',
  core.checked(() => {
    const state = new DataView(core.memory.buffer, core.call.DRBG_STATE.value, 8)
    const entropy = Buffer.alloc(32, 1)
    const wear = () => {
      assert.ok(instantiate(entropy, Buffer.alloc(16, 2), NONE, true))
      state.setBigUint64(0, 2n ** 32n, true)
      assert.ok(generate(16, NONE), 'the last request before it')
      assert.is(generate(16, NONE), null, 'the interval is over')
      assert.is(state.getBigUint64(0, true), 2n ** 32n + 1n)
    }
    wear()
    assert.ok(reseed(entropy, NONE))
    assert.ok(generate(16, NONE))
    wear()
    assert.ok(generate(16, NONE, entropy))
    assert.is(state.getBigUint64(0, true), 2n)
  }),
)

test(
  'nothing comes out without an instance',
  core.checked(() => {
    assert.is(generate(16, NONE), null)
    assert.not(reseed(Buffer.alloc(64, 1), NONE))
    assert.ok(instantiate(Buffer.alloc(32, 1), Buffer.alloc(16, 2), NONE))
    assert.ok(generate(16, NONE))
    core.call.drbgUninstantiate()
    assert.is(generate(16, NONE), null)
  }),
)

test(
  'too little entropy is refused, and a failed start leaves no instance',
  core.checked(() => {
    assert.ok(instantiate(Buffer.alloc(32, 1), Buffer.alloc(16, 2), NONE))
    assert.not(reseed(Buffer.alloc(31), NONE))
    assert.not(instantiate(Buffer.alloc(31, 1), Buffer.alloc(16, 2), NONE))
    assert.is(generate(16, NONE), null)
    assert.not(instantiate(Buffer.alloc(32, 1), Buffer.alloc(15, 2), NONE))
    assert.is(generate(16, NONE), null)
  }),
)

test(
  'a request is at most 65,536 bytes',
  core.checked(() => {
    assert.ok(instantiate(Buffer.alloc(32, 1), Buffer.alloc(16, 2), NONE))
    assert.ok(generate(65536, NONE))
    assert.is(generate(65537, NONE), null)
    assert.is(core.call.drbgGenerate(core.room(16), -1, core.room(0), 0), 0)
  }),
)

test.run()
