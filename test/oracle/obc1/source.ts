// The source's state machine: OBC-1 §5.6.
import * as protocol from '../../../assembly/protocol.js'
import { equal } from './bytes.js'
import { type CloneObject, sealEnvelope } from './envelope.js'
import { copyKeys, type Parties, type SessionKeys, tagS, tagT, transcript, wipeKeys } from './key-schedule.js'
import {
  decodeM2,
  decodeM4,
  encodeClose,
  encodeM1,
  encodeM3,
  FIRST,
  LAST,
  must,
  type Pending,
  type Result,
  refuse,
  SUITE,
  type TargetHello,
} from './messages.js'
import { publicKey } from './p384.js'
import { agree, checkPeer, fresh, type RandomSource, type Token } from './token.js'

const MAX_OBJECTS = 2 ** 20

interface HelloSent {
  name: 'S1'
  ephKey: Buffer
  eph: Buffer
  sidS: Buffer
  m1: Buffer
}

export interface Established {
  name: 'S2'
  keys: SessionKeys
  /** The target's domain slot. */
  slot: number
  /** tagS. */
  confirmation: Buffer
  sid: Buffer
  /** Of the next batch. */
  number: number
  /** Of the next envelope. */
  seq: number
  waiting: Pending[]
  lastSent: boolean
}

type State = { name: 'S0' } | HelloSent | Established

export class Source {
  #state: State = { name: 'S0' }

  constructor(
    readonly token: Token,
    readonly random: RandomSource = fresh,
  ) {}

  get state(): State['name'] {
    return this.#state.name
  }

  /** The session's inside, for tests that attack it. @throws ProtocolError where there is none */
  get session(): Established {
    return this.#state.name === 'S2' ? this.#state : refuse(`not in state ${this.#state.name}`)
  }

  /** A machine of its own in the same state: one check can be run many times. */
  fork(): Source {
    const copy = new Source(this.token, this.random)
    const state = this.#state
    if (state.name === 'S1') copy.#state = { ...state, ephKey: Buffer.from(state.ephKey) }
    if (state.name === 'S2') copy.#state = { ...state, keys: copyKeys(state.keys), waiting: [...state.waiting] }
    return copy
  }

  wipe(): void {
    if (this.#state.name === 'S1') this.#state.ephKey.fill(0)
    if (this.#state.name === 'S2') wipeKeys(this.#state.keys)
    this.#state = { name: 'S0' }
  }

  /** M1. A new one first wipes an old session. */
  init(): Buffer {
    this.wipe()
    const ephKey = Buffer.from(this.random('ephS', 48))
    const eph = publicKey(ephKey)
    const sidS = this.random('sidS', 16)
    const m1 = encodeM1({ sidS, nonce: this.random('nonceS', 32), eph, token: this.token })
    this.#state = { name: 'S1', ephKey, eph, sidS, m1 }
    return m1
  }

  /** Takes M2. */
  targetHello(message: Buffer): void {
    const state = this.#state
    must(state.name === 'S1', `not in state ${state.name}`)
    this.#step(() => {
      const m2 = decodeM2(message)
      must(equal(m2.sidS, state.sidS), 'sidS')
      must(m2.suite === SUITE, 'suite', protocol.RC_NEGOTIATION_NO_ALGS)
      checkPeer(this.token, m2)
      const th = transcript(state.m1, m2.core)
      const parties = { s: { ...this.token, eph: state.eph }, t: m2, th }
      const { keys, slot } = this.#commonDomain(agree(this.token, state.ephKey, m2, th), m2, parties)
      const confirmation = tagS(keys, parties, m2.tags)
      keys.macKey.fill(0)
      const sid = th.subarray(0, 16)
      this.#state = { name: 'S2', keys, slot, confirmation, sid, number: 0, seq: 0, waiting: [], lastSent: false }
    })
  }

  /** M3 with these objects; one batch more may be sealed ahead of the results than are under way. */
  batch(objects: readonly CloneObject[], { last = false } = {}): Buffer {
    const state = this.session
    return this.#step(() => {
      must(state.seq + objects.length <= MAX_OBJECTS, 'session is used up')
      must(state.waiting.length <= protocol.OBC_BATCHES_OUT && !state.lastSent, 'batch not allowed now')
      const firstSeq = state.seq
      const envelopes = objects.map((object, i) => {
        const seq = firstSeq + i
        return sealEnvelope({ kek: state.keys.kek, sid: state.sid, seq, object, cek: this.random(`cek${seq}`, 32) })
      })
      const first = state.number === 0
      const message = encodeM3({
        ...{ hkS: state.keys.hkS, sid: state.sid, number: state.number, slot: state.slot, envelopes },
        flags: (first ? FIRST : 0) | (last ? LAST : 0),
        ...(first ? { confirmation: state.confirmation } : {}),
      })
      must(message.length <= protocol.OBC_MAX_MESSAGE, 'batch too large')
      state.waiting.push({ number: state.number, firstSeq, count: envelopes.length })
      state.number++
      state.seq += envelopes.length
      state.lastSent = last
      return message
    })
  }

  /** Takes M4 of the oldest batch that waits. */
  result(message: Buffer): Result[] {
    const state = this.session
    return this.#step(() => {
      const [oldest] = state.waiting
      must(oldest, 'no result expected')
      const results = decodeM4(message, { hkT: state.keys.hkT, sid: state.sid, ...oldest })
      state.waiting.shift()
      return results
    })
  }

  /** M5; the session is over. */
  close(): Buffer {
    const { keys, sid, number, seq } = this.session
    const message = encodeClose({ key: keys.hkS, sid, number: number + 1, total: seq })
    this.wipe()
    return message
  }

  /** Lowest own domain, then lowest slot of the target; every pair is compared. */
  #commonDomain(sets: SessionKeys[], { tags }: TargetHello, parties: Parties): { keys: SessionKeys; slot: number } {
    const pairs = sets.flatMap((keys) => {
      const expected = tagT(keys, parties)
      return tags.flatMap((tag, slot) => (equal(tag, expected) ? [{ keys, slot }] : []))
    })
    const [found] = pairs
    wipeKeys(...sets.filter((keys) => keys !== found?.keys))
    must(found, 'no common domain', protocol.RC_NEGOTIATION_NO_PSK)
    return found
  }

  /** Any failed check wipes and goes back to idle. */
  #step<Value>(action: () => Value): Value {
    try {
      return action()
    } catch (error) {
      this.wipe()
      throw error
    }
  }
}
