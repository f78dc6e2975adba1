// The accelerator's own P-384: scalars at which its digits meet the edges of their range, and what a call leaves behind.
import { createECDH, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { instantiateSync } from '@assemblyscript/loader'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CURVE_P384, PKA_EC_PUBLIC, PKA_ECDH } from '../../assembly/protocol.js'
import { P384 } from '../../host/board/curves.js'
import { ok } from './pka-support.js'

const test = suite('board: accelerator, P-384')

const ID = Uint8Array.of(CURVE_P384)
const { n, length } = P384
const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex')

function openSsl(scalar: bigint): ReturnType<typeof createECDH> {
  const ecdh = createECDH(P384.name)
  ecdh.setPrivateKey(bytesOf(scalar))
  return ecdh
}

/** Small and large ones, powers of two, and those for which the last of the sums meets the same point twice. */
const EDGES: readonly bigint[] = [
  ...Array.from({ length: 40 }, (_, i) => BigInt(i + 1)),
  ...Array.from({ length: 40 }, (_, i) => n - BigInt(i + 1)),
  ...Array.from({ length: 48 }, (_, i) => 2n ** BigInt(8 * i + 7)),
  30n * 2n ** 380n - n,
  2n * n - 30n * 2n ** 380n,
  n / 2n,
  n / 2n + 1n,
]

test('multiples of G and of other points are OpenSSL’s, at every edge', () => {
  const peer = openSsl(0x1234567890abcdefn).getPublicKey()
  for (const scalar of EDGES) {
    const theirs = openSsl(scalar)
    assert.equal(ok(PKA_EC_PUBLIC, ID, bytesOf(scalar)), theirs.getPublicKey(), `${scalar.toString(16)} G`)
    assert.equal(ok(PKA_ECDH, ID, bytesOf(scalar), peer), theirs.computeSecret(peer), `${scalar.toString(16)} P`)
  }
})

test('nothing that a call leaves in memory depends on its scalar', () => {
  const wasm = readFileSync(new URL('../../accelerator.wasm', import.meta.url))
  const { exports } = instantiateSync<{
    readonly memory: WebAssembly.Memory
    scalar(): number
    point(): number
    multiplyBase(): void
    multiplyPoint(): void
    [name: string]: unknown
  }>(wasm, {})
  const memory = new Uint8Array(exports.memory.buffer)
  const [scalar, point] = [exports.scalar(), exports.point()]
  const peer = openSsl(77n).getPublicKey().subarray(1)
  /** The memory after a call, the result left out. */
  const after = (multiply: () => void): Buffer => {
    memory.set(peer, point)
    memory.set(randomBytes(length).fill(0, 0, 1), scalar)
    multiply()
    assert.ok(memory.subarray(point, point + 2 * length).some((byte) => byte !== 0))
    memory.fill(0, point, point + 2 * length)
    return Buffer.from(memory)
  }
  // The first multiples of G are made without its table.
  const { multiplyBase, multiplyPoint } = exports
  for (const multiply of [multiplyBase, multiplyPoint, multiplyBase, multiplyBase, multiplyBase]) {
    after(multiply)
    const [first, second] = [after(multiply), after(multiply)]
    assert.ok(first.equals(second), `${multiply.name} leaves something of its scalar`)
  }
})

test.run()
