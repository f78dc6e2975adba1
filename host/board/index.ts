export { Attention, attention } from './attention.js'
export { BOOT_ATTEMPTS, Board, type BoardExtras } from './board.js'
export { BoardFolder, flashDigest } from './board-folder.js'
export type { Change } from './changes.js'
export { type Clock, RealClock, VirtualClock } from './clock.js'
export {
  type CodePlace,
  CRASH_FILE,
  CRASHES_KEPT,
  type CrashLog,
  type CrashRecord,
  FileCrashLog,
  MemoryCrashLog,
} from './crash.js'
export { isEmulated, soundModule } from './engine.js'
export { BoardError, type BoardErrorCode } from './errors.js'
export { createBoardFolder, type ManufacturingRecord, manufacture } from './factory.js'
export { type CutPlan, FaultyMemory, PowerCut } from './faults.js'
export { FirmwareImage, type FirmwareInfo, firmwareInfo } from './firmware.js'
export { type FrameLink, frameCable } from './frame-link.js'
export { type CommandDoor, commandName, isCommandFrame, refusal, tagOf, withTag } from './frames.js'
export type { Peripherals } from './imports.js'
export { FolderLock } from './lock.js'
export { type NonVolatile, NonVolatileMemory, State } from './non-volatile.js'
export { type BoardOptions, type OpenBoard, openBoard, type RestoreOptions, restoreBoard } from './open-board.js'
export type { PedConnectorName } from './ped-connectors.js'
export { Pka } from './pka.js'
export type { Reply } from './requests.js'
export { decodeSnapshot, encodeSnapshot, SNAPSHOT_FORMAT, type Snapshot, usedBytes } from './snapshot.js'
export { Token, type TokenOptions, type TokenRestoreOptions, WATCHDOG } from './token.js'
export { SeededTrng, SystemTrng, type Trng } from './trng.js'
