import { mkdirSync, readdirSync } from 'node:fs'
import { Board } from './board.js'
import { BoardFolder } from './board-folder.js'
import { type Clock, RealClock, VirtualClock } from './clock.js'
import { FileCrashLog } from './crash.js'
import { BoardError, messageOf } from './errors.js'
import { FirmwareImage } from './firmware.js'
import { FolderLock } from './lock.js'
import type { Monitor } from './monitor.js'
import { type Backing, type NonVolatile, NonVolatileMemory } from './non-volatile.js'
import { decodeSnapshot, requireBuild, type Snapshot } from './snapshot.js'
import { SeededTrng, SystemTrng, type Trng } from './trng.js'

/** A real clock, or one that stands where it is put until it is told to go on. */
export interface VirtualClockOptions {
  /** Milliseconds since 1970. */
  readonly virtualFrom: number
}

export interface Seed {
  /** A text, or the SHA-512 of one. */
  readonly seed: string | Uint8Array
}

export interface BoardOptions {
  /** The board's state folder. */
  readonly dir: string
  /** Absent = random bytes of the system. With a seed the board is deterministic, and no place for anything secret. */
  readonly trng?: Seed
  /**
   * Absent = the system's clock. A virtual clock starts at `virtualFrom` (milliseconds since 1970), or where it stood
   * when the board last had power if that is later.
   */
  readonly clock?: VirtualClockOptions
  /** Path of another firmware module than the one of this build, its .json beside it. */
  readonly firmware?: string
  /** The power goes in the middle of this operation, counted from 1 as `CutPlan.at`; the board is off then, until it is opened again. */
  readonly powerCut?: number
}

export interface RestoreOptions {
  /** The bytes of a snapshot file; they are not changed, and may be used any number of times. */
  readonly snapshot: Uint8Array
  /** State folder of the restored board: a new one. Absent = its state lives in memory only, as long as it is on. */
  readonly dir?: string
  /** The folder may hold a board already, which then is what the snapshot says: in one step, whatever happens. */
  readonly replace?: boolean
  /** Absent = as the snapshot's: a seeded one goes on where it stood. */
  readonly trng?: Seed | 'system'
  /** Absent = as the snapshot's: a virtual one goes on where it stood, and never starts before that. */
  readonly clock?: VirtualClockOptions | 'real'
  /** As in BoardOptions. */
  readonly firmware?: string
}

/** What a board is wired to from outside its thread. */
export interface Outside {
  readonly monitor?: Monitor
  /** Whether more commands wait. */
  readonly isBusy?: () => boolean
  /** Cause at the tamper line. */
  readonly tamperLine?: number
}

/** A board that works on its folder; until `close` nobody else can. */
export interface OpenBoard {
  readonly board: Board
  readonly clock: Clock
  readonly trng: Trng
  /**
   * Switches the board off, leaves durable files and an empty journal behind, gives the folder back. Without a folder the
   * board's state is gone then. May be called again.
   */
  close(): Promise<void>
}

/** Puts a fault injector or a recorder between the firmware and the folder. */
export type Wrap = (memory: NonVolatile) => NonVolatile
const asItIs: Wrap = (memory) => memory

/**
 * Opens a board's folder and switches the board on, in this thread.
 * Throws STATE_LOCKED, STATE_MISSING, STATE_NEWER, STATE_DAMAGED, STATE_IO, FIRMWARE_… or BOARD_DEAD; then nothing stays open.
 */
export async function openBoard(options: BoardOptions, wrap = asItIs, outside: Outside = {}): Promise<OpenBoard> {
  const image = FirmwareImage.load(options.firmware)
  const lock = await FolderLock.acquire(options.dir)
  const place: Place = { folder: undefined }
  return whileLocked(lock, place, () => {
    const folder = BoardFolder.open(options.dir)
    place.folder = folder
    const { state } = folder
    const memory = wrap(new NonVolatileMemory(state, folder))
    const trng = trngOf(options.trng, memory)
    const clock = options.clock
      ? new VirtualClock(Math.max(options.clock.virtualFrom, Number(state.aliveAt)))
      : new RealClock()
    const board = new Board(image, { memory, trng, clock }, { crashes: new FileCrashLog(options.dir), ...outside })
    board.powerOn()
    return { board, clock, trng }
  })
}

