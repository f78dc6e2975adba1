import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FolderLock, type LockMethod } from '../../host/board/lock.js'
import { fails, scratch } from './support.js'

const test = suite('board: folder lock')
const children = new Set<ChildProcess>()
const METHODS: readonly LockMethod[] = process.platform === 'linux' ? ['socket', 'pid-file'] : ['pid-file']

test.after(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** A process that locks a folder and holds it until it is killed. */
async function holder(dir: string, method: LockMethod): Promise<ChildProcess> {
  const code = `
    import { FolderLock } from ${JSON.stringify(new URL('../../host/board/lock.js', import.meta.url).href)}
    await FolderLock.acquire(${JSON.stringify(dir)}, ${JSON.stringify(method)})
    console.log('locked')
    process.stdin.resume()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] })
  children.add(child)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  assert.is(line, 'locked')
  return child
}

for (const method of METHODS) {
  test(`${method}: one holder at a time, within a process too`, async () => {
    const dir = scratch()
    const lock = await FolderLock.acquire(dir, method)
    assert.is(readFileSync(join(dir, 'lock'), 'utf8'), `${process.pid}\n`)
    const { message } = await fails('STATE_LOCKED', () => FolderLock.acquire(dir, method))
    assert.ok(message.includes(`this process (${process.pid})`), message)
    await lock.release()
    assert.not(existsSync(join(dir, 'lock')))
    const again = await FolderLock.acquire(dir, method)
    await lock.release()
    await fails('STATE_LOCKED', () => FolderLock.acquire(dir, method))
    await again.release()
  })

  test(`${method}: who asks whether a folder is held is in nobody's way`, async () => {
    const dir = scratch()
    assert.is(await FolderLock.isHeld(dir, method), false)
    for (let i = 0; i < 50; i++) {
      const asked = Array.from({ length: 4 }, () => FolderLock.isHeld(dir, method))
      const lock = await FolderLock.acquire(dir, method)
      assert.is(await FolderLock.isHeld(dir, method), true)
      await Promise.all(asked)
      await lock.release()
    }
    assert.is(await FolderLock.isHeld(dir, method), false)
  })

  test(`${method}: another process is named, and its lock is free when it is killed`, async () => {
    const dir = scratch()
    const child = await holder(dir, method)
    assert.is(await FolderLock.isHeld(dir, method), true)
    const { message } = await fails('STATE_LOCKED', () => FolderLock.acquire(dir, method))
    assert.is(message, `state folder ${dir} is in use by process ${child.pid}`)
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.ok(existsSync(join(dir, 'lock')), 'the file is stale')
    assert.is(await FolderLock.isHeld(dir, method), false)
    const lock = await FolderLock.acquire(dir, method)
    assert.is(readFileSync(join(dir, 'lock'), 'utf8'), `${process.pid}\n`)
    await lock.release()
  })

  test(`${method}: a lock file without a process in it does not lock`, async () => {
    const dir = scratch()
    writeFileSync(join(dir, 'lock'), 'nonsense')
    const lock = await FolderLock.acquire(dir, method)
    await lock.release()
  })

  test(`${method}: a folder that is not there`, async () => {
    await fails('STATE_MISSING', () => FolderLock.acquire(join(scratch(), 'nowhere'), method))
  })
}

test.run()
