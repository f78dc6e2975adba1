// The HSM's end of the PED cable, written from SPEC.md §5 alone: nothing of host/ped is used here but the type of the cable.
import { createCipheriv, createDecipheriv, createECDH, createHash, createHmac, randomBytes } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'

const SERIAL = 700101n
const ascii = (text: string) => Buffer.from(text, 'latin1')
const word = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const hmac = (key: Uint8Array, ...parts: Uint8Array[]) =>
  createHmac('sha384', key).update(Buffer.concat(parts)).digest()
const nonce = (sequence: number) => Buffer.concat([ascii('MPD1'), word(0), word(sequence)])

/** SP 800-108 counter mode as OBC-1 §4 has it. */
function kdf(key: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const fixed = Buffer.concat([ascii(label), Buffer.alloc(1), context, word(8 * length)])
  const blocks = Array.from({ length: Math.ceil(length / 48) }, (_, i) => hmac(key, word(i + 1), fixed))
  return Buffer.concat(blocks).subarray(0, length)
}

export interface Request {
  op: number
  kind?: number
  hint?: number
  seconds?: number
  secret?: Uint8Array
  text?: string
}

export interface Answer {
  sequence: number
  status: number
  flags: number
  secret: Buffer
}

export interface HsmOptions {
  remote?: boolean
  vector?: Uint8Array
}

export class HsmSide {
  readonly #link: FrameLink
  readonly #remote: boolean
  readonly #vector: Uint8Array
  readonly #frames: Buffer[] = []
  readonly #waiting: ((frame: Buffer) => void)[] = []
  #requestKey: Uint8Array = new Uint8Array(0)
  #answerKey: Uint8Array = new Uint8Array(0)
  sequence = 0

  constructor(link: FrameLink, { remote = false, vector = new Uint8Array(0) }: HsmOptions = {}) {
    this.#link = link
    this.#remote = remote
    this.#vector = vector
    link.onFrame((frame) => {
      const next = this.#waiting.shift()
      if (next) next(Buffer.from(frame))
      else this.#frames.push(Buffer.from(frame))
    })
  }

  /** The next frame of the PED. */
  next(): Promise<Buffer> {
    const frame = this.#frames.shift()
    return frame ? Promise.resolve(frame) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  frame(type: number, sequence: number, body: Uint8Array): Buffer {
    return Buffer.concat([this.#header(type, sequence, body.length), body])
  }

  send(frame: Uint8Array): void {
    this.#link.send(frame)
  }

  /** Says hello and takes the answer; resolves to whether the PED proved the same vector. */
  async hello(): Promise<boolean> {
    const own = createECDH('secp384r1')
    const serial = Buffer.alloc(8)
    serial.writeBigUInt64BE(SERIAL)
    const body = Buffer.concat([Buffer.of(this.#remote ? 1 : 0, 0, 0, 0), serial, randomBytes(32), own.generateKeys()])
    const hello = this.frame(protocol.PED_HELLO, 0, body)
    this.send(hello)
    const ack = await this.next()
    const expectedHeader = this.#header(protocol.PED_HELLO_ACK, 0, 32 + 97 + 32)
    if (!ack.subarray(0, 16).equals(expectedHeader) || ack.length !== 16 + 161)
      throw new Error(`not a HELLO_ACK: ${ack.toString('hex')}`)
    const th = createHash('sha384').update(hello).update(ack.subarray(0, -32)).digest()
    const prk = hmac(th, own.computeSecret(ack.subarray(48, 145)), this.#vector)
    const km = kdf(prk, 'MPD1 session', th, 112)
    this.#requestKey = km.subarray(0, 32)
    this.#answerKey = km.subarray(32, 64)
    this.sequence = 0
    return hmac(km.subarray(64), ascii('MPD1 PED'), th).subarray(0, 32).equals(ack.subarray(-32))
  }

  plaintext({ op, kind = 0, hint = 0, seconds = 200, secret = new Uint8Array(48), text = '' }: Request): Buffer {
    const words = Buffer.from(text, 'utf8')
    return Buffer.concat([Buffer.of(op, kind, hint, words.length), word(seconds), secret, words])
  }

  seal(sequence: number, plaintext: Uint8Array): Buffer {
    const header = this.#header(protocol.PED_REQUEST, sequence, plaintext.length + 16)
    const cipher = createCipheriv('aes-256-gcm', this.#requestKey, nonce(sequence)).setAAD(header)
    return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  }

  /** Sends the next request and does not wait for the answer; the frame is what went over the cable. */
  ask(request: Request): Buffer {
    const frame = this.seal(++this.sequence, this.plaintext(request))
    this.send(frame)
    return frame
  }

  async answer(): Promise<Answer> {
    return this.open(await this.next())
  }

  /** One request and its answer. */
  request(request: Request): Promise<Answer> {
    this.ask(request)
    return this.answer()
  }

  /** Takes a PED_ANSWER apart. */
  open(frame: Buffer): Answer {
    const sequence = frame.readUInt32BE(8)
    const header = this.#header(protocol.PED_ANSWER, sequence, frame.length - 16)
    if (!frame.subarray(0, 16).equals(header))
      throw new Error(`not a PED_ANSWER: ${frame.subarray(0, 16).toString('hex')}`)
    const decipher = createDecipheriv('aes-256-gcm', this.#answerKey, nonce(sequence), { authTagLength: 16 })
    decipher.setAAD(header).setAuthTag(frame.subarray(-16))
    const plaintext = Buffer.concat([decipher.update(frame.subarray(16, -16)), decipher.final()])
    if (plaintext.length !== 52 || plaintext.readUInt16BE(2) !== 0) throw new Error('not the plaintext of a PED_ANSWER')
    return { sequence, status: plaintext.readUInt8(0), flags: plaintext.readUInt8(1), secret: plaintext.subarray(4) }
  }

  cancel(sequence = this.sequence): void {
    this.send(this.frame(protocol.PED_CANCEL, sequence, new Uint8Array(0)))
  }

  close(): void {
    this.send(this.frame(protocol.PED_CLOSE, 0, new Uint8Array(0)))
  }

  #header(type: number, sequence: number, length: number): Buffer {
    const id = Buffer.alloc(2)
    id.writeUInt16BE(this.#remote ? 100 : 0)
    return Buffer.concat([ascii('MPD1'), Buffer.of(type, 1), id, word(sequence), word(length)])
  }
}

/** Reason of a PED_ALERT; undefined where the frame is none. */
export function alertReason(frame: Buffer): number | undefined {
  return frame.length === 17 && frame[4] === protocol.PED_ALERT ? frame[16] : undefined
}

/** What the HSM gets where the PED mixes a PIN in. */
export const withPin = (secret: Uint8Array, pin: string) => hmac(secret, ascii('MPD1 PIN'), ascii(pin))
