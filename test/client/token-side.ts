// The token's side of SPEC.md §2, written from the page alone: what the client is tested against where the real
// firmware would never send such an answer.
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  type ECDH,
  randomBytes,
  sign,
} from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { decodeFrame, encodeFrame, type Frame, Reader, type Transport, Writer } from '../../host/client/index.js'

export interface Request {
  readonly command: number
  readonly session: number
  readonly sealed: boolean
  readonly body: Reader
}

/** Answers one command: a body, or a return code. */
export type Handler = (request: Request) => Writer | number | Promise<Writer | number>

const published = (name: string) => createHash('sha512').update(`OBC1-KAT:${name}`).digest().subarray(0, 48)

function keyPair(secret: Buffer): ECDH {
  const pair = createECDH('secp384r1')
  pair.setPrivateKey(secret)
  return pair
}

/** The root whose private key is published. */
export const rootKey = keyPair(published('root'))

export interface CertificateFields {
  readonly type: number
  readonly usage: number
  readonly serial: bigint
  readonly notBefore: bigint
  readonly notAfter: bigint
  readonly key: Buffer
  readonly issuer: ECDH
  /** Whoever signs in the issuer's name; the issuer itself unless given. */
  readonly signer?: ECDH
}

/** A certificate of OBC-1 §3. */
export function certificate(fields: CertificateFields): Uint8Array {
  const issuerPublic = fields.issuer.getPublicKey()
  const writer = new Writer().u32(0x4f544331).u8(fields.type).u8(1).u16(fields.usage)
  writer.fixed(createHash('sha384').update(issuerPublic).digest().subarray(0, 8), 8)
  writer.u64(fields.serial).u64(fields.notBefore).u64(fields.notAfter).u32(0x4b36).u32(protocol.PROFILE_6_27_0)
  const body = writer.fixed(fields.key, 97).fixed(new Uint8Array(15), 15).finish()
  const signer = fields.signer ?? fields.issuer
  const signerPublic = signer.getPublicKey()
  const coordinate = (from: number) => signerPublic.subarray(from, from + 48).toString('base64url')
  const d = signer.getPrivateKey().toString('base64url')
  const jwk = { kty: 'EC', crv: 'P-384', x: coordinate(1), y: coordinate(49), d }
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return Buffer.concat([body, sign('sha384', body, { key, dsaEncoding: 'ieee-p1363' })])
}

const FOREVER = (1n << 64n) - 1n

/** A transport whose other end is the code below: handlers by command id, everything sent and answered kept. */
export class TokenSide implements Transport {
  readonly handlers = new Map<number, Handler>()
  readonly frames: Uint8Array[] = []
  readonly closed: Promise<void>
  /** Changes an answer on its way back. */
  onAnswer: (frame: Uint8Array, request: Frame) => Uint8Array = (frame) => frame
  /** Fields of the certificates, to be changed by a test. */
  hoc: Partial<CertificateFields> = {}
  twc: Partial<CertificateFields> = {}
  readonly counters: number[] = []
  #channels = new Map<number, { request: Buffer; answer: Buffer }>()
  #nextChannel = 1
  #closed: () => void = () => {}
  readonly #hok = keyPair(published('hokS'))
  readonly #tuk = keyPair(published('tukS'))

  constructor(readonly serial = 500409014n) {
    this.closed = new Promise((resolve) => {
      this.#closed = resolve
    })
  }

  on(command: number, handler: Handler): this {
    this.handlers.set(command, handler)
    return this
  }

  /** As after a power cycle. */
  forgetChannels(): void {
    this.#channels.clear()
  }

