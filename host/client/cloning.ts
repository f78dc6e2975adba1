import * as protocol from '../../assembly/protocol.js'
import { type Reader, Writer } from './codec.js'
import { type CommandPort, empty, nothing } from './command-port.js'

export interface SourceBatch {
  /** Return code per handle consumed, from the front; only those with RC_OK are in the message. */
  readonly codes: readonly number[]
  /** M3. */
  readonly message: Uint8Array
}

/** What the target answered for one object. */
export interface SourceResult {
  readonly handle: number
  /** CKR value. */
  readonly code: number
  readonly newHandle: number
}

/** Where in M4 the number of objects stands, where their rows begin, and how long one is (OBC-1 §5.6). */
const [COUNT, RESULTS, RESULT] = [16 + 20, 16 + 24, 16]

/** The eight commands that carry OBC-1 messages M1 to M5; `CloneJob` runs them in order. */
export class CloningCommands {
  readonly #port: CommandPort

  constructor(port: CommandPort) {
    this.#port = port
  }

  /** Answers M1. */
  sourceInit(session: number): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_CLONE_SOURCE_INIT, session, empty(), message)
  }

  /** M1 in, M2 out. */
  targetInit(session: number, m1: Uint8Array): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_CLONE_TARGET_INIT, session, new Writer().bytes(m1), message)
  }

  /** M2 in; rejects with RC_NEGOTIATION_NO_PSK where the two partitions share no domain. */
  sourceHello(session: number, m2: Uint8Array): Promise<void> {
    return this.#port.call(protocol.CMD_CLONE_SOURCE_HELLO, session, new Writer().bytes(m2), nothing)
  }

  sourceBatch(session: number, handles: readonly number[], last: boolean): Promise<SourceBatch> {
    const body = new Writer().u8(last ? protocol.CLONE_LAST : 0).u16(handles.length)
    for (const handle of handles) body.u32(handle)
    return this.#port.call(protocol.CMD_CLONE_SOURCE_BATCH, session, body, (reader) => ({
      codes: reader.rows((row) => row.u32()),
      message: message(reader),
    }))
  }

  /** M3 in, M4 out. A byte-identical repeat of the last M3 gives the same M4 and stores nothing. */
  targetBatch(session: number, m3: Uint8Array, continueOnError: boolean): Promise<Uint8Array> {
    const body = new Writer().u8(continueOnError ? protocol.CLONE_CONTINUE : 0).bytes(m3)
    return this.#port.call(protocol.CMD_CLONE_TARGET_BATCH, session, body, message)
  }

  /** M4 in; one row per envelope of its batch, in order. */
  sourceResult(session: number, m4: Uint8Array): Promise<SourceResult[]> {
    return this.#port.call(protocol.CMD_CLONE_SOURCE_RESULT, session, new Writer().bytes(m4), (reader) =>
      reader.rows((row) => ({ handle: row.u32(), code: row.u32(), newHandle: row.u32() })),
    )
  }

  /** Answers M5. */
  sourceClose(session: number): Promise<Uint8Array> {
    return this.#port.call(protocol.CMD_CLONE_SOURCE_CLOSE, session, empty(), message)
  }

  targetClose(session: number, m5: Uint8Array): Promise<void> {
    return this.#port.call(protocol.CMD_CLONE_TARGET_CLOSE, session, new Writer().bytes(m5), nothing)
  }
}

/** What M4 says of each object of its batch, in order; none where it is no M4. */
export function cloneResults(m4: Uint8Array): { readonly code: number; readonly newHandle: number }[] {
  const view = new DataView(m4.buffer, m4.byteOffset, m4.length)
  const count = m4.length < RESULTS ? 0 : view.getUint16(COUNT)
  if (m4.length < RESULTS + count * RESULT) return []
  return Array.from({ length: count }, (_, i) => {
    const at = RESULTS + i * RESULT
    return { code: view.getUint32(at + 4), newHandle: view.getUint32(at + 8) }
  })
}

/** In place: messages are large, and their frames belong to nobody else. */
function message(reader: Reader): Uint8Array {
  return reader.view(reader.u32())
}
