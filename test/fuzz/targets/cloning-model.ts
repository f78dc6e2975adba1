// What a token has to make of OBC-1 messages: the checks of the protocol, written with the parts of the oracle in test/oracle/obc1.
import * as protocol from '../../../assembly/protocol.js'
import { equal } from '../../oracle/obc1/bytes.js'
import { chainFault } from '../../oracle/obc1/certificates.js'
import { H } from '../../oracle/obc1/crypto.js'
import { decodeAttributes, openEnvelope, seqOf } from '../../oracle/obc1/envelope.js'
import type { SessionKeys } from '../../oracle/obc1/key-schedule.js'
import { root } from '../../oracle/obc1/known-answers.js'
import {
  type Batch,
  checkClose,
  decodeM1,
  decodeM2,
  decodeM3,
  decodeM4,
  FIRST,
  type Identity,
  LAST,
  m3MacIsGood,
  type Pending,
  ProtocolError,
  SUITE,
} from '../../oracle/obc1/messages.js'
import { isValidPoint } from '../../oracle/obc1/p384.js'

const { RC_OK, RC_NEGOTIATION_INVALID, RC_NEGOTIATION_NO_ALGS, RC_NEGOTIATION_NO_ROOTS } = protocol

/** Undefined where a decoder of the oracle refuses. */
function attempt<Value>(decode: () => Value): Value | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof RangeError) return undefined
    throw error
  }
}

/** The token that gets the messages. */
export interface Here {
  readonly serial: bigint
  readonly partition: number
  readonly ped: boolean
}

function peerFault(peer: Identity, { serial, partition }: Here): number {
  const { hoc, twc } = peer
  if (chainFault({ hoc, twc, serial: peer.serial, root, clock: 0n })) return RC_NEGOTIATION_NO_ROOTS
  return peer.serial === serial && peer.partition === partition ? RC_NEGOTIATION_INVALID : RC_OK
}

export function verdictOfM1(message: Buffer, here: Here): number {
  const m1 = attempt(() => decodeM1(message))
  if (!m1) return RC_NEGOTIATION_INVALID
  if (!m1.suites.includes(SUITE)) return RC_NEGOTIATION_NO_ALGS
  const peer = peerFault(m1, here)
  if (peer !== RC_OK) return peer
  if (((m1.flags & protocol.OBC_TOKEN_PED) !== 0) !== here.ped) return protocol.RC_OPERATION_NOT_ALLOWED
  return isValidPoint(m1.eph) ? RC_OK : RC_NEGOTIATION_INVALID
}

/** @param original the M2 that the target really made */
export function verdictOfM2(message: Buffer, original: Buffer, here: Here): number {
  if (message.equals(original)) return RC_OK
  const m2 = attempt(() => decodeM2(message))
  if (!m2?.sidS.equals(decodeM2(original).sidS)) return RC_NEGOTIATION_INVALID
  if (m2.suite !== SUITE) return RC_NEGOTIATION_NO_ALGS
  const peer = peerFault(m2, here)
  if (peer !== RC_OK) return peer
  if (!isValidPoint(m2.eph)) return RC_NEGOTIATION_INVALID
  // Whatever else was changed is in the transcript, or is a tag.
  return protocol.RC_NEGOTIATION_NO_PSK
}

export function verdictOfM4(
  message: Buffer,
  session: Pending & { readonly hkT: Buffer; readonly sid: Buffer },
): number {
  return attempt(() => decodeM4(message, session)) ? RC_OK : RC_NEGOTIATION_INVALID
}

/** What becomes of one envelope: it does not open; its object is malformed; or whatever the store says of it. */
export type EnvelopeVerdict = 'sealed wrongly' | 'malformed' | 'well-formed'

/** Whether a code of M4 goes with the verdict. */
export function fits(verdict: EnvelopeVerdict, code: number): boolean {
  if (verdict === 'sealed wrongly') return code === protocol.RC_CERTIFICATE_DATA_INVALID
  return code !== protocol.RC_CERTIFICATE_DATA_INVALID && (verdict === 'well-formed' || code !== RC_OK)
}

export type BatchVerdict =
  | { readonly kind: 'refused' }
  /** The answer of one of the last batches once more. */
  | { readonly kind: 'repeated' }
  | { readonly kind: 'taken'; readonly envelopes: readonly EnvelopeVerdict[] }

const MAX_OBJECTS = 2 ** 20

/** SPEC.md, OBC-1 §5.5. */
const ANSWERS_KEPT = 3

/** The target's session as the source knows it: what OBC-1 §5.6 says of it, and no store. */
export class TargetModel {
  #number = 0
  #seq = 0
  #lastSeen = false
  #confirmed = false
  /** Of the last batches, whose answers come again. */
  #recent: readonly Buffer[] = []

  /** @param keys undefined = nobody has them: the hello was changed on its way */
  constructor(
    private readonly keys: SessionKeys | undefined,
    private readonly sid: Buffer,
    private readonly confirmation: Buffer,
  ) {}

  get number(): number {
    return this.#number
  }

  get seq(): number {
    return this.#seq
  }

  batch(message: Buffer): BatchVerdict {
    const digest = H(message)
    if (this.#recent.some((one) => one.equals(digest))) return { kind: 'repeated' }
    const m3 = attempt(() => decodeM3(message, this.#number))
    const { keys } = this
    if (!keys || !m3 || !this.#isGood(m3, message, keys)) return { kind: 'refused' }
    const envelopes = m3.envelopes.map((envelope) => this.#verdictOf(envelope, keys))
    this.#number++
    this.#seq += m3.count
    this.#lastSeen = (m3.flags & LAST) !== 0
    this.#confirmed = true
    this.#recent = [digest, ...this.#recent].slice(0, ANSWERS_KEPT)
    return { kind: 'taken', envelopes }
  }

  #isGood(m3: Batch, message: Buffer, keys: SessionKeys): boolean {
    if (this.#lastSeen || m3.slot !== 0 || !equal(m3.sid, this.sid)) return false
    if (((m3.flags & FIRST) !== 0) === this.#confirmed) return false
    if (!m3MacIsGood(keys.hkS, message, m3.envelopes)) return false
    if (!this.#confirmed && !equal(m3.confirmation, this.confirmation)) return false
    if (m3.envelopes.some((envelope, i) => seqOf(envelope) !== this.#seq + i)) return false
    return this.#seq + m3.count <= MAX_OBJECTS
  }

  #verdictOf(envelope: Buffer, keys: SessionKeys): EnvelopeVerdict {
    const object = openEnvelope(keys.kek, this.sid, envelope)
    if (!object) return 'sealed wrongly'
    const isList = decodeAttributes(object.plaintext) !== null
    return isList && object.bits <= 0xff ? 'well-formed' : 'malformed'
  }

  /** Whether M5 is the one that has to come. */
  close(message: Buffer): boolean {
    const { keys, sid } = this
    if (!keys || !this.#confirmed) return false
    const fields = { key: keys.hkS, sid, number: this.#number + 1, total: this.#seq }
    return attempt(() => checkClose(message, fields) ?? true) === true
  }
}
