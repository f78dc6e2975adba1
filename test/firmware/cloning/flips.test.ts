// test-timeout: 400
// Every byte of every message flipped on its way to the firmware (OBC-1 §14, test 2): never a stored object, never an accepted result,
// and the session is over unless only one object was hit.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { reasonOf } from '../../../host/client/index.js'
import { RED_KEY } from '../../oracle/obc1/crypto.js'
import { vector } from '../../oracle/obc1/known-answers.js'
import { NO_HANDLE, ProtocolError } from '../../oracle/obc1/messages.js'
import { codeOf, refuses } from '../support/expect.js'
import type { Officer } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import {
  aesObject,
  bytesOf,
  DOMAIN,
  deliver,
  firmwareEnd,
  flip,
  helloFrom,
  helloTo,
  objectCount,
  oracleSource,
  oracleTarget,
} from './ends.js'

/** Eight bits per byte would take eight times as long; the bit moves with the place instead. */
const bitOf = (at: number): number => 1 << (at % 8)

/** Asserts that nobody accepts what is done here: the oracle's own checks. */
function oracleRefuses(action: () => unknown, what: string): void {
  try {
    action()
  } catch (error) {
    assert.instance(error, ProtocolError, what)
    return
  }
  assert.unreachable(`${what}: nothing was refused`)
}

/** How often each return code came. */
class Tally {
  readonly #seen = new Map<string, number>()

  /** What the command answers; undefined where the token refuses it. */
  async count<Answer>(command: Promise<Answer>): Promise<Answer | undefined> {
    let answer: Answer | undefined
    const keep = async () => {
      answer = await command
    }
    const reason = reasonOf(await codeOf(keep()))
    this.#seen.set(reason, this.of(reason) + 1)
    return answer
  }

  of(reason: string): number {
    return this.#seen.get(reason) ?? 0
  }

