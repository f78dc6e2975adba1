import { Board } from './board.js'
import { BoardFolder } from './board-folder.js'
import { RealClock, VirtualClock } from './clock.js'
import { FirmwareImage } from './firmware.js'
import { FolderLock } from './lock.js'
import { type NonVolatile, NonVolatileMemory } from './non-volatile.js'
import { SeededTrng, SystemTrng } from './trng.js'

export interface BoardOptions {
  /** The board's state folder. */
  readonly dir: string
  /** Absent = random bytes of the system. With a seed the board is deterministic, and no place for anything secret. */
  readonly trng?: { readonly seed: string }
  /**
   * Absent = the system's clock. A virtual clock starts at `virtualFrom` (milliseconds since 1970), or where it stood
   * when the board last had power if that is later.
   */
  readonly clock?: { readonly virtualFrom: number }
  /** Path of another firmware module than the one of this build, its .json beside it. */
  readonly firmware?: string
}

/** A board that works on its folder; until `close` nobody else can. */
export interface OpenBoard {
  readonly board: Board
  /** Switches the board off, leaves durable files and an empty journal behind, gives the folder back. */
  close(): Promise<void>
}

/**
 * Opens a board's folder and switches the board on, in this thread.
 * Throws STATE_LOCKED, STATE_MISSING, STATE_NEWER, STATE_DAMAGED, STATE_IO, FIRMWARE_… or BOARD_DEAD; then nothing stays open.
 * @param wrap puts a fault injector or a recorder between the firmware and the folder
 */
export async function openBoard(
  options: BoardOptions,
  wrap: (memory: NonVolatile) => NonVolatile = (memory) => memory,
): Promise<OpenBoard> {
  const image = FirmwareImage.load(options.firmware)
  const lock = await FolderLock.acquire(options.dir)
  let folder: BoardFolder | undefined
  try {
    folder = BoardFolder.open(options.dir)
    const { state } = folder
    const memory = wrap(new NonVolatileMemory(state, folder))
    const trng = options.trng ? new SeededTrng(options.trng.seed, memory) : new SystemTrng()
    const clock = options.clock
      ? new VirtualClock(Math.max(options.clock.virtualFrom, Number(state.aliveAt)))
      : new RealClock()
    const board = new Board(image, { memory, trng, clock })
    board.powerOn()
    return { board, close: () => closeAll(board, folder, lock) }
  } catch (thrown) {
    await closeAll(undefined, folder, lock)
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
