import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { instantiateSync } from '@assemblyscript/loader'
import { soundModule } from './engine.js'
import { BoardError, messageOf } from './errors.js'
import { PAGE, type PageRun, putPages, usedPages } from './pages.js'
import type { GlobalValue } from './snapshot.js'

const BUILT = fileURLToPath(new URL('../../firmware.wasm', import.meta.url))

/** The functions that a firmware module exports (SPEC.md §1). Pointers and lengths are in bytes of its memory. */
type FirmwareExports = {
  readonly memory: WebAssembly.Memory
  readonly boot: () => number
  readonly inbox: (port: number) => number
  readonly deliver: (port: number, length: number) => number
  readonly service: () => number
  readonly outbox: (port: number) => number
  readonly take: (port: number) => number
  readonly tick: () => void
  readonly tamper: (cause: number) => void
  readonly inject?: (fault: number) => void
}

const FUNCTIONS = ['boot', 'inbox', 'deliver', 'service', 'outbox', 'take', 'tick', 'tamper'] as const

/** The functions that it imports from module `board` (SPEC.md §1). */
export type BoardImports = {
  readonly flash_size: () => number
  readonly flash_read: (offset: number, ptr: number, length: number) => void
  readonly flash_program: (offset: number, ptr: number, length: number) => void
  readonly flash_erase: (sector: number) => void
  readonly flash_sync: () => void
  readonly mono_get: () => bigint
  readonly mono_inc: () => bigint
  readonly battery_read: (region: number, ptr: number, capacity: number) => number
  readonly battery_write: (region: number, ptr: number, length: number) => void
  readonly battery_zeroize: (region: number) => void
  readonly split_read: (ptr: number) => number
  readonly split_write: (ptr: number) => void
  readonly trng: (ptr: number, length: number) => number
  readonly rtc: () => bigint
  readonly uptime: () => bigint
  readonly ped_line: () => number
  readonly tamper_line: () => number
  readonly pka: (op: number, input: number, inputLength: number, output: number, capacity: number) => number
}

/** What the build wrote beside the module. */
export interface FirmwareInfo {
  readonly version: string
  /** Of the whole module, in hex. */
  readonly sha384: string
  /** Names of the exported mutable globals; undefined where the build exported none. */
  readonly globals: readonly string[] | undefined
}