  get reasons(): string[] {
    return [...this.#seen.keys()].sort()
  }
}

async function isUsable(to: Officer): Promise<void> {
  const before = await objectCount(to)
  const source = await helloTo(to)
  source.result(await deliver(to, source.batch([aesObject(before)], { last: true })))
  await to.client.cloning.targetClose(to.session, source.close())
  assert.is(await objectCount(to), before + 1)
}

const test = suite('firmware: every byte of a cloning message flipped')

test('M1 to the target', async () => {
  const to = await firmwareEnd('m1')
  const outcomes = new Tally()
  const { length } = oracleSource().init()
  for (let at = 0; at < length; at++) {
    const source = oracleSource()
    const m1 = flip(source.init(), at, bitOf(at))
    const m2 = await outcomes.count(to.client.cloning.targetInit(to.session, m1))
    // A nonce or a suite may be anything; but then the two sides have seen different hellos.
    if (m2) oracleRefuses(() => source.targetHello(Buffer.from(m2)), `byte ${at}`)
  }
  assert.is(await objectCount(to), 0)
  const expected = ['NEGOTIATION_INVALID', 'NEGOTIATION_NO_ALGS', 'NEGOTIATION_NO_ROOTS', 'OK']
  assert.equal(outcomes.reasons, expected)
  assert.ok(outcomes.of('OK') >= 48, 'sidS and the nonce at least')
  await isUsable(to)
})

test('M2 with three domains to the source', async () => {
  const from = await firmwareEnd('m2')
  const handle = await from.client.objects.create(from.session, dataObject('data', 'value'))
  const others = ['x', 'y'].map((name) => ({ vector: vector(name), type: RED_KEY }))
  const [x, y] = others
  const domains = x && y ? [x, DOMAIN, y] : []
  const { cloning } = from.client
  const outcomes = new Tally()
  const { target, stored } = oracleTarget({ domains })
  let length = 1
  for (let at = 0; at < length; at++) {
    const m1 = await cloning.sourceInit(from.session)
    const m2 = target.init(Buffer.from(m1))
    length = m2.length
    const accepted = outcomes.of('OK')
    await outcomes.count(cloning.sourceHello(from.session, flip(m2, at, bitOf(at))))
    if (outcomes.of('OK') === accepted) {
      // The session is gone with the first fault.
      await refuses(protocol.RC_CLONE_SESSION_INVALID, cloning.sourceHello(from.session, m2), `byte ${at}`)
      continue
    }
    assert.ok(at >= 712 && (at < 744 || at >= 776), `byte ${at} is not one of an unused tag`)
    const { message } = await cloning.sourceBatch(from.session, [handle], true)
    oracleRefuses(() => target.batch(Buffer.from(message)), `byte ${at}`)
  }
  assert.is(length, 712 + 3 * 32)
  assert.is(stored.length, 0)
  assert.is(outcomes.of('OK'), 64, 'the two tags of domains that are not shared')
  assert.equal(outcomes.reasons, [
    ...['NEGOTIATION_INVALID', 'NEGOTIATION_NO_ALGS', 'NEGOTIATION_NO_PSK', 'NEGOTIATION_NO_ROOTS', 'OK'],
  ])
})

test('M3 with one object to the target', async () => {
  const to = await firmwareEnd('m3')
  const outcomes = new Tally()
  let length = 1
  for (let at = 0; at < length; at++) {
    const source = await helloTo(to)
    const m3 = source.batch([aesObject(1)])
    length = m3.length
    const m4 = await outcomes.count(deliver(to, flip(m3, at, bitOf(at))))
    if (!m4) {
      const again = to.client.cloning.targetBatch(to.session, m3, true)
      await refuses(protocol.RC_CLONE_SESSION_INVALID, again, `byte ${at}`)
      continue
    }
    assert.equal(source.result(m4), [{ seq: 0, code: protocol.RC_CERTIFICATE_DATA_INVALID, handle: NO_HANDLE }])
  }
  assert.is(await objectCount(to), 0)
  // All of the envelope but seq, its two lengths and the GCM tag; those the batch MAC covers, and they refuse the batch.
  const envelope = length - 16 - 56 - 32
  assert.is(outcomes.of('OK'), envelope - 28)
  assert.equal(outcomes.reasons, ['CLONE_SESSION_INVALID', 'NEGOTIATION_INVALID', 'OK'])
  await isUsable(to)
})

test('M4 with a good and a bad result to the source', async () => {
  const from = await firmwareEnd('m4')
  const { cloning, objects } = from.client
  const handles = [
    await objects.create(from.session, dataObject('one', 'value')),
    await objects.create(from.session, dataObject('two', bytesOf('two', 20))),
  ]
  const { target, stored } = oracleTarget()
  await helloFrom(from, target)
  const { message: first } = await cloning.sourceBatch(from.session, handles.slice(0, 1), true)
  target.batch(Buffer.from(first))
  let length = 1
  for (let at = 0; at < length; at++) {
    await helloFrom(from, target)
    const { message } = await cloning.sourceBatch(from.session, handles, false)
    // The first object is there already, the second is new each time.
    stored.splice(1)
    const m4 = target.batch(Buffer.from(message))
    length = m4.length
    const what = `byte ${at}`
    await refuses(protocol.RC_NEGOTIATION_INVALID, cloning.sourceResult(from.session, flip(m4, at, bitOf(at))), what)
    await refuses(protocol.RC_CLONE_SESSION_INVALID, cloning.sourceResult(from.session, m4), what)
  }
  assert.is(length, 16 + 24 + 2 * 16 + 32)
})

test('CLOSE to the target', async () => {
  const to = await firmwareEnd('m5')
  let length = 1
  for (let at = 0; at < length; at++) {
    const source = await helloTo(to)
    await deliver(to, source.batch([]))
    const m5 = source.close()
    length = m5.length
    const { cloning } = to.client
    await refuses(
      protocol.RC_NEGOTIATION_INVALID,
      cloning.targetClose(to.session, flip(m5, at, bitOf(at))),
      `byte ${at}`,
    )
    await refuses(protocol.RC_CLONE_SESSION_INVALID, cloning.targetClose(to.session, m5), `byte ${at}`)
  }
  await isUsable(to)
})

test.run()
