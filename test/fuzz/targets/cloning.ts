// Cloning: the firmware as target and as source, an independent implementation of OBC-1 at the other end, and a courier who changes
// messages, leaves some out, brings others again, and mixes sessions.
import { pbkdf2Sync } from 'node:crypto'
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32 } from '../../oracle/obc1/bytes.js'
import { TEXT } from '../../oracle/obc1/crypto.js'
import type { SessionKeys } from '../../oracle/obc1/key-schedule.js'
import { sourceToken, targetToken } from '../../oracle/obc1/known-answers.js'
import { encodeClose } from '../../oracle/obc1/messages.js'
import { Source } from '../../oracle/obc1/source.js'
import { Target as OracleTarget } from '../../oracle/obc1/target.js'
import { type Input, type Step, step } from '../engine/input.js'
import { mutate } from '../engine/mutate.js'
import { Random } from '../engine/random.js'
import { type Context, Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import { type GuardedFirmware, ITERATIONS } from '../firmware/guarded-build.js'
import { filled, WORDS } from '../firmware/postures.js'
import { Rig } from '../firmware/rig.js'
import { bytesOf } from '../firmware/sealing.js'
import { field, frameOf } from '../firmware/station.js'
import { batchMessage, damagedHello, resultMessage } from './cloning-input.js'
import { fits, type Here, TargetModel, verdictOfM1, verdictOfM2, verdictOfM4 } from './cloning-model.js'

const DOMAIN = { vector: pbkdf2Sync(WORDS.domain, 'OBC1 text domain', ITERATIONS, 48, 'sha512'), type: TEXT }
const COMMANDS = {
  m1: protocol.CMD_CLONE_TARGET_INIT,
  m2: protocol.CMD_CLONE_SOURCE_HELLO,
  m3: protocol.CMD_CLONE_TARGET_BATCH,
  m4: protocol.CMD_CLONE_SOURCE_RESULT,
  m5: protocol.CMD_CLONE_TARGET_CLOSE,
} as const

const hex = (value: number) => `0x${value.toString(16)}`

/** The oracle's other end of a session that the firmware gives from. */
interface Giving {
  readonly target: OracleTarget
  readonly m2: Buffer
  readonly keys: SessionKeys
  readonly sid: Buffer
  /** Batches that wait for their results: number, first seq, count, and the M4 that the oracle made. */
  readonly waiting: { number: number; firstSeq: number; count: number; m4: Buffer }[]
  number: number
}

class CloningRun {
  readonly #rig: Rig
  readonly #session: number
  readonly #here: Here
  readonly #handles: readonly number[]
  #names = 0
  #taking: { model: TargetModel; keys: SessionKeys; sid: Buffer; confirmation: Buffer } | 'unknown' | undefined
  #giving: Giving | undefined
  #hello: { target: OracleTarget; m2: Buffer } | undefined
  #oldM1: Buffer | undefined
  #oldM3: Buffer[] = []
  #objects: number

  constructor(rig: Rig, session: number, here: Here, handles: readonly number[]) {
    this.#rig = rig
    this.#session = session
    this.#here = here
    this.#handles = handles
    this.#objects = this.#count()
  }

  /** Random bytes of the oracle: the same in every run. */
  readonly #chance = (name: string, length: number) => bytesOf(`${name} ${this.#names++}`, length)

  perform({ what, numbers: [seed = 0, more = 0, flags = 0] }: Step): void {
    const random = new Random(seed)
    if (what === 'hello to it') this.#helloTo(random, seed !== 0)
    else if (what === 'batch to it') this.#batchTo(random, more % 8, flags & 3)
    else if (what === 'batch again') this.#batchAgain(random)
    else if (what === 'close it') this.#closeIt(random, seed !== 0)
    else if (what === 'hello from it') this.#helloFrom(random, seed !== 0)
    else if (what === 'batch from it') this.#batchFrom(random, more % 6, flags & 1)
    else if (what === 'result to it') this.#resultTo(random, seed !== 0)
    else if (what === 'wait') this.#wait(more)
    else this.#anywhere(random)
    if (this.#count() !== this.#objects)
      this.#fault('objects', `the partition holds ${this.#count()} objects, not ${this.#objects}`)
  }

  #fault(where: string, what: string): never {
    throw new Finding('cloning', where, what)
  }

  /** A command with a message in it; its code. The body of the answer is in `answer`. */
  #send(command: number, body: Buffer): number {
    const { station } = this.#rig.posture
    const frame = frameOf(command, 0, this.#session, station.nextTag(), body)
    const code = this.#rig.frame(frame, { command, flags: 0, session: this.#session, whole: true, body })
    return code ?? this.#fault('parked', `command ${hex(command)} waits for a person`)
  }

  get #message(): Buffer {
    return this.#rig.answer.subarray(4)
  }

  #count(): number {
    const { station } = this.#rig.posture
    const frame = frameOf(protocol.CMD_PARTITION_INFO, 0, 0, 0xffff_fffe, u32(this.#here.partition))
    const [answer] = station.machine.command(frame).answers
    const label = answer?.readUInt32BE(protocol.FRAME_HEADER + 16) ?? 0
    return answer?.readUInt32BE(protocol.FRAME_HEADER + 20 + label + 16) ?? 0
  }

  // ---- the firmware takes -------------------------------------------------------------------------------------------

  #helloTo(random: Random, damage: boolean): void {
    const source = new Source(sourceToken({ flags: 0, domains: [DOMAIN], serial: 500409014n }), this.#chance)
    const good = source.init()
    const m1 = damage ? damagedHello(random, 'm1', good, this.#oldM1 ?? good) : good
    this.#oldM1 = good
    const code = this.#send(COMMANDS.m1, field(m1))
    const expected = verdictOfM1(m1, this.#here)
    if (code !== expected)
      this.#fault('m1', `M1 answers ${hex(code)}, the oracle says ${hex(expected)}: ${m1.toString('hex', 0, 200)}`)
    this.#taking = undefined
    if (code !== protocol.RC_OK) return
    if (!m1.equals(good)) {
      this.#taking = 'unknown'
      return
    }
    source.targetHello(Buffer.from(this.#message))
    const { keys, sid, confirmation } = source.session
    this.#rig.keepSecret(...secretsOf(keys))
    this.#taking = { model: new TargetModel(keys, sid, confirmation), keys, sid, confirmation }
  }

  #batchTo(random: Random, objects: number, flags: number): void {
    const taking = this.#taking
    if (!taking || taking === 'unknown') {
      const m3 = this.#oldM3.length > 0 ? random.pick(this.#oldM3) : random.bytes(200)
      if (this.#send(COMMANDS.m3, cat(u8(1), field(m3))) === protocol.RC_OK)
        this.#fault('m3', 'a batch without a session is taken')
      this.#taking = undefined
      return
    }
    const { model, keys, sid, confirmation } = taking
    const sender = { keys, sid, confirmation, number: model.number, seq: model.seq }
    const shown = (model.number === 0 ? 1 : 0) | (flags & 2)
    this.#deliver(batchMessage(random, sender, objects, random.oneIn(10) ? flags : shown))
  }

  #deliver(m3: Buffer): void {
    const taking = this.#taking
    if (!taking || taking === 'unknown') return
    const code = this.#send(COMMANDS.m3, cat(u8(1), field(m3)))
    const verdict = taking.model.batch(m3)
    const shown = m3.toString('hex', 0, 300)
    if (verdict.kind === 'refused') {
      const codes: readonly number[] = [protocol.RC_NEGOTIATION_INVALID, protocol.RC_CLONE_SESSION_INVALID]
      if (!codes.includes(code)) this.#fault('m3', `a batch that the oracle refuses answers ${hex(code)}: ${shown}`)
      this.#taking = undefined
      return
    }
    if (code !== protocol.RC_OK) this.#fault('m3', `a batch that the oracle takes answers ${hex(code)}: ${shown}`)
    this.#oldM3 = [...this.#oldM3.slice(-3), m3]
    if (verdict.kind === 'repeated') return
    for (const [i, expected] of verdict.envelopes.entries()) {
      const result = this.#message.readUInt32BE(16 + 24 + 16 * i + 4)
      if (result === protocol.RC_OK) this.#objects++
      if (!fits(expected, result))
        this.#fault('envelope', `envelope ${i} has code ${hex(result)}, but it is ${expected}: ${shown}`)
    }
  }

  /** One of the last batches once more, or one of an older session. */
  #batchAgain(random: Random): void {
    if (this.#oldM3.length > 0) this.#deliver(random.pick(this.#oldM3))
  }

  #closeIt(random: Random, damage: boolean): void {
    const taking = this.#taking
    if (!taking || taking === 'unknown') return
    const { model, keys, sid } = taking
    const good = encodeClose({ key: keys.hkS, sid, number: model.number + 1, total: model.seq })
    const m5 = damage ? mutate(random, good) : good
    const code = this.#send(COMMANDS.m5, field(m5))
    const expected = model.close(m5) ? protocol.RC_OK : protocol.RC_NEGOTIATION_INVALID
    if (code !== expected) this.#fault('m5', `M5 answers ${hex(code)}, the oracle says ${hex(expected)}`)
    this.#taking = undefined
  }

  // ---- the firmware gives -------------------------------------------------------------------------------------------

  #helloFrom(random: Random, damage: boolean): void {
    this.#giving = undefined
    if (this.#send(protocol.CMD_CLONE_SOURCE_INIT, Buffer.alloc(0)) !== protocol.RC_OK) this.#fault('init', 'no M1')
    const { target, m2: old } = this.#hello ?? {}
    const next = new OracleTarget(
      targetToken({ flags: 0, domains: [DOMAIN] }),
      () => ({ code: protocol.RC_OK, handle: 1 }),
      this.#chance,
    )
    const m2 = next.init(Buffer.from(this.#message))
    this.#hello = { target: next, m2 }
    target?.wipe()
    const sent = damage ? (old && random.oneIn(6) ? old : damagedHello(random, 'm2', m2, old ?? m2)) : m2
    const code = this.#send(COMMANDS.m2, field(sent))
    const expected = verdictOfM2(sent, m2, this.#here)
    if (code !== expected)
      this.#fault('m2', `M2 answers ${hex(code)}, the oracle says ${hex(expected)}: ${sent.toString('hex', 0, 200)}`)
    const [keys] = next.keySets
    if (code !== protocol.RC_OK || !keys) return
    this.#rig.keepSecret(...secretsOf(keys))
    this.#giving = { target: next, m2, keys, sid: Buffer.alloc(0), waiting: [], number: 0 }
  }

  #batchFrom(random: Random, objects: number, flags: number): void {
    const handles = Array.from({ length: objects }, () => random.pick([...this.#handles, 0, 0xffffffff]))
    const code = this.#send(protocol.CMD_CLONE_SOURCE_BATCH, cat(u8(flags), u16(objects), ...handles.map(u32)))
    if (code !== protocol.RC_OK) {
      this.#giving = undefined
      return
    }
    const giving = this.#giving ?? this.#fault('m3 of the source', 'a batch without a session')
    const answer = this.#rig.answer
    const m3 = answer.subarray(2 + 4 * answer.readUInt16BE() + 4)
    // Everything that the firmware sends is what the oracle takes.
    const m4 = giving.target.batch(Buffer.from(m3))
    const count = m3.readUInt16BE(16 + 22)
    giving.waiting.push({ number: giving.number, firstSeq: count > 0 ? m3.readUInt32BE(16 + 56) : 0, count, m4 })
    giving.number++
  }

  #resultTo(random: Random, damage: boolean): void {
    const giving = this.#giving
    const waiting = giving?.waiting[0]
    if (!giving || !waiting) return
    const { number, count, m4 } = waiting
    const session = { hkT: giving.keys.hkT, sid: m4.subarray(16, 32), number }
    const late = giving.waiting[1]?.m4
    const sent = damage ? (late && random.oneIn(5) ? late : resultMessage(random, m4, session)) : m4
    const code = this.#send(COMMANDS.m4, field(sent))
    const expected = verdictOfM4(sent, { ...session, count, firstSeq: m4.length > 72 ? m4.readUInt32BE(40) : 0 })
    if (code !== expected)
      this.#fault('m4', `M4 answers ${hex(code)}, the oracle says ${hex(expected)}: ${sent.toString('hex', 0, 200)}`)
    if (code === protocol.RC_OK) giving.waiting.shift()
    else this.#giving = undefined
  }

  // ---- neither ------------------------------------------------------------------------------------------------------

  #wait(milliseconds: number): void {
    this.#rig.wait(milliseconds % 700_000)
    if (milliseconds % 700_000 < protocol.OBC_IDLE_TIMEOUT) return
    this.#taking = undefined
    this.#giving = undefined
  }

  /** A message that has no business there. */
  #anywhere(random: Random): void {
    const all = [this.#oldM1, this.#hello?.m2, ...this.#oldM3].filter((each) => each !== undefined)
    const message =
      all.length > 0 && !random.oneIn(4) ? mutate(random, random.pick(all)) : random.bytes(random.below(800))
    const command = random.pick([COMMANDS.m2, COMMANDS.m4, COMMANDS.m5])
    if (this.#send(command, field(message)) === protocol.RC_OK)
      this.#fault('strange message', `${hex(command)} takes it`)
    if (command === COMMANDS.m5) this.#taking = undefined
    else this.#giving = undefined
  }
}

function secretsOf({ macKey, kek, hkS, hkT }: SessionKeys) {
  const keys = Object.entries({ kek, hkS, hkT, macKey }).filter(([, bytes]) => bytes.some((byte) => byte !== 0))
  return keys.map(([name, bytes]) => ({ name: `cloning ${name}`, bytes: Buffer.from(bytes) }))
}

const STEPS = [
  ...['hello to it', 'batch to it', 'batch to it', 'batch to it', 'batch again', 'close it'],
  ...['hello from it', 'batch from it', 'batch from it', 'result to it', 'result to it', 'anywhere'],
] as const

function generate(random: Random): Input {
  const steps: Step[] = []
  const count = random.between(2, 14)
  // A session that begins well gets further.
  const start = random.pick(['hello to it', 'hello from it'])
  if (!random.oneIn(3)) steps.push(step(start, [0]))
  while (steps.length < count) {
    const isTo = start === 'hello to it'
    const what = random.oneIn(3)
      ? random.pick(STEPS)
      : isTo
        ? 'batch to it'
        : random.pick(['batch from it', 'result to it'])
    const seed = random.oneIn(3) && what !== 'batch to it' ? 0 : random.u32()
    steps.push(step(what, [seed, random.below(8), random.below(4)]))
    if (random.oneIn(60)) steps.push(step('wait', [0, random.pick([1000, 650_000])]))
  }
  return steps
}

class CloningFuzzer implements Fuzzer {
  readonly #rig: Rig
  readonly #session: number
  readonly #here: Here
  readonly #handles: readonly number[]

  constructor(firmware: GuardedFirmware) {
    const { station, officer, legacy, handles } = filled(firmware)
    this.#rig = new Rig({ name: 'cloning', station, sessions: [officer], handles })
    this.#session = officer
    this.#here = { serial: 500409n, partition: legacy, ped: false }
    this.#handles = handles
  }

  readonly generate = generate

  run(input: Input) {
    return trial((count) => {
      this.#rig.begin()
      const run = new CloningRun(this.#rig, this.#session, this.#here, this.#handles)
      for (const each of input) {
        count()
        run.perform(each)
      }
    })
  }
}

export const cloningTarget: Target = {
  name: 'cloning',
  summary: 'OBC-1 messages M1 to M5, held against an independent implementation',
  usesFirmware: true,
  prepare: async (context: Context) => new CloningFuzzer(await context.firmware()),
}
