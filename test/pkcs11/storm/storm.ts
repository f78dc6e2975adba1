// Many programs with many threads at one door, some of them killed, the token restarted in the middle.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ckrByName } from '../../../host/client/index.js'
import { calls } from '../../../host/pkcs11/calls.js'
import { Random } from '../../fuzz/engine/random.js'
import { Refused } from '../support.js'
import type { ClientReport } from './client.js'
import { Link } from './link.js'
import { CHALLENGE, Site } from './site.js'

export interface StormOptions {
  readonly seconds: number
  readonly processes: number
  readonly threads: number
  readonly seed: number
  readonly say?: (line: string) => void
}

export interface StormReport {
  readonly operations: number
  readonly killed: number
  /** Times that a thread had to begin again because of the restart. */
  readonly again: number
  /** The door's heap in bytes after the first quarter, and at the end. */
  readonly heaps: readonly [before: number, after: number]
  /** Sessions that could be opened until the token had no more, before and at the end. */
  readonly room: readonly [before: number, after: number]
}

const CLIENT = fileURLToPath(new URL('./client.js', import.meta.url))
const SLOT = 1
/** Times that the sessions are counted again before one counts as left behind. */
const LOOKS = 10
const NO_MORE = ckrByName('CKR_SESSION_COUNT')

function isReport(message: unknown): message is ClientReport {
  return typeof message === 'object' && message !== null && 'operations' in message && 'again' in message
}

/** A program of the storm. */
class Client {
  readonly child: ChildProcess
  readonly ready: Promise<unknown>
  report: ClientReport | undefined
  failure: string | undefined
  wasKilled = false
  readonly ended: Promise<unknown>

  constructor(socket: string, { threads }: StormOptions, seed: number, epoch: number) {
    this.child = fork(CLIENT, [socket, String(SLOT), CHALLENGE, String(threads), String(seed)])
    this.child.send(epoch)
    // What it has said last may come behind its end.
    this.ended = Promise.all([once(this.child, 'exit'), once(this.child, 'disconnect')])
    this.ready = Promise.race([
      new Promise<void>((resolve) => this.child.on('message', (message) => message === 'ready' && resolve())),
      this.ended,
    ])
    this.child.on('message', (message) => {
      if (isReport(message)) this.report = message
      else if (typeof message === 'object' && message !== null && 'failed' in message) {
        this.failure = String(message.failed)
      }
    })
  }

  kill(): Promise<unknown> {
    this.wasKilled = true
    this.child.kill('SIGKILL')
    return this.ended
  }

  tell(message: number | 'stop'): void {
    if (this.child.connected) this.child.send(message)
  }
}

/** How many sessions the token has room for; all are closed again. */
async function room(socket: string): Promise<number> {
  const link = await Link.open(socket)
  let count = 0
  try {
    for (;;) {
      await link.program.call(calls.openSession, [SLOT, 6])
      count++
    }
  } catch (error) {
    if (!(error instanceof Refused && error.ckr === NO_MORE)) throw error
  }
  await link.program.call(calls.closeAllSessions, SLOT)
  await link.program.call(calls.finalize, undefined)
  link.close()
  return count
}

/** @throws Error whatever was wrong: a wrong result, a code that nothing explains */
export async function storm(options: StormOptions): Promise<StormReport> {
  const { seconds, processes, seed, say = () => undefined } = options
  const random = new Random(seed)
  const site = await Site.open()
  let epoch = 0
  const all: Client[] = []
  const living = () => all.filter(({ child, wasKilled }) => child.exitCode === null && !wasKilled)
  const join = (): Client => {
    const client = new Client(site.socket, options, random.u32(), epoch)
    all.push(client)
    return client
  }
  const tell = (): void => {
    epoch++
    for (const client of living()) client.tell(epoch)
  }
  const check = (): void => {
    const failed = all.find(({ failure }) => failure !== undefined)
    if (failed) throw new Error(`a program has failed: ${failed.failure}\n${site.events}`)
    const lost = all.find(({ child, wasKilled, report }) => child.exitCode !== null && !wasKilled && !report)
    if (lost) throw new Error(`a program has ended with ${lost.child.exitCode}`)
  }
  try {
    const before = await room(site.socket)
    say(`the token has room for ${before} sessions`)
    await Promise.all(Array.from({ length: processes }, () => join().ready))
    check()
    const start = Date.now()
    const elapsed = () => (Date.now() - start) / 1000
    const wait = async (until: number): Promise<void> => {
      while (elapsed() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        check()
      }
    }
    // One kill for every five seconds, at least two; one of them after the restart.
    const kills = Array.from({ length: Math.max(2, Math.floor(seconds / 5)) }, (_, i) =>
      i === 0 ? seconds * 0.75 : (random.below(1000) / 1000) * seconds * 0.9,
    )
    const events = [
      ...kills.map((at) => ({ at, what: 'kill' as const })),
      { at: seconds * 0.25, what: 'heap' as const },
      { at: seconds * 0.5, what: 'restart' as const },
    ].sort((a, b) => a.at - b.at)
    let first = 0
    let killed = 0
    for (const { at, what } of events) {
      await wait(at)
      if (what === 'heap') first = await site.heap()
      else if (what === 'kill') {
        const [victim] = [random.pick(living())]
        await victim.kill()
        killed++
        await join().ready
        say(`${elapsed().toFixed(1)} s: a program was killed, another one has come`)
      } else {
        tell()
        await site.restartToken()
        tell()
        say(`${elapsed().toFixed(1)} s: the token was killed and is there again`)
      }
    }
    await wait(seconds)
    for (const client of living()) client.tell('stop')
    await Promise.all(all.map(({ ended }) => ended))
    check()
    const heaps = [first, await site.heap()] as const
    let after = await room(site.socket)
    // The door may still be closing those of a program that was killed.
    for (let looks = 0; after !== before && looks < LOOKS; looks++) after = await room(site.socket)
    const sum = (of: (report: ClientReport) => number) =>
      all.reduce((total, { report }) => total + (report ? of(report) : 0), 0)
    const [operations, again] = [sum((report) => report.operations), sum((report) => report.again)]
    return { operations, killed, again, heaps, room: [before, after] }
  } finally {
    await Promise.all(living().map((client) => client.kill()))
    await site.close()
  }
}
