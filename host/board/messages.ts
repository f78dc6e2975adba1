import type { CrashRecord } from './crash.js'
import type { BoardErrorCode } from './errors.js'
import type { BoardOptions, RestoreOptions } from './open-board.js'
import type { PedConnectorName } from './ped-connectors.js'

/** The watchdog resets of a board. */
export interface CrashReport {
  /** Since the board was opened. */
  readonly last: CrashRecord | undefined
  /** The last ones that are written down, oldest first. */
  readonly records: readonly CrashRecord[]
  /** All there ever were. */
  readonly count: number
}

// What a Token and the worker thread of its board say to each other.

/** What a worker is started with. */
export interface WorkerStart {
  readonly open?: BoardOptions
  readonly restore?: RestoreOptions
  /** Of a `Watch`. */
  readonly monitor: SharedArrayBuffer
  /** Cause at the tamper line; undefined = as a snapshot says, or quiet. */
  readonly tamperLine?: number
}

/** Bytes below which handing memory over to another thread costs more than copying it. */
const SHORT = 4096

/** What of a frame that has its memory for itself is handed over, and not copied. */
export function handedOver(frame: Uint8Array<ArrayBuffer>): readonly ArrayBuffer[] {
  return frame.length < SHORT ? [] : [frame.buffer]
}

/**
 * A command frame or its answer on its way between the threads: the number of the call, u32, then the frame. Bytes alone, because
 * every command takes this way twice and cloning an object around them costs as much as the rest of it.
 */
export function numbered(id: number, frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(NUMBER + frame.length)
  for (let i = 0; i < NUMBER; i++) message[i] = id >>> (8 * i)
  message.set(frame, NUMBER)
  return message
}

/** Parts of a message of `numbered`; the frame is in place. */
export function numberedParts(message: Uint8Array): { readonly id: number; readonly frame: Uint8Array } {
  const [a = 0, b = 0, c = 0, d = 0] = message
  return { id: (a | (b << 8) | (c << 16) | (d << 24)) >>> 0, frame: message.subarray(NUMBER) }
}

const NUMBER = 4

export type Call =
  | { readonly op: 'advance'; readonly milliseconds: number }
  | { readonly op: 'tamper'; readonly cause: number }
  | { readonly op: 'power-cycle' }
  | { readonly op: 'snapshot' }
  | { readonly op: 'crash' }
  | { readonly op: 'close' }

/** PED links are numbered, so that a frame of an unplugged one never reaches its successor. */
export type ToWorker =
  /** A command, as `numbered` has it. */
  | Uint8Array
  | { readonly type: 'call'; readonly id: number; readonly call: Call }
  | { readonly type: 'ped-attach'; readonly link: number; readonly connector: PedConnectorName }
  | { readonly type: 'ped-detach'; readonly link: number }
  | { readonly type: 'ped-frame'; readonly link: number; readonly frame: Uint8Array }

export interface PlainError {
  readonly code: BoardErrorCode
  readonly message: string
  /** Words of the cause. */
  readonly cause?: string
}

/** What a board is at a moment, for a successor in another thread. */
export interface BoardMoment {
  /** Milliseconds since 1970 on a virtual clock. */
  readonly virtualNow: number | undefined
  /** SHA-512 of the seed of a seeded TRNG. */
  readonly seed: Uint8Array | undefined
  readonly tamperLine: number
}

export type FromWorker =
  /** An answer, as `numbered` has it. */
  | Uint8Array
  | { readonly type: 'opened'; readonly moment: BoardMoment }
  | { readonly type: 'refused'; readonly error: PlainError }
  | { readonly type: 'snapshot'; readonly id: number; readonly file: Uint8Array }
  | { readonly type: 'done'; readonly id: number; readonly moment: BoardMoment }
  | { readonly type: 'crashes'; readonly id: number; readonly crashes: CrashReport }
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'ped-frame'; readonly link: number; readonly frame: Uint8Array }
