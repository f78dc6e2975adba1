/** Stable codes of everything that can go wrong on a board outside its firmware. */
export type BoardErrorCode =
  | 'FRAME_MALFORMED'
  | 'BOARD_OFF'
  | 'BOARD_BUSY'
  | 'BOARD_CLOSED'
  | 'BOARD_RESET'
  | 'BOARD_DEAD'
  | 'POWER_CUT'
  | 'PED_IN_USE'
  | 'CLOCK_NOT_VIRTUAL'
  | 'OPTION_INVALID'
  | 'PERIPHERAL_ACCESS'
  | 'FIRMWARE_MISSING'
  | 'FIRMWARE_UNTRUSTED'
  | 'FIRMWARE_INCOMPATIBLE'
  | 'FIRMWARE_ABORT'
  | 'FIRMWARE_TRAP'
  | 'FIRMWARE_HANG'
  | 'FACTORY_REFUSED'
  | 'STATE_LOCKED'
  | 'STATE_NEWER'
  | 'STATE_MISSING'
  | 'STATE_DAMAGED'
  | 'STATE_EXISTS'
  | 'STATE_IO'
  /** No snapshot file. */
  | 'SNAPSHOT_INVALID'
  | 'SNAPSHOT_NEWER'
  | 'SNAPSHOT_TRUNCATED'
  | 'SNAPSHOT_DAMAGED'
  /** Of another firmware build: its memory means nothing to this one. */
  | 'SNAPSHOT_FOREIGN'
  /** The board that is to be replaced is not one that the snapshot can be put on. */
  | 'SNAPSHOT_MISFIT'
  /** The firmware module keeps state where no snapshot can read it. */
  | 'SNAPSHOT_UNSUPPORTED'

/** The board refused or broke; `code` is stable, `cause` is what lay beneath where there was something. */
export class BoardError extends Error {
  override readonly name = 'BoardError'
  constructor(
    readonly code: BoardErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The words of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` of a system error, such as ENOENT; undefined for anything else. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined
  return typeof thrown.code === 'string' ? thrown.code : undefined
}
