import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import {
  type CloneResult,
  clone,
  shareDomain,
  TokenClient,
  TokenError,
  TransportError,
  Writer,
} from '../../host/client/index.js'
import { TokenSide } from './token-side.js'

const test = suite('clone job')

const message = (text: string) => new Writer().bytes(Buffer.from(text))

/** Two ends that play the courier's part of OBC-1: messages are text, and everything that happens is in `log`. */
function ends() {
  const log: string[] = []
  const source = new TokenSide(1n)
  const target = new TokenSide(2n)
  /** Handles the source's policy holds back, and codes the target answers for others. */
  const refused = new Map<number, number>()
  const failing = new Map<number, number>()
  let sealed = 0
  let limit = protocol.OBC_MAX_BATCH
  source
    .on(protocol.CMD_CLONE_SOURCE_INIT, () => message('M1'))
    .on(protocol.CMD_CLONE_SOURCE_HELLO, ({ body }) => {
      assert.is(body.text(), 'M2')
      return 0
    })
    .on(protocol.CMD_CLONE_SOURCE_BATCH, ({ body }) => {
      const last = body.u8() === protocol.CLONE_LAST
      const offered = body.rows((row) => row.u32())
      const handles = offered.slice(0, limit)
      const number = sealed++
      log.push(`seal ${number}${last && handles.length === offered.length ? ' last' : ''}`)
      const writer = new Writer().u16(handles.length)
      for (const handle of handles) writer.u32(refused.get(handle) ?? 0)
      const inside = handles.filter((handle) => !refused.has(handle))
      return writer.text(`${number}:${inside.join(' ')}`)
    })
    .on(protocol.CMD_CLONE_SOURCE_RESULT, ({ body }) => {
      const [number, rest] = body.text().split(':')
      log.push(`result ${number}`)
      const handles = (rest ?? '').split(' ').filter(Boolean).map(Number)
      const writer = new Writer().u16(handles.length)
      for (const handle of handles) {
        const code = failing.get(handle) ?? 0
        writer
          .u32(handle)
          .u32(code)
          .u32(code === 0 ? handle + 1000 : protocol.UNAVAILABLE)
      }
      return writer
    })
    .on(protocol.CMD_CLONE_SOURCE_CLOSE, () => {
      log.push('source close')
      return message('M5')
    })
  target
    .on(protocol.CMD_CLONE_TARGET_INIT, ({ body }) => {
      assert.is(body.text(), 'M1')
      return message('M2')
    })
    .on(protocol.CMD_CLONE_TARGET_BATCH, ({ body }) => {
      const flags = body.u8()
      const text = body.text()
      log.push(`store ${text.split(':')[0]}${flags === protocol.CLONE_CONTINUE ? '' : ' stop'}`)
      return message(text)
    })
    .on(protocol.CMD_CLONE_TARGET_CLOSE, ({ body }) => {
      log.push(`target close ${body.text()}`)
      return 0
    })
  return {
    log,
    source,
    target,
    refused,
    failing,
    setLimit: (value: number) => {
      limit = value
    },
    run: (handles: readonly number[], profile = protocol.PROFILE_6_27_0) =>
      clone(
        { client: new TokenClient(source), session: 1 },
        { client: new TokenClient(target), session: 2 },
        { handles, profile },
      ),
  }
}

async function collect(job: AsyncIterable<CloneResult>): Promise<string[]> {
  const lines: string[] = []
  for await (const { handle, code, newHandle } of job) lines.push(`${handle} ${newHandle ?? code}`)
  return lines
}

const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

test('results come in the order of the handles, and both sides are closed', async () => {
  const pair = ends()
  assert.equal(await collect(pair.run([99, 33, 108])), ['99 1099', '33 1033', '108 1108'])
  assert.equal(pair.log, ['seal 0 last', 'store 0', 'result 0', 'source close', 'target close M5'])
})

/** Batches that may be under way to the target. */
const OUT = protocol.OBC_BATCHES_OUT

test('the target gets the next batches while it stores one, never more than it answers again', async () => {
  const pair = ends()
  pair.setLimit(1)
  let release: () => void = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const store = pair.target.handlers.get(protocol.CMD_CLONE_TARGET_BATCH)
  pair.target.on(protocol.CMD_CLONE_TARGET_BATCH, async (request) => {
    const answer = store?.(request) ?? 0
    // The last that may be under way is here although batch 0 is not answered: only now may it go on.
    if (pair.log.includes(`store ${OUT - 1}`)) release()
    await held
    pair.log.push(`stored ${pair.log.filter((line) => line.startsWith('stored')).length}`)
    return answer
  })
  assert.equal(
    await collect(pair.run(range(OUT + 3))),
    range(OUT + 3).map((handle) => `${handle} ${handle + 1000}`),
  )
  const order = (entry: string) => pair.log.findIndex((line) => line.startsWith(entry))
  assert.ok(
    order(`seal ${OUT}`) < order('stored 0'),
    'the source has nothing ready for the time that the target has room',
  )
  for (const batch of [0, 1]) {
    assert.ok(order(`stored ${batch}`) < order(`store ${batch + OUT}`), `batch ${batch + OUT} came too early`)
    assert.ok(order(`result ${batch}`) < order(`seal ${batch + OUT + 1}`), 'more than one batch was sealed ahead')
  }
})

