import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BoardError, type BoardErrorCode, messageOf } from './errors.js'

/** A place in the firmware module, as tools for WebAssembly name it. */
export interface CodePlace {
  /** Index of the function. */
  readonly function: number
  /** Bytes from the start of the module. */
  readonly offset: number
}

/** Why the watchdog reset the board. It holds numbers and the words of the engine, never what the firmware worked on. */
export interface CrashRecord {
  readonly code: BoardErrorCode
  readonly message: string
  /** Milliseconds since 1970 on the board's clock. */
  readonly time: number
  /** Milliseconds since power-up; undefined where the board could not be asked. */
  readonly uptime?: number
  /** The firmware's function that the board had called (SPEC.md §1). */
  readonly entry?: string
  /** Id of the last command frame since power-up. */
  readonly command?: number
  /** Where it happened, innermost first. */
  readonly stack: readonly CodePlace[]
  /** SHA-384 of the firmware, in hex. */
  readonly firmware?: string
}

/** Where resets are written down. */
export interface CrashLog {
  /** The last CRASHES_KEPT, oldest first. */
  readonly records: readonly CrashRecord[]
  /** All there ever were. */
  readonly count: number
  add(record: CrashRecord): void
}

export const CRASHES_KEPT = 16
export const CRASH_FILE = 'crash.json'
const CRASH_FORMAT = 1
const MESSAGE_MAX = 200
const FRAME = /wasm-function\[(\d+)\]:(0x[0-9a-f]+)/

/** One line of printable text: an abort of the firmware brings its own words. */
function printable(message: string): string {
  const line = message.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return line.length > MESSAGE_MAX ? `${line.slice(0, MESSAGE_MAX - 3)}...` : line
}

/** The firmware's frames of an error's stack. */
export function placesOf(thrown: unknown): CodePlace[] {
  const lines = thrown instanceof Error ? (thrown.stack ?? '').split('\n') : []
  return lines.flatMap((line) => {
    const match = FRAME.exec(line)
    return match ? [{ function: Number(match[1]), offset: Number(match[2]) }] : []
  })
}

/** Whether the firmware itself broke; after anything else the next boot would not be better. */
export function isFirmwareFault(thrown: unknown): boolean {
  if (!(thrown instanceof BoardError)) return true
  return thrown.code === 'FIRMWARE_TRAP' || thrown.code === 'FIRMWARE_ABORT' || thrown.code === 'PERIPHERAL_ACCESS'
}

/** What is known of a reset from what was thrown. */
export function crashRecord(thrown: unknown, known: Omit<CrashRecord, 'code' | 'message' | 'stack'>): CrashRecord {
  return {
    code: thrown instanceof BoardError ? thrown.code : 'FIRMWARE_TRAP',
    message: printable(messageOf(thrown)),
    ...known,
    stack: placesOf(thrown),
  }
}

export class MemoryCrashLog implements CrashLog {
  readonly #records: CrashRecord[] = []
  #count = 0

  get records(): readonly CrashRecord[] {
    return this.#records
  }

  get count(): number {
    return this.#count
  }

  add(record: CrashRecord): void {
    this.#records.push(record)
    if (this.#records.length > CRASHES_KEPT) this.#records.shift()
    this.#count += 1
  }
}

interface CrashFile {
  readonly count: number
  readonly crashes: readonly CrashRecord[]
}

const isPlace = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'function' in value && 'offset' in value

/** Whether a value can be one of our own records. */
function isRecord(value: unknown): value is CrashRecord {
  if (typeof value !== 'object' || value === null) return false
  if (!('code' in value && 'message' in value && 'time' in value && 'stack' in value)) return false
  const { code, message, time, stack } = value
  const texts = typeof code === 'string' && typeof message === 'string' && typeof time === 'number'
  return texts && Array.isArray(stack) && stack.every(isPlace)
}

/** A file that is missing, damaged or newer says nothing: it must never keep a board from starting. */
function readCrashFile(path: string): CrashFile {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof parsed === 'object' && parsed !== null && 'format' in parsed && parsed.format === CRASH_FORMAT) {
      const crashes = 'crashes' in parsed && Array.isArray(parsed.crashes) ? parsed.crashes.filter(isRecord) : []
      const count = 'count' in parsed && typeof parsed.count === 'number' ? parsed.count : 0
      return { count: Math.max(count, crashes.length), crashes }
    }
  } catch {
    // As if there were none.
  }
  return { count: 0, crashes: [] }
}

/** The file crash.json of a board's folder: read anew each time, because the watchdog of a hung board writes it from outside. */
export class FileCrashLog implements CrashLog {
  readonly #path: string

  constructor(dir: string) {
    this.#path = join(dir, CRASH_FILE)
  }

  get records(): readonly CrashRecord[] {
    return readCrashFile(this.#path).crashes
  }

  get count(): number {
    return readCrashFile(this.#path).count
  }

  /** Writes the file whole or not at all. A disk that takes nothing must not keep the board from its restart. */
  add(record: CrashRecord): void {
    const { count, crashes } = readCrashFile(this.#path)
    const kept = [...crashes, record].slice(-CRASHES_KEPT)
    const file = { format: CRASH_FORMAT, count: count + 1, crashes: kept }
    const temporary = `${this.#path}.new`
    try {
      writeFileSync(temporary, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600, flush: true })
      renameSync(temporary, this.#path)
    } catch {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
}
