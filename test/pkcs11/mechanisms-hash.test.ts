// Digests and MACs through the door, held against OpenSSL and published values.
import { createCipheriv, createHash, createHmac } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { bare, Desk, HASHES, withIv, withNumber } from './mechanism-desk.js'
import { ckrOf, needed, QUERY, room } from './support.js'

const test = suite('pkcs11 mechanisms: digests and MACs')
const { CKK_AES, CKK_DES2, CKK_DES3, CKK_GENERIC_SECRET } = protocol

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
const LENGTHS = [0, 1, 55, 56, 63, 64, 71, 72, 103, 104, 111, 112, 127, 128, 135, 136, 143, 144, 145, 1000]

test('every digest at once, of lengths around its block', async () => {
  for (const { name, hash } of HASHES) {
    for (const length of LENGTHS) {
      const input = fill(length, length)
      assert.equal(await desk.digest(hash, input), createHash(name).update(input).digest(), `${name} ${length}`)
    }
  }
})

test('every digest in parts, far beyond what one command holds', async () => {
  const input = fill(200_000, 7)
  for (const { name, hash } of HASHES) {
    const expected = createHash(name).update(input).digest()
    assert.equal(await desk.digestParts(hash, input, 33_333), expected, name)
    assert.equal(await desk.digest(hash, input), expected, `${name} at once`)
  }
  assert.equal(await desk.digestParts(protocol.CKM_SHA256, new Uint8Array(0), 1), createHash('sha256').digest())
})

test('C_DigestKey takes in the value of a secret key between parts', async () => {
  const { program, session } = desk
  const value = fill(48, 5)
  const key = await desk.secret(CKK_GENERIC_SECRET, value)
  for (const { name, hash, length } of HASHES) {
    await program.call(calls.digestInit, [session, bare(hash)])
    await program.call(calls.digestUpdate, [session, fill(70)])
    await program.call(calls.digestKey, [session, key])
    await program.call(calls.digestUpdate, [session, fill(9)])
    assert.is(needed(await program.call(calls.digestFinal, [session, QUERY])), length)
    const digest = await program.call(calls.digestFinal, [session, room(length)])
    const expected = createHash(name).update(fill(70)).update(value).update(fill(9)).digest()
    assert.equal(Buffer.from(digest instanceof Uint8Array ? digest : []), expected, name)
  }
  const [, privateKey] = await desk.pair(
    bare(protocol.CKM_EC_KEY_PAIR_GEN),
    [{ type: protocol.CKA_EC_PARAMS, value: hex('06082a8648ce3d030107') }],
    [],
  )
  await program.call(calls.digestInit, [session, bare(protocol.CKM_SHA256)])
  assert.is(await ckrOf(() => program.call(calls.digestKey, [session, privateKey])), 0x67)
  assert.is(await ckrOf(() => program.call(calls.digestFinal, [session, room(64)])), CKR.OPERATION_NOT_INITIALIZED)
})

test('a digest is one operation of its kind, needs no log-in, and ends with what fails', async () => {
  const { program, session } = desk
  await program.call(calls.digestInit, [session, bare(protocol.CKM_SHA256)])
  assert.is(
    await ckrOf(() => program.call(calls.digestInit, [session, bare(protocol.CKM_SHA256)])),
    CKR.OPERATION_ACTIVE,
  )
  assert.equal(await program.call(calls.digest, [session, fill(3), room(31)]), { missing: 32 })
  await program.call(calls.digest, [session, fill(3), room(32)])
  assert.is(await ckrOf(() => program.call(calls.digest, [session, fill(3), room(32)])), CKR.OPERATION_NOT_INITIALIZED)
  await program.call(calls.logout, session)
  assert.equal(
    await desk.digestParts(protocol.CKM_SHA384, fill(100), 9),
    createHash('sha384').update(fill(100)).digest(),
  )
  const user = Buffer.from('officer-password')
  await program.call(calls.login, [session, 1, user])
})

