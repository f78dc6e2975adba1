import { cmac as nobleCmac } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import { suite } from 'uvu'
import { arbitraryBytes, arbitraryKey, bytes, CONTEXT, Core, equalBytes, readVectors, seedProperties } from './core.js'

const test = suite('CMAC')
const core = new Core()
seedProperties()

test(
  'the CMAC examples of SP 800-38B',
  core.checked(() => {
    for (const vector of readVectors('cmac.txt')) {
      const message = bytes(vector, 'message')
      const out = core.room(16)
      core.call.cmac(core.aesKey(bytes(vector, 'key')), core.put(message), message.length, out)
      equalBytes(core.take(out, 16), bytes(vector, 'mac'))
      core.reset()
    }
  }),
)

test(
  'CMAC of any length agrees with an independent implementation',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, arbitraryBytes(0, 100), (key, message) => {
        const out = core.room(16)
        core.call.cmac(core.aesKey(key), core.put(message), message.length, out)
        equalBytes(core.take(out, 16), nobleCmac(message, key))
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test(
  'a message in any pieces gives the same, and the context is wiped',
  core.checked(() => {
    fc.assert(
      fc.property(arbitraryKey, fc.array(arbitraryBytes(0, 50), { maxLength: 6 }), (key, parts) => {
        const [ctx, out] = [core.room(CONTEXT, 0x77), core.room(16)]
        core.call.cmacInit(ctx, core.aesKey(key))
        for (const part of parts) core.call.cmacUpdate(ctx, core.put(part), part.length)
        core.call.cmacFinal(ctx, out)
        equalBytes(core.take(out, 16), nobleCmac(Buffer.concat(parts), key))
        core.assertZero(ctx, 40, 'the CMAC context')
        core.assertNothingLeft()
        core.reset()
      }),
    )
  }),
)

test.run()
