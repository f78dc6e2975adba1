import type { RecordedStep, RecordedTransfer } from './recording.js'
import { describeAsked, difference } from './replay-words.js'
import { type Cancel, type Complete, isInUrb, NO_DATA, OVER, outcome, type Urb, type UrbResult } from './urb.js'

/** Milliseconds without anything happening before the order of the recording is no longer waited for. */
const PATIENCE = 2000
/** Milliseconds: how often a host polls an interrupt endpoint. What it does meanwhile it does without having heard of the event. */
const POLL = 8
/** Milliseconds for which a control request out of its order is held. */
const HOLD = 500
/** Control requests that a host may have left out, so that a later one counts. */
const WINDOW = 8

/** What a replay tells. */
export type ReplayEvent =
  /** The host did something else than in the recording; the device is gone for it. */
  | {
      readonly event: 'left'
      /** Number of the recorded transfer, counted from 1; one more than there are where the recording is over. */
      readonly transfer: number
      readonly expected: string
      readonly came: string
      readonly difference?: string
    }
  /** An answer went out although a transfer that was recorded before it has not come. */
  | { readonly event: 'reordered'; readonly transfer: number; readonly missing: number }
  /** A read of the control pipe that is not in the recording here was answered with a stall, or recorded ones were left out by the host. */
  | { readonly event: 'stalled' | 'left-out'; readonly transfer: number; readonly what: string }
  /** All that was recorded has happened. */
  | { readonly event: 'finished'; readonly transfers: number }
  /** The host let the device go when so many transfers had come. */
  | { readonly event: 'stopped'; readonly transfers: number; readonly of: number }

export interface RunOptions {
  /** Answers take as long as they did. */
  readonly delays?: boolean | undefined
  /** Milliseconds; 2000 unless given. */
  readonly patience?: number | undefined
  readonly onEvent: (event: ReplayEvent) => void
  /** Nothing more can be replayed: the host left the recording, or the device was pulled out in it. */
  readonly onEnd: (why: 'left' | 'unplugged') => void
}

interface Came {
  readonly urb: Urb
  readonly complete: Complete
}

/** A control request that is not what comes next: hosts make several at once, and so in any order. */
interface Held extends Came {
  readonly timer: NodeJS.Timeout
}

/**
 * One way through a recording. Transfers have to come in order on each endpoint; their results go out in the order of all
 * endpoints, each once all has come that had come before it.
 */
export class ReplayRun {
  readonly #queues = new Map<number, RecordedTransfer[]>()
  readonly #total: number
  readonly #last: number
  #cursor = 0
  /** Transfers that have come, by their numbers; undefined = over, or given up for good. */
  readonly #came = new Map<number, Came | undefined>()
  readonly #answered = new Set<number>()
  /** Reads of which the recording has nothing. */
  readonly #parked = new Set<Came>()
  readonly #held = new Set<Held>()
  /** Steps of which the delay has begun, and is over. */
  #pausedAt = -1
  #due = -1
  #timer: NodeJS.Timeout | undefined
  #walking = false
  #over = false

  /** @param steps those of transfers that have to come as recorded */
  constructor(
    private readonly steps: readonly RecordedStep[],
    private readonly options: RunOptions,
  ) {
    const submits = steps.filter(({ what }) => what === 'submit')
    for (const { transfer } of submits) {
      const queue = this.#queues.get(transfer.endpoint)
      if (queue) queue.push(transfer)
      else this.#queues.set(transfer.endpoint, [transfer])
    }
    this.#total = submits.length
    this.#last = submits.at(-1)?.transfer.number ?? 0
  }

  submit(urb: Urb, complete: Complete): Cancel {
    if (this.#over) {
      complete(outcome('gone'))
      return OVER
    }
    const came: Came = { urb, complete }
    const expected = this.#queues.get(urb.endpoint)?.[0]
    if (!expected && urb.endpoint !== 0 && isInUrb(urb)) {
      this.#parked.add(came)
      return () => this.#parked.delete(came)
    }
    if (expected && fault(expected, urb) === undefined) return this.#accept(expected, came)
    if (urb.endpoint === 0 && !isOtherData(expected, urb)) return this.#hold(came)
    this.#leave(urb)
    complete(outcome('gone'))
    return OVER
  }

