// The PED port: frames that a PED, or somebody on its cable, sends in every phase of a conversation.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8 } from '../../oracle/obc1/bytes.js'
import { open } from '../../oracle/obc1/crypto.js'
import { type Input, type Step, step } from '../engine/input.js'
import { mutate, oddNumber } from '../engine/mutate.js'
import { Random } from '../engine/random.js'
import { type Context, Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import type { GuardedFirmware } from '../firmware/guarded-build.js'
import {
  acknowledge,
  answerText,
  type LinkKeys,
  type PedQuestion,
  PedSide,
  pedFrame,
  readQuestion,
  sealAnswer,
} from '../firmware/ped-side.js'
import { filled, roles } from '../firmware/postures.js'
import { Rig } from '../firmware/rig.js'
import { bytesOf } from '../firmware/sealing.js'
import { field, frameOf } from '../firmware/station.js'

const hex = (value: number) => `0x${value.toString(16)}`
const PED = { auth: protocol.AUTH_PED }

/** A PED that only listens: what it has to say comes from the fuzzer. */
class Listener extends PedSide {
  frames: Buffer[] = []

  override answer(frame: Buffer): undefined {
    this.frames.push(frame)
    return undefined
  }
}

/** Commands that ask somebody for something, one after the other: present, make, show, connect. */
interface Asking {
  readonly command: number
  /** Place in the sessions of the posture, −1 = none. */
  readonly session: number
  readonly body: Buffer
  readonly sealed: boolean
}

const officer = cat(u8(protocol.ROLE_CRYPTO_OFFICER), field(''))
const ASKING: readonly Asking[] = [
  { command: protocol.CMD_ROLE_LOGIN, session: 0, body: officer, sealed: true },
  {
    command: protocol.CMD_ROLE_CHANGE_SECRET,
    session: 1,
    body: cat(u8(protocol.ROLE_SO), field(''), field('')),
    sealed: true,
  },
  { command: protocol.CMD_PED_VECTOR_INIT, session: 1, body: Buffer.alloc(0), sealed: false },
  { command: protocol.CMD_ROLE_CREATE_CHALLENGE, session: 2, body: officer, sealed: true },
  { command: protocol.CMD_PED_CONNECT, session: -1, body: Buffer.alloc(0), sealed: false },
]

type Phase =
  | { readonly name: 'idle' }
  | { readonly name: 'hello'; readonly id: number; readonly ack: Buffer; readonly keys: LinkKeys }
  | { readonly name: 'request'; readonly question: PedQuestion; readonly keys: LinkKeys }

/** What has to become of a frame. */
type Verdict =
  | { readonly kind: 'dropped' }
  | { readonly kind: 'goes on' }
  | { readonly kind: 'ends'; readonly code: number }

const DROPPED: Verdict = { kind: 'dropped' }
const GOES_ON: Verdict = { kind: 'goes on' }

function codeOfStatus(status: number): number {
  if (status === protocol.PED_STATUS_CANCELLED) return protocol.RC_FUNCTION_CANCELED
  return status === protocol.PED_STATUS_TIMEOUT ? protocol.RC_TIMEOUT : protocol.RC_PED_ERROR
}

const isFrame = (frame: Buffer, type: number, id: number, sequence: number): boolean =>
  frame.length >= 16 &&
  frame.subarray(0, 16).equals(pedFrame(type, id, sequence, Buffer.alloc(frame.length - 16)).subarray(0, 16))

/** PED id and sequence of what is waited for. */
function placeOf(phase: Phase): readonly [id: number, sequence: number] {
  if (phase.name === 'request') return [phase.question.id, phase.question.sequence]
  return [phase.name === 'hello' ? phase.id : protocol.PED_ID_LOCAL, 0]
}

function verdictOf(frame: Buffer, phase: Phase): Verdict {
  if (phase.name === 'idle') return DROPPED
  const [id, sequence] = placeOf(phase)
  if (isFrame(frame, protocol.PED_ALERT, id, sequence)) {
    return { kind: 'ends', code: frame.length === 17 ? codeOfStatus(frame.readUInt8(16)) : protocol.RC_PED_ERROR }
  }
  if (phase.name === 'hello') {
    if (frame.equals(phase.ack)) return GOES_ON
    const isAck = frame.length === 16 + 161 && isFrame(frame, protocol.PED_HELLO_ACK, id, 0)
    // Another nonce, point or tag is not from who has the keys.
    return isAck ? { kind: 'ends', code: protocol.RC_PED_ERROR } : DROPPED
  }
  if (frame.length !== 16 + 52 + 16 || !isFrame(frame, protocol.PED_ANSWER, id, sequence)) return DROPPED
  const nonce = cat('MPD1', Buffer.alloc(4), frame.subarray(8, 12))
  const plain = open(phase.keys.answer, nonce, frame.subarray(0, 16), frame.subarray(16))
  if (!plain) return DROPPED
  const status = plain.readUInt8()
  return status === protocol.PED_STATUS_OK ? GOES_ON : { kind: 'ends', code: codeOfStatus(status) }
}

class PedRun {
  readonly #rig: Rig
  readonly #listener: Listener
  readonly #sent: Buffer[] = []
  #phase: Phase = { name: 'idle' }
  #asked: Asking | undefined
  #remote: LinkKeys | undefined

  constructor(rig: Rig, listener: Listener) {
    this.#rig = rig
    this.#listener = listener
  }

  perform({ what, numbers: [seed = 0, which = 0], bytes }: Step): void {
    const random = new Random(seed)
    if (what === 'ask') this.#ask(ASKING[which % ASKING.length])
    else if (what === 'good') this.#deliver(this.#good() ?? bytes)
    else if (what === 'wait') this.#wait(which % 1_000_000)
    else if (what === 'odd') this.#deliver(this.#odd(random))
    else this.#deliver(bytes)
  }

  get #keys(): LinkKeys | undefined {
    return this.#phase.name === 'idle' ? undefined : this.#phase.keys
  }

  #fault(where: string, what: string): never {
    throw new Finding('ped', where, `${what}; phase ${this.#phase.name}`)
  }

  #ask(asking: Asking | undefined): void {
    if (!asking || this.#asked) return
    const { station, sessions } = this.#rig.posture
    const { command, body, sealed } = asking
    const session = asking.session < 0 ? 0 : (sessions[asking.session] ?? 0)
    const flags = sealed ? protocol.FLAG_SEALED : 0
    const text = sealed && station.channel ? station.channel.seal({ command, word: session }, body) : body
    const code = this.#rig.frame(frameOf(command, flags, session, station.nextTag(), text), {
      command,
      flags,
      session,
      whole: true,
      body,
    })
    if (code !== undefined) return
    this.#asked = asking
    this.#heard()
  }

  /** What the HSM said last decides the phase. */
  #heard(): void {
    const { frames, vector } = this.#listener
    for (const frame of frames.splice(0)) {
      const id = frame.readUInt16BE(6)
      if (frame[4] === protocol.PED_HELLO) {
        const agreed = acknowledge(frame, id === protocol.PED_ID_REMOTE ? vector : Buffer.alloc(0))
        if (!agreed) this.#fault('hello', `the HELLO is not as SPEC.md has it: ${frame.toString('hex')}`)
        this.#rig.keepSecret(...agreed.keys.secrets.map((secret) => ({ name: 'key of a PED link', bytes: secret })))
        this.#phase = { name: 'hello', id, ack: agreed.ack, keys: agreed.keys }
        // A remote link lasts: the commands that follow say no HELLO.
        if (id === protocol.PED_ID_REMOTE) this.#remote = agreed.keys
        continue
      }
      if (frame[4] !== protocol.PED_REQUEST) continue
      const keys = id === protocol.PED_ID_REMOTE && this.#phase.name === 'idle' ? this.#remote : this.#keys
      const question = keys && readQuestion(frame, keys)
      if (!keys || !question) this.#fault('request', `a request that does not open: ${frame.toString('hex')}`)
      if (question.op === protocol.PED_OP_MAKE) this.#rig.keepSecret({ name: 'new PED secret', bytes: question.secret })
      this.#phase = { name: 'request', question, keys }
    }
  }

  /** What a PED with the right keys says now. */
  #good(): Buffer | undefined {
    if (this.#phase.name === 'hello') return this.#phase.ack
    if (this.#phase.name === 'idle') return undefined
    const { keys, question } = this.#phase
    return sealAnswer(
      keys,
      question.id,
      question.sequence,
      answerText(protocol.PED_STATUS_OK, this.#secretFor(question)),
    )
  }

  #secretFor({ op, kind, secret, text }: PedQuestion): Buffer {
    return op === protocol.PED_OP_MAKE ? secret : (this.#listener.box.get(`${kind} ${text}`) ?? bytesOf(text, 48))
  }

  #odd(random: Random): Buffer {
    const phase = this.#phase
    const good = this.#good() ?? random.bytes(100)
    const old = this.#sent.length > 0 ? random.pick(this.#sent) : good
    const choice = random.below(8)
    if (choice === 0) return old
    if (choice === 1) return random.bytes(random.between(1, 512))
    const [id, sequence] = placeOf(phase)
    if (choice === 2) {
      const at = random.oneIn(3) ? oddNumber(random, [sequence]) : sequence
      const alert = pedFrame(
        protocol.PED_ALERT,
        random.oneIn(4) ? 100 - id : id,
        at,
        random.bytes(random.pick([0, 1, 1, 1, 2, 200])),
      )
      return random.oneIn(3) ? withHeader(random, alert) : alert
    }
    if (choice === 3 && phase.name === 'request') {
      // Sealed rightly, and something else inside.
      const text = answerText(random.pick([0, 1, 2, 3, 4, 255]), random.bytes(48), random.below(4))
      return sealAnswer(phase.keys, id, sequence, random.oneIn(2) ? mutate(random, text) : text)
    }
    return random.oneIn(2) ? withHeader(random, good) : mutate(random, good, old)
  }

  #deliver(bytes: Buffer): void {
    if (bytes.length === 0 || bytes.length > protocol.PED_MAX_FRAME) {
      const { refused } = this.#rig.posture.station.machine.ped(bytes)
      if (refused !== protocol.RC_ARGUMENTS_BAD) this.#fault('length', `a frame of ${bytes.length} bytes is taken`)
      return
    }
    const verdict = verdictOf(bytes, this.#phase)
    const answers = this.#rig.ped(bytes)
    this.#sent.push(bytes)
    const said = this.#listener.frames.length
    const shown = `${verdict.kind}, but ${answers.length} answers (${answers.map(({ code }) => hex(code))}) and ${said} frames came: ${bytes.toString('hex', 0, 100)}`
    if (verdict.kind === 'dropped' && (answers.length > 0 || said > 0)) this.#fault('dropped', shown)
    if (verdict.kind === 'goes on' && answers.length + said === 0) this.#fault('goes on', shown)
    if (verdict.kind === 'ends' && answers[0]?.code !== verdict.code) this.#fault('ends', shown)
    this.#heard()
    if (answers.length > 0) this.#over()
  }

  #wait(milliseconds: number): void {
    const parked = this.#rig.parked
    this.#rig.wait(milliseconds)
    this.#heard()
    if (parked && !this.#rig.parked) this.#over()
  }

  #over(): void {
    this.#phase = { name: 'idle' }
    this.#asked = undefined
  }
}

