import { MAX_FRAME } from '../../assembly/protocol.js'
import { NtlsError } from './errors.js'

// Messages of an NTLS connection, inside TLS (SPEC.md §10.1): length u32 of all that follows, kind u8, number of the HSM u8, zero u16, the body.

/** First message of a client: version u16. */
export const HELLO = 1
/** The appliance's answer: version u16, HSMs u8 × serial number u64. */
export const WELCOME = 2
/** One command frame for an HSM. */
export const COMMAND = 3
/** The answer to one, in any order. */
export const REPLY = 4
/** Why the appliance ends the connection now: REFUSAL_… u16. */
export const REFUSED = 5
/** The carrier of a remote PED's link to the HSM: tag u32, port u16 (0 = the usual one), host. */
export const PED_CONNECT = 6
/** Takes that carrier away: tag u32. */
export const PED_DISCONNECT = 7
/** What came of either: tag u32, length u8 of a code (0 = it is done), the code, words for a person. */
export const PED_DONE = 8

export const NTLS_VERSION = 1
/** Bytes of a message before its body, the length itself among them. */
export const MESSAGE_HEADER = 8
const LENGTH = 4
/** The largest message, its length not counted. */
const MOST = MESSAGE_HEADER - LENGTH + MAX_FRAME

/** Why an appliance ends a connection. */
export const REFUSALS = {
  NOT_REGISTERED: 1,
  CERTIFICATE_EXPIRED: 2,
  TOO_MANY: 3,
  VERSION: 4,
  MALFORMED: 5,
  TOO_SLOW: 6,
  IDLE: 7,
  SHUTDOWN: 8,
} as const

export type Refusal = keyof typeof REFUSALS

export function refusalOf(code: number): Refusal | undefined {
  for (const [name, value] of Object.entries(REFUSALS)) if (value === code && isRefusal(name)) return name
  return undefined
}

function isRefusal(name: string): name is Refusal {
  return Object.hasOwn(REFUSALS, name)
}

export interface Message {
  readonly kind: number
  readonly hsm: number
  readonly body: Buffer
}

export function encodeMessage(kind: number, hsm: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(MESSAGE_HEADER + body.length)
  bytes.writeUInt32BE(bytes.length - LENGTH)
  bytes.writeUInt8(kind, 4)
  bytes.writeUInt8(hsm, 5)
  bytes.writeUInt16BE(0, 6)
  bytes.set(body, MESSAGE_HEADER)
  return bytes
}

export const helloMessage = (): Buffer => encodeMessage(HELLO, 0, Buffer.of(0, NTLS_VERSION))

export function welcomeMessage(serials: readonly bigint[]): Buffer {
  const body = Buffer.alloc(3 + 8 * serials.length)
  body.writeUInt16BE(NTLS_VERSION)
  body.writeUInt8(serials.length, 2)
  for (const [i, serial] of serials.entries()) body.writeBigUInt64BE(serial, 3 + 8 * i)
  return encodeMessage(WELCOME, 0, body)
}

/** Serial numbers of the HSMs. @throws NtlsError NTLS_FRAMING */
export function readWelcome(body: Buffer): bigint[] {
  if (body.length < 3 || body.readUInt16BE() !== NTLS_VERSION || body.length !== 3 + 8 * body.readUInt8(2)) {
    throw new NtlsError('NTLS_FRAMING', 'this is no welcome that is known here')
  }
  return Array.from({ length: body.readUInt8(2) }, (_, i) => body.readBigUInt64BE(3 + 8 * i))
}

export function refusedMessage(why: Refusal): Buffer {
  return encodeMessage(REFUSED, 0, Buffer.of(0, REFUSALS[why]))
}

/** Bytes of a host name. */
const HOST_MAX = 253
const CODE_MAX = 64
const TEXT_MAX = 1024

export interface PedOrder {
  readonly tag: number
  /** Where the PED's server is; undefined = the carrier is taken away. */
  readonly to: { readonly host: string; readonly port: number | undefined } | undefined
}

export interface PedOutcome {
  readonly tag: number
  /** What failed; undefined = nothing. */
  readonly failure: { readonly code: string; readonly message: string } | undefined
}