test('a source that fails with batches at the target: what these stored is told first', async () => {
  const pair = ends()
  pair.setLimit(1)
  const seal = pair.source.handlers.get(protocol.CMD_CLONE_SOURCE_BATCH)
  pair.source.on(protocol.CMD_CLONE_SOURCE_BATCH, (request) =>
    pair.log.includes('result 0') ? protocol.RC_DEVICE_MEMORY : (seal?.(request) ?? 0),
  )
  const lines: string[] = []
  let code = ''
  try {
    for await (const { handle, newHandle } of pair.run(range(OUT + 2))) lines.push(`${handle} ${newHandle}`)
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    code = error.code
  }
  assert.equal(
    lines,
    range(OUT + 1).map((handle) => `${handle} ${handle + 1000}`),
  )
  assert.is(code, 'CKR_DEVICE_MEMORY')
  assert.ok(pair.log.includes('source close'), 'both sides have given up')
})

test('many objects go in several batches that fit a frame', async () => {
  const pair = ends()
  const handles = range(700)
  const lines = await collect(pair.run(handles))
  assert.equal(
    lines,
    handles.map((handle) => `${handle} ${handle + 1000}`),
  )
  assert.is(pair.log.filter((line) => line.startsWith('seal') && line.endsWith('last')).length, 1)
})

test('an object that the source holds back keeps its place and its code', async () => {
  for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_7_1]) {
    const pair = ends()
    pair.refused.set(2, protocol.RC_OPERATION_NOT_ALLOWED)
    assert.equal(await collect(pair.run([1, 2, 3], profile)), ['1 1001', '2 CKR_OPERATION_NOT_ALLOWED', '3 1003'])
  }
})

test('profile 6.x goes on after an object that fails, 7.7 stops', async () => {
  const old = ends()
  old.setLimit(2)
  old.failing.set(2, protocol.RC_OBJECT_ALREADY_EXISTS)
  assert.equal(await collect(old.run([1, 2, 3, 4])), ['1 1001', '2 CKR_OBJECT_ALREADY_EXISTS', '3 1003', '4 1004'])
  assert.ok(old.log.includes('store 0'))
  const recent = ends()
  recent.setLimit(2)
  recent.failing.set(1, protocol.RC_OBJECT_ALREADY_EXISTS)
  recent.failing.set(2, protocol.RC_CLONE_NOT_ATTEMPTED)
  assert.equal(await collect(recent.run([1, 2, 3, 4], protocol.PROFILE_7_7_1)), [
    '1 CKR_OBJECT_ALREADY_EXISTS',
    '2 CKR_CLONE_NOT_ATTEMPTED',
    '3 CKR_CLONE_NOT_ATTEMPTED',
    '4 CKR_CLONE_NOT_ATTEMPTED',
  ])
  assert.ok(recent.log.includes('store 0 stop'))
  assert.not.ok(recent.log.some((line) => line.startsWith('store 1')))
  assert.ok(recent.log.includes('target close M5'))
})

test('no common domain is presented as the profile does, and nothing is sealed', async () => {
  const run = async (profile: number, handles: readonly number[]) => {
    const pair = ends()
    pair.source.on(protocol.CMD_CLONE_SOURCE_HELLO, () => protocol.RC_NEGOTIATION_NO_PSK)
    const lines = await collect(pair.run(handles, profile))
    assert.equal(pair.log, ['source close', 'target close M5'])
    return lines
  }
  const invalid = 'CKR_CERTIFICATE_DATA_INVALID'
  assert.equal(await run(protocol.PROFILE_6_28_0, [5, 6]), [`5 ${invalid}`, `6 ${invalid}`])
  assert.equal(await run(protocol.PROFILE_7_0_3, [5, 6]), [`5 ${invalid}`, `6 ${invalid}`])
  assert.equal(await run(protocol.PROFILE_7_7_1, [5, 6]), [`5 ${invalid}`, '6 CKR_CLONE_NOT_ATTEMPTED'])
  await run(protocol.PROFILE_6_27_0, []).then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, invalid),
  )
})

