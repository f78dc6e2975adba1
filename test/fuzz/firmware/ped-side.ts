// The PED's end of its cable (SPEC.md §5), from the page and node:crypto alone: it answers at once, with the secrets of a table.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32 } from '../../oracle/obc1/bytes.js'
import { H, HM, KDF, open, seal } from '../../oracle/obc1/crypto.js'
import { ecdh, publicKey } from '../../oracle/obc1/p384.js'
import { bytesOf, scalarOf } from './sealing.js'

/** What the person at the PED does. */
export const PERSON = { right: 0, wrong: 1, cancels: 2, timesOut: 3, leaves: 4, alerts: 5, waits: 6 } as const
export const PERSONS = Object.values(PERSON)

/** Keys of one link. */
export interface LinkKeys {
  readonly request: Buffer
  readonly answer: Buffer
  /** Everything agreed: both keys, Km, PRK and the shared secret. */
  readonly secrets: readonly Buffer[]
}

export const pedFrame = (type: number, id: number, sequence: number, body: Uint8Array): Buffer =>
  cat('MPD1', u8(type), u8(protocol.PROTOCOL_VERSION), u16(id), u32(sequence), u32(body.length), body)

const nonce = (sequence: number) => cat('MPD1', u32(0), u32(sequence))

/** HELLO_ACK to a HELLO, and the keys that follow; undefined where the frame is no HELLO. */
export function acknowledge(hello: Buffer, vector: Uint8Array): { ack: Buffer; keys: LinkKeys } | undefined {
  if (hello.length !== 157 || hello[4] !== protocol.PED_HELLO) return undefined
  const own = scalarOf('ped')
  const head = pedFrame(protocol.PED_HELLO_ACK, hello.readUInt16BE(6), 0, Buffer.alloc(161)).subarray(0, 16)
  const untagged = cat(head, bytesOf('ped nonce', 32), publicKey(own))
  const th = H(hello, untagged)
  const shared = ecdh(own, hello.subarray(60))
  const prk = HM(th, shared, vector)
  const km = KDF(prk, 'MPD1 session', th, 112)
  const [request, answer, mac] = [km.subarray(0, 32), km.subarray(32, 64), km.subarray(64)]
  const tag = HM(mac, 'MPD1 PED', th).subarray(0, 32)
  return { ack: cat(untagged, tag), keys: { request, answer, secrets: [request, answer, mac, prk, shared] } }
}

export interface PedQuestion {
  readonly sequence: number
  readonly id: number
  readonly op: number
  readonly kind: number
  /** The secret to write. */
  readonly secret: Buffer
  readonly text: string
}

/** Plaintext of a PED_REQUEST; undefined where it is none or does not open. */
export function readQuestion(frame: Buffer, keys: LinkKeys): PedQuestion | undefined {
  if (frame[4] !== protocol.PED_REQUEST) return undefined
  const [id, sequence] = [frame.readUInt16BE(6), frame.readUInt32BE(8)]
  const plain = open(keys.request, nonce(sequence), frame.subarray(0, 16), frame.subarray(16))
  if (!plain || plain.length < 56) return undefined
  const [op = 0, kind = 0, , length = 0] = plain
  return { sequence, id, op, kind, secret: plain.subarray(8, 56), text: plain.toString('latin1', 56, 56 + length) }
}

/** PED_ANSWER around any plaintext. */
export function sealAnswer(keys: LinkKeys, id: number, sequence: number, plaintext: Uint8Array): Buffer {
  const head = pedFrame(protocol.PED_ANSWER, id, sequence, Buffer.alloc(plaintext.length + 16)).subarray(0, 16)
  return cat(head, seal(keys.answer, nonce(sequence), head, plaintext))
}

/** Plaintext of a PED_ANSWER. */
export const answerText = (status: number, secret: Uint8Array = Buffer.alloc(48), flags = 0): Buffer =>
  cat(u8(status), u8(flags), u16(0), secret)

/** A PED with its keys and a person. Values only, so that it can be kept and put back. */
export class PedSide {
  person: number = PERSON.right
  keys: LinkKeys | undefined
  /** Secrets on the PED keys, by kind and text of the prompt. */
  box: ReadonlyMap<string, Buffer> = new Map()
  vector: Buffer = Buffer.alloc(0)

  keep(): () => void {
    const { person, keys, box, vector } = this
    return () => Object.assign(this, { person, keys, box, vector })
  }

  /** What goes back to the HSM for a frame that came from it; undefined = nothing. */
  answer(frame: Buffer): Buffer | undefined {
    const id = frame.readUInt16BE(6)
    if (frame[4] === protocol.PED_HELLO) {
      if (this.person === PERSON.alerts) {
        return pedFrame(protocol.PED_ALERT, id, 0, Buffer.of(protocol.PED_STATUS_CANCELLED))
      }
      const agreed = acknowledge(frame, id === protocol.PED_ID_REMOTE ? this.vector : Buffer.alloc(0))
      this.keys = agreed?.keys
      return agreed?.ack
    }
    const question = this.keys && readQuestion(frame, this.keys)
    if (!this.keys || !question) return undefined
    const { sequence } = question
    switch (this.person) {
      case PERSON.right:
        return sealAnswer(this.keys, id, sequence, answerText(protocol.PED_STATUS_OK, this.#secretFor(question)))
      case PERSON.wrong:
        return sealAnswer(this.keys, id, sequence, answerText(protocol.PED_STATUS_OK, bytesOf(`wrong ${sequence}`, 48)))
      case PERSON.cancels:
        return sealAnswer(this.keys, id, sequence, answerText(protocol.PED_STATUS_CANCELLED))
      case PERSON.alerts:
        return pedFrame(protocol.PED_ALERT, id, sequence, Buffer.of(protocol.PED_STATUS_ERROR))
      default:
        return undefined
    }
  }

  #secretFor({ op, kind, secret, text }: PedQuestion): Buffer {
    // A purple key belongs to the HSM, whatever it calls itself.
    const key = kind === protocol.PED_KIND_MTK ? String(kind) : `${kind} ${text}`
    if (op === protocol.PED_OP_MAKE) {
      this.box = new Map(this.box).set(key, Buffer.from(secret))
      if (kind === protocol.PED_KIND_REMOTE) this.vector = Buffer.from(secret)
    }
    return op === protocol.PED_OP_SHOW ? Buffer.alloc(48) : (this.box.get(key) ?? bytesOf(key, 48))
  }
}
