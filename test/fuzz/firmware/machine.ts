// One instance of the guarded firmware, pumped by hand: frames in, frames out, and a state that can be kept and put back.
import { instantiateSync } from '@assemblyscript/loader'
import {
  FLAG_SEALED,
  FRAME_HEADER,
  MAX_FRAME,
  PED_MAX_FRAME,
  PORT_COMMAND,
  PORT_PED,
  RC_OK,
  SEALED_OVERHEAD,
  SERVICE_AGAIN,
  SERVICE_COMMAND,
  SERVICE_PED,
} from '../../../assembly/protocol.js'
import { soundModule } from '../../../host/board/index.js'
import { Finding } from '../engine/target.js'
import { type Chips, type KeptState, makeChips } from './chips.js'
import { type GuardedFirmware, RED_ZONE } from './guarded-build.js'

const PAGE = 65536
/** Steps of the pump that one frame may take: a command, its resumption, and the frames of the PED. */
const STEP_LIMIT = 64
const ZERO_PAGE = Buffer.alloc(PAGE)
/** The end of memory, where frames are put. */
const FENCED = 2 * PAGE
/** What nobody has written: it fills red zones and what follows a frame in its inbox. Address and byte go together modulo 8. */
export const POISON = Buffer.from('e5b10cf3a94d7286', 'hex')
/** The same as words, by half of the address. */
const POISON_WORDS = [POISON.readUInt32LE(0), POISON.readUInt32LE(4)] as const

type Exports = {
  readonly boot: () => number
  readonly inbox: (port: number) => number
  readonly deliver: (port: number, length: number) => number
  readonly service: () => number
  readonly outbox: (port: number) => number
  readonly take: (port: number) => number
  readonly tick: () => void
  readonly tamper: (cause: number) => void
  readonly inject: (fault: number) => void
}

/** A static buffer of the firmware. */
export interface Region {
  /** Such as `commands/dispatch/INBOX`; dashes of file names are underscores. */
  readonly name: string
  readonly at: number
  readonly length: number
}

/** A variable of the firmware: a WebAssembly global. */
interface Variable {
  value: number | bigint
}

/** What came out of the firmware. */
export interface Output {
  readonly answers: Buffer[]
  readonly ped: Buffer[]
}

export interface Kept {
  readonly pages: ReadonlyMap<number, Buffer>
  readonly variables: readonly (number | bigint)[]
  readonly state: KeptState
  readonly time: number
  readonly pedLines: number
  readonly tamperLine: number
}

const isVariable = (value: unknown): value is Variable =>
  typeof value === 'object' && value !== null && 'value' in value

function numberOf(value: unknown): number {
  return isVariable(value) ? Number(value.value) : Number(value)
}

function poison(memory: Buffer, from: number, to: number): void {
  const phase = from % POISON.length
  memory.fill(Buffer.concat([POISON.subarray(phase), POISON.subarray(0, phase)]), from, to)
}

export class Machine {
  readonly chips: Chips
  readonly memory: Buffer
  readonly regions: readonly Region[]
  readonly #words: Uint32Array
  readonly #exports: Exports
  readonly #variables: Variable[] = []
  readonly #byName = new Map<string, Region>()
  readonly #byVariable = new Map<string, Variable>()
  /** Pages that hold static buffers; nothing is ever allocated behind them. */
  readonly #pages: number

