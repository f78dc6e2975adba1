import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  BoardError,
  decodeSnapshot,
  firmwareInfo,
  type OpenBoard,
  restoreBoard,
  type Snapshot,
  usedBytes,
} from '../board/index.js'
import { TokenClient, type TokenStatus } from '../client/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { Hsm } from './hsm.js'

import { inLab } from './in-lab.js'
import type { LabHsm } from './lab-file.js'
import { syncFolder } from './whole-file.js'

/** What a snapshot file says of itself; nothing secret. */
export interface SnapshotSummary {
  readonly madeBy: string
  /** Milliseconds since 1970 on the board's clock. */
  readonly taken: number
  readonly virtualClock: boolean
  readonly seeded: boolean
  /** Milliseconds since power-up. */
  readonly uptime: number
  /** SHA-384 in hex. */
  readonly firmware: string
  /** Of the build that runs here: it can be restored. */
  readonly ours: boolean
  readonly counter: bigint
  /** Commands that wait for the PED. */
  readonly parked: number
  /** Cause at the tamper line, 0 = quiet. */
  readonly tamperLine: number
  /** Bytes: the whole file; what is used of memory and flash, and how large they are. */
  readonly size: number
  readonly memory: { readonly used: number; readonly size: number }
  readonly flash: { readonly used: number; readonly size: number }
  /** What the token answers once it is restored; undefined for another build's. */
  readonly status: TokenStatus | undefined
}

