import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { instantiateSync } from '@assemblyscript/loader'
import { BoardError, messageOf } from './errors.js'

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
}

function readBuilt(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new BoardError('FIRMWARE_MISSING', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
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
    if (typeof sha384 === 'string' && typeof version === 'string') return { sha384, version }
  }
  throw new BoardError('FIRMWARE_UNTRUSTED', `${record} does not say the version and SHA-384 of the firmware`)
}

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
      return new FirmwareImage(info, new WebAssembly.Module(bytes))
    } catch (cause) {
      throw new BoardError('FIRMWARE_INCOMPATIBLE', `${path} is no WebAssembly module: ${messageOf(cause)}`, { cause })
    }
  }

  /** @param connect makes the imports; its argument reaches the instance's memory as soon as there is one */
  instantiate(connect: (bytes: MemoryAccess) => BoardImports): Firmware {
    let exports: ReturnType<typeof instantiateSync<FirmwareExports>>['exports'] | undefined
    const text = (ptr: number): string => exports?.__getString(ptr) ?? '?'
    const bytes: MemoryAccess = (ptr, length) => {
      if (!exports) throw new BoardError('PERIPHERAL_ACCESS', 'the firmware used a peripheral before it was there')
      return view(exports.memory, ptr, length)
    }
    try {
      exports = instantiateSync<FirmwareExports>(this.module, {
        board: connect(bytes),
        env: {
          abort: (message, file, line, column) => {
            throw new BoardError('FIRMWARE_ABORT', `${text(message)} at ${text(file)}:${line}:${column}`)
          },
        },
      }).exports
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
    return new Firmware(exports)
  }
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
  constructor(private readonly exports: FirmwareExports) {}

  boot(): number {
    return this.exports.boot() >>> 0
  }

  /** Copies a frame into a port's inbox and announces it; RC_OK or the code of the refusal. */
  deliver(port: number, frame: Uint8Array): number {
    view(this.exports.memory, this.exports.inbox(port), frame.length).set(frame)
    return this.exports.deliver(port, frame.length) >>> 0
  }

  /** A set of SERVICE_… bits. */
  service(): number {
    return this.exports.service() >>> 0
  }

  /** A copy of the frame that waits at a port; the port is free again. */
  take(port: number): Uint8Array | undefined {
    const ptr = this.exports.outbox(port)
    const length = this.exports.take(port)
    return length > 0 ? Uint8Array.from(view(this.exports.memory, ptr, length)) : undefined
  }

  tick(): void {
    this.exports.tick()
  }

  tamper(cause: number): void {
    this.exports.tamper(cause)
  }

  /** Makes the self-test with this RC_SELF_TEST_ code fail in this instance. Throws FIRMWARE_INCOMPATIBLE where the firmware cannot. */
  inject(fault: number): void {
    if (!this.exports.inject) throw new BoardError('FIRMWARE_INCOMPATIBLE', 'the firmware has no error injection')
    this.exports.inject(fault)
  }

  /** A copy of the whole memory. */
  image(): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer).slice()
  }

  /** Overwrites the whole memory; the instance must not be used afterwards (OBC-1 §10, rule 5). */
  wipe(): void {
    new Uint8Array(this.exports.memory.buffer).fill(0)
  }
}
