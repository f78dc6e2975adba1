// Several AEAD_PARTs of one key and mechanism, each with what the one before was answered with: states and proofs that are good.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u32, u64 } from '../../oracle/obc1/bytes.js'
import { type Step, step } from '../engine/input.js'
import type { Random } from '../engine/random.js'
import type { Posture } from '../firmware/postures.js'
import { field } from '../firmware/station.js'
import { LENGTHS, parameterFor } from './command-input.js'

const PURPOSES = [protocol.AEAD_SEAL, protocol.AEAD_SEAL, protocol.AEAD_CHECK, protocol.AEAD_CHECK, protocol.AEAD_OPEN]
/** Place of the session whose user may use keys, and of the posture's AES key. */
const OFFICER = 2
const AES = 1

/** Purpose, flags; how the state is carried: none, the newest, one before it; the same of the proof. */
export function streamSteps(random: Random, posture: Posture): Step[] {
  const mechanism = random.oneIn(3) ? protocol.CKM_AES_CCM : protocol.CKM_AES_GCM
  const nonce = cat(field(random.bytes(random.pick([7, 12, 13]))), field(random.bytes(5)), u32(16))
  const parameter = mechanism === protocol.CKM_AES_CCM ? nonce : parameterFor(random, mechanism)
  const length = random.pick([0, 32, 64, 96, 1000])
  const head = cat(u32(mechanism), field(parameter), u32(posture.handles[AES] ?? 19), u64(BigInt(length)))
  const usual = random.pick(PURPOSES)
  return Array.from({ length: random.between(1, 6) }, (_, i) => {
    const purpose = random.oneIn(5) ? random.pick(PURPOSES) : usual
    const flags = random.oneIn(3) ? protocol.AEAD_LAST : 0
    const state = random.oneIn(8) ? random.pick([0, 1, 2]) : i === 0 ? 0 : 1
    const proof = purpose === protocol.AEAD_OPEN ? 1 : 0
    const data = random.bytes(random.oneIn(3) ? random.pick(LENGTHS) : random.pick([0, 16, 32, 48]))
    return step(
      'part',
      [random.oneIn(10) ? 1 : OFFICER, purpose, flags, state, proof],
      cat(u32(head.length), head, data),
    )
  })
}

/** The body of a step, with what the token has answered, newest first. */
export function partBody(
  [, purpose = 0, flags = 0, state = 0, proof = 0]: readonly number[],
  bytes: Buffer,
  answered: readonly Buffer[],
): Buffer {
  const length = bytes.length < 4 ? 0 : Math.min(bytes.readUInt32BE(), bytes.length - 4)
  const [head, data] = [bytes.subarray(4, 4 + length), bytes.subarray(4 + length)]
  const carried = (how: number): Buffer => (how < 1 ? undefined : answered[how - 1]) ?? Buffer.alloc(0)
  const tag = purpose === protocol.AEAD_CHECK && (flags & protocol.AEAD_LAST) !== 0
  const last = field(proof > 0 ? carried(proof) : tag ? Buffer.alloc(16) : Buffer.alloc(0))
  return cat(Buffer.of(purpose & 0xff, flags & 0xff), head, field(carried(state)), field(data), last)
}