/** A file of the build. @throws BoardError FIRMWARE_MISSING */
export function readBuilt(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new BoardError('FIRMWARE_MISSING', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function names(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.filter((name) => typeof name === 'string')
}

/** @param path of the module; its record lies beside it with the ending .json */
export function firmwareInfo(path: string = BUILT): FirmwareInfo {
  const record = path.replace(/\.wasm$/, '.json')
  let parsed: unknown
  try {
    parsed = JSON.parse(readBuilt(record).toString('utf8'))
  } catch (cause) {
    if (cause instanceof BoardError) throw cause
    throw new BoardError('FIRMWARE_UNTRUSTED', `${record} is not JSON`, { cause })
  }
  if (typeof parsed === 'object' && parsed !== null && 'sha384' in parsed && 'version' in parsed) {
    const { sha384, version } = parsed
    const globals = 'exportsGlobals' in parsed ? names(parsed.exportsGlobals) : undefined
    if (typeof sha384 === 'string' && typeof version === 'string') return { sha384, version, globals }
  }
  throw new BoardError('FIRMWARE_UNTRUSTED', `${record} does not say the version and SHA-384 of the firmware`)
}

/** By SHA-384 of the module: the pages of memory that hold something before its first instruction. */
const initialPages = new Map<string, readonly number[]>()

/** A firmware module that the boot loader accepted; every power-up makes a new instance of it. */
export class FirmwareImage {
  private constructor(
    readonly info: FirmwareInfo,
    private readonly module: WebAssembly.Module,
  ) {}

  /** Throws FIRMWARE_MISSING, or FIRMWARE_UNTRUSTED where its hash is not the one of the build. */
  static load(path: string = BUILT): FirmwareImage {
    const info = firmwareInfo(path)
    const bytes = readBuilt(path)
    const sha384 = createHash('sha384').update(bytes).digest('hex')
    if (sha384 !== info.sha384) {
      throw new BoardError('FIRMWARE_UNTRUSTED', `${path} has SHA-384 ${sha384}, but the build recorded ${info.sha384}`)
    }
    try {
      return new FirmwareImage(info, soundModule(bytes))
    } catch (cause) {
      throw new BoardError('FIRMWARE_INCOMPATIBLE', `${path} is no WebAssembly module: ${messageOf(cause)}`, { cause })
    }
  }

  /** @param connect makes the imports; its argument reaches the instance's memory as soon as there is one */
  instantiate(connect: (bytes: MemoryAccess) => BoardImports): Firmware {
    let exports: ReturnType<typeof instantiateSync<FirmwareExports>>['exports'] | undefined
    let raw: Record<string, unknown>
    const text = (ptr: number): string => exports?.__getString(ptr) ?? '?'
    const bytes: MemoryAccess = (ptr, length) => {
      if (!exports) throw new BoardError('PERIPHERAL_ACCESS', 'the firmware used a peripheral before it was there')
      return view(exports.memory, ptr, length)
    }
    try {
      const result = instantiateSync<FirmwareExports>(this.module, {
        board: connect(bytes),
        env: {
          abort: (message, file, line, column) => {
            throw new BoardError('FIRMWARE_ABORT', `${text(message)} at ${text(file)}:${line}:${column}`)
          },
        },
      })
      exports = result.exports
      raw = result.instance.exports
    } catch (cause) {
      if (cause instanceof BoardError) throw cause
      throw new BoardError('FIRMWARE_INCOMPATIBLE', `the firmware does not fit this board: ${messageOf(cause)}`, {
        cause,
      })
    }
    for (const name of FUNCTIONS) {
      if (typeof exports[name] !== 'function') {
        throw new BoardError('FIRMWARE_INCOMPATIBLE', `the firmware does not export ${name}`)
      }
    }
    if (!exports.memory) throw new BoardError('FIRMWARE_INCOMPATIBLE', 'the firmware does not export its memory')
    return new Firmware(exports, this.info.globals && globalsOf(raw, this.info.globals))
  }

  /**
   * An instance that goes on where another one of the same module stood; `boot` must not be called.
   * Throws SNAPSHOT_UNSUPPORTED, and SNAPSHOT_DAMAGED where memory or globals are not those of this module.
   */
  resume(connect: (bytes: MemoryAccess) => BoardImports, ram: SavedRam): Firmware {
    const firmware = this.instantiate(connect)
    const { sha384 } = this.info
    const initial = initialPages.get(sha384) ?? firmware.usedPages()
    initialPages.set(sha384, initial)
    firmware.load(ram, initial)
    return firmware
  }
}

/** What an instance holds in its memory and globals. */
export interface SavedRam {
  /** Bytes of linear memory. */
  readonly memorySize: number
  /** The pages that are not zero. */
  readonly memory: readonly PageRun[]
  readonly globals: readonly GlobalValue[]
}

const numbers = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i)

function globalsOf(raw: Record<string, unknown>, wanted: readonly string[]): WebAssembly.Global[] {
  return wanted.map((name) => {
    const global = raw[name]
    if (global instanceof WebAssembly.Global) return global
    throw new BoardError('FIRMWARE_INCOMPATIBLE', `the firmware does not export ${name}, as its build says`)
  })
}

/** Bytes of the firmware's memory, in place. Throws PERIPHERAL_ACCESS outside of it. */
export type MemoryAccess = (ptr: number, length: number) => Uint8Array

function view(memory: WebAssembly.Memory, ptr: number, length: number): Uint8Array {
  // WebAssembly hands out addresses as signed numbers.
  const [start, size] = [ptr >>> 0, length >>> 0]
  if (start + size > memory.buffer.byteLength) {
    throw new BoardError('PERIPHERAL_ACCESS', `${size} bytes at ${start} are outside the firmware's memory`)
  }
  return new Uint8Array(memory.buffer, start, size)
}

/** One running instance. */
export class Firmware {
  #entry = ''

  /** @param mutable all mutable globals of the module; undefined = the build did not export them */
  constructor(
    private readonly exports: FirmwareExports,
    private readonly mutable: readonly WebAssembly.Global[] | undefined,
  ) {}

  /** The exported function that was called last. */
  get entry(): string {
    return this.#entry
  }

  boot(): number {
    this.#entry = 'boot'
    return this.exports.boot() >>> 0
  }

  /** Copies a frame into a port's inbox and announces it; RC_OK or the code of the refusal. */
  deliver(port: number, frame: Uint8Array): number {
    this.#entry = 'deliver'
    view(this.exports.memory, this.exports.inbox(port), frame.length).set(frame)
    return this.exports.deliver(port, frame.length) >>> 0
  }

  /** A set of SERVICE_… bits. */
  service(): number {
    this.#entry = 'service'
    return this.exports.service() >>> 0
  }

  /** A copy of the frame that waits at a port; the port is free again. */
  take(port: number): Uint8Array<ArrayBuffer> | undefined {
    this.#entry = 'take'
    const ptr = this.exports.outbox(port)
    const length = this.exports.take(port)
    return length > 0 ? new Uint8Array(view(this.exports.memory, ptr, length)) : undefined
  }

  tick(): void {
    this.#entry = 'tick'
    this.exports.tick()
  }

  tamper(cause: number): void {
    this.#entry = 'tamper'
    this.exports.tamper(cause)
  }

  /** Throws FIRMWARE_INCOMPATIBLE where the firmware cannot be made to fail. */
  requireInjection(): NonNullable<FirmwareExports['inject']> {
    const { inject } = this.exports
    if (inject) return inject
    throw new BoardError('FIRMWARE_INCOMPATIBLE', 'the firmware has no error injection')
  }

  /** Makes the self-test with this RC_SELF_TEST_… code fail in this instance. Throws FIRMWARE_INCOMPATIBLE. */
  inject(fault: number): void {
    this.#entry = 'inject'
    this.requireInjection()(fault)
  }

  /** A copy of the whole memory. */
  image(): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer).slice()
  }

  /** Bytes of linear memory. */
  get memorySize(): number {
    return this.exports.memory.buffer.byteLength
  }

  /** The pages of memory that are not zero, in place. */
  pages(): PageRun[] {
    return usedPages(new Uint8Array(this.exports.memory.buffer), 0)
  }

  /** Numbers of the pages of memory that are not zero. */
  usedPages(): number[] {
    return this.pages().flatMap(({ first, bytes }) => numbers(first, bytes.length / PAGE))
  }

  /** Values of all mutable globals. Throws SNAPSHOT_UNSUPPORTED. */
  globals(): GlobalValue[] {
    return this.#globals().map(({ value }) => value)
  }

  /** @param initial pages that hold something in a new instance */
  load(ram: SavedRam, initial: readonly number[]): void {
    const globals = this.#globals()
    const fits = ram.globals.length === globals.length && ram.memorySize === this.memorySize
    if (!fits || globals.some(({ value }, i) => typeof value !== typeof ram.globals[i])) {
      throw new BoardError('SNAPSHOT_DAMAGED', 'the snapshot is damaged: its memory is not that of this firmware')
    }
    const memory = new Uint8Array(this.exports.memory.buffer)
    // Writing all of it would cost more than the whole rest: a new memory is zero where the module says nothing.
    for (const page of initial) memory.fill(0, page * PAGE, (page + 1) * PAGE)
    putPages(memory, ram.memory)
    for (const [i, global] of globals.entries()) global.value = ram.globals[i] ?? 0
  }

  #globals(): readonly WebAssembly.Global[] {
    if (this.mutable) return this.mutable
    throw new BoardError('SNAPSHOT_UNSUPPORTED', 'this firmware was built without its globals exported: no snapshots')
  }

  /** Overwrites what is in memory; the instance must not be used afterwards (OBC-1 §10, rule 5). */
  wipe(): void {
    // Most of it was never touched: to look is cheaper than to write.
    for (const { bytes } of this.pages()) bytes.fill(0)
  }
}
