// The vendor's older single steps of cloning one object: CA_CloneAsSourceInit, CA_CloneAsTargetInit, CA_CloneAsSource, CA_CloneAsTarget (the
// dossier's CPv3; CPv1 has a key encryption vector of the target's beside). Between the tokens travel M1, M2 and M3 of their cloning
// protocol (SPEC.md §8): nothing comes back to the source, which closes when it has given the object.

import { ckrOf, cloneResults } from '../client/index.js'
import { caCalls } from './ca-calls.js'
import type { Bytes, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { fitted, given, type Handler, isShort, onSession, tokenHandle } from './handlers.js'
import type { Session } from './sessions.js'

/** CK_CRYPTOKI_ELEMENT. */
const ELEMENT = 0
const CKR_OBJECT_TYPE_INVALID = 0x80000112
const KEV = 48
const NONE = new Uint8Array(0)

/** What a step has made and the program has not fetched: it may first ask how long it is. */
interface Waiting {
  readonly step: string
  readonly result: Uint8Array
}

interface Steps {
  waiting?: Waiting | undefined
  /** Of a target: the vector that its first step was given. */
  kev?: Uint8Array
}

const steps = new WeakMap<Session, Steps>()

function stepsOf(session: Session): Steps {
  const own = steps.get(session) ?? {}
  steps.set(session, own)
  return own
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const nameOf = (call: string, ...input: readonly Uint8Array[]): string =>
  [call, ...input.map((one) => Buffer.from(one).toString('base64'))].join(' ')

/** Does the step once, however often the program asks for the length of its result or comes with too little room. */
async function once(session: Session, step: string, room: Room, work: () => Promise<Uint8Array>): Promise<Bytes> {
  const own = stepsOf(session)
  const result = own.waiting?.step === step ? own.waiting.result : Uint8Array.from(await work())
  const answer = fitted(result, room)
  own.waiting = isShort(answer) ? { step, result } : undefined
  return answer
}

function needElement(type: number): void {
  if (type !== ELEMENT) throw new Pkcs11Error(CKR_OBJECT_TYPE_INVALID)
}

async function source(session: Session, type: number, object: number, part: Uint8Array): Promise<Uint8Array> {
  needElement(type)
  const handle = tokenHandle(object)
  const { cloning } = session.client
  await cloning.sourceHello(session.token, part)
  try {
    const { codes, message } = await cloning.sourceBatch(session.token, [handle], true)
    const [code = 0] = codes
    if (code !== 0) throw new Pkcs11Error(ckrOf(code))
    return message
  } finally {
    await cloning.sourceClose(session.token).catch(() => undefined)
  }
}

async function target(session: Session, kev: Uint8Array, part: Uint8Array, type: number): Promise<number> {
  needElement(type)
  if (!isSame(kev, stepsOf(session).kev ?? NONE)) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  const { cloning } = session.client
  try {
    const [row] = cloneResults(Uint8Array.from(await cloning.targetBatch(session.token, part, false)))
    if (!row) throw new Pkcs11Error(CKR.ENCRYPTED_DATA_INVALID)
    if (row.code !== CKR.OK) throw new Pkcs11Error(row.code)
    return row.newHandle
  } finally {
    // No word of the source's comes: one that does not fit ends the session as well.
    await cloning.targetClose(session.token, NONE).catch(() => undefined)
  }
}

export const caCloneStepHandlers: readonly Handler[] = [
  onSession(caCalls.generateCloningKev, (session, [, room]) =>
    once(session, 'kev', room, () => session.client.random(KEV)),
  ),
  onSession(caCalls.cloneAsSourceInit, (session, [, room]) =>
    once(session, 'source', room, () => session.client.cloning.sourceInit(session.token)),
  ),
  onSession(caCalls.cloneAsTargetInit, (session, [, certificate, kev, room]) => {
    const [m1, vector] = [given(certificate), given(kev)]
    return once(session, nameOf('target', m1, vector), room, async () => {
      stepsOf(session).kev = vector.slice()
      return session.client.cloning.targetInit(session.token, m1)
    })
  }),
  onSession(caCalls.cloneAsSource, (session, [, type, object, part, room]) => {
    const m2 = given(part)
    return once(session, nameOf(`object ${type} ${object}`, m2), room, () => source(session, type, object, m2))
  }),
  onSession(caCalls.cloneAsTarget, (session, [, kev, part, [type]]) => target(session, given(kev), given(part), type)),
]
