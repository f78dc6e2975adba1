// The dispatcher: from the body of a request to the message that answers it.

import { FrameError, type SlotSource } from '../client/index.js'
import { Application } from './application.js'
import { caCloneStepHandlers } from './ca-clone-steps.js'
import { caContainerHandlers } from './ca-containers.js'
import { caHsmHandlers } from './ca-hsm.js'
import { caMigrationHandlers } from './ca-migration.js'
import { caObjectHandlers } from './ca-objects.js'
import { calls } from './calls.js'
import { cryptoHandlers } from './crypto-handlers.js'
import { CKR, ckrOfError, Pkcs11Error } from './errors.js'
import { generalHandlers } from './general.js'
import type { Handler } from './handlers.js'
import { messageHandlers } from './message-handlers.js'
import { objectHandlers } from './object-handlers.js'
import { stateHandlers } from './operation-state.js'
import { bodyId, encodeFailure, openRequest } from './rpc.js'
import { sessionHandlers } from './session-handlers.js'
import { tokenHandlers } from './token-handlers.js'

const HANDLERS: ReadonlyMap<number, Handler> = new Map(
  [
    ...generalHandlers,
    ...sessionHandlers,
    ...tokenHandlers,
    ...objectHandlers,
    ...cryptoHandlers,
    ...stateHandlers,
    ...messageHandlers,
    ...caHsmHandlers,
    ...caObjectHandlers,
    ...caMigrationHandlers,
    ...caCloneStepHandlers,
    ...caContainerHandlers,
  ].map((one) => [one.call.id, one]),
)

/** A failure that no program is to blame for; what it was goes to whoever runs the door. */
export type OnFault = (fault: { readonly call: string; readonly error: unknown }) => void

/** One connection's dispatcher over the slots. */
export class Pkcs11Module {
  readonly #app: Application

  /** @param offered the highest version of the RPC that the client knows */
  constructor(
    slots: SlotSource,
    offered: number,
    private readonly onFault: OnFault = () => undefined,
    asksChallenge?: number,
  ) {
    this.#app = new Application(slots, offered, asksChallenge)
  }

  get sessions(): number {
    return this.#app.sessions.size
  }

  /** Answers a request; never throws or rejects. At once where nothing has to be waited for. The body is overwritten then. */
  answer(code: number, message: Uint8Array): Uint8Array | Promise<Uint8Array> {
    // Not a Buffer, whose `slice` copies nothing: what is kept of a request outlives its bytes.
    const body = new Uint8Array(message.buffer, message.byteOffset, message.length)
    let name = 'unknown'
    const failed = (error: unknown): Uint8Array => {
      const ckr = ckrOfError(error)
      const ours = ckr === CKR.DEVICE_ERROR && !(error instanceof FrameError)
      if (ours || ckr === CKR.GENERAL_ERROR) this.onFault({ call: name, error })
      return encodeFailure(code, ckr)
    }
    const wipe = <Value>(value: Value): Value => {
      body.fill(0)
      return value
    }
    try {
      const id = bodyId(body)
      const handler = HANDLERS.get(id)
      if (!handler) throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
      name = handler.call.name
      const reader = openRequest(handler.call, body, this.#app.offered)
      if (!this.#app.initialized && id !== calls.initialize.id) throw new Pkcs11Error(CKR.CRYPTOKI_NOT_INITIALIZED)
      const reply = handler.serve(this.#app, reader, code)
      return reply instanceof Promise ? reply.then(wipe, (error: unknown) => wipe(failed(error))) : wipe(reply)
    } catch (error) {
      return wipe(failed(error))
    }
  }

  /** The program has gone. Never rejects. */
  close(): Promise<void> {
    return this.#app.close()
  }
}