  async exchange(bytes: Uint8Array): Promise<Uint8Array> {
    this.frames.push(Uint8Array.from(bytes))
    const request = decodeFrame(bytes)
    const answer = this.onAnswer(await this.#answer(request), request)
    this.frames.push(Uint8Array.from(answer))
    return answer
  }

  async close(): Promise<void> {
    this.#closed()
  }

  async #answer(request: Frame): Promise<Uint8Array> {
    const { command, tag, flags } = request
    const refuse = (rc: number) => this.#frame(command, 0, rc, tag, new Uint8Array(0))
    if (command === protocol.CMD_CHANNEL_OPEN) return this.#frame(command, 0, 0, tag, this.#openChannel(request.body))
    const handler = this.handlers.get(command)
    if (!handler) return refuse(protocol.RC_FUNCTION_NOT_SUPPORTED)
    const sealed = flags === protocol.FLAG_SEALED
    let body = request.body
    let channel = 0
    let counter = 0
    if (sealed) {
      const head = new Reader(request.body)
      channel = head.u32()
      counter = head.u32()
      const keys = this.#channels.get(channel)
      if (!keys) return refuse(protocol.RC_CHANNEL_INVALID)
      this.counters.push(counter)
      const text = head.fixed(head.left - 16)
      const decipher = createDecipheriv('aes-256-gcm', keys.request, nonce(channel, counter))
      decipher.setAAD(new Writer().u16(command).u16(flags).u32(request.word).u32(text.length).finish())
      decipher.setAuthTag(head.fixed(16))
      body = Buffer.concat([decipher.update(text), decipher.final()])
    }
    const outcome = await handler({ command, session: request.word, sealed, body: new Reader(body) })
    if (typeof outcome === 'number' && outcome !== 0) return refuse(outcome)
    const plain = typeof outcome === 'number' ? new Uint8Array(0) : outcome.finish()
    const keys = this.#channels.get(channel)
    if (!sealed || !keys) return this.#frame(command, 0, 0, tag, plain)
    const cipher = createCipheriv('aes-256-gcm', keys.answer, nonce(channel, counter))
    cipher.setAAD(
      new Writer()
        .u16(command + protocol.ANSWER)
        .u16(flags)
        .u32(0)
        .u32(plain.length)
        .finish(),
    )
    const head = new Writer().u32(channel).u32(counter).finish()
    const text = Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    return this.#frame(command, flags, 0, tag, text)
  }

  #frame(command: number, flags: number, word: number, tag: number, body: Uint8Array): Uint8Array {
    return encodeFrame({ command: command + protocol.ANSWER, flags, word, tag, body })
  }

  #openChannel(body: Uint8Array): Uint8Array {
    const reader = new Reader(body)
    const [ephC, nonceC] = [reader.fixed(97), reader.fixed(32)]
    const id = this.#nextChannel++
    const eph = createECDH('secp384r1')
    const ephT = eph.generateKeys()
    const nonceT = randomBytes(32)
    const life = { serial: this.serial, notBefore: 0n, notAfter: FOREVER }
    const hok = this.#hok.getPublicKey()
    const hoc = certificate({ ...life, type: 2, usage: 1, key: hok, issuer: rootKey, ...this.hoc })
    const tuk = this.#tuk.getPublicKey()
    const twc = certificate({ ...life, type: 3, usage: 2, key: tuk, issuer: this.#hok, ...this.twc })
    const channel = new Writer().u32(id).finish()
    const parts = [Buffer.from('MLC1'), ephC, nonceC, channel, ephT, nonceT, hoc, twc]
    const th = createHash('sha384').update(Buffer.concat(parts)).digest()
    const shared = Buffer.concat([eph.computeSecret(ephC), this.#tuk.computeSecret(ephC)])
    const prk = createHmac('sha384', th).update(shared).digest()
    const blocks = [1, 2, 3].map((i) => {
      const fixed = [new Writer().u32(i).finish(), Buffer.from('MLC1 channel\0'), th, new Writer().u32(896).finish()]
      return createHmac('sha384', prk).update(Buffer.concat(fixed)).digest()
    })
    const keys = Buffer.concat(blocks).subarray(0, 112)
    this.#channels.set(id, { request: keys.subarray(0, 32), answer: keys.subarray(32, 64) })
    const tag = createHmac('sha384', keys.subarray(64)).update('MLC1 token').update(th).digest().subarray(0, 32)
    return Buffer.concat([channel, ephT, nonceT, hoc, twc, tag])
  }
}

function nonce(channel: number, counter: number): Uint8Array {
  return Buffer.concat([Buffer.from('MLCC'), new Writer().u32(channel).u32(counter).finish()])
}
