// The thread that watches a campaign: it prints, stops it when the time is over or somebody says so, and ends an input that hangs.
import { Worker } from 'node:worker_threads'
import type { Tally } from './engine/campaign.js'
import { type FindingRecord, writeFinding } from './engine/finding-file.js'
import { readInput } from './engine/input.js'
import { FLAG, INPUT_SIZE, type Message, type Orders } from './orders.js'

/** Seconds that one run may take before it counts as hung. */
const HANG = 60
const REPORT_EVERY = 10

export interface Plan {
  readonly targets: readonly string[]
  readonly seconds: number
  readonly seed: number
  readonly fault: string | undefined
  /** Folder for findings. */
  readonly out: string
}

const count = (n: number) => n.toLocaleString('en-US')

function table(tallies: readonly Tally[]): string {
  const rows = [
    ['target', 'inputs', 'per second', 'findings'],
    ...tallies.map(({ target, tried, milliseconds, findings }) => {
      return [
        target,
        count(tried),
        count(Math.round(milliseconds > 0 ? (1000 * tried) / milliseconds : 0)),
        String(findings),
      ]
    }),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(cell).join('  ')).join('\n')
}

class Watch {
  readonly #plan: Plan
  readonly #tallies = new Map<string, Tally>()
  readonly #flags = new Int32Array(new SharedArrayBuffer(16))
  readonly #input = new SharedArrayBuffer(INPUT_SIZE)
  #findings = 0
  #firmware = ''
  #deadline = Number.POSITIVE_INFINITY
  #interrupted = false

  constructor(plan: Plan) {
    this.#plan = plan
  }

  async run(): Promise<number> {
    const interrupt = () => {
      if (this.#interrupted) process.exit(130)
      this.#interrupted = true
      this.#stop()
    }
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    console.log(`seed ${this.#plan.seed}`)
    let targets = this.#plan.targets
    while (targets.length > 0 && Atomics.load(this.#flags, FLAG.stop) === 0) {
      const hung = await this.#session(targets)
      if (hung === undefined) break
      targets = targets.filter((name) => name !== hung)
    }
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    const tallies = [...this.#tallies.values()]
    const all = tallies.reduce((sum, { tried }) => sum + tried, 0)
    console.log(`\n${table(tallies)}\n`)
    const found = this.#findings === 0 ? 'nothing found' : `${this.#findings} found`
    console.log(`${count(all)} inputs, ${found}${this.#interrupted ? ' (interrupted)' : ''}`)
    return this.#findings > 0 ? 1 : 0
  }

  #stop(): void {
    Atomics.store(this.#flags, FLAG.stop, 1)
  }

  /** One worker, until it is done or hangs. @returns the target that hung */
  #session(targets: readonly string[]): Promise<string | undefined> {
    const { seed, fault } = this.#plan
    Atomics.store(this.#flags, FLAG.running, 0)
    const workerData: Orders = { targets, seed, fault, flags: this.#flags.buffer, input: this.#input }
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData })
    return new Promise((resolve, reject) => {
      let [lastRuns, quiet, seconds] = [-1, 0, 0]
      const timer = setInterval(() => {
        if (performance.now() >= this.#deadline) this.#stop()
        if (++seconds % REPORT_EVERY === 0 && Number.isFinite(this.#deadline)) this.#progress()
        const runs = Atomics.load(this.#flags, FLAG.runs)
        quiet = Atomics.load(this.#flags, FLAG.running) === 1 && runs === lastRuns ? quiet + 1 : 0
        lastRuns = runs
        if (quiet < HANG) return
        const hung = this.#hang()
        end(() => worker.terminate().then(() => resolve(hung), reject))
      }, 1000)
      const end = (then: () => void) => {
        clearInterval(timer)
        then()
      }
      worker.on('message', (message: Message) => this.#take(message))
      worker.on('error', (error) => end(() => reject(error)))
      worker.on('exit', () => end(() => resolve(undefined)))
    })
  }

  #take(message: Message): void {
    if (message.kind === 'tally') this.#tallies.set(message.tally.target, message.tally)
    // The time begins when every target has had its first turn: to prepare one may take longer than all the time there is.
    const begun = [...this.#tallies.values()].every(({ runs, findings }) => runs > 0 || findings > 0)
    if (message.kind === 'tally' && begun && this.#deadline === Number.POSITIVE_INFINITY) {
      this.#deadline = performance.now() + 1000 * this.#plan.seconds
    }
    if (message.kind === 'found') this.#report({ ...message.record, steps: readInput(message.record.steps) })
    if (message.kind !== 'firmware') return
    this.#firmware = message.digest
    const { compiledIn } = message
    const how = compiledIn === undefined ? '' : `, compiled in ${(compiledIn / 1000).toFixed(1)} s`
    console.log(`firmware with red zones: ${message.digest}${how}`)
  }

  #progress(): void {
    const all = [...this.#tallies.values()].reduce((sum, { tried }) => sum + tried, 0)
    const left = Math.max(0, Math.round((this.#deadline - performance.now()) / 1000))
    console.log(`${count(all)} inputs, ${this.#findings} found, ${left} s left`)
  }

  #report(record: FindingRecord): void {
    this.#findings++
    const path = writeFinding(this.#plan.out, record)
    const { target, oracle, where, message } = record
    console.log(`\n${target}: ${oracle} (${where})\n${message}\nreplay: npm run fuzz -- --replay ${path}\n`)
  }

  /** The input that is running has been running for too long. */
  #hang(): string {
    const length = Atomics.load(this.#flags, FLAG.inputLength)
    const value: unknown = JSON.parse(Buffer.from(Buffer.from(this.#input).subarray(0, length)).toString())
    const { target, run, steps } =
      typeof value === 'object' && value !== null
        ? { target: '', run: 0, steps: [], ...value }
        : { target: '', run: 0, steps: [] }
    const { seed, fault } = this.#plan
    const message = `a run took more than ${HANG} seconds`
    this.#report({
      target,
      oracle: 'hang',
      where: target,
      message,
      seed,
      run,
      firmware: this.#firmware,
      fault,
      steps: readInput(steps),
    })
    const tally = this.#tallies.get(target)
    if (tally) this.#tallies.set(target, { ...tally, findings: tally.findings + 1 })
    return target
  }
}

/** Runs a campaign and prints what comes of it. @returns the exit code */
export const watch = (plan: Plan): Promise<number> => new Watch(plan).run()
