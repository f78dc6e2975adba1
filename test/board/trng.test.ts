import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { VirtualClock } from '../../host/board/clock.js'
import { NonVolatileMemory, State } from '../../host/board/non-volatile.js'
import { SeededTrng, SystemTrng } from '../../host/board/trng.js'
import { fails } from './support.js'

const test = suite('board: random bytes and time')

function draw(seed: string, state: State, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  new SeededTrng(seed, new NonVolatileMemory(state)).fill(bytes)
  return bytes
}

test('a seed decides the stream, whatever pieces it is drawn in', () => {
  const whole = draw('a seed', State.blank(FLASH_SECTOR), 1000)
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 200 }), { maxLength: 5 }), (lengths) => {
      const state = State.blank(FLASH_SECTOR)
      const pieces = Buffer.concat(lengths.map((length) => draw('a seed', state, length)))
      assert.equal(pieces, whole.subarray(0, pieces.length))
      assert.is(state.randomPosition, BigInt(pieces.length))
    }),
  )
})

test('the stream is SHA-512 of the seed’s hash and a counter', () => {
  const seed = createHash('sha512').update('a seed').digest()
  const block = (index: number): Buffer =>
    createHash('sha512')
      .update('moonlet TRNG')
      .update(seed)
      .update(Buffer.of(0, 0, 0, 0, 0, 0, 0, index))
      .digest()
  assert.equal(draw('a seed', State.blank(FLASH_SECTOR), 192), Buffer.concat([block(0), block(1), block(2)]))
})

test('seeds differ', () => {
  assert.not.equal(draw('a seed', State.blank(FLASH_SECTOR), 64), draw('b seed', State.blank(FLASH_SECTOR), 64))
})

test('the system gives other bytes each time', () => {
  const [a, b] = [new Uint8Array(32), new Uint8Array(32)]
  new SystemTrng().fill(a)
  new SystemTrng().fill(b)
  assert.not.equal(a, b)
})

test('drawing is a change of the state, one per transaction', () => {
  const commits: number[] = []
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR), {
    commit: (changes) => commits.push(changes.length),
  })
  const trng = new SeededTrng('s', memory)
  for (let i = 0; i < 10; i++) trng.fill(new Uint8Array(7))
  assert.ok(memory.dirty)
  memory.sync()
  assert.equal(commits, [1])
})

test('a virtual clock moves by whole milliseconds, forward only', async () => {
  const clock = new VirtualClock(1_000)
  clock.advance(234)
  assert.is(clock.now(), 1_234)
  for (const by of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    await fails('OPTION_INVALID', () => clock.advance(by))
  }
  assert.is(clock.now(), 1_234)
})

test.run()
