// A posture under watch: every frame in and everything that comes out is held against the rules.
import * as protocol from '../../../assembly/protocol.js'
import { type Answer, checkAnswerBody, checkSecrets, readAnswer } from '../checks/answers.js'
import { MemoryChecks } from '../checks/memory.js'
import { type Expected, expected, type Sent } from '../checks/order.js'
import { StateChecks } from '../checks/state.js'
import { Finding } from '../engine/target.js'
import type { Machine } from './machine.js'
import { KNOWN_SECRETS, type Posture, type Secret } from './postures.js'
import type { KeptStation } from './station.js'
import { look, type View } from './view.js'

const hex = (value: number) => `0x${value.toString(16)}`
const BODY_IS_TOO_LONG = protocol.MAX_FRAME

/** Keys that lie in memory now: not one of them may ever be in a frame. */
function keysIn(machine: Machine): Secret[] {
  const names = ['KEY_KEK', 'KEY_MTK', 'KEY_RSK', 'KEY_FK', 'KEY_GSK', 'KEY_TUK', 'KEY_RPV', 'KEY_AUDIT'].map(
    (name) => `arena/${name}`,
  )
  const keys = names.map((name) => ({ name, bytes: Buffer.from(machine.view(name)) }))
  const rows = machine.view('token/sessions/LOGIN_TABLE')
  for (let at = 0; at + 56 <= rows.length; at += 56) {
    keys.push({ name: 'storage key of a log-in', bytes: Buffer.from(rows.subarray(at + 24, at + 56)) })
  }
  return keys.filter(({ bytes }) => bytes.some((byte) => byte !== 0))
}

/** A request that waits for its answer. */
interface Pending {
  readonly sent: Sent
  readonly expected: Expected
}

export class Rig {
  readonly posture: Posture
  readonly #memory: MemoryChecks
  readonly #state: StateChecks
  readonly #start: KeptStation
  readonly #startView: View
  readonly #secrets: readonly Secret[]
  readonly #pending = new Map<number, Pending>()
  #sessions: Set<number>
  #view: View
  #parkedAtStart = false
  #channels = 0
  #answer: Buffer = Buffer.alloc(0)
  readonly #more: Secret[] = []
  readonly #usedCounter: number