  constructor(firmware: GuardedFirmware, { sectors = 20, seed = 'fuzz' }: { sectors?: number; seed?: string } = {}) {
    this.chips = makeChips(sectors, seed)
    let memory = Buffer.alloc(0)
    const bytes = (at: number, length: number): Uint8Array => {
      const [start, size] = [at >>> 0, length >>> 0]
      if (start + size > memory.length) throw new Finding('peripheral access', 'memory', `${size} bytes at ${start}`)
      return memory.subarray(start, start + size)
    }
    const env = {
      abort: () => {
        throw new Finding('trap', 'abort', 'the firmware aborted')
      },
    }
    const { exports } = instantiateSync<Exports & Record<string, unknown>>(soundModule(firmware.wasm), {
      board: this.chips.imports(bytes),
      env,
    })
    if (!exports.memory) throw new Error('the guarded firmware exports no memory')
    memory = Buffer.from(exports.memory.buffer)
    this.memory = memory
    this.#words = new Uint32Array(exports.memory.buffer)
    this.#exports = exports
    for (const [name, value] of Object.entries<unknown>(exports)) {
      const [kind, ...path] = name.split('$')
      if (kind === 'variable' && isVariable(value)) {
        this.#variables.push(value)
        this.#byVariable.set(path.join('/'), value)
      }
      if (kind !== 'region') continue
      const length = numberOf(exports[['bytes', ...path].join('$')])
      const region = { name: path.join('/'), at: numberOf(value), length }
      this.#byName.set(region.name, region)
      poison(memory, region.at + length, region.at + length + RED_ZONE)
    }
    this.regions = [...this.#byName.values()].sort((a, b) => a.at - b.at)
    this.#pages = Math.ceil(Math.max(...this.regions.map(({ at, length }) => at + length + RED_ZONE)) / PAGE)
  }

  /** A buffer by its name. */
  region(path: string): Region {
    const region = this.#byName.get(path)
    if (!region) throw new Error(`the firmware has no buffer ${path}`)
    return region
  }

  has(path: string): boolean {
    return this.#byName.has(path)
  }

  view(path: string): Buffer {
    const { at, length } = this.region(path)
    return this.memory.subarray(at, at + length)
  }

  /** Value of a variable by its name, such as `ped/prompts/parked`; 0 where there is none. */
  variable(path: string): number {
    return Number(this.#byVariable.get(path)?.value ?? 0)
  }

  /** Behind the last static buffer. */
  get end(): number {
    return this.#pages * PAGE
  }

  /** Name of what is at an address. */
  nameOf(address: number): string {
    for (const { name, at, length } of this.regions) {
      if (address >= at && address < at + length) return `${name} + ${address - at}`
      if (address >= at && address < at + length + RED_ZONE) return `red zone behind ${name}`
    }
    return `address ${address}`
  }

  /** The first buffer behind which something was written. */
  overrun(): Region | undefined {
    for (const region of this.regions) {
      const from = region.at + region.length
      for (let word = (from + 3) >> 2; word < (from + RED_ZONE) >> 2; word++) {
        if (this.#words[word] !== POISON_WORDS[word & 1]) return region
      }
    }
    return undefined
  }

  // ---- the firmware's exports ---------------------------------------------------------------------------------------

  boot(): number {
    return this.#guard(() => this.#exports.boot()) >>> 0
  }

  inject(fault: number): void {
    this.#exports.inject(fault)
  }

  tamper(cause: number): void {
    this.#guard(() => this.#exports.tamper(cause))
  }

  tick(): Output {
    this.#guard(() => this.#exports.tick())
    return this.#serve()
  }

  /** A frame to the command port. */
  command(frame: Uint8Array): Output & { readonly refused: number } {
    return this.#fenced(frame, () => this.#deliver(PORT_COMMAND, frame))
  }

  /** A frame to the PED port. */
  ped(frame: Uint8Array): Output & { readonly refused: number } {
    const { at, length } = this.region('index/PED_INBOX')
    const taken = Math.min(frame.length, length)
    // What stood there before was wiped; whoever reads past the frame reads what nobody ever sent.
    poison(this.memory, at + taken, at + length)
    const output = this.#deliver(PORT_PED, frame)
    this.memory.fill(0, at, at + length)
    return output
  }

  /** What a request is read from ends where memory ends: the frame, or the place for its body where that is sealed. */
  #fenced<Result>(frame: Uint8Array, deliver: () => Result): Result {
    if (frame.length > MAX_FRAME) return deliver()
    const sealed = frame.length >= FRAME_HEADER + SEALED_OVERHEAD && frame[3] === FLAG_SEALED && frame[2] === 0
    const name = sealed ? 'commands/dispatch/BODY' : 'commands/dispatch/INBOX'
    const length = sealed ? frame.length - FRAME_HEADER - SEALED_OVERHEAD : frame.length
    const variable = this.#byVariable.get(name)
    if (!variable) return deliver()
    const fence = this.memory.length - length
    variable.value = fence
    const output = deliver()
    variable.value = this.region(name).at
    const left = this.memory.subarray(fence).findIndex((byte) => byte !== 0)
    if (left >= 0) throw new Finding('not wiped', name, `${name} holds something at ${left} after the command`)
    return output
  }

  #deliver(port: number, frame: Uint8Array): Output & { readonly refused: number } {
    const at = this.#exports.inbox(port)
    // A board does not write past the inbox, whatever length it reports.
    const taken = frame.subarray(0, Math.min(port === PORT_PED ? PED_MAX_FRAME : MAX_FRAME, this.memory.length - at))
    this.memory.set(taken, at)
    const refused = this.#guard(() => this.#exports.deliver(port, frame.length)) >>> 0
    if (refused === RC_OK) return { ...this.#serve(), refused }
    this.memory.fill(0, at, at + taken.length)
    return { answers: [], ped: [], refused }
  }

  #serve(): Output {
    const output: Output = { answers: [], ped: [] }
    for (let step = 0; ; step++) {
      if (step === STEP_LIMIT) throw new Finding('step limit', 'service', `more than ${STEP_LIMIT} steps for one frame`)
      const flags = this.#guard(() => this.#exports.service()) >>> 0
      if (flags & SERVICE_COMMAND) output.answers.push(this.#take(PORT_COMMAND))
      if (flags & SERVICE_PED) output.ped.push(this.#take(PORT_PED))
      if ((flags & SERVICE_AGAIN) === 0) return output
    }
  }

  #take(port: number): Buffer {
    const at = this.#exports.outbox(port)
    const length = this.#exports.take(port)
    return Buffer.from(this.memory.subarray(at, at + length))
  }

  #guard(call: () => unknown): number {
    try {
      return Number(call() ?? 0)
    } catch (error) {
      if (error instanceof Finding) throw error
      const what = error instanceof Error ? error.message : String(error)
      throw new Finding('trap', what.slice(0, 60), error instanceof Error ? (error.stack ?? what) : what)
    }
  }

  // ---- keeping and putting back -------------------------------------------------------------------------------------

  keep(): Kept {
    const pages = new Map<number, Buffer>()
    for (let page = 0; page < this.#pages; page++) {
      const bytes = this.memory.subarray(page * PAGE, (page + 1) * PAGE)
      if (!bytes.equals(ZERO_PAGE)) pages.set(page, Buffer.from(bytes))
    }
    const { memory, clock, pedLines, tamperLine } = this.chips
    const variables = this.#variables.map(({ value }) => value)
    return { pages, variables, state: memory.keep(), time: clock.time, pedLines, tamperLine }
  }

  putBack({ pages, variables, state, time, pedLines, tamperLine }: Kept): void {
    for (let page = 0; page < this.#pages; page++) {
      const area = this.memory.subarray(page * PAGE, (page + 1) * PAGE)
      const kept = pages.get(page)
      if (kept) kept.copy(area)
      else if (!area.equals(ZERO_PAGE)) area.fill(0)
    }
    // A run that ended in a trap leaves its frame behind.
    this.memory.fill(0, this.memory.length - FENCED)
    for (const [i, variable] of this.#variables.entries()) variable.value = variables[i] ?? 0
    this.chips.memory.putBack(state)
    this.chips.clock.time = time
    this.chips.pedLines = pedLines
    this.chips.tamperLine = tamperLine
    this.chips.secrets.length = 0
  }
}
