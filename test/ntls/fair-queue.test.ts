import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FairQueue } from '../../host/ntls/fair-queue.js'

const test = suite('NTLS: turns')

/** Work that runs until it is told to end. */
class Works {
  readonly started: string[] = []
  readonly #ends: (() => void)[] = []

  start = (name: string) => (): Promise<string> => {
    this.started.push(name)
    return new Promise((resolve) => this.#ends.push(() => resolve(name)))
  }

  async endOne(): Promise<void> {
    this.#ends.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const wanted = (): boolean => false

test('clients take turns, however much one of them has waiting, and none has more than four places', async () => {
  const [queue, works] = [new FairQueue(), new Works()]
  for (let i = 0; i < 100; i++) queue.run('greedy', wanted, works.start(`greedy ${i}`))
  assert.is(works.started.length, 4)
  for (let i = 0; i < 3; i++) queue.run('modest', wanted, works.start(`modest ${i}`))
  assert.equal(works.started.slice(4), ['modest 0', 'modest 1', 'modest 2'])
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 9; i++) queue.run(name, wanted, works.start(`${name} ${i}`))
  assert.is(works.started.length, 16)
  for (let i = 0; i < 130; i++) await works.endOne()
  assert.is(works.started.length, 130)
  const own = works.started.filter((name) => name.startsWith('greedy'))
  assert.equal(
    own,
    [...own].sort((a, b) => Number(a.slice(7)) - Number(b.slice(7))),
  )
})

test('what nobody wants any more is left out, and what fails leaves its place', async () => {
  const [queue, works] = [new FairQueue(), new Works()]
  const running = Array.from({ length: 4 }, (_, i) => queue.run('a', wanted, works.start(`a ${i}`)))
  const dropped = queue.run('a', () => true, works.start('dropped'))
  const failing = queue.run('a', wanted, () => Promise.reject(new Error('broken')))
  const last = queue.run('a', wanted, works.start('last'))
  const failure = failing.then(
    () => 'nothing',
    (error: Error) => error.message,
  )
  for (let i = 0; i < 5; i++) await works.endOne()
  assert.equal(await Promise.all(running), ['a 0', 'a 1', 'a 2', 'a 3'])
  assert.is(await dropped, undefined)
  assert.is(await failure, 'broken')
  assert.is(await last, 'last')
  assert.not.ok(works.started.includes('dropped'))
})

test.run()
