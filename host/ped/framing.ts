import {
  PED_CANCEL,
  PED_CLOSE,
  PED_HEADER,
  PED_HELLO,
  PED_ID_LOCAL,
  PED_ID_REMOTE,
  PED_MAGIC,
  PED_MAX_FRAME,
  PED_OP_MAKE,
  PED_SECRET,
  PROTOCOL_VERSION,
} from '../../assembly/protocol.js'
import { isPoint, POINT } from '../client/certificate.js'
import { concat, decode, type Reader, Writer } from '../client/codec.js'
import { FrameError } from '../client/errors.js'
import { PedError } from './errors.js'

export const NONCE = 32

/** A frame of the PED cable (SPEC.md §5). */
export interface PedFrame {
  /** PED_HELLO, PED_REQUEST, … */
  readonly type: number
  /** PED_ID_LOCAL or PED_ID_REMOTE. */
  readonly pedId: number
  readonly sequence: number
  readonly body: Uint8Array
}

/** Body of PED_HELLO. */
export interface Hello {
  readonly remote: boolean
  readonly serial: bigint
}

/** Plaintext of PED_REQUEST. */
export interface PedRequest {
  /** PED_OP_… */
  readonly op: number
  /** PED_KIND_… */
  readonly kind: number
  /** PED_HINT_… */
  readonly hint: number
  readonly timeoutSeconds: number
  /** PED_SECRET bytes; zero unless the operation is PED_OP_MAKE. */
  readonly secret: Uint8Array
  readonly text: string
}

const invalid = (what: string, cause?: unknown) => new PedError('PED_FRAME_INVALID', what, { cause })

/** Runs a decoder of the client's codec; what it refuses is a PED_FRAME_INVALID here. */
function reading<Value>(bytes: Uint8Array, read: (reader: Reader) => Value): Value {
  try {
    return decode(bytes, read)
  } catch (error) {
    if (error instanceof FrameError) throw invalid(error.message, error)
    throw error
  }
}

/** The 16 bytes before a body of `length` bytes; also what a sealed body is bound to. */
export function pedHeader({ type, pedId, sequence }: Omit<PedFrame, 'body'>, length: number): Uint8Array {
  return new Writer().u32(PED_MAGIC).u8(type).u8(PROTOCOL_VERSION).u16(pedId).u32(sequence).u32(length).finish()
}

export function encodePedFrame(frame: PedFrame): Uint8Array {
  return concat(pedHeader(frame, frame.body.length), frame.body)
}

/** @throws PedError PED_FRAME_INVALID */
export function decodePedFrame(bytes: Uint8Array): PedFrame {
  if (bytes.length < PED_HEADER || bytes.length > PED_MAX_FRAME) throw invalid(`a PED frame of ${bytes.length} bytes`)
  return reading(bytes, (reader) => {
    if (reader.u32() !== PED_MAGIC) throw invalid('not a PED frame')
    const type = reader.u8()
    if (reader.u8() !== PROTOCOL_VERSION) throw invalid('a PED frame of another version')
    const pedId = reader.u16()
    if (pedId !== PED_ID_LOCAL && pedId !== PED_ID_REMOTE) throw invalid('a PED frame for no connector')
    const sequence = reader.u32()
    const length = reader.u32()
    if (length !== reader.left) throw invalid('a PED frame whose body has another length')
    if ((type === PED_CANCEL || type === PED_CLOSE) && length !== 0) throw invalid('a body where there is none')
    return { type, pedId, sequence, body: reader.fixed(length) }
  })
}

/** Reads a PED_HELLO; its ephemeral key is a point of P-384. @throws PedError PED_FRAME_INVALID */
export function decodeHello(frame: PedFrame): Hello & { readonly ephemeral: Uint8Array } {
  if (frame.type !== PED_HELLO || frame.sequence !== 0) throw invalid('not the HELLO of a link')
  return reading(frame.body, (reader) => {
    const mode = reader.u8()
    if (mode > 1 || (mode === 1) !== (frame.pedId === PED_ID_REMOTE))
      throw invalid('the mode does not fit the connector')
    if (reader.fixed(3).some((byte) => byte !== 0)) throw invalid('reserved bytes of a HELLO')
    const serial = reader.u64()
    // The nonce reaches the keys through the transcript.
    reader.fixed(NONCE)
    const ephemeral = reader.fixed(POINT)
    if (!isPoint(ephemeral)) throw invalid('the ephemeral key is no point of P-384')
    return { remote: mode === 1, serial, ephemeral }
  })
}

/** Takes the plaintext of a PED_REQUEST apart. @throws PedError PED_FRAME_INVALID */
export function decodeRequest(plaintext: Uint8Array): PedRequest {
  return reading(plaintext, (reader) => {
    const [op, kind, hint, textLength] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()]
    const timeoutSeconds = reader.u32()
    const secret = reader.fixed(PED_SECRET)
    if (op !== PED_OP_MAKE && secret.some((byte) => byte !== 0))
      throw invalid('a secret in a request that has no use for it')
    const text = new TextDecoder().decode(reader.fixed(textLength))
    return { op, kind, hint, timeoutSeconds, secret, text }
  })
}

/** Plaintext of a PED_ANSWER; without a secret it carries zeros. */
export function encodeAnswer(status: number, flags = 0, secret: Uint8Array = new Uint8Array(PED_SECRET)): Uint8Array {
  return new Writer().u8(status).u8(flags).u16(0).fixed(secret, PED_SECRET).finish()
}