export function pedOrderMessage(hsm: number, { tag, to }: PedOrder): Buffer {
  const body = Buffer.alloc(to ? 6 : 4)
  body.writeUInt32BE(tag)
  if (!to) return encodeMessage(PED_DISCONNECT, hsm, body)
  body.writeUInt16BE(to.port ?? 0, 4)
  return encodeMessage(PED_CONNECT, hsm, Buffer.concat([body, Buffer.from(to.host)]))
}

/** Undefined where the message is no order, or not a whole one. */
export function readPedOrder({ kind, body }: Message): PedOrder | undefined {
  if (kind === PED_DISCONNECT) return body.length === 4 ? { tag: body.readUInt32BE(), to: undefined } : undefined
  if (kind !== PED_CONNECT || body.length < 7 || body.length > 6 + HOST_MAX) return undefined
  const host = body.toString('utf8', 6)
  return { tag: body.readUInt32BE(), to: { host, port: body.readUInt16BE(4) || undefined } }
}

export function pedOutcomeMessage(hsm: number, { tag, failure }: PedOutcome): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(tag)
  const code = Buffer.from((failure?.code ?? '').slice(0, CODE_MAX), 'ascii')
  head.writeUInt8(code.length, 4)
  const words = Buffer.from((failure?.message ?? '').slice(0, TEXT_MAX))
  return encodeMessage(PED_DONE, hsm, Buffer.concat([head, code, words]))
}

/** Undefined where the body is no outcome. */
export function readPedOutcome(body: Buffer): PedOutcome | undefined {
  const length = body.length < 5 ? 0 : body.readUInt8(4)
  if (body.length < 5 + length) return undefined
  const tag = body.readUInt32BE()
  if (length === 0) return { tag, failure: undefined }
  return { tag, failure: { code: body.toString('ascii', 5, 5 + length), message: body.toString('utf8', 5 + length) } }
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** Cuts a connection's bytes into messages, however they were split on the way. What is pushed has to be left alone afterwards. */
export class MessageReader {
  readonly #header = Buffer.alloc(MESSAGE_HEADER)
  #body: Buffer | undefined
  #have = 0

  /** A message has begun and is not complete. */
  get inside(): boolean {
    return this.#have > 0 || this.#body !== undefined
  }

  /**
   * Takes the next bytes and answers the messages that they complete.
   * @throws NtlsError NTLS_FRAMING for a header that no message has, before there is memory for its body; nothing can follow
   */
  push(bytes: Uint8Array): Message[] {
    const messages: Message[] = []
    let rest = bytes
    for (;;) {
      if (this.#body?.length === this.#have) {
        messages.push({ kind: this.#header.readUInt8(4), hsm: this.#header.readUInt8(5), body: this.#body })
        this.#body = undefined
        this.#have = 0
      }
      if (rest.length === 0) return messages
      const target = this.#body ?? this.#header
      const piece = rest.subarray(0, target.length - this.#have)
      target.set(piece, this.#have)
      this.#have += piece.length
      rest = rest.subarray(piece.length)
      if (this.#body || this.#have < MESSAGE_HEADER) continue
      const length = this.#checkHeader()
      // Most come whole: these bytes are read once and are nobody else's.
      const whole = rest.length >= length
      this.#body = whole ? bufferOf(rest.subarray(0, length)) : Buffer.alloc(length)
      this.#have = whole ? length : 0
      if (whole) rest = rest.subarray(length)
    }
  }

  /** @returns bytes of the body */
  #checkHeader(): number {
    const length = this.#header.readUInt32BE()
    if (length < MESSAGE_HEADER - LENGTH || length > MOST) {
      throw new NtlsError('NTLS_FRAMING', `a message of ${length} bytes`)
    }
    const kind = this.#header.readUInt8(4)
    if (kind < HELLO || kind > PED_DONE || this.#header.readUInt16BE(6) !== 0) {
      throw new NtlsError('NTLS_FRAMING', 'this is the beginning of no message')
    }
    return length - (MESSAGE_HEADER - LENGTH)
  }
}
