import * as protocol from '../../assembly/protocol.js'
import type { ChainOptions, TokenIdentity } from './certificate.js'
import { type Channel, ChannelOffer } from './channel.js'
import { decode, decodeFrame, type Frame, isAnswerTo, type Reader, Writer } from './codec.js'
import { ChannelError, FrameError, TokenError } from './errors.js'
import { type RandomBytes, systemRandom } from './random.js'
import type { Transport } from './transport.js'

/** Commands marked S in SPEC.md §2.2, and OBJECT_CREATE, which may carry a key. */
const ALWAYS_SEALED: ReadonlySet<number> = new Set([
  protocol.CMD_HSM_INIT,
  protocol.CMD_PARTITION_CREATE,
  protocol.CMD_PARTITION_INIT,
  protocol.CMD_PARTITION_SET_DOMAIN,
  protocol.CMD_PARTITION_DOMAIN_ADD,
  protocol.CMD_AUDIT_SET_DOMAIN,
  protocol.CMD_ROLE_LOGIN,
  protocol.CMD_ROLE_INIT,
  protocol.CMD_ROLE_CHANGE_SECRET,
  protocol.CMD_ROLE_RESET_SECRET,
  protocol.CMD_ROLE_CREATE_CHALLENGE,
  protocol.CMD_OBJECT_CREATE,
])

export interface CallOptions {
  /** Seal although the command does not demand it. */
  readonly sealed?: boolean
}

export interface CommandPortOptions extends ChainOptions {
  /** Names this client to the token: log-ins hold for all sessions of one access id. Random unless given. */
  readonly access?: bigint
  /** Where this client's keys and nonces come from: random bytes of the system unless given. */
  readonly random?: RandomBytes
}

/**
 * Sends commands to one token and gives back the bodies of their answers. Opens a channel when the first command needs
 * one, and a new one when the token has dropped it. Several calls may be under way.
 */
export class CommandPort {
  readonly access: bigint
  readonly #transport: Transport
  readonly #chain: ChainOptions
  readonly #random: RandomBytes
  #channel: Promise<Channel> | undefined
  #tag = 0

  constructor(transport: Transport, options: CommandPortOptions = {}) {
    this.#transport = transport
    this.#chain = options
    this.#random = options.random ?? systemRandom
    this.access = options.access ?? Buffer.from(this.#random(8)).readBigUInt64BE()
  }

  /**
   * One command in session `session` (0 = none). The body is overwritten once it is sent.
   * @throws TokenError the token refused; FrameError its answer is not as in SPEC.md; ChannelError; TransportError
   */
  async call<Answer>(
    command: number,
    session: number,
    body: Writer,
    read: (reader: Reader) => Answer,
    options: CallOptions = {},
  ): Promise<Answer> {
    if (!options.sealed && !ALWAYS_SEALED.has(command)) return decode(await this.#plain(command, session, body), read)
    const plain = body.finish()
    try {
      return decode(await this.#sealed(command, session, plain), read)
    } finally {
      plain.fill(0)
    }
  }

  /** The token behind the channel, its certificates checked. Opens the channel. */
  async identity(): Promise<TokenIdentity> {
    return (await this.#open()).identity
  }

  async close(): Promise<void> {
    await this.#transport.close()
  }

  async #plain(command: number, session: number, body: Writer): Promise<Uint8Array> {
    const answer = await this.#exchange(command, 0, session, body)
    if (answer.flags !== 0) throw new FrameError('FRAME_MALFORMED', 'an answer has flags that its request had not')
    return answer.body
  }

  async #sealed(command: number, session: number, body: Uint8Array): Promise<Uint8Array> {
    const channel = this.#open()
    try {
      return await this.#throughChannel(await channel, command, session, body)
    } catch (error) {
      if (!(error instanceof TokenError && error.rc === protocol.RC_CHANNEL_INVALID)) throw error
      // The token was restarted or made room for another client. It did not run the command.
      if (this.#channel === channel) this.#channel = undefined
      return await this.#throughChannel(await this.#open(), command, session, body)
    }
  }

  async #throughChannel(channel: Channel, command: number, session: number, body: Uint8Array): Promise<Uint8Array> {
    const { sealed, opener } = channel.seal({ command, word: session }, body)
    const message = new Writer().fixed(sealed, sealed.length)
    const answer = await this.#exchange(command, protocol.FLAG_SEALED, session, message)
    if (answer.flags !== protocol.FLAG_SEALED) {
      throw new ChannelError('CHANNEL_ANSWER', 'the answer to a sealed command is not sealed')
    }
    return opener({ command: answer.command, word: answer.word }, answer.body)
  }

  async #exchange(command: number, flags: number, session: number, body: Writer): Promise<Frame> {
    this.#tag = (this.#tag + 1) >>> 0
    const tag = this.#tag
    const answer = decodeFrame(await this.#transport.exchange(body.frame({ command, flags, word: session, tag })))
    if (!isAnswerTo(answer, command, tag)) throw new FrameError('FRAME_MALFORMED', 'this answers another command')
    if (answer.word === protocol.RC_OK) return answer
    if (answer.body.length > 0) throw new FrameError('FRAME_MALFORMED', 'a refusal has a body')
    throw new TokenError(answer.word, command)
  }

  #open(): Promise<Channel> {
    if (this.#channel) return this.#channel
    const opening = this.#openChannel()
    this.#channel = opening
    opening.catch(() => {
      if (this.#channel === opening) this.#channel = undefined
    })
    return opening
  }

  async #openChannel(): Promise<Channel> {
    const offer = new ChannelOffer(this.#random)
    const body = offer.body()
    const answer = await this.#plain(protocol.CMD_CHANNEL_OPEN, 0, new Writer().fixed(body, body.length))
    return offer.accept(answer, this.#chain)
  }
}

/** Reads an answer that has no body. */
export function nothing(): void {}

/** A request that has no body. */
export function empty(): Writer {
  return new Writer()
}
