// The target's state machine: OBC-1 §5.6.
import * as protocol from '../../../assembly/protocol.js'
import { cat, equal } from './bytes.js'
import { H } from './crypto.js'
import { type CloneObject, decodeAttributes, openEnvelope, seqOf } from './envelope.js'
import { copyKeys, type SessionKeys, tagS, tagT, transcript, wipeKeys } from './key-schedule.js'
import {
  type Batch,
  checkClose,
  decodeM1,
  decodeM3,
  encodeM2core,
  encodeM4,
  FIRST,
  LAST,
  m3MacIsGood,
  must,
  NO_HANDLE,
  type Result,
  SUITE,
} from './messages.js'
import { publicKey } from './p384.js'
import { agree, checkPeer, fresh, type RandomSource, type Token } from './token.js'

const MAX_OBJECTS = 2 ** 20
const OBJECT_BITS = 0xff
/** M4 carries CKR values, which are the high half of the return code where bit 31 is clear (SPEC.md §3). */
const CKR_TEMPLATE_INCONSISTENT = protocol.RC_TEMPLATE_INCONSISTENT >>> 16

/** Keeps one object; `handle` counts only with RC_OK. */
export type Store = (object: CloneObject) => { code: number; handle?: number }

/** Keys of one domain slot, and the tagS that goes with them. */
interface Candidate {
  keys: SessionKeys
  confirmation: Buffer
}

interface Replied {
  name: 'T1'
  sid: Buffer
  candidates: Candidate[]
}

interface Established {
  name: 'T2'
  sid: Buffer
  keys: SessionKeys
  slot: number
  /** Of the next batch. */
  number: number
  /** Of the next envelope. */
  seq: number
  lastSeen: boolean
  cached: { digest: Buffer; answer: Buffer } | undefined
}

type State = { name: 'T0' } | Replied | Established

export class Target {
  #state: State = { name: 'T0' }

  constructor(
    readonly token: Token,
    readonly store: Store,
    readonly random: RandomSource = fresh,
  ) {}

  get state(): State['name'] {
    return this.#state.name
  }

  /** All key sets of the session as they are now. */
  get keySets(): SessionKeys[] {
    const state = this.#state
    if (state.name === 'T1') return state.candidates.map(({ keys }) => keys)
    return state.name === 'T2' ? [state.keys] : []
  }

  /** A machine of its own in the same state, on the same store. */
  fork(): Target {
    const copy = new Target(this.token, this.store, this.random)
    const state = this.#state
    if (state.name === 'T1') {
      copy.#state = { ...state, candidates: state.candidates.map((each) => ({ ...each, keys: copyKeys(each.keys) })) }
    }
    if (state.name === 'T2') copy.#state = { ...state, keys: copyKeys(state.keys) }
    return copy
  }

  wipe(): void {
    wipeKeys(...this.keySets)
    this.#state = { name: 'T0' }
  }

  /** Takes M1, answers M2. A new M1 first wipes an old session. */
  init(message: Buffer): Buffer {
    this.wipe()
    const m1 = decodeM1(message)
    must(m1.suites.includes(SUITE), 'suite', protocol.RC_NEGOTIATION_NO_ALGS)
    checkPeer(this.token, m1)
    const ephKey = Buffer.from(this.random('ephT', 48))
    const eph = publicKey(ephKey)
    const { sidS } = m1
    const [sidT, nonce] = [this.random('sidT', 16), this.random('nonceT', 32)]
    const core = encodeM2core({ sidS, sidT, nonce, eph, domains: this.token.domains.length, token: this.token })
    const th = transcript(message, core)
    const parties = { s: m1, t: { ...this.token, eph }, th }
    const sets = agree(this.token, ephKey, m1, th)
    const tags = sets.map((keys) => tagT(keys, parties))
    const candidates = sets.map((keys) => ({ keys, confirmation: tagS(keys, parties, tags) }))
    for (const { keys } of candidates) keys.macKey.fill(0)
    this.#state = { name: 'T1', sid: th.subarray(0, 16), candidates }
    return cat(core, ...tags)
  }

  /** Takes M3, answers M4. */
  batch(message: Buffer): Buffer {
    const state = this.#state
    must(state.name !== 'T0', `not in state ${state.name}`)
    return this.#step(() => {
      const digest = H(message)
      const before = state.name === 'T2' ? state : undefined
      if (before?.cached && equal(digest, before.cached.digest)) return before.cached.answer
      must(!before?.lastSeen, 'batch after the last one')
      const m3 = decodeM3(message, before?.number ?? 0)
      must(equal(m3.sid, state.sid), 'session id', protocol.RC_CLONE_SESSION_INVALID)
      must(((m3.flags & FIRST) !== 0) === (state.name === 'T1'), '"first" flag')
      const session = state.name === 'T1' ? this.#confirm(state, message, m3) : state
      must(m3.slot === session.slot, 'domain slot')
      must(m3MacIsGood(session.keys.hkS, message, m3.envelopes), 'batch MAC')
      must(
        m3.envelopes.every((envelope, i) => seqOf(envelope) === session.seq + i),
        'sequence',
      )
      must(session.seq + m3.count <= MAX_OBJECTS, 'session is used up')
      const results = m3.envelopes.map((envelope) => this.#take(session, envelope))
      const answer = encodeM4({ hkT: session.keys.hkT, sid: session.sid, number: session.number, results })
      session.number++
      session.seq += m3.count
      session.lastSeen = (m3.flags & LAST) !== 0
      session.cached = { digest, answer }
      return answer
    })
  }

  /** Takes M5; the session is over. */
  closed(message: Buffer): void {
    const state = this.#state
    must(state.name === 'T2', `not in state ${state.name}`)
    this.#step(() =>
      checkClose(message, { key: state.keys.hkS, sid: state.sid, number: state.number + 1, total: state.seq }),
    )
    this.wipe()
  }

  /** The first batch: its slot, its MAC and tagS name the domain; the keys of the others are dropped. */
  #confirm({ candidates, sid }: Replied, message: Buffer, m3: Batch): Established {
    const chosen = candidates[m3.slot]
    must(chosen, 'domain slot')
    must(m3MacIsGood(chosen.keys.hkS, message, m3.envelopes), 'batch MAC')
    must(equal(m3.confirmation, chosen.confirmation), 'tagS')
    wipeKeys(...candidates.filter((each) => each !== chosen).map(({ keys }) => keys))
    const { keys } = chosen
    const session: Established = {
      name: 'T2',
      sid,
      keys,
      slot: m3.slot,
      number: 0,
      seq: 0,
      lastSeen: false,
      cached: undefined,
    }
    this.#state = session
    return session
  }

  #take({ keys, sid }: Established, envelope: Buffer): Result {
    const seq = seqOf(envelope)
    const failed = (code: number) => ({ seq, code, handle: NO_HANDLE })
    const object = openEnvelope(keys.kek, sid, envelope)
    if (!object) return failed(protocol.RC_CERTIFICATE_DATA_INVALID)
    const attributes = decodeAttributes(object.plaintext)
    if (!attributes || (object.bits & ~OBJECT_BITS) !== 0) return failed(CKR_TEMPLATE_INCONSISTENT)
    const { code, handle } = this.store({ ...object, attributes })
    return code === protocol.RC_OK && handle !== undefined ? { seq, code, handle } : failed(code)
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
