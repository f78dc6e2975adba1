import { createCipheriv, createDecipheriv, createHash, createHmac, type ECDH, timingSafeEqual } from 'node:crypto'
import { FLAG_SEALED, OBC_CERTIFICATE, SEALED_OVERHEAD } from '../../assembly/protocol.js'
import { type ChainOptions, isPoint, POINT, type TokenIdentity, verifyChain } from './certificate.js'
import { concat, decode, Reader, Writer } from './codec.js'
import { ChannelError } from './errors.js'
import { ephemeralKey, type RandomBytes, systemRandom } from './random.js'

const TAG = 16
const NONCE = 32
/** "MLCC" */
const NONCE_MAGIC = 0x4d4c4343
const CIPHER = 'aes-256-gcm'
const ascii = (text: string) => Buffer.from(text, 'latin1')

/** SP 800-108 counter mode, HMAC-SHA-384, 32-bit counter before the fixed data (OBC-1 §4). */
export function kdf(key: Uint8Array, label: string, context: Uint8Array, length: number): Uint8Array {
  const fixed = concat(ascii(label), Uint8Array.of(0), context, new Writer().u32(8 * length).finish())
  const blocks: Uint8Array[] = []
  for (let i = 1; blocks.length * 48 < length; i++) {
    blocks.push(createHmac('sha384', key).update(new Writer().u32(i).finish()).update(fixed).digest())
  }
  return concat(...blocks).subarray(0, length)
}

/** The half of CHANNEL_OPEN that waits for the token's answer. */
export class ChannelOffer {
  readonly #private: ECDH
  readonly #public: Uint8Array
  readonly #nonce: Uint8Array

  constructor(random: RandomBytes = systemRandom) {
    this.#private = ephemeralKey(random)
    this.#public = Uint8Array.from(this.#private.getPublicKey())
    this.#nonce = Uint8Array.from(random(NONCE))
  }

  /** Body of the CHANNEL_OPEN request. */
  body(): Uint8Array {
    return new Writer().fixed(this.#public, POINT).fixed(this.#nonce, NONCE).finish()
  }

  /**
   * Checks the token's certificates and its tag and derives the keys (SPEC.md §2.1).
   * @throws ChannelError CHANNEL_CERTIFICATE or CHANNEL_HANDSHAKE
   */
  accept(answer: Uint8Array, options: ChainOptions = {}): Channel {
    const { id, ephemeral, nonce, hoc, twc, tag } = decode(answer, (reader) => ({
      id: reader.u32(),
      ephemeral: reader.fixed(POINT),
      nonce: reader.fixed(NONCE),
      hoc: reader.fixed(OBC_CERTIFICATE),
      twc: reader.fixed(OBC_CERTIFICATE),
      tag: reader.fixed(32),
    }))
    const identity = verifyChain(hoc, twc, options)
    if (!isPoint(ephemeral)) throw new ChannelError('CHANNEL_HANDSHAKE', 'the token sent no point of P-384')
    const channel = new Writer().u32(id).finish()
    const transcript = createHash('sha384')
    for (const part of [ascii('MLC1'), this.#public, this.#nonce, channel, ephemeral, nonce, hoc, twc]) {
      transcript.update(part)
    }
    const th = transcript.digest()
    const shared = concat(this.#private.computeSecret(ephemeral), this.#private.computeSecret(identity.agreementKey))
    const keys = kdf(createHmac('sha384', th).update(shared).digest(), 'MLC1 channel', th, 112)
    const expected = createHmac('sha384', keys.subarray(64)).update('MLC1 token').update(th).digest().subarray(0, 32)
    shared.fill(0)
    if (!timingSafeEqual(expected, tag)) throw new ChannelError('CHANNEL_HANDSHAKE', 'the token did not prove its key')
    return new Channel(id, identity, { request: keys.slice(0, 32), answer: keys.slice(32, 64) })
  }
}

/** Header fields that a sealed body is bound to. */
export interface SealedHeader {
  readonly command: number
  /** Session of a request, return code of an answer. */
  readonly word: number
}

/** An open channel to one token: seals request bodies, opens answer bodies. */
export class Channel {
  readonly #requestKey: Uint8Array
  readonly #answerKey: Uint8Array
  #counter = 0

  constructor(
    readonly id: number,
    readonly identity: TokenIdentity,
    keys: { readonly request: Uint8Array; readonly answer: Uint8Array },
  ) {
    this.#requestKey = keys.request
    this.#answerKey = keys.answer
  }

  /** Seals under the next counter; `opener` opens the one answer that belongs to it. */
  seal(header: SealedHeader, body: Uint8Array): { sealed: Uint8Array; opener: Opener } {
    const counter = ++this.#counter
    const cipher = createCipheriv(CIPHER, this.#requestKey, nonce(this.id, counter))
    cipher.setAAD(associated(header, body.length))
    const head = new Writer().u32(this.id).u32(counter).finish()
    return {
      sealed: concat(head, cipher.update(body), cipher.final(), cipher.getAuthTag()),
      opener: (answer, bytes) => this.#open(counter, answer, bytes),
    }
  }

  #open(counter: number, header: SealedHeader, sealed: Uint8Array): Uint8Array {
    if (sealed.length < SEALED_OVERHEAD) throw new ChannelError('CHANNEL_ANSWER', 'a sealed answer is too short')
    const reader = new Reader(sealed)
    if (reader.u32() !== this.id || reader.u32() !== counter) {
      throw new ChannelError('CHANNEL_ANSWER', 'a sealed answer belongs to another request')
    }
    const text = reader.view(reader.left - TAG)
    const decipher = createDecipheriv(CIPHER, this.#answerKey, nonce(this.id, counter), { authTagLength: TAG })
    decipher.setAAD(associated(header, text.length)).setAuthTag(reader.view(TAG))
    try {
      return concat(decipher.update(text), decipher.final())
    } catch (cause) {
      throw new ChannelError('CHANNEL_ANSWER', 'a sealed answer was changed on its way', { cause })
    }
  }
}

/** Opens the sealed body of an answer. @throws ChannelError CHANNEL_ANSWER */
export type Opener = (header: SealedHeader, sealed: Uint8Array) => Uint8Array

function nonce(channel: number, counter: number): Uint8Array {
  return new Writer().u32(NONCE_MAGIC).u32(channel).u32(counter).finish()
}

function associated(header: SealedHeader, length: number): Uint8Array {
  return new Writer().u16(header.command).u16(FLAG_SEALED).u32(header.word).u32(length).finish()
}