/** One field of the header changed: type, version, id, sequence or length. */
function withHeader(random: Random, frame: Buffer): Buffer {
  const copy = Buffer.from(frame)
  if (copy.length < 16) return copy
  const field_ = random.below(5)
  if (field_ === 0) copy.writeUInt8(random.pick([1, 2, 3, 4, 5, 6, 0x7f, 0]), 4)
  if (field_ === 1) copy.writeUInt8(random.below(256), 5)
  if (field_ === 2) copy.writeUInt16BE(random.pick([0, 100, 1, 0xffff]), 6)
  if (field_ === 3) copy.writeUInt32BE(oddNumber(random, [copy.readUInt32BE(8)]), 8)
  if (field_ === 4) copy.writeUInt32BE(oddNumber(random, [copy.length - 16]), 12)
  return copy
}

function generate(random: Random): Input {
  const steps: Step[] = []
  const count = random.between(3, 30)
  while (steps.length < count) {
    const what = random.below(20)
    if (steps.length === 0 || what === 0) steps.push(step('ask', [0, random.below(ASKING.length)]))
    else if (what < 6) steps.push(step('good'))
    else if (what === 6) steps.push(step('wait', [0, random.pick([1000, 199_999, 200_000, 820_000])]))
    else steps.push(step('odd', [random.u32()]))
  }
  return steps
}

class PedFuzzer implements Fuzzer {
  readonly #rig: Rig
  readonly #listener = new Listener()

  constructor(firmware: GuardedFirmware) {
    const made = filled(firmware, PED)
    const { station, admin, officer: session } = made
    const own = roles(made, PED)
    station.login(own, protocol.ROLE_PARTITION_SO)
    station.ask(protocol.CMD_ROLE_LOGOUT, session)
    const { box, vector } = station.ped
    this.#rig = new Rig({ name: 'ped', station, sessions: [session, admin, own], handles: [] })
    Object.assign(this.#listener, { box, vector })
    station.ped = this.#listener
  }

  readonly generate = generate

  run(input: Input) {
    return trial((count) => {
      this.#rig.begin()
      this.#listener.frames = []
      const run = new PedRun(this.#rig, this.#listener)
      for (const each of input) {
        count()
        run.perform(each)
      }
    })
  }
}

export const pedTarget: Target = {
  name: 'ped',
  summary: 'frames on the PED port in every phase of a conversation',
  usesFirmware: true,
  prepare: async (context: Context) => new PedFuzzer(await context.firmware()),
}
