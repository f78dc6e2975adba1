import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  RC_OK,
  RC_SELF_TEST_AES,
  RC_SELF_TEST_DRBG,
  RC_SELF_TEST_GCM,
  RC_SELF_TEST_HMAC,
  RC_SELF_TEST_KDF,
  RC_SELF_TEST_KEY_WRAP,
  RC_SELF_TEST_PBKDF2,
  RC_SELF_TEST_SHA,
} from '../../assembly/protocol.js'
import { Core, equalBytes } from './core.js'

const test = suite('self-tests of the crypto core')
const core = new Core()
core.after(() => {
  core.call.selfTestCorrupt(0)
  core.assertNothingLeft()
})

const CODES = [
  RC_SELF_TEST_SHA,
  RC_SELF_TEST_HMAC,
  RC_SELF_TEST_AES,
  RC_SELF_TEST_KEY_WRAP,
  RC_SELF_TEST_GCM,
  RC_SELF_TEST_KDF,
  RC_SELF_TEST_PBKDF2,
  RC_SELF_TEST_DRBG,
]

test(
  'all known answers are right, again and again',
  core.checked(() => {
    for (let i = 0; i < 3; i++) assert.is(core.call.cryptoSelfTest(), RC_OK)
  }),
)

test(
  'a wrong known answer is reported by the code of its algorithm',
  core.checked(() => {
    for (const code of CODES) {
      core.call.selfTestCorrupt(code)
      assert.is(core.call.cryptoSelfTest(), code)
      core.call.selfTestCorrupt(0)
      assert.is(core.call.cryptoSelfTest(), RC_OK)
    }
  }),
)

test(
  'any byte of any known answer counts',
  core.checked(() => {
    // The answers lie in the statics; one is found by its text, as a memory fault would hit it.
    const answers = [
      { code: RC_SELF_TEST_SHA, hex: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
      { code: RC_SELF_TEST_AES, hex: '8ea2b7ca516745bfeafc49904b496089' },
      {
        code: RC_SELF_TEST_KEY_WRAP,
        hex: '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21',
      },
      { code: RC_SELF_TEST_GCM, hex: '76fc6ece0f4e1768cddf8853bb2d551b' },
      { code: RC_SELF_TEST_GCM, hex: '1fc64fbfaccd' },
      {
        code: RC_SELF_TEST_KDF,
        hex: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      },
      ...[
        '238b4fe5847e44b2',
        '2269552ab0f85ca6',
        '5ebac6e0054e166819aff1cc6d346cdb',
        'd718fbd6ab644c739da95f3be6451778',
      ]
        .concat('9ac7cc9a609d1ef7b2932899cde41b97')
        .map((hex) => ({ code: RC_SELF_TEST_AES, hex })),
      ...['900150983cd24fb0d6963f7d28e17f72', 'da853b0d3f88d99b30283a69e6ded6bb'].map((hex) => ({
        ...{ code: RC_SELF_TEST_SHA, hex },
      })),
      // HMAC_DRBG: the ends of the answers without prediction resistance and with it, each the second of its instance.
      { code: RC_SELF_TEST_DRBG, hex: '9c314421cdb55fbd' },
      { code: RC_SELF_TEST_DRBG, hex: '8666f6f61d60cbe2' },
    ]
    const statics = Buffer.from(core.memory.buffer, core.call.staticsBegin(), core.call.staticsEnd())
    for (const { code, hex } of answers) {
      const at = statics.indexOf(Buffer.from(hex, 'hex'))
      assert.ok(at >= 0, `${hex} is not in the statics`)
      for (let i = 0; i < hex.length / 2; i++) {
        core.memory[at + i] = (core.memory[at + i] ?? 0) ^ 0x80
        assert.is(core.call.cryptoSelfTest(), code, `byte ${i} of ${hex}`)
        core.memory[at + i] = (core.memory[at + i] ?? 0) ^ 0x80
      }
    }
  }),
)

test(
  'the random generator goes on where it was',
  core.checked(() => {
    const seed = core.put(Buffer.alloc(48, 0x21))
    const start = () => assert.is(core.call.drbgInstantiate(false, seed, 32, seed + 32, 16, seed, 0), 1)
    const out = core.room(64)
    const next = () => {
      assert.is(core.call.drbgGenerate(out, 64, seed, 0), 1)
      return core.take(out, 64)
    }
    start()
    const expected = [next(), next()]
    start()
    const first = next()
    assert.is(core.call.cryptoSelfTest(), RC_OK)
    const second = next()
    equalBytes(first, expected[0] ?? first)
    equalBytes(second, expected[1] ?? first)
    core.call.drbgUninstantiate()
  }),
)

test.run()
