import * as protocol from '../../assembly/protocol.js'
import { ckrName, ckrOf, FrameError, TokenError } from './errors.js'
import type { TokenClient } from './token-client.js'
import { TransportError } from './transport.js'

/** One side of a job: a session whose Crypto Officer is logged in. */
export interface CloneEnd {
  readonly client: TokenClient
  readonly session: number
}

export interface CloneOptions {
  /** Handles on the source, cloned in this order. */
  readonly handles: readonly number[]
  /** The source's firmware profile (PROFILE_…): decides whether a failure stops the job and how a wrong domain looks. */
  readonly profile: number
}

/** What became of one object. */
export interface CloneResult {
  readonly handle: number
  /** CKR value and its name; CKR_OK = stored. */
  readonly ckr: number
  readonly code: string
  /** Handle on the target where it was stored. */
  readonly newHandle: number | undefined
}

/** Handles per batch request: with this many codes and one whole cloning message the answer still fits a frame. */
const BATCH_HANDLES = Math.min(
  protocol.OBC_MAX_BATCH,
  Math.floor((protocol.MAX_BODY - protocol.OBC_MAX_MESSAGE - 6) / 4),
)
/** Handles of the first of many batches: the target begins the sooner. */
const FIRST_HANDLES = 64
/** Times a batch is given to the target when its answer is lost on the way. */
const DELIVERIES = 3

/** A batch that the source has sealed. */
interface Sealed {
  readonly handles: readonly number[]
  readonly codes: readonly number[]
  readonly message: Uint8Array
}

/**
 * Clones objects from one token to another: backup, restore and clone are this job with the ends chosen differently.
 * Yields one result per handle, in order. While the target stores a batch the next one is under way to it.
 *
 * Profiles before 7.7 go on after an object that fails; from 7.7 on the first that the target refuses ends the job, and
 * the rest is CKR_CLONE_NOT_ATTEMPTED. Objects that the source's policy holds back never stop a job. Two partitions
 * without a common domain: CKR_CERTIFICATE_DATA_INVALID for every handle, or from 7.7 on for the first one (OBC-1 §5.7).
 *
 * Rejects with the TokenError or TransportError of whatever else fails; then, and when the caller stops reading, both
 * sides give up their cloning session. What was yielded before is stored.
 */
export async function* clone(
  source: CloneEnd,
  target: CloneEnd,
  options: CloneOptions,
): AsyncGenerator<CloneResult, void, undefined> {
  const stops = stopsAtFirstFailure(options.profile)
  let finished = false
  try {
    if (!(await agree(source, target, options.handles.length > 0))) {
      for (const one of domainMismatch(options.handles, stops)) yield one
      return
    }
    let count = 0
    // Whole batches up to here: handing each result through two generators costs more than all else that this side does.
    const batches = stops ? inTurn(source, target, options.handles) : inParallel(source, target, options.handles)
    for await (const { results, refused } of batches) {
      count += results.length
      for (const one of results) yield one
      if (!refused) continue
      for (const handle of options.handles.slice(count)) yield notAttempted(handle)
      return
    }
    const m5 = await source.client.cloning.sourceClose(source.session)
    await target.client.cloning.targetClose(target.session, m5)
    finished = true
  } finally {
    if (!finished) await abort(source, target)
  }
}

/**
 * Batch after batch, until the target refuses an object: the rest is not attempted. The next one is sealed meanwhile.
 */
async function* inTurn(
  source: CloneEnd,
  target: CloneEnd,
  handles: readonly number[],
): AsyncGenerator<Outcome, void, undefined> {
  let rest = handles
  let next: Promise<Sealed> | undefined = ahead(source, rest)
  while (next) {
    const batch: Sealed = await next
    rest = rest.slice(batch.handles.length)
    next = rest.length > 0 ? ahead(source, rest) : undefined
    const m4 = await deliver(target, batch.message, false)
    const results = await resultsOf(source, { batch, m4 })
    const refused = results.some(refusedByTarget(batch))
    yield { results, refused }
    if (refused) return
  }
}

/**
 * Both tokens work all the time: the target gets the next four batches before it has answered one (OBC-1 §5.5 in SPEC.md), since its
 * answer waits for the disk while it works on, and the source has the one after these sealed by the time that it may go.
 */
async function* inParallel(
  source: CloneEnd,
  target: CloneEnd,
  handles: readonly number[],
): AsyncGenerator<Outcome, void, undefined> {
  let rest = handles
  const most = handles.length > 2 * BATCH_HANDLES ? FIRST_HANDLES : BATCH_HANDLES
  let next: Promise<Sealed> | undefined = ahead(source, rest, most)
  let results: Promise<CloneResult[]> | undefined
  /** Oldest first. */
  const given: { readonly batch: Sealed; readonly answer: Promise<Uint8Array> }[] = []
  try {
    while (next || given.length > 0) {
      const [oldest] = given
      if (oldest && (given.length === protocol.OBC_BATCHES_OUT || !next)) {
        const m4 = await oldest.answer
        given.shift()
        results = quiet(resultsOf(source, { batch: oldest.batch, m4 }))
      }
      if (next) {
        const batch: Sealed = await next
        given.push({ batch, answer: quiet(deliver(target, batch.message, true)) })
        rest = rest.slice(batch.handles.length)
        next = rest.length > 0 ? ahead(source, rest) : undefined
      }
      if (!results) continue
      const told: Promise<CloneResult[]> = results
      results = undefined
      yield { results: await told, refused: false }
    }
  } finally {
    // What is stored is told, whatever ended the loop.
    const told = await results?.catch(() => undefined)
    if (told) yield { results: told, refused: false }
    for (const { batch, answer } of given) {
      const m4 = await answer.catch(() => undefined)
      if (!m4) break
      yield { results: await resultsOf(source, { batch, m4 }), refused: false }
    }
  }
}

