import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BoardError, FolderLock } from '../board/index.js'
import { LabError, type LabErrorCode, messageOf } from './errors.js'

/** What every kernel takes as the path of a socket. */
const SOCKET_PATH_MAX = 103

/** A socket in a folder that only its owner can open. */
export interface LocalSocket {
  readonly path: string
  /** Takes the socket's file away. */
  remove(): void
}

/**
 * Lets a server listen at `NAME` in a folder; where that path is too long, in a new folder for temporary files. The caller holds the folder's
 * lock: a socket that is there was left by a process that is gone.
 * @throws LabError LAB_IO
 */
export async function listenLocally(server: Server, folder: string, name: string): Promise<LocalSocket> {
  const near = join(folder, name)
  const fits = Buffer.byteLength(near) <= SOCKET_PATH_MAX
  let path = near
  try {
    if (!fits) path = join(mkdtempSync(join(tmpdir(), 'moonlet-')), name)
    rmSync(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        resolve()
      })
    })
    chmodSync(path, 0o600)
  } catch (cause) {
    server.close()
    throw new LabError('LAB_IO', `the socket ${path} cannot be made: ${messageOf(cause)}`, { cause })
  }
  return { path, remove: () => rmSync(fits ? path : dirname(path), { recursive: true, force: true }) }
}

/** The lock of a folder for its owner alone, made where it is not there. @throws LabError `taken`: another process has it; LAB_IO */
export async function lockFolder(folder: string, taken: LabErrorCode, what: string): Promise<FolderLock> {
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true })
  } catch (cause) {
    throw new LabError('LAB_IO', `${folder} cannot be made: ${messageOf(cause)}`, { cause })
  }
  try {
    return await FolderLock.acquire(folder)
  } catch (cause) {
    if (!(cause instanceof BoardError && cause.code === 'STATE_LOCKED')) throw cause
    throw new LabError(taken, `${what} runs already: ${cause.message}`, { cause })
  }
}