/** @throws LabError LAB_IO */
export function readSnapshotFile(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new LabError('LAB_IO', `the snapshot ${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

const taken = (path: string): LabError => new LabError('LAB_EXISTS', `there is a file ${path} already`)

/** Writes the file whole or not at all, for its owner only. @throws LabError LAB_IO; LAB_EXISTS unless it may be overwritten */
function writeSnapshotFile(path: string, bytes: Uint8Array, overwrite: boolean): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o600, flush: true })
    if (overwrite) renameSync(temporary, path)
    else {
      // Unlike a new name, a second one never replaces what is there.
      linkSync(temporary, path)
      rmSync(temporary)
    }
    syncFolder(dirname(resolve(path)))
  } catch (cause) {
    rmSync(temporary, { force: true })
    if (codeOf(cause) === 'EEXIST') throw taken(path)
    throw new LabError('LAB_IO', `the snapshot ${path} cannot be written: ${messageOf(cause)}`, { cause })
  }
}

/**
 * Switches one HSM of a lab on, takes a snapshot, switches it off again.
 * @throws LabError LAB_MISSING, LAB_HSM_UNKNOWN, LAB_EXISTS, LAB_IO; BoardError as Hsm.start
 */
export async function saveSnapshot(
  stateDir: string,
  name: string,
  path: string,
  options: { readonly overwrite?: boolean } = {},
): Promise<SnapshotSummary> {
  const { overwrite = false } = options
  if (!overwrite && existsSync(path)) throw taken(path)
  return inLab(stateDir, name, async (hsm, dir) => {
    const running = await Hsm.start({ name, kind: hsm.kind, dir })
    let bytes: Uint8Array
    try {
      bytes = await running.token.snapshot()
    } finally {
      await running.close()
    }
    writeSnapshotFile(path, bytes, overwrite)
    return summarize(bytes)
  })
}

/**
 * Puts an HSM of a lab back to where a snapshot of it was taken. It is off afterwards: log-ins and sessions end with that.
 * @param options.force does not ask whether the HSM that is there has the same serial number, and puts a folder aside
 * (NAME.damaged) that no board can be opened from
 * @throws LabError LAB_MISSING, LAB_HSM_UNKNOWN, SNAPSHOT_OTHER_HSM; BoardError SNAPSHOT_…; nothing has changed then
 */
export async function restoreSnapshot(
  stateDir: string,
  name: string,
  snapshot: Uint8Array,
  options: { readonly force?: boolean } = {},
): Promise<SnapshotSummary> {
  const summary = await summarize(snapshot)
  return inLab(stateDir, name, async (hsm, dir) => {
    if (!options.force) await requireSameHsm(hsm, dir, summary)
    const board = await restoreInto(dir, snapshot, options.force ?? false)
    await board.close()
    return summary
  })
}

/** A folder that is no board any more is put aside where that was asked for; nothing is thrown away. */
async function restoreInto(dir: string, snapshot: Uint8Array, force: boolean): Promise<OpenBoard> {
  const options = { snapshot, dir, replace: true }
  try {
    return await restoreBoard(options)
  } catch (error) {
    const broken = error instanceof BoardError && (error.code === 'STATE_DAMAGED' || error.code === 'STATE_MISSING')
    if (!broken || !force) throw error
    try {
      renameSync(dir, freeName(`${dir}.damaged`))
    } catch (cause) {
      throw new LabError('LAB_IO', `${dir} cannot be put aside: ${messageOf(cause)}`, { cause })
    }
    return restoreBoard(options)
  }
}

function freeName(path: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? path : `${path}-${number}`
    if (!existsSync(candidate)) return candidate
  }
}

/** Makes the folder of a board of its own from a snapshot. @throws BoardError SNAPSHOT_…, STATE_EXISTS, STATE_IO */
export async function restoreSnapshotTo(dir: string, snapshot: Uint8Array): Promise<SnapshotSummary> {
  const summary = await summarize(snapshot)
  await makeFolders(dir, { mode: 0o700 })
  const board = await restoreBoard({ snapshot, dir })
  await board.close()
  return summary
}

/**
 * Says what is in a snapshot, and restores it in memory to ask the token itself, where it is of this build.
 * @throws BoardError SNAPSHOT_INVALID, SNAPSHOT_NEWER, SNAPSHOT_TRUNCATED, SNAPSHOT_DAMAGED
 */
export async function summarize(bytes: Uint8Array): Promise<SnapshotSummary> {
  const snapshot: Snapshot = decodeSnapshot(bytes)
  const { madeBy, taken, virtualClock, seed, uptime, firmware, pending, tamperLine, memorySize, state } = snapshot
  const ours = firmware === firmwareInfo().sha384
  const used = usedBytes(snapshot)
  return {
    madeBy,
    taken,
    virtualClock,
    seeded: seed !== undefined,
    uptime,
    firmware,
    ours,
    counter: state.counter,
    parked: pending.length,
    tamperLine,
    size: bytes.length,
    memory: { used: used.memory, size: memorySize },
    flash: { used: used.flash, size: state.flash.size },
    status: ours ? await statusOf(bytes) : undefined,
  }
}

async function statusOf(snapshot: Uint8Array): Promise<TokenStatus> {
  const opened = await restoreBoard({ snapshot })
  try {
    return await clientOf(opened).status()
  } finally {
    await opened.close()
  }
}

/** A client at a board of this thread. */
function clientOf({ board, close }: OpenBoard): TokenClient {
  return new TokenClient({
    closed: new Promise(() => undefined),
    close,
    exchange: (frame) =>
      new Promise((done, fail) => {
        board.submit(frame, (result) => (result instanceof BoardError ? fail(result) : done(result)))
      }),
  })
}

async function requireSameHsm(hsm: LabHsm, dir: string, { status }: SnapshotSummary): Promise<void> {
  // Another build's is refused by the restore itself.
  if (!status) return
  const running = await Hsm.start({ name: hsm.name, kind: hsm.kind, dir })
  try {
    const { serial } = await running.console.status()
    if (serial === status.serial) return
    throw new LabError(
      'SNAPSHOT_OTHER_HSM',
      `the snapshot is of the HSM with serial number ${status.serial}; "${hsm.name}" has ${serial}`,
    )
  } finally {
    await running.close()
  }
}
