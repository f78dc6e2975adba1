// A machine with what surrounds it: a client with a sealed channel, and a PED with a person.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32, u64 } from '../../oracle/obc1/bytes.js'
import { vector } from '../../oracle/obc1/known-answers.js'
import { sign } from '../../oracle/obc1/p384.js'
import type { GuardedFirmware } from './guarded-build.js'
import { type Kept, Machine, type Output } from './machine.js'
import { PERSON, PedSide } from './ped-side.js'
import { SealedChannel } from './sealing.js'

export interface Request {
  readonly command: number
  readonly session: number
  readonly body: Uint8Array
  readonly sealed?: boolean
}

export const field = (value: Uint8Array | string): Buffer => {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return cat(u32(bytes.length), bytes)
}

export const frameOf = (command: number, flags: number, session: number, tag: number, body: Uint8Array): Buffer =>
  cat(u16(command), u16(flags), u32(session), u32(tag), u32(body.length), body)

/** A state of a station that can be gone back to any number of times. */
export interface KeptStation {
  readonly machine: Kept
  readonly putBack: () => void
}

/** What the factory makes of a board. */
export interface Make {
  readonly model?: number
  readonly auth?: number
  readonly profile?: number
  readonly serial?: bigint
  readonly sectors?: number
  readonly seed?: string
}

export class Station {
  readonly machine: Machine
  ped = new PedSide()
  channel: SealedChannel | undefined
  /** Every frame that came out, for those who look for secrets in them. */
  onOutput: (frame: Buffer) => void = () => undefined
  #tag = 0

  /** A board that is off. */
  constructor(firmware: GuardedFirmware, { sectors = 20, seed = 'fuzz' }: Make = {}) {
    this.machine = new Machine(firmware, { sectors, seed })
    this.machine.chips.pedLines = protocol.PED_LINE_LOCAL | protocol.PED_LINE_REMOTE
  }

  keep(): KeptStation {
    const { channel } = this
    const [machine, ped, tag, counter] = [this.machine.keep(), this.ped.keep(), this.#tag, channel?.counter ?? 0]
    return {
      machine,
      putBack: () => {
        this.machine.putBack(machine)
        ped()
        this.#tag = tag
        this.channel = channel
        if (channel) channel.counter = counter
      },
    }
  }

  get lastTag(): number {
    return this.#tag
  }

  nextTag(): number {
    this.#tag++
    return this.#tag
  }

  /** Puts a request into a frame, sealed where wanted. */
  frame({ command, session, body, sealed = false }: Request): Buffer {
    const tag = this.nextTag()
    if (!sealed || !this.channel) return frameOf(command, 0, session, tag, body)
    const text = this.channel.seal({ command, word: session }, body)
    return frameOf(command, protocol.FLAG_SEALED, session, tag, text)
  }

  /** A frame in, the answers out; the PED and its person do their part meanwhile. */
  send(frame: Uint8Array): Buffer[] {
    const output = this.machine.command(frame)
    return this.#attend(output)
  }

  /** Time passes. */
  wait(milliseconds: number): Buffer[] {
    this.machine.chips.clock.advance(milliseconds)
    return this.#attend(this.machine.tick())
  }

  /** The person does what is left to do. */
  attend(frame: Uint8Array): Buffer[] {
    return this.#attend(this.machine.ped(frame))
  }

  #attend(output: Output): Buffer[] {
    const answers: Buffer[] = []
    const take = (more: Output) => {
      answers.push(...more.answers)
      for (const each of [...more.answers, ...more.ped]) this.onOutput(each)
      return [...more.ped]
    }
    const frames = take(output)
    const asked = frames.length > 0
    // A command has four prompts at most, each with an answer, behind a HELLO.
    for (let frame = frames.shift(); frame; frame = frames.shift()) {
      const reply = this.ped.answer(frame)
      if (reply) frames.push(...take(this.machine.ped(reply)))
    }
    if (asked && answers.length === 0 && this.ped.person === PERSON.timesOut) {
      this.machine.chips.clock.advance(protocol.PED_KEY_TIMEOUT)
      take(this.machine.tick())
    }
    if (asked && answers.length === 0 && this.ped.person === PERSON.leaves) {
      const { pedLines } = this.machine.chips
      this.machine.chips.pedLines = 0
      take(this.machine.tick())
      this.machine.chips.pedLines = pedLines
    }
    return answers
  }

  // ---- for those who bring a token into a state ---------------------------------------------------------------------

  /** One command that has to succeed; the body of its answer. */
  ask(command: number, session = 0, body: Uint8Array = Buffer.alloc(0), sealed = false): Buffer {
    const frame = this.frame({ command, session, body, sealed })
    const answer = this.send(frame).find((each) => each.readUInt32BE(8) === frame.readUInt32BE(8))
    const [word, flags] = [answer?.readUInt32BE(4), answer?.readUInt16BE(2)]
    if (!answer || word !== protocol.RC_OK) {
      throw new Error(
        `command 0x${command.toString(16)} answers ${word === undefined ? 'nothing' : `0x${word.toString(16)}`}`,
      )
    }
    const text = answer.subarray(protocol.FRAME_HEADER)
    if (flags === 0) return text
    const opened = this.channel?.open({ command: command + protocol.ANSWER, word }, text)
    if (!opened) throw new Error('an answer does not open')
    return opened
  }

  boot(): this {
    this.machine.boot()
    return this
  }

  /** Gives a blank token its identity. */
  manufacture(make: Make = {}): this {
    const { model = protocol.MODEL_PCIE, auth = protocol.AUTH_PASSWORD, profile = protocol.PROFILE_6_27_0 } = make
    const what = cat(u64(make.serial ?? 500409n), u32(model), u32(profile), u8(auth))
    const certificate = this.ask(protocol.CMD_FACTORY_BEGIN, 0, cat(what, u32(8), u64(400_000n), u32(9), u32(1000)))
    this.ask(protocol.CMD_FACTORY_FINISH, 0, sign(vector('root'), certificate))
    return this
  }

  openChannel(name = 'client'): this {
    this.channel = SealedChannel.accept(name, this.ask(protocol.CMD_CHANNEL_OPEN, 0, SealedChannel.hello(name)))
    return this
  }

  session(partition: number, access = 7n, flags = protocol.SESSION_RW): number {
    return this.ask(protocol.CMD_SESSION_OPEN, 0, cat(u32(partition), u64(access), u8(flags))).readUInt32BE()
  }

  login(session: number, role: number, secret = ''): void {
    this.ask(protocol.CMD_ROLE_LOGIN, session, cat(u8(role), field(secret)), true)
  }
}