/** What became of a batch; `refused` = the target has ended the job with it. */
interface Outcome {
  readonly results: readonly CloneResult[]
  readonly refused: boolean
}

/** A batch that the target has answered. */
interface Stored {
  readonly batch: Sealed
  readonly m4: Uint8Array
}

async function resultsOf(source: CloneEnd, { batch, m4 }: Stored): Promise<CloneResult[]> {
  return merge(batch, await source.client.cloning.sourceResult(source.session, m4))
}

/** A promise that is awaited later: until then its failure must not count as unhandled. */
function quiet<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {})
  return promise
}

function ahead(source: CloneEnd, rest: readonly number[], most = BATCH_HANDLES): Promise<Sealed> {
  return quiet(seal(source, rest, most))
}

/**
 * Lets the two sides confirm each other and moves nothing: false = they share no domain. Rejects as `clone` does.
 * For callers that are about to empty the target.
 */
export async function shareDomain(source: CloneEnd, target: CloneEnd): Promise<boolean> {
  try {
    await clone(source, target, { handles: [], profile: 0 }).next()
    return true
  } catch (error) {
    if (error instanceof TokenError && error.rc === protocol.RC_CERTIFICATE_DATA_INVALID && error.cause) return false
    throw error
  }
}

/** Whether this profile reports the first failure and leaves the rest alone (7.7 and later). */
export function stopsAtFirstFailure(profile: number): boolean {
  return profile >>> 16 >= protocol.PROFILE_7_7_1 >>> 16
}

/** The hellos. False = no common domain, where there are objects to say it of. */
async function agree(source: CloneEnd, target: CloneEnd, presentable: boolean): Promise<boolean> {
  const m1 = await source.client.cloning.sourceInit(source.session)
  const m2 = await target.client.cloning.targetInit(target.session, m1)
  try {
    await source.client.cloning.sourceHello(source.session, m2)
    return true
  } catch (error) {
    if (!(error instanceof TokenError && error.rc === protocol.RC_NEGOTIATION_NO_PSK)) throw error
    if (presentable) return false
    throw new TokenError(protocol.RC_CERTIFICATE_DATA_INVALID, error.command, { cause: error })
  }
}

async function seal(source: CloneEnd, rest: readonly number[], most: number): Promise<Sealed> {
  const offered = rest.slice(0, most)
  const last = offered.length === rest.length
  const { codes, message } = await source.client.cloning.sourceBatch(source.session, offered, last)
  if (codes.length > offered.length || (codes.length === 0 && offered.length > 0)) {
    throw new FrameError('FRAME_MALFORMED', `${codes.length} of ${offered.length} offered objects were consumed`)
  }
  return { handles: offered.slice(0, codes.length), codes, message }
}

/** A lost answer is asked for again with the same bytes: the target answers from its cache and stores nothing twice. */
async function deliver(target: CloneEnd, message: Uint8Array, continueOnError: boolean): Promise<Uint8Array> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await target.client.cloning.targetBatch(target.session, message, continueOnError)
    } catch (error) {
      const lost = error instanceof TransportError || error instanceof FrameError
      if (!lost || attempt === DELIVERIES) throw error
    }
  }
}

/** Puts the source's refusals and the target's answers back into the order of the handles. */
function merge(batch: Sealed, answers: readonly { handle: number; code: number; newHandle: number }[]): CloneResult[] {
  const waiting = answers[Symbol.iterator]()
  const results = batch.handles.map((handle, index): CloneResult => {
    const rc = batch.codes[index] ?? protocol.RC_GENERAL_ERROR
    if (rc !== protocol.RC_OK) return result(handle, ckrOf(rc))
    const answer = waiting.next()
    if (answer.done || answer.value.handle !== handle) {
      throw new FrameError('FRAME_MALFORMED', `no result for object ${handle}`)
    }
    return result(handle, answer.value.code, answer.value.newHandle)
  })
  if (!waiting.next().done) throw new FrameError('FRAME_MALFORMED', 'more results than objects')
  return results
}

function refusedByTarget(batch: Sealed): (result: CloneResult, index: number) => boolean {
  return (one, index) => one.ckr !== 0 && batch.codes[index] === protocol.RC_OK
}

function result(handle: number, ckr: number, newHandle?: number): CloneResult {
  return { handle, ckr, code: ckrName(ckr), newHandle: ckr === 0 ? newHandle : undefined }
}

function notAttempted(handle: number): CloneResult {
  return result(handle, ckrOf(protocol.RC_CLONE_NOT_ATTEMPTED))
}

function domainMismatch(handles: readonly number[], stops: boolean): CloneResult[] {
  return handles.map((handle, index) =>
    stops && index > 0 ? notAttempted(handle) : result(handle, ckrOf(protocol.RC_CERTIFICATE_DATA_INVALID)),
  )
}

/** Ends both sides whatever state they are in; their own answers no longer matter. */
async function abort(source: CloneEnd, target: CloneEnd): Promise<void> {
  const noMessage = new Uint8Array(0)
  const m5 = await source.client.cloning.sourceClose(source.session).catch(() => noMessage)
  await target.client.cloning.targetClose(target.session, m5).catch(() => {})
}
