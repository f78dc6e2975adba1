import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import { PED_ANSWER, PED_HELLO_ACK, PED_REQUEST } from '../../assembly/protocol.js'
import { POINT } from '../client/certificate.js'
import { kdf } from '../client/channel.js'
import { concat, Writer } from '../client/codec.js'
import { ephemeralKey, type RandomBytes, systemRandom } from '../client/random.js'
import { PedError } from './errors.js'
import { decodeHello, encodePedFrame, NONCE, type PedFrame, pedHeader } from './framing.js'

const CIPHER = 'aes-256-gcm'
const TAG = 16
const TAG_P = 32
const ascii = (text: string) => Buffer.from(text, 'latin1')

/** `"MPD1" ∥ 00000000 ∥ sequence`. */
const nonce = (sequence: number) => concat(ascii('MPD1'), new Writer().u32(0).u32(sequence).finish())

/** The keys of one link, from its HELLO to its end (SPEC.md §5). Requests open in the order of their numbers, each once. */
export class PedChannel {
  readonly #requestKey: Uint8Array
  readonly #answerKey: Uint8Array
  readonly #pedId: number
  #sequence = 0

  private constructor(pedId: number, requestKey: Uint8Array, answerKey: Uint8Array) {
    this.#pedId = pedId
    this.#requestKey = requestKey
    this.#answerKey = answerKey
  }

  /**
   * Agrees on keys with the HSM that sent `hello`. With another vector than the HSM's the frame made here has a wrong tag,
   * and no key of the two sides is the same: that is the authentication.
   * @param hello the PED_HELLO as it came
   * @param vector the remote PED vector, PED_SECRET bytes; empty on a local link
   * @param random where the PED's key and nonce come from
   * @throws PedError PED_FRAME_INVALID
   */
  static accept(
    hello: PedFrame,
    vector: Uint8Array,
    random: RandomBytes = systemRandom,
  ): { channel: PedChannel; ack: Uint8Array } {
    const { ephemeral } = decodeHello(hello)
    const own = ephemeralKey(random)
    const fields = concat(random(NONCE), own.getPublicKey())
    const header = { type: PED_HELLO_ACK, pedId: hello.pedId, sequence: 0 }
    const untagged = concat(pedHeader(header, NONCE + POINT + TAG_P), fields)
    const th = createHash('sha384').update(encodePedFrame(hello)).update(untagged).digest()
    const shared = own.computeSecret(ephemeral)
    const prk = createHmac('sha384', th).update(shared).update(vector).digest()
    const keys = kdf(prk, 'MPD1 session', th, 112)
    const tag = createHmac('sha384', keys.subarray(64)).update('MPD1 PED').update(th).digest().subarray(0, TAG_P)
    const channel = new PedChannel(hello.pedId, keys.slice(0, 32), keys.slice(32, 64))
    for (const secret of [shared, prk, keys]) secret.fill(0)
    return { channel, ack: concat(untagged, tag) }
  }

  /** Number of the request opened last, 0 = none yet. */
  get sequence(): number {
    return this.#sequence
  }

  /**
   * Opens a request. Its number is above all before: one that was damaged on its way is not sent again, so numbers may be left out.
   * @throws PedError PED_FRAME_INVALID, PED_FRAME_REPLAYED; nothing has changed then
   */
  open(frame: PedFrame): Uint8Array {
    const { type, pedId, sequence, body } = frame
    if (type !== PED_REQUEST || pedId !== this.#pedId)
      throw new PedError('PED_FRAME_INVALID', 'not a request of this link')
    if (sequence <= this.#sequence) throw new PedError('PED_FRAME_REPLAYED', 'a request that came before')
    if (body.length < TAG) throw new PedError('PED_FRAME_INVALID', 'a sealed body is too short')
    const decipher = createDecipheriv(CIPHER, this.#requestKey, nonce(sequence), { authTagLength: TAG })
    decipher.setAAD(pedHeader(frame, body.length)).setAuthTag(body.subarray(-TAG))
    try {
      const plaintext = concat(decipher.update(body.subarray(0, -TAG)), decipher.final())
      this.#sequence = sequence
      return plaintext
    } catch (cause) {
      throw new PedError('PED_FRAME_INVALID', 'a request was changed on its way', { cause })
    }
  }

  /** The frame that answers the request opened last. To be called once for each: the nonce is the request's number. */
  seal(plaintext: Uint8Array): Uint8Array {
    const header = { type: PED_ANSWER, pedId: this.#pedId, sequence: this.#sequence }
    const head = pedHeader(header, plaintext.length + TAG)
    const cipher = createCipheriv(CIPHER, this.#answerKey, nonce(this.#sequence)).setAAD(head)
    return concat(head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
  }

  wipe(): void {
    this.#requestKey.fill(0)
    this.#answerKey.fill(0)
  }
}
