// Keys agreed on through the door, held against OpenSSL and published values.
import { createECDH, createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { CKR } from '../../host/pkcs11/errors.js'
import type { CkMechanism } from '../../host/pkcs11/mechanism-codec.js'
import { fill } from '../firmware/support/crypt-keys.js'
import { bare, Desk, generic, HASHES, hex, open } from './mechanism-desk.js'
import { ckrOf, data, flag, number } from './support.js'

const test = suite('pkcs11 mechanisms: key agreement')
const { CKK_AES } = protocol

let desk: Desk

test.before(async () => {
  desk = await Desk.open()
})

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const CURVES = [
  { name: 'prime256v1', oid: '06082a8648ce3d030107', length: 32 },
  { name: 'secp384r1', oid: '06052b81040022', length: 48 },
  { name: 'secp521r1', oid: '06052b81040023', length: 66 },
  { name: 'secp256k1', oid: '06052b8104000a', length: 32 },
]

const ecdh = (type: number, kdf: number, point: Uint8Array, shared: Uint8Array = new Uint8Array(0)): CkMechanism => ({
  type,
  parameter: { form: 'ecdh', kdf, shared, point },
})

test('ECDH on every curve: the secret itself, or through a hash, with points bare and in DER', async () => {
  const kdfs = [2, 5, 6, 7, 8, 0x0a, 0x0b, 0x0c, 0x0d]
  for (const { name, oid, length } of CURVES) {
    const [open_, own] = await desk.pair(
      bare(protocol.CKM_EC_KEY_PAIR_GEN),
      [data(protocol.CKA_EC_PARAMS, hex(oid))],
      [flag(protocol.CKA_DERIVE, true)],
    )
    const wrapped = await desk.value(open_, protocol.CKA_EC_POINT)
    const point = wrapped.subarray(wrapped.length - 1 - 2 * length)
    const theirs = createECDH(name)
    const public_ = theirs.generateKeys()
    const z = theirs.computeSecret(point)
    for (const type of [protocol.CKM_ECDH1_DERIVE, protocol.CKM_ECDH1_COFACTOR_DERIVE]) {
      assert.equal(await desk.derived(ecdh(type, 1, public_), own, generic(0)), z, name)
      const head = public_.length > 127 ? Buffer.of(4, 0x81, public_.length) : Buffer.of(4, public_.length)
      const der = Buffer.concat([head, public_])
      // What is too much is taken off at the front.
      assert.equal(await desk.derived(ecdh(type, 1, der), own, open(CKK_AES, 16)), z.subarray(-16))
    }
    for (const [i, { name: hash }] of HASHES.entries()) {
      const make = (n: number) => createHash(hash).update(z).update(u32(n)).update(fill(7)).digest()
      const expected = Buffer.concat([make(1), make(2), make(3)]).subarray(0, 50)
      const how = ecdh(protocol.CKM_ECDH1_DERIVE, kdfs[i] ?? 0, public_, fill(7))
      assert.equal(await desk.derived(how, own, generic(50)), expected, `${name} ${hash}`)
    }
    const first = createHash('sha256').update(u32(1)).update(z).update(fill(7)).digest()
    assert.equal(
      await desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 0x80000014, public_, fill(7)), own, generic(32)),
      first,
    )
    const off = Buffer.from(public_)
    off[off.length - 1] = (off[off.length - 1] ?? 0) ^ 1
    for (const bad of [off, public_.subarray(1), Buffer.alloc(public_.length)]) {
      assert.is(
        await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, bad), own, generic(0))),
        CKR.MECHANISM_PARAM_INVALID,
      )
    }
    assert.is(
      await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, public_, fill(1)), own, generic(0))),
      CKR.MECHANISM_PARAM_INVALID,
    )
    assert.is(
      await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 99, public_), own, generic(0))),
      CKR.MECHANISM_PARAM_INVALID,
    )
    assert.is(
      await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, public_), own, generic(length + 1))),
      0x62,
    )
  }
})

