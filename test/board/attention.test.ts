// How long an event loop stays awake after news, and when it gives that up.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Attention } from '../../host/board/index.js'

const test = suite('board: attention')

/** An event loop whose time stands still but for what is said. */
class Loop {
  now = 0
  readonly attention: Attention
  #next: (() => void) | undefined

  constructor(cores: number) {
    this.attention = new Attention({ now: () => this.now, later: this.#later, cores })
  }

  get isAwake(): boolean {
    return this.#next !== undefined
  }

  /** Looks once, so many milliseconds later. */
  look(milliseconds: number): void {
    this.now += milliseconds
    const next = this.#next
    this.#next = undefined
    next?.()
  }

  /** Looks every 10 microseconds until it sleeps. @returns how often */
  untilAsleep(): number {
    let looks = 0
    while (this.isAwake) {
      this.look(0.01)
      looks++
      assert.ok(looks < 1000, 'it never sleeps')
    }
    return looks
  }

  readonly #later = (look: () => void): void => {
    assert.not(this.#next, 'it looks once in a turn')
    this.#next = look
  }
}

test('it stays awake for a moment after news, longer after more of it, and sleeps then', () => {
  const loop = new Loop(2)
  loop.attention.stay()
  const alone = loop.untilAsleep()
  assert.ok(alone > 1)
  loop.attention.stay()
  loop.look(0.01)
  loop.attention.stay()
  loop.attention.stay()
  assert.ok(loop.untilAsleep() + 1 > alone)
})

test('where there is one core, others need it', () => {
  const loop = new Loop(1)
  loop.attention.stay()
  assert.not(loop.isAwake)
})

test('a look that comes late is the last: another wants the core', () => {
  const loop = new Loop(2)
  loop.attention.stay()
  loop.look(0.01)
  assert.ok(loop.isAwake)
  loop.look(5)
  assert.not(loop.isAwake)
})

test('what its news take is no other: it goes on', () => {
  const loop = new Loop(2)
  loop.attention.stay()
  loop.attention.stay()
  loop.look(5)
  assert.ok(loop.isAwake)
})

test('where it never pays it is given up, and tried once in a while; where it pays again it is back', () => {
  const loop = new Loop(2)
  let tries = 0
  for (let i = 0; i < 1000; i++) {
    loop.attention.stay()
    if (loop.isAwake) tries++
    loop.untilAsleep()
  }
  assert.ok(tries >= 10 && tries <= 30, `${tries} of 1000`)

  while (!loop.isAwake) loop.attention.stay()
  loop.attention.stay()
  loop.untilAsleep()
  for (let i = 0; i < 3; i++) {
    loop.attention.stay()
    assert.ok(loop.isAwake)
    loop.untilAsleep()
  }
})

test.run()