  constructor(posture: Posture) {
    this.posture = posture
    const { station } = posture
    this.#sessions = new Set(posture.sessions)
    this.#start = station.keep()
    this.#view = this.#startView = look(station, this.#sessions)
    this.#start.putBack()
    const box = [...station.ped.box].map(([name, bytes]) => ({ name: `PED key ${name}`, bytes }))
    this.#secrets = [...KNOWN_SECRETS, ...box, ...keysIn(station.machine)]
    this.#memory = new MemoryChecks(station.machine)
    this.#state = new StateChecks(station.machine)
    this.#usedCounter = station.channel?.counter ?? 0
    station.onOutput = (frame) => {
      checkSecrets(frame, this.#secrets, 'a frame')
      checkSecrets(frame, this.#more, 'a frame')
    }
  }

  /** Back to how the posture was made. */
  begin(): void {
    this.#start.putBack()
    this.#view = this.#startView
    this.#sessions = new Set(this.posture.sessions)
    this.#pending.clear()
    this.#parkedAtStart = this.posture.name === 'parked'
    this.#channels = 0
    this.#more.length = 0
    this.#state.note()
  }

  /** Body of the last answer with RC_OK, opened. */
  get answer(): Buffer {
    return this.#answer
  }

  /** More that must not be in a frame, until the next `begin`. */
  keepSecret(...secrets: readonly Secret[]): void {
    this.#more.push(...secrets)
  }

  /** A counter of the client's channel that a request had already. */
  get usedCounter(): number {
    return this.#usedCounter
  }

  /** Channels opened so far: the token drops the oldest of sixteen. */
  get channels(): number {
    return this.#channels
  }

  get parked(): boolean {
    return this.#parkedAtStart || this.#pending.size > 0
  }

  /**
   * One frame to the command port. `sent` says what is in it.
   * @returns the code of its answer; undefined = it waits for the PED
   * @throws Finding
   */
  frame(frame: Buffer, sent: Sent): number | undefined {
    const { station } = this.posture
    if (frame.length < protocol.FRAME_HEADER || frame.length > BODY_IS_TOO_LONG) return this.#refusedUnread(frame)
    const tag = frame.readUInt32BE(8)
    const pending = { sent, expected: expected(sent, this.#view) }
    this.#pending.set(tag, pending)
    const answers = station.send(frame).map(readAnswer)
    const others = answers.some((answer) => answer.tag !== tag)
    const own = answers.find((answer) => answer.tag === tag)
    for (const answer of answers) this.#take(answer)
    const logged = (this.#view.flags & protocol.STATUS_AUDITOR) !== 0
    if (!others && own?.code !== protocol.RC_OK)
      this.#state.check(sent.command, own?.code ?? protocol.RC_PARKED, logged)
    this.#after(others || own?.code !== undefined)
    return own?.code
  }

  /** Time passes. @throws Finding */
  wait(milliseconds: number): void {
    const answers = this.posture.station.wait(milliseconds).map(readAnswer)
    for (const answer of answers) this.#take(answer)
    this.#after(true)
  }

  /** A frame to the PED port; everything that came out of the command port for it. @throws Finding */
  ped(frame: Buffer): Answer[] {
    const answers = this.posture.station.attend(frame).map(readAnswer)
    for (const answer of answers) this.#take(answer)
    this.#after(answers.length > 0)
    return answers
  }

  #refusedUnread(frame: Buffer): undefined {
    const { refused, answers } = this.posture.station.machine.command(frame)
    if (refused !== protocol.RC_ARGUMENTS_BAD || answers.length > 0) {
      throw new Finding('order', 'frame', `a frame of ${frame.length} bytes is taken: ${hex(refused)}`)
    }
    this.#after(false)
    return undefined
  }

  #after(changed: boolean): void {
    this.#memory.check(this.parked)
    if (!changed) return
    this.#view = look(this.posture.station, this.#sessions)
    this.#state.note()
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.tag)
    this.#pending.delete(answer.tag)
    if (!pending) {
      // The command that was parked when the posture was made.
      if (!this.#parkedAtStart)
        throw new Finding('answer', 'nobody asked', `an answer that nobody asked for: tag ${answer.tag}`)
      this.#parkedAtStart = false
      return
    }
    const { sent } = pending
    if (answer.command !== (sent.command & ~protocol.ANSWER)) {
      throw new Finding('answer', 'another command', `${hex(sent.command)} is answered as ${hex(answer.command)}`)
    }
    const full = answer.code === protocol.RC_LOG_FULL && (this.#view.flags & protocol.STATUS_AUDITOR) !== 0
    if (!full) checkOrder(pending.expected, sent, answer.code)
    if (answer.code !== protocol.RC_OK) return
    const body = this.#opened(answer, sent)
    checkAnswerBody(answer.command, body)
    this.#answer = body
    checkSecrets(
      body,
      this.#secrets.filter(({ name }) => name !== 'value open'),
      'the answer inside a channel',
    )
    if (answer.command === protocol.CMD_CHANNEL_OPEN) this.#channels++
    if (answer.command === protocol.CMD_SESSION_OPEN) this.#sessions.add(body.readUInt32BE())
  }

  #opened(answer: Answer, sent: Sent): Buffer {
    if (answer.sealed !== (sent.flags === protocol.FLAG_SEALED)) {
      throw new Finding(
        'answer',
        'sealing',
        `the answer to ${hex(sent.command)} is ${answer.sealed ? '' : 'not '}sealed`,
      )
    }
    if (!answer.sealed) return answer.body
    const header = { command: answer.command | protocol.ANSWER, word: answer.code }
    const opened = this.posture.station.channel?.open(header, answer.body)
    if (!opened) throw new Finding('answer', 'sealing', `the answer to ${hex(sent.command)} does not open`)
    return opened
  }
}

function checkOrder(want: Expected, { command, body }: Sent, code: number): void {
  const fault = (what: string): never => {
    const shown = `${body?.length ?? 0} bytes ${body?.toString('hex', 0, 40) ?? ''}`
    throw new Finding(
      'order',
      `${hex(command)} ${want.kind}`,
      `command ${hex(command)} answers ${hex(code)}: ${what}; body: ${shown}`,
    )
  }
  if (want.kind === 'code' && code !== want.code) fault(`by SPEC.md it is ${hex(want.code)}`)
  if (want.kind === 'malformed' && code !== protocol.RC_FRAME_MALFORMED) fault('its body is malformed')
  if (want.kind === 'refused' && code === protocol.RC_OK) fault('it has to be refused')
  if (want.kind !== 'well-formed') return
  if (code === protocol.RC_FRAME_MALFORMED) fault('its body is as SPEC.md has it')
  if (!want.listsAreGood && code === protocol.RC_OK) fault('an attribute list in it is malformed')
}