test('every HMAC, whole and cut, at once and in parts', async () => {
  const input = fill(150_000, 8)
  for (const size of [1, 64, 145, 512]) {
    const value = fill(size, size)
    const key = await desk.secret(CKK_GENERIC_SECRET, value)
    for (const { name, hash, length } of HASHES) {
      const short = createHmac(name, value).update(fill(77)).digest()
      assert.equal(await desk.sign(bare(hash + 1), key, fill(77)), short, `${name} ${size}`)
      await desk.verify(bare(hash + 1), key, fill(77), short)
      const cut = withNumber(hash + 2, 11)
      assert.equal(await desk.sign(cut, key, fill(77)), short.subarray(0, 11), `${name} cut`)
      await desk.verify(cut, key, fill(77), short.subarray(0, 11))
      assert.is(await ckrOf(() => desk.verify(cut, key, fill(77), short.subarray(0, 12))), 0xc1)
      for (const n of [0, length + 1]) {
        assert.is(await ckrOf(() => desk.sign(withNumber(hash + 2, n), key, fill(3))), CKR.MECHANISM_PARAM_INVALID)
      }
      if (size !== 64) continue
      const long = createHmac(name, value).update(input).digest()
      assert.equal(await desk.signParts(bare(hash + 1), key, input, 40_000), long, `${name} in parts`)
      await desk.verifyParts(bare(hash + 1), key, input, long, 70_000)
      const wrong = Buffer.from(long)
      wrong[0] = (wrong[0] ?? 0) ^ 1
      assert.is(await ckrOf(() => desk.verifyParts(bare(hash + 1), key, input, wrong, 70_000)), 0xc0)
    }
  }
})

/** CMAC of SP 800-38B over a block cipher that OpenSSL has. */
function cmac(cipher: string, key: Uint8Array, size: number, input: Uint8Array): Buffer {
  const block = (value: Uint8Array): Buffer => {
    const one = createCipheriv(cipher, key, null).setAutoPadding(false)
    return Buffer.concat([one.update(value), one.final()])
  }
  const doubled = (value: Buffer): Buffer => {
    const number = BigInt(`0x${value.toString('hex')}`)
    const top = number >> BigInt(8 * size - 1)
    const next = BigInt.asUintN(8 * size, number << 1n) ^ (top === 1n ? (size === 16 ? 0x87n : 0x1bn) : 0n)
    return Buffer.from(next.toString(16).padStart(2 * size, '0'), 'hex')
  }
  const first = doubled(block(Buffer.alloc(size)))
  const whole = input.length > 0 && input.length % size === 0
  const padded = whole ? Buffer.from(input) : Buffer.concat([input, Buffer.of(0x80), Buffer.alloc(size)])
  const message = padded.subarray(0, Math.ceil(Math.max(1, input.length) / size) * size)
  const last = message.subarray(message.length - size)
  const subkey = whole ? first : doubled(first)
  for (let i = 0; i < size; i++) last[i] = (last[i] ?? 0) ^ (subkey[i] ?? 0)
  const chain = createCipheriv(cipher.replace('ecb', 'cbc'), key, Buffer.alloc(size)).setAutoPadding(false)
  return Buffer.concat([chain.update(message), chain.final()]).subarray(-size)
}

const MACS = [
  { cipher: 'aes-128-ecb', keyType: CKK_AES, length: 16, size: 16, mac: protocol.CKM_AES_CMAC },
  { cipher: 'aes-256-ecb', keyType: CKK_AES, length: 32, size: 16, mac: protocol.CKM_AES_CMAC },
  { cipher: 'des-ede', keyType: CKK_DES2, length: 16, size: 8, mac: protocol.CKM_DES3_CMAC },
  { cipher: 'des-ede3-ecb', keyType: CKK_DES3, length: 24, size: 8, mac: protocol.CKM_DES3_CMAC },
]

test('CMAC with AES and Triple DES, at once and in parts', async () => {
  for (const { cipher, keyType, length, size, mac } of MACS) {
    const value = fill(length, 3)
    const key = await desk.secret(keyType, value)
    const ecb = cipher === 'des-ede' ? 'des-ede3-ecb' : cipher
    const own = cipher === 'des-ede' ? Buffer.concat([value, value.subarray(0, 8)]) : value
    for (const n of [0, 1, 7, 8, 9, 15, 16, 17, 40, 1024]) {
      const expected = cmac(ecb, own, size, fill(n, n))
      assert.equal(await desk.sign(bare(mac), key, fill(n, n)), expected, `${cipher} ${n}`)
      await desk.verify(bare(mac), key, fill(n, n), expected)
      assert.equal(
        await desk.sign(
          withNumber(mac === protocol.CKM_AES_CMAC ? protocol.CKM_AES_CMAC_GENERAL : protocol.CKM_DES3_CMAC_GENERAL, 4),
          key,
          fill(n, n),
        ),
        expected.subarray(0, 4),
      )
    }
    const long = fill(100_001, 4)
    const expected = cmac(ecb, own, size, long)
    assert.equal(await desk.signParts(bare(mac), key, long, 33_000), expected, cipher)
    await desk.verifyParts(bare(mac), key, long, expected, 64_000)
  }
})