  /** The host resets the device. */
  reset(): void {
    for (const { complete } of this.#pending()) complete(outcome('reset'))
  }

  /** The host has let the device go. */
  stop(): void {
    if (this.#over) return
    const transfers = this.#came.size
    this.#end()
    this.options.onEvent({ event: 'stopped', transfers, of: this.#total })
  }

  // ---- what comes -----------------------------------------------------------------------------------------------------

  #accept(expected: RecordedTransfer, came: Came): Cancel {
    this.#queues.get(expected.endpoint)?.shift()
    this.#came.set(expected.number, came)
    if (expected.endpoint === 0) this.#release()
    this.#walk()
    return () => this.#cancel(expected, came)
  }

  /** True = it was under way. A read that had an answer to come is expected again: giving it up loses no data. */
  #cancel(transfer: RecordedTransfer, came: Came): boolean {
    if (this.#over || this.#came.get(transfer.number) !== came) return false
    if (transfer.result && transfer.endpoint !== 0 && isInUrb(came.urb)) {
      this.#came.delete(transfer.number)
      this.#queues.get(transfer.endpoint)?.unshift(transfer)
    } else this.#came.set(transfer.number, undefined)
    return true
  }

  #hold({ urb, complete }: Came): Cancel {
    let accepted: Cancel | undefined
    const timer = setTimeout(() => {
      this.#held.delete(held)
      accepted = this.#overdue(held)
    }, HOLD)
    const held: Held = { urb, complete, timer }
    this.#held.add(held)
    return () => {
      clearTimeout(timer)
      return this.#held.delete(held) || (accepted?.() ?? false)
    }
  }

  /** Held requests whose turn has come. */
  #release(): void {
    for (const held of this.#held) {
      const expected = this.#queues.get(0)?.[0]
      if (!expected || fault(expected, held.urb) !== undefined) continue
      clearTimeout(held.timer)
      this.#held.delete(held)
      this.#accept(expected, held)
      return
    }
  }

  /** A request that was held in vain: the host has left reads out, or asks for something that was not asked for, or leaves. */
  #overdue(held: Held): Cancel | undefined {
    const queue = this.#queues.get(0) ?? []
    const found = queue.slice(0, WINDOW).findIndex((one) => fault(one, held.urb) === undefined)
    const skipped = queue.slice(0, Math.max(found, 0))
    const expected = queue[found]
    if (expected && skipped.every((one) => isInUrb(one))) {
      for (const { number, ...one } of skipped) {
        this.#came.set(number, undefined)
        this.#answered.add(number)
        this.options.onEvent({ event: 'left-out', transfer: number, what: describeAsked(one) })
      }
      queue.splice(0, skipped.length)
      return this.#accept(expected, held)
    }
    if (isInUrb(held.urb)) {
      const transfer = queue[0]?.number ?? this.#last + 1
      this.options.onEvent({ event: 'stalled', transfer, what: describeAsked(held.urb) })
      held.complete(outcome('stall'))
      return undefined
    }
    this.#leave(held.urb)
    held.complete(outcome('gone'))
    return undefined
  }

  // ---- the recording, step by step ------------------------------------------------------------------------------------