test('ECDH of NIST CAVP, P-256, count 0', async () => {
  // KAS_ECC_CDH_PrimitiveTest: dIUT, QCAVS, ZIUT.
  const scalar = hex('7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534')
  const x = '700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287'
  const y = 'db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac'
  const own = await desk.create([
    number(protocol.CKA_CLASS, protocol.CKO_PRIVATE_KEY),
    number(protocol.CKA_KEY_TYPE, protocol.CKK_EC),
    data(protocol.CKA_EC_PARAMS, hex('06082a8648ce3d030107')),
    data(protocol.CKA_VALUE, scalar),
    flag(protocol.CKA_DERIVE, true),
  ])
  const z = hex('46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b')
  assert.equal(await desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, hex(`04${x}${y}`)), own, generic(0)), z)
})

/** Of each family one: SEC 2 prime and binary, X9.62 prime and binary, Brainpool; orders longer and shorter than coordinates. */
const OLD_CURVES = [
  { name: 'secp112r1', oid: '06052b81040006', length: 14, order: 14 },
  { name: 'secp160k1', oid: '06052b81040009', length: 20, order: 21 },
  { name: 'sect163k1', oid: '06052b81040001', length: 21, order: 0 },
  { name: 'sect571r1', oid: '06052b81040027', length: 72, order: 0 },
  { name: 'prime239v1', oid: '06082a8648ce3d030104', length: 30, order: 30 },
  { name: 'c2pnb176v1', oid: '06082a8648ce3d030004', length: 22, order: 0 },
  { name: 'brainpoolP512r1', oid: '06092b240303020801010d', length: 64, order: 64 },
]

test('ECDH and ECDSA on older curves; those over binary fields sign nothing', async () => {
  for (const { name, oid, length, order } of OLD_CURVES) {
    const pair = () =>
      desk.pair(
        bare(protocol.CKM_EC_KEY_PAIR_GEN),
        [data(protocol.CKA_EC_PARAMS, hex(oid)), flag(protocol.CKA_VERIFY, true)],
        [flag(protocol.CKA_DERIVE, true), flag(protocol.CKA_SIGN, true)],
      )
    const [[open_, own], [theirOpen, their]] = [await pair(), await pair()]
    const [mine, point] = [
      await desk.value(open_, protocol.CKA_EC_POINT),
      await desk.value(theirOpen, protocol.CKA_EC_POINT),
    ]
    const z = await desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, point), own, generic(0))
    assert.is(z.length, length, name)
    assert.equal(await desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, mine), their, generic(0)), z)
    const node = createECDH(name)
    const theirs = node.generateKeys()
    const expected = node.computeSecret(mine.subarray(mine.length - 1 - 2 * length))
    assert.equal(
      await desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, theirs), own, generic(0)),
      expected,
      `${name} with OpenSSL`,
    )
    const off = Buffer.from(theirs)
    off[off.length - 1] = (off[off.length - 1] ?? 0) ^ 1
    assert.is(
      await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_DERIVE, 1, off), own, generic(0))),
      CKR.MECHANISM_PARAM_INVALID,
    )
    assert.is(
      await ckrOf(() => desk.derived(ecdh(protocol.CKM_ECDH1_COFACTOR_DERIVE, 1, theirs), own, generic(0))),
      0x140,
    )
    const ecdsa = bare(protocol.CKM_ECDSA_SHA256)
    if (order === 0) {
      assert.is(await ckrOf(() => desk.sign(ecdsa, own, fill(3))), 0x140)
      continue
    }
    const signature = await desk.sign(ecdsa, own, fill(3))
    assert.is(signature.length, 2 * order, name)
    await desk.verify(ecdsa, open_, fill(3), signature)
    assert.is(await ckrOf(() => desk.verify(ecdsa, open_, fill(4), signature)), 0xc0)
    assert.is(await ckrOf(() => desk.verify(ecdsa, theirOpen, fill(3), signature)), 0xc0)
    const long = await desk.signParts(bare(protocol.CKM_ECDSA), own, fill(2048), 1024)
    await desk.verify(bare(protocol.CKM_ECDSA), open_, fill(2048), long)
  }
})

test.run()