test('CMAC of SP 800-38B, AES-128, example 3', async () => {
  const key = await desk.secret(CKK_AES, hex('2b7e151628aed2a6abf7158809cf4f3c'))
  const message = hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411')
  assert.equal(await desk.sign(bare(protocol.CKM_AES_CMAC), key, message), hex('dfa66747de9ae63030ca32611497c827'))
})

test('CBC-MACs are half a block, or as long as they are asked for', async () => {
  const aes = await desk.secret(CKK_AES, fill(16, 2))
  const cbc = createCipheriv('aes-128-cbc', fill(16, 2), Buffer.alloc(16)).setAutoPadding(false)
  const last = cbc.update(Buffer.concat([fill(20), Buffer.alloc(12)])).subarray(16)
  assert.equal(await desk.sign(bare(protocol.CKM_AES_MAC), aes, fill(20)), last.subarray(0, 8))
  assert.equal(await desk.signParts(withNumber(protocol.CKM_AES_MAC_GENERAL, 16), aes, fill(20), 3), last)
  const des = await desk.secret(CKK_DES3, fill(24, 2))
  const des3 = createCipheriv('des-ede3-cbc', fill(24, 2), Buffer.alloc(8)).setAutoPadding(false)
  const mac = des3.update(Buffer.concat([fill(20), Buffer.alloc(4)])).subarray(16)
  assert.equal(await desk.sign(bare(protocol.CKM_DES3_MAC), des, fill(20)), mac.subarray(0, 4))
  assert.equal(await desk.sign(withNumber(protocol.CKM_DES3_MAC_GENERAL, 8), des, fill(20)), mac)
})

test('GMAC is the tag of GCM over no plaintext', async () => {
  const key = await desk.secret(CKK_AES, fill(32, 6))
  const cipher = createCipheriv('aes-256-gcm', fill(32, 6), fill(12)).setAAD(fill(99))
  cipher.final()
  for (const type of [protocol.CKM_AES_GMAC, protocol.CKM_LUNA_AES_GMAC]) {
    const mac = await desk.sign(withIv(type, fill(12)), key, fill(99))
    assert.equal(mac, cipher.getAuthTag())
    await desk.verify(withIv(type, fill(12)), key, fill(99), mac)
    await desk.program.call(calls.signInit, [desk.session, withIv(type, fill(12)), key])
    assert.is(
      await ckrOf(() => desk.program.call(calls.signUpdate, [desk.session, fill(3)])),
      CKR.FUNCTION_NOT_SUPPORTED,
    )
  }
})

test('what the token keeps of a message in parts fits no other operation, and not in another power-up', async () => {
  const [{ client, partition } = { client: undefined, partition: 0 }] = await desk.slots.slots()
  if (!client) throw new Error('no slot')
  const session = await client.openSession(partition)
  const other = client.another()
  const theirs = await other.openSession(partition)
  const begin = { purpose: 'digest', mechanism: { mechanism: protocol.CKM_SHA256 }, key: 0, last: false } as const
  const state = await client.crypto.part(session, { ...begin, state: new Uint8Array(0), data: fill(10) })
  const go = { ...begin, state, data: fill(5), last: true }
  assert.equal(
    Buffer.from(await client.crypto.part(session, go)),
    createHash('sha256').update(fill(10)).update(fill(5)).digest(),
  )
  // The same once more is the same.
  assert.is((await client.crypto.part(session, go)).length, 32)
  const refused = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.is(error instanceof Error && 'ckr' in error ? error.ckr : 0, 0x160)
  }
  await refused(client.crypto.part(session, { ...go, mechanism: { mechanism: protocol.CKM_SHA384 } }))
  await refused(other.crypto.part(theirs, go))
  const flipped = Uint8Array.from(state)
  flipped[9] = (flipped[9] ?? 0) ^ 1
  await refused(client.crypto.part(session, { ...go, state: flipped }))
  await refused(client.crypto.part(session, { ...go, state: state.subarray(8) }))
})

test.run()