  #walk(): void {
    // Whoever is told that a transfer is over may begin the next one.
    if (this.#walking || this.#over) return
    this.#walking = true
    try {
      for (let step = this.steps[this.#cursor]; step && this.#take(step); step = this.steps[this.#cursor]) {
        this.#cursor += 1
        if (this.#cursor === this.steps.length) this.options.onEvent({ event: 'finished', transfers: this.#total })
      }
    } finally {
      this.#walking = false
    }
  }

  /** False = the step has to wait. */
  #take(step: RecordedStep): boolean {
    const { what, transfer } = step
    if (this.#answered.has(transfer.number)) return true
    if (!this.#came.has(transfer.number)) {
      this.#wait(() => this.#skip(transfer.number), this.options.patience ?? PATIENCE)
      // It is set anew as long as nothing happens.
      this.#timer?.unref()
      return false
    }
    if (what === 'submit') return true
    if (this.#isPaused(step)) return false
    this.#answer(transfer)
    return !this.#over
  }

  /** Whether an answer's time has not come. What comes meanwhile does not put it off. */
  #isPaused({ time, transfer }: RecordedStep): boolean {
    const before = this.steps[this.#cursor - 1]?.time ?? time
    const pause = this.options.delays ? (time - before) / 1000 : transfer.type === 'interrupt' ? POLL : 0
    if (pause <= 0 || this.#due === this.#cursor) return false
    if (this.#pausedAt !== this.#cursor) {
      this.#pausedAt = this.#cursor
      this.#wait(() => {
        this.#due = this.#pausedAt
        this.#walk()
      }, pause)
    }
    return true
  }

  #wait(then: () => void, time: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(then, time)
  }

  /** Nothing happens: the host may wait for an answer before it does what the recording has first. */
  #skip(missing: number): void {
    for (const { what, transfer } of this.steps.slice(this.#cursor)) {
      if (what !== 'complete' || this.#answered.has(transfer.number) || !this.#came.get(transfer.number)) continue
      this.options.onEvent({ event: 'reordered', transfer: transfer.number, missing })
      this.#answer(transfer)
      break
    }
    this.#walk()
  }

  #answer(transfer: RecordedTransfer): void {
    const { number, result } = transfer
    const came = this.#came.get(number)
    this.#answered.add(number)
    this.#came.set(number, undefined)
    if (!came || !result) return
    if (result.status !== 'gone') {
      came.complete(answerTo(came.urb, transfer))
      return
    }
    this.#end()
    came.complete(outcome('gone'))
    this.options.onEnd('unplugged')
  }

  // ---- the end --------------------------------------------------------------------------------------------------------

  #leave(urb: Urb): void {
    const expected = this.#queues.get(urb.endpoint)?.[0]
    const wrong = expected && fault(expected, urb)
    this.#end()
    this.options.onEvent({
      event: 'left',
      transfer: expected?.number ?? this.#last + 1,
      expected: expected ? describeAsked(expected) : 'nothing more on this endpoint',
      came: describeAsked(urb),
      ...(wrong === undefined ? {} : { difference: wrong }),
    })
    this.options.onEnd('left')
  }

  #pending(): Came[] {
    const pending = [...this.#parked, ...this.#held, ...[...this.#came.values()].flatMap((came) => came ?? [])]
    for (const { timer } of this.#held) clearTimeout(timer)
    this.#parked.clear()
    this.#held.clear()
    for (const number of this.#came.keys()) this.#came.set(number, undefined)
    return pending
  }

  #end(): void {
    this.#over = true
    clearTimeout(this.#timer)
    for (const { complete } of this.#pending()) complete(outcome('gone'))
  }
}

/** What is wrong with a transfer in place of a recorded one, in words; undefined = nothing. */
function fault(expected: RecordedTransfer, urb: Urb): string | undefined {
  if (urb.endpoint !== 0 && isInUrb(urb)) return undefined
  return difference(expected, urb)
}

/** Whether a control request is the recorded one, but for the data that it carries to the device. */
function isOtherData(expected: RecordedTransfer | undefined, { setup }: Urb): boolean {
  const [a, b] = [expected?.setup, setup]
  if (!a || !b || (b.requestType & 0x80) !== 0) return false
  return a.requestType === b.requestType && a.request === b.request && b.length > 0
}

/** The recorded answer, as far as there is room for it. */
function answerTo(urb: Urb, { result }: RecordedTransfer): UrbResult {
  if (!result) return outcome('stall')
  const { status, actual } = result
  if (!isInUrb(urb)) return outcome(status, actual)
  const data = Uint8Array.from(result.data.subarray(0, urb.length))
  const overrun = data.length < result.data.length
  return { status: overrun ? 'babble' : status, data: data.length > 0 ? data : NO_DATA, actual: data.length }
}