/**
 * Makes a board from a snapshot, in this thread: it is on and goes on where the other one stood. The two share nothing
 * from then on.
 * Throws SNAPSHOT_…, FIRMWARE_…, STATE_EXISTS where the folder is not empty, with `replace` what `openBoard` throws, STATE_IO;
 * then nothing has changed.
 */
export async function restoreBoard(options: RestoreOptions, wrap = asItIs, outside: Outside = {}): Promise<OpenBoard> {
  const image = FirmwareImage.load(options.firmware)
  const snapshot = decodeSnapshot(options.snapshot)
  requireBuild(snapshot, image.info)
  const clock = restoredClock(snapshot, options.clock)
  // It has power now, however long it was a file.
  snapshot.state.aliveAt = BigInt(Math.floor(clock.now()))
  const { dir } = options
  const place: Place = { folder: undefined }
  const backing = dir === undefined ? undefined : backingOf(place)
  const memory = wrap(new NonVolatileMemory(snapshot.state, backing))
  const trng = restoredTrng(snapshot, options.trng, memory)
  const crashes = dir === undefined ? undefined : { crashes: new FileCrashLog(dir) }
  const board = new Board(image, { memory, trng, clock }, { ...crashes, ...outside })
  // First of all: a snapshot that cannot go on must not cost a folder its content.
  board.resume(snapshot)
  if (dir === undefined) {
    const close = async (): Promise<void> => {
      board.powerOff()
      snapshot.state.flash.discard()
    }
    return { board, clock, trng, close }
  }
  const lock = await lockForRestore(dir, options.replace ?? false)
  return whileLocked(lock, place, () => {
    place.folder = folderFor(dir, snapshot)
    place.folder.become(snapshot.state)
    return { board, clock, trng }
  })
}

function trngOf(option: Seed | undefined, memory: NonVolatile): Trng {
  return option ? new SeededTrng(option.seed, memory) : new SystemTrng()
}

function restoredTrng({ seed }: Snapshot, option: RestoreOptions['trng'], memory: NonVolatile): Trng {
  if (option === 'system') return new SystemTrng()
  return option === undefined && seed ? new SeededTrng(seed, memory) : trngOf(option, memory)
}

function restoredClock({ virtualClock, taken }: Snapshot, option: RestoreOptions['clock']): Clock {
  if (option === 'real' || (option === undefined && !virtualClock)) return new RealClock()
  return new VirtualClock(Math.max(taken, option?.virtualFrom ?? 0))
}

/** The lock of a folder that is new, or may be replaced. */
async function lockForRestore(dir: string, replace: boolean): Promise<FolderLock> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new BoardError('STATE_IO', `${dir} cannot be made: ${messageOf(cause)}`, { cause })
  }
  const lock = await FolderLock.acquire(dir)
  if (replace || isEmpty(dir)) return lock
  await lock.release()
  throw new BoardError('STATE_EXISTS', `${dir} is not empty`)
}

const isEmpty = (dir: string): boolean => readdirSync(dir).every((name) => name === 'lock')

function folderFor(dir: string, { state, madeBy }: Snapshot): BoardFolder {
  if (isEmpty(dir)) BoardFolder.create(dir, { flashSize: state.flash.size, madeBy }, state)
  return BoardFolder.open(dir)
}

/** The files of a place whose folder is opened later; until then nothing is written. */
function backingOf(place: Place): Backing {
  return {
    commit: (changes) => place.folder?.commit(changes),
    begin: (changes, done) => place.folder?.begin(changes, done) ?? false,
    settle: () => place.folder?.settle(),
  }
}

/** The folder that a board works on, once it is open. */
interface Place {
  folder: BoardFolder | undefined
}

/** Switches a board on in a folder that is locked; where that fails nothing stays open. */
async function whileLocked(lock: FolderLock, place: Place, start: () => Omit<OpenBoard, 'close'>): Promise<OpenBoard> {
  try {
    const started = start()
    return { ...started, close: () => closeAll(started.board, place.folder, lock) }
  } catch (thrown) {
    await closeAll(undefined, place.folder, lock)
    throw thrown
  }
}

async function closeAll(board: Board | undefined, folder: BoardFolder | undefined, lock: FolderLock): Promise<void> {
  try {
    try {
      board?.powerOff()
    } finally {
      folder?.close()
    }
  } finally {
    await lock.release()
  }
}
