import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Token } from '../../host/board/index.js'
import { ask, fails, newBoardFolder, SMALL_FLASH, u32 } from './support.js'
import { TEST, testFirmware } from './test-firmware.js'

const test = suite('board: kill -9')
const children = new Set<ChildProcess>()

test.after(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** A process that steps the counter and programs one byte per round, and prints the number of each acknowledged round. */
function worker(dir: string, firmware: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  return running(`
    ${opened(dir, firmware)}
    for (;;) {
      const count = Number((await ask(token, ${TEST.count})).readBigUInt64BE())
      await ask(token, ${TEST.program}, Buffer.concat([u32(count), Buffer.of(0)]))
      await said(count)
    }`)
}

/** Source that opens the token. */
function opened(dir: string, firmware: string): string {
  const href = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)
  return `
    import { Token } from ${href('../../host/board/index.js')}
    import { ask, u32 } from ${href('./support.js')}
    // A line that waits in the process dies with it: a socket takes few, and whoever reads may be slow.
    const said = (line) => new Promise((done) => process.stdout.write(line + '\\n', done))
    const token = await Token.open({ dir: ${JSON.stringify(dir)}, firmware: ${JSON.stringify(firmware)} });`
}

function running(code: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  return child
}

test('nothing acknowledged is lost, and the next process takes over', async () => {
  const [dir, firmware] = [newBoardFolder(), await testFirmware()]
  let last = 0
  for (const rounds of [1, 7, 40, 200]) {
    const child = worker(dir, firmware)
    const target = last + rounds
    for await (const line of createInterface({ input: child.stdout })) {
      last = Number(line)
      if (last === target) child.kill('SIGKILL')
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    assert.ok(last >= target && last < SMALL_FLASH)

    const token = await Token.open({ dir, firmware })
    const programmed = await ask(token, TEST.read, Buffer.concat([u32(1), u32(last)]))
    assert.ok(
      programmed.every((byte) => byte === 0),
      `all ${last} rounds are there`,
    )
    const count = Number((await ask(token, TEST.count)).readBigUInt64BE())
    assert.ok(count > last && count <= last + 2, `counter ${count} after ${last} acknowledged rounds`)
    // What was one step ahead when it was killed is programmed now, so that the rounds have no gap.
    for (let round = last + 1; round <= count; round++) {
      await ask(token, TEST.program, Buffer.concat([u32(round), Buffer.of(0)]))
    }
    last = count
    await token.close()
  }
})

const LANES = 8
/** Bytes of flash that each lane programs, one after the other. */
const LANE = SMALL_FLASH / LANES

/** A process with many commands at a time: each lane programs byte after byte, and prints what was acknowledged. */
function lanes(
  dir: string,
  firmware: string,
  from: readonly number[],
): ChildProcess & { stdout: NodeJS.ReadableStream } {
  return running(`
    ${opened(dir, firmware)}
    ${JSON.stringify(from)}.forEach(async (first, lane) => {
      for (let i = first; i < ${LANE}; i++) {
        await ask(token, ${TEST.programOnly}, Buffer.concat([u32(lane * ${LANE} + i), Buffer.of(0)]))
        console.log(lane, i)
      }
    })`)
}

test('nor with many commands at a time, whose changes become durable together', async () => {
  const [dir, firmware] = [newBoardFolder(), await testFirmware()]
  const next = Array.from({ length: LANES }, () => 0)
  for (const rounds of [30, 200, 1000]) {
    const child = lanes(dir, firmware, next)
    let lines = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const [lane = -1, i = -1] = line.split(' ').map(Number)
      assert.is(i, next[lane], 'each lane in order')
      next[lane] = i + 1
      if (++lines === rounds) child.kill('SIGKILL')
    }
    assert.ok(lines >= rounds)
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const token = await Token.open({ dir, firmware })
    for (const [lane, count] of next.entries()) {
      const programmed = await ask(token, TEST.read, Buffer.concat([u32(lane * LANE), u32(count)]))
      assert.ok(
        programmed.every((byte) => byte === 0),
        `lane ${lane}: all ${count} are there`,
      )
    }
    await token.close()
  }
})

test('a folder in use by another process is refused by that process’s number', async () => {
  const [dir, firmware] = [newBoardFolder(), await testFirmware()]
  const child = worker(dir, firmware)
  await once(createInterface({ input: child.stdout }), 'line')
  const { message } = await fails('STATE_LOCKED', () => Token.open({ dir, firmware }))
  assert.ok(message.includes(`process ${child.pid}`), message)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await Token.open({ dir, firmware })).close()
})

test.run()
