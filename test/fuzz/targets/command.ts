// The command port: every command, in the states that a token can be in.
import * as protocol from '../../../assembly/protocol.js'
import { type Input, type Step, step } from '../engine/input.js'
import type { Random } from '../engine/random.js'
import { type Context, type Fuzzer, type Target, trial } from '../engine/target.js'
import type { GuardedFirmware } from '../firmware/guarded-build.js'
import { PERSON, PERSONS } from '../firmware/ped-side.js'
import { makePosture, POSTURES } from '../firmware/postures.js'
import { Rig } from '../firmware/rig.js'
import { frameOf } from '../firmware/station.js'
import { anyStep, SEAL } from './command-input.js'
import { partBody, streamSteps } from './command-stream.js'

/** More would push the client's own channel out of the token. */
const MOST_CHANNELS = 12
const NO_SESSION = 0x7ffff801
/** States and proofs that a later part may bring back. */
const KEPT_STATES = 4

class CommandFuzzer implements Fuzzer {
  readonly #rigs = new Map<string, Rig>()

  constructor(
    private readonly firmware: GuardedFirmware,
    private readonly postures: readonly string[],
  ) {}

  /** Postures are made when they are first wanted. */
  #rig(index: number): Rig {
    const name = this.postures[index % this.postures.length] ?? 'blank'
    const rig = this.#rigs.get(name) ?? new Rig(makePosture(this.firmware, name))
    this.#rigs.set(name, rig)
    return rig
  }

  generate(random: Random): Input {
    const index = random.below(this.postures.length)
    const { posture } = this.#rig(index)
    const steps = Array.from({ length: random.between(1, 80) }, () =>
      random.oneIn(25) ? streamSteps(random, posture) : anyStep(random, posture),
    )
    return [step('posture', [index]), ...steps.flat()]
  }

  run(input: Input) {
    return trial((count) => {
      const [first, ...rest] = input
      const rig = this.#rig(first?.what === 'posture' ? (first.numbers[0] ?? 0) : 0)
      rig.begin()
      const states: Buffer[] = []
      for (const each of rest) {
        count()
        perform(rig, each, states)
      }
    })
  }
}

/** @param states what AEAD_PART was answered with in this run, newest first */
function perform(rig: Rig, { what, numbers, bytes }: Step, states: Buffer[]): void {
  if (what === 'wait') rig.wait(Math.min(Math.max(numbers[0] ?? 0, 0), 10_000_000))
  else if (what === 'frame') performFrame(rig, bytes)
  else if (what === 'part') performPart(rig, numbers, bytes, states)
  else performCommand(rig, numbers, bytes)
}

function performFrame(rig: Rig, bytes: Buffer): void {
  const whole = bytes.length >= protocol.FRAME_HEADER && bytes.readUInt32BE(12) === bytes.length - protocol.FRAME_HEADER
  const [command, flags, session] =
    bytes.length < protocol.FRAME_HEADER
      ? [0, 0, 0]
      : [bytes.readUInt16BE(), bytes.readUInt16BE(2), bytes.readUInt32BE(4)]
  // Nobody can seal by chance.
  const body = flags === protocol.FLAG_SEALED ? undefined : bytes.subarray(protocol.FRAME_HEADER)
  const frame = Buffer.from(bytes)
  // Boards number the requests themselves.
  if (frame.length >= protocol.FRAME_HEADER) frame.writeUInt32BE(rig.posture.station.nextTag(), 8)
  rig.frame(frame, { command, flags, session, whole, body })
}

function performPart(rig: Rig, numbers: readonly number[], bytes: Buffer, states: Buffer[]): void {
  const body = partBody(numbers, bytes, states)
  if (performCommand(rig, [protocol.CMD_AEAD_PART, numbers[0] ?? 0, SEAL.not], body) !== protocol.RC_OK) return
  const { answer } = rig
  const length = answer.length < 4 ? 0 : answer.readUInt32BE()
  states.unshift(Buffer.from(answer.subarray(4, 4 + length)))
  states.length = Math.min(states.length, KEPT_STATES)
}

function performCommand(
  rig: Rig,
  [command = 0, place = 0, seal = 0, person = 0]: readonly number[],
  bytes: Buffer,
): number | undefined {
  const { station, sessions } = rig.posture
  station.ped.person = PERSONS[person % PERSONS.length] ?? PERSON.right
  const id = command & 0xffff
  if (id === protocol.CMD_CHANNEL_OPEN && rig.channels >= MOST_CHANNELS) return undefined
  const session = place === 0 ? 0 : (sessions[(place - 1) % Math.max(sessions.length, 1)] ?? NO_SESSION)
  const flags = seal === SEAL.not ? 0 : protocol.FLAG_SEALED
  const body = bytes.subarray(0, protocol.MAX_BODY - (flags === 0 ? 0 : protocol.SEALED_OVERHEAD))
  const { channel } = station
  let text = body
  let opens = flags === 0
  if (flags !== 0 && channel) {
    opens = seal === SEAL.right
    const counter = seal === SEAL.replayed ? rig.usedCounter : undefined
    text = channel.seal({ command: id, word: session }, body, counter)
    if (seal === SEAL.damaged) text.writeUInt8(text.readUInt8(text.length - 1) ^ 1, text.length - 1)
    if (seal === SEAL.strange) text.writeUInt32BE(channel.id + 1)
    // Channel and counter are right; the rest is not there.
    if (seal === SEAL.cut) text = text.subarray(0, 8 + (bytes.length % 16))
  }
  const frame = frameOf(id, flags, session, station.nextTag(), text)
  return rig.frame(frame, { command: id, flags, session, whole: true, body: opens ? body : undefined })
}

/** @param postures those of `POSTURES` that are wanted */
export const commandTarget = (postures: readonly string[] = POSTURES): Target => ({
  name: 'command',
  usesFirmware: true,
  summary: 'every command, plain and sealed, in every state of a token',
  prepare: async (context: Context) => new CommandFuzzer(await context.firmware(), postures),
})
