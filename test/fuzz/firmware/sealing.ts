// The client's end of a sealed channel (SPEC.md §2.1), from the page and node:crypto alone, with keys that a name decides.
import { createHash } from 'node:crypto'
import { FLAG_SEALED } from '../../../assembly/protocol.js'
import { cat, u16, u32 } from '../../oracle/obc1/bytes.js'
import { certifiedKey } from '../../oracle/obc1/certificates.js'
import { H, HM, KDF, open, seal } from '../../oracle/obc1/crypto.js'
import { ecdh, publicKey } from '../../oracle/obc1/p384.js'

/** A scalar of P-384 that a name decides. */
export const scalarOf = (name: string): Buffer =>
  Buffer.concat([Buffer.of(1), createHash('sha512').update(`fuzz ${name}`).digest().subarray(0, 47)])

export const bytesOf = (name: string, length: number): Buffer =>
  createHash('sha512').update(`fuzz ${name}`).digest().subarray(0, length)

/** Fields of a header that a sealed body is bound to; `word` is the session of a request and the code of an answer. */
interface Bound {
  readonly command: number
  readonly word: number
}

const bound = ({ command, word }: Bound, length: number) => cat(u16(command), u16(FLAG_SEALED), u32(word), u32(length))

export class SealedChannel {
  counter = 0

  private constructor(
    readonly id: number,
    private readonly requests: Buffer,
    private readonly answers: Buffer,
    /** Everything that the two sides agreed on: Kc, Kt, Km, PRK and both shared secrets. */
    readonly secrets: readonly Buffer[],
  ) {}

  /** Body of CHANNEL_OPEN. */
  static hello(name: string): Buffer {
    return cat(publicKey(scalarOf(name)), bytesOf(`${name} nonce`, 32))
  }

  /** Takes the body of the answer; throws where the token did not prove its key. */
  static accept(name: string, answer: Buffer): SealedChannel {
    const own = scalarOf(name)
    let at = 0
    const next = (length: number) => {
      at += length
      return answer.subarray(at - length, at)
    }
    const [channel, eph, nonce, hoc, twc, tag] = [next(4), next(97), next(32), next(256), next(256), next(32)]
    if (tag.length !== 32) throw new Error('not an answer to CHANNEL_OPEN')
    const th = H(cat('MLC1', SealedChannel.hello(name), channel, eph, nonce, hoc, twc))
    const shared = cat(ecdh(own, eph), ecdh(own, certifiedKey(twc)))
    const prk = HM(th, shared)
    const keys = KDF(prk, 'MLC1 channel', th, 112)
    if (!HM(keys.subarray(64), 'MLC1 token', th).subarray(0, 32).equals(tag)) throw new Error('the tag is wrong')
    const [request, reply, mac] = [keys.subarray(0, 32), keys.subarray(32, 64), keys.subarray(64)]
    const secrets = [request, reply, mac, prk, shared.subarray(0, 48), shared.subarray(48)]
    return new SealedChannel(channel.readUInt32BE(), request, reply, secrets)
  }

  /** A sealed body under the next counter, or under one of the caller's. */
  seal(header: Bound, body: Uint8Array, counter = ++this.counter): Buffer {
    const place = cat(u32(this.id), u32(counter))
    return cat(place, seal(this.requests, cat('MLCC', place), bound(header, body.length), body))
  }

  /** The plaintext of an answer; undefined where it does not open. */
  open(header: Bound, sealed: Buffer): Buffer | undefined {
    if (sealed.length < 24) return undefined
    const place = sealed.subarray(0, 8)
    return open(this.answers, cat('MLCC', place), bound(header, sealed.length - 24), sealed.subarray(8)) ?? undefined
  }
}
