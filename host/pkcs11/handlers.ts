// How a call is bound to what answers it.

import type { Application } from './application.js'
import type { AnyCall, Call } from './calls.js'
import type { Bytes, Missing, Room, RpcReader } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { encodeReply, readRequest } from './rpc.js'
import type { Session } from './sessions.js'

export interface Handler {
  readonly call: AnyCall
  /** Reads the values of a request, does the work, and answers the message `code`. @throws whatever the work throws */
  serve(app: Application, reader: RpcReader, code: number): Uint8Array | Promise<Uint8Array>
}

export function on<Request, Reply>(
  call: Call<Request, Reply>,
  work: (app: Application, request: Request) => Reply | Promise<Reply>,
): Handler {
  return {
    call,
    serve: (app, reader, code) => {
      const reply = work(app, readRequest(call, reader))
      if (reply instanceof Promise) return reply.then((value) => encodeReply(code, call, value, app.offered))
      return encodeReply(code, call, reply, app.offered)
    },
  }
}

/** A call whose first value is a session: after what is under way in that session. */
export function onSession<Request extends number | readonly [number, ...unknown[]], Reply>(
  call: Call<Request, Reply>,
  work: (session: Session, request: Request, app: Application) => Reply | Promise<Reply>,
): Handler {
  return on(call, (app, request) => {
    const session = app.session(typeof request === 'number' ? request : request[0])
    return session.run(() => {
      // It may have been closed while this call waited.
      app.session(session.handle)
      return work(session, request, app)
    })
  })
}

/** Bytes that a program has to give. A null pointer with no length is an empty string. @throws Pkcs11Error ARGUMENTS_BAD */
export function given(value: Bytes): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (value.missing !== 0) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return new Uint8Array(0)
}

/** The result as far as there is room for it; else how long it is, which the program gets as CKR_BUFFER_TOO_SMALL, or CKR_OK where it only asked. */
export function fitted(value: Uint8Array, room: Room): Bytes {
  return value.length <= room.capacity ? value : { missing: value.length }
}

export const isShort = (value: Bytes | readonly number[] | Missing): value is Missing => 'missing' in value

/** Handles are numbers of the token, which have 32 bits. @throws Pkcs11Error with `ckr` */
export function tokenHandle(handle: number, ckr: number = CKR.OBJECT_HANDLE_INVALID): number {
  if (handle < 1 || handle > 0xffffffff) throw new Pkcs11Error(ckr)
  return handle
}
