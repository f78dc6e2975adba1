import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  sign,
  verify,
} from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  CURVE_P384,
  FLASH_SECTOR,
  PERIPHERAL_INVALID,
  PKA_EC_GENERATE,
  PKA_RSA_GENERATE,
  PKA_RSA_PRIVATE,
  PKA_RSA_PUBLIC,
} from '../../assembly/protocol.js'
import { NonVolatileMemory, Pka, SeededTrng, State } from '../../host/board/index.js'
import { hex, ok, pka, run, sized } from './pka-support.js'
import { u32 } from './support.js'

const test = suite('board: accelerator, RSA')

const PARTS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'] as const
type Parts = { readonly [part in (typeof PARTS)[number]]: Buffer }

function opensslKey(bits: number): { secret: KeyObject; parts: Parts } {
  const secret = generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
  const { n = '', e = '', d = '', p = '', q = '', dp = '', dq = '', qi = '' } = secret.export({ format: 'jwk' })
  const from = (text: string): Buffer => Buffer.from(text, 'base64url')
  return {
    secret,
    parts: { n: from(n), e: from(e), d: from(d), p: from(p), q: from(q), dp: from(dp), dq: from(dq), qi: from(qi) },
  }
}

const privateOperands = (parts: Parts): Buffer[] => PARTS.map((part) => sized(parts[part]))
const publicOperands = ({ n, e }: Pick<Parts, 'n' | 'e'>): Buffer[] => [sized(n), sized(e)]
const EXPONENT = hex('010001')

function fields(result: Buffer): Buffer[] {
  const rows: Buffer[] = []
  for (let at = 0; at < result.length; ) {
    const length = result.readUInt32BE(at)
    rows.push(result.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return rows
}

function generateRsa(on: Pka, bits: number, e = EXPONENT): { key: KeyObject; parts: Parts } {
  const output = Buffer.alloc(8192)
  const length = on.run(PKA_RSA_GENERATE, Buffer.concat([u32(bits), sized(e)]), output)
  const [n, d, p, q, dp, dq, qi, ...more] = fields(output.subarray(0, length))
  assert.is(more.length, 0)
  if (!n || !d || !p || !q || !dp || !dq || !qi) throw new Error('a part is missing')
  const parts = { n, e, d, p, q, dp, dq, qi }
  const text = (part: Buffer): string => part.toString('base64url')
  const key = createPrivateKey({
    key: {
      kty: 'RSA',
      n: text(n),
      e: text(e),
      d: text(d),
      p: text(p),
      q: text(q),
      dp: text(dp),
      dq: text(dq),
      qi: text(qi),
    },
    format: 'jwk',
  })
  return { key, parts }
}

test('a made RSA key is one for OpenSSL, and works both ways', () => {
  for (const bits of [1024, 2048]) {
    const { key, parts } = generateRsa(pka, bits)
    assert.is(key.asymmetricKeyDetails?.modulusLength, bits)
    const message = Buffer.from('message')
    assert.ok(verify('sha256', message, createPublicKey(key), sign('sha256', message, key)))
    const block = Buffer.alloc(bits / 8, 0x11)
    const raised = ok(PKA_RSA_PUBLIC, ...publicOperands(parts), block)
    assert.equal(ok(PKA_RSA_PRIVATE, ...privateOperands(parts), raised), block)
  }
})

test('the primes fit the exponent', () => {
  for (let round = 0; round < 4; round++) {
    const { parts } = generateRsa(pka, 1024, Buffer.of(3))
    const block = Buffer.alloc(128, 0x22)
    const raised = ok(PKA_RSA_PUBLIC, ...publicOperands(parts), block)
    assert.equal(ok(PKA_RSA_PRIVATE, ...privateOperands(parts), raised), block)
  }
})

test('a seeded board makes the same keys again, and others next', () => {
  const made = (): { rsa: Buffer[]; ec: Buffer } => {
    const seeded = new Pka(new SeededTrng('keys', new NonVolatileMemory(State.blank(FLASH_SECTOR))))
    const ec = Buffer.alloc(200)
    const rsa = [generateRsa(seeded, 1024), generateRsa(seeded, 1024)].map(({ parts }) => parts.n)
    seeded.run(PKA_EC_GENERATE, Uint8Array.of(CURVE_P384), ec)
    return { rsa, ec }
  }
  const first = made()
  assert.equal(made(), first)
  assert.not.equal(first.rsa[0], first.rsa[1])
})

test('raw RSA agrees with OpenSSL', () => {
  const { secret, parts } = opensslKey(2048)
  const padding = constants.RSA_NO_PADDING
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 255, maxLength: 255 }), (tail) => {
      const block = Buffer.concat([Buffer.alloc(1), tail])
      const raised = publicEncrypt({ key: createPublicKey(secret), padding }, block)
      assert.equal(ok(PKA_RSA_PUBLIC, ...publicOperands(parts), block), raised)
      assert.equal(ok(PKA_RSA_PRIVATE, ...privateOperands(parts), raised), block)
    }),
    { numRuns: 20 },
  )
  const leading = { ...parts, n: Buffer.concat([Buffer.alloc(3), parts.n]) }
  const block = Buffer.alloc(256, 1)
  assert.equal(
    ok(PKA_RSA_PUBLIC, ...publicOperands(leading), block),
    ok(PKA_RSA_PUBLIC, ...publicOperands(parts), block),
  )
})

test('RSA operands that cannot be are refused', () => {
  const { parts } = opensslKey(1024)
  const block = Buffer.alloc(128, 1)
  const invalid = (op: number, ...operands: readonly Uint8Array[]): void =>
    assert.is(run(op, ...operands).status, -PERIPHERAL_INVALID)
  for (const bad of [Buffer.alloc(127), Buffer.alloc(129), Buffer.alloc(0), Buffer.alloc(128, 0xff), parts.n]) {
    invalid(PKA_RSA_PRIVATE, ...privateOperands(parts), bad)
    invalid(PKA_RSA_PUBLIC, ...publicOperands(parts), bad)
  }
  invalid(PKA_RSA_PRIVATE, ...privateOperands({ ...parts, p: Buffer.alloc(0) }), block)
  invalid(PKA_RSA_PRIVATE, ...privateOperands({ ...parts, n: Buffer.alloc(1025, 1) }), block)
  invalid(PKA_RSA_PRIVATE, Buffer.concat(privateOperands(parts)).subarray(0, -1))
  invalid(PKA_RSA_PRIVATE, u32(0xffffffff), block)
  invalid(PKA_RSA_PUBLIC, ...publicOperands({ n: Buffer.alloc(128), e: EXPONENT }), block)
  for (const bits of [0, 512, 1023, 1025, 16384, 0xffffffff]) invalid(PKA_RSA_GENERATE, u32(bits), sized(EXPONENT))
  for (const e of [0, 1, 2, 4]) invalid(PKA_RSA_GENERATE, u32(1024), sized(Uint8Array.of(e)))
})

test.run()
