import type { CrashRecord, PedConnectorName } from './board.js'
import type { BoardErrorCode } from './errors.js'

// What a Token and the worker thread of its board say to each other.

export type Call =
  | { readonly op: 'exchange'; readonly frame: Uint8Array }
  | { readonly op: 'advance'; readonly milliseconds: number }
  | { readonly op: 'tamper'; readonly cause: number }
  | { readonly op: 'power-cycle' }
  | { readonly op: 'crash' }
  | { readonly op: 'close' }

/** PED links are numbered, so that a frame of an unplugged one never reaches its successor. */
export type ToWorker =
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

export type FromWorker =
  | { readonly type: 'opened' }
  | { readonly type: 'refused'; readonly error: PlainError }
  | { readonly type: 'answer'; readonly id: number; readonly frame: Uint8Array }
  | { readonly type: 'done'; readonly id: number; readonly crash: CrashRecord | undefined }
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'ped-frame'; readonly link: number; readonly frame: Uint8Array }
