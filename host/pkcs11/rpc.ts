// Messages of p11-kit's RPC: twelve bytes of head, options, and a body of call id, signature and values.

import { FrameError } from '../client/index.js'
import { type AnyCall, bodyHead, type Call } from './calls.js'
import { RpcReader, RpcWriter, ulong } from './codec.js'

/** The highest protocol version that this door speaks. */
export const RPC_VERSION = 2
export const HEAD = 12
/** More is no request of a program: the largest the token takes is MAX_BODY. */
export const BODY_LIMIT = 4 * 1024 * 1024
/** More is no answer; the library takes none. The longest is what a decryption in parts has gathered. */
export const ANSWER_LIMIT = 64 * 1024 * 1024 + 4096
/** They hold the name of a module. */
export const OPTIONS_LIMIT = 4096
/** First bytes of a body that all have: call id, length of a signature. */
export const BODY_LEAST = 8
/** No signature is longer. */
const SIGNATURE_LIMIT = 64

export interface Head {
  /** Chosen by the client, repeated by the answer; never 0. */
  readonly code: number
  readonly options: number
  readonly body: number
}

function malformed(what: string): FrameError {
  return new FrameError('FRAME_MALFORMED', what)
}

/** @throws FrameError: no client sends this, and where the next message begins is not known */
export function readHead(bytes: Uint8Array): Head {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEAD)
  const head = { code: view.getUint32(0), options: view.getUint32(4), body: view.getUint32(8) }
  if (head.code === 0) throw malformed('a call has number 0')
  if (head.options > OPTIONS_LIMIT) throw malformed(`options hold at most ${OPTIONS_LIMIT} bytes`)
  if (head.body > BODY_LIMIT) throw malformed(`a body holds at most ${BODY_LIMIT} bytes`)
  if (head.body < BODY_LEAST) throw malformed('a body has a call id and a signature')
  return head
}

/** What goes before a body of this head. */
function begun(code: number, head: Uint8Array, offered: number): RpcWriter {
  const writer = new RpcWriter(offered)
  writer.u32(code).u32(0).u32(0).fixed(head, head.length)
  return writer
}

function finished(writer: RpcWriter): Uint8Array {
  const bytes = writer.finish()
  new DataView(bytes.buffer, bytes.byteOffset, HEAD).setUint32(8, bytes.length - HEAD)
  return bytes
}

/** An answer with the values of a call. */
export function encodeReply<Request, Reply>(
  code: number,
  call: Call<Request, Reply>,
  value: Reply,
  offered: number,
): Uint8Array {
  const writer = begun(code, call.replyHead, offered)
  call.reply.write(writer, value)
  return finished(writer)
}

const FAILURE = bodyHead(0, ulong.signature)

/** An answer that is a CK_RV alone. */
export function encodeFailure(code: number, ckr: number): Uint8Array {
  return finished(begun(code, FAILURE, 0).ulong(ckr))
}

/** A request, as a client sends it. */
export function encodeRequest<Request, Reply>(
  code: number,
  call: Call<Request, Reply>,
  value: Request,
  offered: number,
): Uint8Array {
  const writer = begun(code, call.requestHead, offered)
  call.request.write(writer, value)
  return finished(writer)
}

/** Begins to read a body. @throws FrameError FRAME_MALFORMED */
export function openBody(body: Uint8Array, offered: number): { id: number; signature: string; reader: RpcReader } {
  const reader = new RpcReader(body, offered)
  const id = reader.u32()
  const length = reader.u32()
  if (length > SIGNATURE_LIMIT) throw malformed('a signature is too long')
  const signature = String.fromCharCode(...reader.view(length))
  return { id, signature, reader }
}

/** The values of a request. @throws FrameError FRAME_MALFORMED, also where bytes are left over */
export function readRequest<Request>(call: Call<Request, unknown>, reader: RpcReader): Request {
  const value = call.request.read(reader)
  reader.end()
  return value
}

/** What an answer says, as a client reads it: the values, or a CK_RV. @throws FrameError FRAME_MALFORMED */
export function readReply<Request, Reply>(
  call: Call<Request, Reply>,
  body: Uint8Array,
  offered: number,
): { value: Reply } | { ckr: number } {
  const { id, signature, reader } = openBody(body, offered)
  if (id === 0 && signature === ulong.signature) return { ckr: ulong.read(reader) }
  if (id !== call.id || signature !== call.reply.signature) throw malformed('this answers another call')
  const value = call.reply.read(reader)
  reader.end()
  return { value }
}

/** Call id of a body. @param body at least BODY_LEAST bytes */
export function bodyId(body: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = body
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

/** Begins to read the body of a request of this call. @throws FrameError FRAME_MALFORMED: the signature is not the call's */
export function openRequest({ name, requestHead }: AnyCall, body: Uint8Array, offered: number): RpcReader {
  for (let i = BODY_LEAST / 2; i < requestHead.length; i++) {
    if (body[i] !== requestHead[i]) throw malformed(`${name} has another signature`)
  }
  const reader = new RpcReader(body, offered)
  reader.view(requestHead.length)
  return reader
}