test('whether two partitions share a domain can be asked without moving anything', async () => {
  const ask = (pair: ReturnType<typeof ends>) =>
    shareDomain(
      { client: new TokenClient(pair.source), session: 1 },
      { client: new TokenClient(pair.target), session: 2 },
    )
  assert.is(await ask(ends()), true)
  const other = ends()
  other.source.on(protocol.CMD_CLONE_SOURCE_HELLO, () => protocol.RC_NEGOTIATION_NO_PSK)
  assert.is(await ask(other), false)
  assert.ok(other.log.includes('target close M5'))
  const broken = ends()
  broken.target.on(protocol.CMD_CLONE_TARGET_INIT, () => protocol.RC_CERTIFICATE_DATA_INVALID)
  await ask(broken).then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'CKR_CERTIFICATE_DATA_INVALID'),
  )
})

test('an empty job still lets the two sides confirm each other', async () => {
  const pair = ends()
  assert.equal(await collect(pair.run([])), [])
  assert.equal(pair.log, ['seal 0 last', 'store 0', 'result 0', 'source close', 'target close M5'])
})

test('a lost answer is asked for again with the same bytes', async () => {
  const pair = ends()
  const seen: string[] = []
  const store = pair.target.handlers.get(protocol.CMD_CLONE_TARGET_BATCH)
  pair.target.on(protocol.CMD_CLONE_TARGET_BATCH, (request) => {
    const answer = store?.(request) ?? 0
    seen.push('asked')
    if (seen.length === 1) throw new TransportError('TRANSPORT_TIMEOUT', 'lost')
    return answer
  })
  assert.equal(await collect(pair.run([1, 2])), ['1 1001', '2 1002'])
  assert.is(seen.length, 2)
  const sent = pair.target.frames.filter((frame) => frame[0] === 8 && frame[1] === 4)
  assert.equal(sent[0]?.subarray(16), sent[1]?.subarray(16))
})

test('a cable that stays broken ends the job and both sides are told', async () => {
  const pair = ends()
  pair.target.on(protocol.CMD_CLONE_TARGET_BATCH, () => {
    throw new TransportError('TRANSPORT_REMOVED', 'unplugged')
  })
  await collect(pair.run([1, 2])).then(
    () => assert.unreachable(),
    (error) => assert.is(error.code, 'TRANSPORT_REMOVED'),
  )
  assert.ok(pair.log.includes('source close'))
})

test('a refusal in the middle rejects with its code after what was stored, and aborts both sides', async () => {
  const pair = ends()
  pair.setLimit(1)
  const seal = pair.source.handlers.get(protocol.CMD_CLONE_SOURCE_BATCH)
  pair.source.on(protocol.CMD_CLONE_SOURCE_BATCH, (request) =>
    pair.log.includes('store 0') ? protocol.RC_USER_NOT_LOGGED_IN : (seal?.(request) ?? 0),
  )
  const got: number[] = []
  try {
    for await (const result of pair.run([1, 2, 3])) got.push(result.handle)
    assert.unreachable()
  } catch (error) {
    assert.is(error instanceof Error && 'code' in error ? error.code : error, 'CKR_USER_NOT_LOGGED_IN')
  }
  assert.ok(got.length >= 1 && got.length < 3)
  assert.ok(pair.log.includes('source close') && pair.log.includes('target close M5'))
})

test('a caller that stops reading aborts both sides', async () => {
  const pair = ends()
  pair.setLimit(1)
  for await (const result of pair.run([1, 2, 3])) {
    assert.is(result.handle, 1)
    break
  }
  assert.ok(pair.log.includes('source close') && pair.log.includes('target close M5'))
})

test('answers that do not fit the batch are refused', async () => {
  const wrong: [number, () => Writer][] = [
    [protocol.CMD_CLONE_SOURCE_BATCH, () => new Writer().u16(0).text('0:')],
    [protocol.CMD_CLONE_SOURCE_BATCH, () => new Writer().u16(3).u32(0).u32(0).u32(0).text('0:')],
    [protocol.CMD_CLONE_SOURCE_RESULT, () => new Writer().u16(0)],
    [protocol.CMD_CLONE_SOURCE_RESULT, () => new Writer().u16(1).u32(9).u32(0).u32(1)],
    [protocol.CMD_CLONE_SOURCE_RESULT, () => new Writer().u16(2).u32(1).u32(0).u32(1).u32(2).u32(0).u32(1).u8(0)],
  ]
  for (const [command, answer] of wrong) {
    const pair = ends()
    pair.source.on(command, answer)
    await collect(pair.run([1, 2])).then(
      () => assert.unreachable(),
      (error) => assert.is(error.code, 'FRAME_MALFORMED'),
    )
  }
})

test.run()
