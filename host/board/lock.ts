import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { BoardError, messageOf, systemCode } from './errors.js'

const LOCK = 'lock'

export type LockMethod = 'socket' | 'pid-file'

const METHOD: LockMethod = process.platform === 'linux' ? 'socket' : 'pid-file'

function heldBy(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim())
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return systemCode(thrown) === 'EPERM'
  }
}

function locked(dir: string): BoardError {
  const pid = heldBy(join(dir, LOCK))
  const who = pid === undefined ? 'another process' : pid === process.pid ? `this process (${pid})` : `process ${pid}`
  return new BoardError('STATE_LOCKED', `state folder ${dir} is in use by ${who}`)
}

/**
 * A socket in Linux's abstract namespace, named by the folder's device and inode: the kernel gives a name to one
 * process only and takes it back when that process dies, however it dies. Processes in different network namespaces
 * do not see each other's.
 */
function nameOf(dir: string): string {
  const { dev, ino } = statSync(dir, { bigint: true })
  return `\0moonlet-${dev}-${ino}`
}

function listen(dir: string): Promise<Server> {
  const path = nameOf(dir)
  const server = createServer((peer) => peer.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error) => {
      reject(
        systemCode(cause) === 'EADDRINUSE'
          ? locked(dir)
          : new BoardError('STATE_IO', `${dir} cannot be locked: ${cause.message}`, { cause }),
      )
    })
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve(server)
    })
  })
}

/** Whether somebody listens there; whoever is too busy to be asked is there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (cause) => resolve(systemCode(cause) !== 'ECONNREFUSED'))
  })
}

/** Where there is no abstract namespace: a file that only one process can create, taken over when its maker is gone. */
function claimPidFile(dir: string): void {
  const path = join(dir, LOCK)
  for (;;) {
    try {
      writeFileSync(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
      return
    } catch (thrown) {
      if (systemCode(thrown) !== 'EEXIST') throw thrown
    }
    const pid = heldBy(path)
    if (pid !== undefined && isAlive(pid)) throw locked(dir)
    rmSync(path, { force: true })
  }
}

/** One process at a time works on a folder. The file `lock` in it names the holder, for people and for messages. */
export class FolderLock {
  #server: Server | undefined
  #held = true

  private constructor(
    readonly dir: string,
    server?: Server,
  ) {
    this.#server = server
  }

  /** Whether a process has the folder; what one that was killed has left does not count. Whoever takes it meanwhile is not in the way. */
  static async isHeld(dir: string, method: LockMethod = METHOD): Promise<boolean> {
    if (method === 'socket') return answers(nameOf(dir))
    const pid = heldBy(join(dir, LOCK))
    return pid !== undefined && isAlive(pid)
  }

  /** Throws STATE_LOCKED (also within one process), STATE_MISSING where there is no such folder, STATE_IO. */
  static async acquire(dir: string, method: LockMethod = METHOD): Promise<FolderLock> {
    try {
      if (method === 'pid-file') {
        claimPidFile(dir)
        return new FolderLock(dir)
      }
      const server = await listen(dir)
      const lock = new FolderLock(dir, server)
      try {
        writeFileSync(join(dir, LOCK), `${process.pid}\n`, { mode: 0o600 })
      } catch (thrown) {
        await lock.release()
        throw thrown
      }
      return lock
    } catch (cause) {
      if (cause instanceof BoardError) throw cause
      if (systemCode(cause) === 'ENOENT') {
        throw new BoardError('STATE_MISSING', `there is no state folder ${dir}`, { cause })
      }
      throw new BoardError('STATE_IO', `${dir} cannot be locked: ${messageOf(cause)}`, { cause })
    }
  }

  /** Takes away what a thread of this process left behind that was ended in the middle of its work. */
  static clear(dir: string): void {
    if (heldBy(join(dir, LOCK)) === process.pid) rmSync(join(dir, LOCK), { force: true })
  }

  async release(): Promise<void> {
    if (!this.#held) return
    this.#held = false
    // The file first: once the lock is free it may be another holder's.
    rmSync(join(this.dir, LOCK), { force: true })
    const server = this.#server
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()))
  }
}
