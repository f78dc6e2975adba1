import { createHash } from 'node:crypto'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'
import {
  ANSWER,
  CMD_FACTORY_BEGIN,
  CMD_FACTORY_FINISH,
  FLASH_SECTOR,
  FRAME_HEADER,
  MAX_FRAME,
  PED_HEADER,
  PED_MAGIC,
  PED_MAX_FRAME,
  PORT_COMMAND,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_TIMEOUT,
  SERVICE_AGAIN,
  SERVICE_COMMAND,
  SERVICE_PED,
} from '../../assembly/protocol.js'

/** Commands of the test firmware: each drives one peripheral or one way to go wrong. */
export const TEST = {
  /** The body comes back. */
  echo: 0x7001,
  /** PED id u16, data: sends the data to the PED and answers with what the PED answers, or times out. */
  park: 0x7002,
  /** Offset u32, data: programs and syncs. */
  program: 0x7003,
  /** Offset u32, length u32. */
  read: 0x7004,
  /** Sector u32: erases and syncs. */
  erase: 0x7005,
  /** Steps the counter, syncs, answers it. */
  count: 0x7006,
  trap: 0x7007,
  abort: 0x7008,
  /** Length u32: random bytes. */
  random: 0x7009,
  /** Region u32, data: writes and syncs. */
  batteryWrite: 0x700a,
  batteryRead: 0x700b,
  batteryZeroize: 0x700c,
  splitWrite: 0x700d,
  splitRead: 0x700e,
  /** Clock u64, uptime u64, PED line u32, tamper line u32. */
  lines: 0x700f,
  /** Op u32, operands: status i32, result. */
  pka: 0x7010,
  /** n u32: answers after n more services. */
  again: 0x7011,
  /** As program, without a sync. */
  programOnly: 0x7012,
  /** u32: keeps it in RAM and answers the one before. */
  remember: 0x7013,
  /** Answers with a tag that nobody sent. */
  stranger: 0x7014,
  flashSize: 0x7015,
  /** PLACE_…: traps there from now on, in the next instances at their boot. */
  trapAt: 0x7016,
  /** Loops for ever; with a body it reads flash meanwhile. */
  hang: 0x7017,
  /** Number of boots that trap, 1 to 7, or HANG for one that never ends. */
  badBoots: 0x7018,
} as const

/** Functions of the firmware that `trapAt` makes trap. */
export const PLACES = ['deliver', 'service', 'take', 'tick', 'tamper', 'inject'] as const

/** For `badBoots`: the boot hangs. */
export const HANG = 8

/** Where the flash holds what is wrong with the next boots: in the first sector, at its end. */
const BOOT_TRAPS = FLASH_SECTOR - 2
const BOOT_HANGS = FLASH_SECTOR - 1

/** Milliseconds after which a parked command of the test firmware gives up. */
export const PARK_TIMEOUT = 200

const SOURCE = `
@external("board", "flash_size") declare function flash_size(): i32
@external("board", "flash_read") declare function flash_read(offset: i32, ptr: usize, length: i32): void
@external("board", "flash_program") declare function flash_program(offset: i32, ptr: usize, length: i32): void
@external("board", "flash_erase") declare function flash_erase(sector: i32): void
@external("board", "flash_sync") declare function flash_sync(): void
@external("board", "mono_inc") declare function mono_inc(): i64
@external("board", "battery_read") declare function battery_read(region: i32, ptr: usize, capacity: i32): i32
@external("board", "battery_write") declare function battery_write(region: i32, ptr: usize, length: i32): void
@external("board", "battery_zeroize") declare function battery_zeroize(region: i32): void
@external("board", "split_read") declare function split_read(ptr: usize): i32
@external("board", "split_write") declare function split_write(ptr: usize): void
@external("board", "trng") declare function trng(ptr: usize, length: i32): i32
@external("board", "rtc") declare function rtc(): i64
@external("board", "uptime") declare function uptime(): i64
@external("board", "ped_line") declare function ped_line(): i32
@external("board", "tamper_line") declare function tamper_line(): i32
@external("board", "pka") declare function pka(op: i32, input: usize, n: i32, out: usize, room: i32): i32

const IN: usize = memory.data(${MAX_FRAME})
const OUT: usize = memory.data(${MAX_FRAME})
const PED_IN: usize = memory.data(${PED_MAX_FRAME})
const PED_OUT: usize = memory.data(${PED_MAX_FRAME})
const BODY: usize = IN + ${FRAME_HEADER}
const RESULT: usize = OUT + ${FRAME_HEADER}
const ROOM: i32 = ${MAX_FRAME - FRAME_HEADER}

let inLength = 0, outLength = 0, pedInLength = 0, pedOutLength = 0
let parkedTag: u32 = 0, parkedSince: i64 = -1, parkedCommand: u32 = 0
let againLeft = 0, remembered: u32 = 0, extraAnswer = false
let trapPlace = -1, trapNext = -1, remembered64: i64 = 0, spins = 0
const BYTE: usize = memory.data(1)

function trapIf(place: i32): void { if (trapPlace == place) unreachable() }
function stored(offset: i32): u32 { flash_read(offset, BYTE, 1); return load<u8>(BYTE) }
function keep(offset: i32, value: u32): void { store<u8>(BYTE, value); flash_program(offset, BYTE, 1); flash_sync() }
function hang(reading: bool): void { while (true) { spins++; if (reading) flash_read(0, BYTE, 1) } }

function get(p: usize): u32 { return bswap(load<u32>(p)) }
function set(p: usize, value: u32): void { store<u32>(p, bswap(value)) }

function answer(command: u32, tag: u32, code: u32, length: i32): void {
  store<u16>(OUT, bswap<u16>(<u16>(command | ${ANSWER})))
  store<u16>(OUT + 2, 0)
  set(OUT + 4, code)
  set(OUT + 8, tag)
  set(OUT + 12, length)
  outLength = ${FRAME_HEADER} + length
}

export function boot(): u32 {
  if (stored(${BOOT_HANGS}) == 0) hang(false)
  const left = stored(${BOOT_TRAPS})
  if (left & 1 || left == 0) return 0
  keep(${BOOT_TRAPS}, left & (left - 1))
  unreachable()
  return 0
}
export function inject(fault: i32): void { trapIf(5) }
export function inbox(port: i32): usize { return port == ${PORT_COMMAND} ? IN : PED_IN }
export function outbox(port: i32): usize { return port == ${PORT_COMMAND} ? OUT : PED_OUT }
export function deliver(port: i32, length: i32): u32 {
  trapIf(0)
  if (port == ${PORT_COMMAND}) {
    if (inLength) return ${RC_FRAME_MALFORMED}
    inLength = length
  } else {
    if (pedInLength) return ${RC_FRAME_MALFORMED}
    pedInLength = length
  }
  return 0
}
export function take(port: i32): i32 {
  trapIf(2)
  let length = 0
  if (port == ${PORT_COMMAND}) { length = outLength; outLength = 0; trapPlace = trapNext } else { length = pedOutLength; pedOutLength = 0 }
  return length
}
export function tick(): void { trapIf(3) }
export function tamper(cause: i32): void {
  trapIf(4)
  if (parkedSince >= 0) { parkedSince = -1; answer(parkedCommand, parkedTag, cause, 0) }
}

export function service(): u32 {
  trapIf(1)
  if (!outLength && parkedSince >= 0) {
    if (pedInLength) {
      memory.copy(RESULT, PED_IN + ${PED_HEADER}, pedInLength - ${PED_HEADER})
      answer(parkedCommand, parkedTag, 0, pedInLength - ${PED_HEADER})
      parkedSince = -1
    } else if (uptime() - parkedSince >= ${PARK_TIMEOUT}) {
      answer(parkedCommand, parkedTag, ${RC_TIMEOUT}, 0)
      parkedSince = -1
    }
  }
  pedInLength = 0
  if (!outLength && inLength) command()
  return (outLength ? ${SERVICE_COMMAND} : 0) | (pedOutLength ? ${SERVICE_PED} : 0) | (inLength ? ${SERVICE_AGAIN} : 0)
}

function command(): void {
  const id = <u32>bswap<u16>(load<u16>(IN)), tag = get(IN + 8), n = inLength - ${FRAME_HEADER}
  if (id == ${TEST.again} && againLeft++ < <i32>get(BODY)) return
  againLeft = 0
  inLength = 0
  let code: u32 = 0, length = 0
  switch (id) {
    case ${TEST.echo}: memory.copy(RESULT, BODY, n); length = n; break
    case ${TEST.park}:
      set(PED_OUT, ${PED_MAGIC})
      memory.fill(PED_OUT + 4, 0, ${PED_HEADER - 4})
      store<u16>(PED_OUT + 6, load<u16>(BODY))
      set(PED_OUT + 12, n - 2)
      memory.copy(PED_OUT + ${PED_HEADER}, BODY + 2, n - 2)
      pedOutLength = ${PED_HEADER} + n - 2
      parkedTag = tag; parkedCommand = id; parkedSince = uptime()
      return
    case ${TEST.program}: flash_program(get(BODY), BODY + 4, n - 4); flash_sync(); break
    case ${TEST.programOnly}: flash_program(get(BODY), BODY + 4, n - 4); break
    case ${TEST.read}: length = get(BODY + 4); flash_read(get(BODY), RESULT, length); break
    case ${TEST.erase}: flash_erase(get(BODY)); flash_sync(); break
    case ${TEST.count}: store<u64>(RESULT, bswap<u64>(mono_inc())); flash_sync(); length = 8; break
    case ${TEST.trap}: unreachable(); break
    case ${TEST.abort}: abort("on demand", "somewhere.ts", 7, 9); break
    case ${TEST.random}: length = get(BODY); code = trng(RESULT, length); break
    case ${TEST.batteryWrite}: battery_write(get(BODY), BODY + 4, n - 4); flash_sync(); break
    case ${TEST.batteryRead}: length = battery_read(get(BODY), RESULT, ROOM); break
    case ${TEST.batteryZeroize}: battery_zeroize(get(BODY)); flash_sync(); break
    case ${TEST.splitWrite}: split_write(BODY); flash_sync(); break
    case ${TEST.splitRead}: length = split_read(RESULT) * 32; break
    case ${TEST.lines}:
      store<u64>(RESULT, bswap<u64>(rtc()))
      store<u64>(RESULT + 8, bswap<u64>(uptime()))
      set(RESULT + 16, ped_line())
      set(RESULT + 20, tamper_line())
      length = 24
      break
    case ${TEST.pka}: {
      const result = pka(get(BODY), BODY + 4, n - 4, RESULT + 4, ROOM - 4)
      set(RESULT, result)
      length = 4 + (result > 0 ? result : 0)
      break
    }
    case ${TEST.again}: break
    case ${TEST.remember}: 
      set(RESULT, remembered)
      remembered = get(BODY)
      remembered64 = <i64>remembered << 32
      length = 4
      break
    case ${TEST.stranger}: answer(id, tag + 1, 0, 0); return
    case ${TEST.flashSize}: set(RESULT, flash_size()); length = 4; break
    case ${TEST.trapAt}: trapNext = get(BODY); break
    case ${TEST.hang}: hang(n > 0); break
    case ${TEST.badBoots}:
      if (get(BODY) == ${HANG}) keep(${BOOT_HANGS}, 0)
      else keep(${BOOT_TRAPS}, ((1 << get(BODY)) - 1) << 1)
      break
    case ${CMD_FACTORY_BEGIN}: memory.fill(RESULT, 0x5a, 160); memory.copy(RESULT, BODY, n); length = 160; break
    case ${CMD_FACTORY_FINISH}: flash_program(0, BODY, n); flash_sync(); break
    default: code = ${RC_FUNCTION_NOT_SUPPORTED}
  }
  answer(id, tag, code, length)
}
`

/** The step of the build that makes a module's globals visible to snapshots. */
const POST_LINK = new URL('../../../scripts/post-link.mjs', import.meta.url).href
type ExportGlobals = (wasm: Uint8Array) => { readonly wasm: Uint8Array; readonly names: readonly string[] }

/**
 * Compiles the test firmware, once per build, and answers its path; the boot loader's record lies beside it.
 * @param variant `sealed` is the same without its globals exported, `other` another program
 */
export async function testFirmware(variant: 'usual' | 'sealed' | 'other' = 'usual'): Promise<string> {
  const source = variant === 'other' ? `${SOURCE}\nexport const other = 1\n` : SOURCE
  const name = createHash('sha256').update(`${variant}\n${source}`).digest('hex').slice(0, 16)
  const path = fileURLToPath(new URL(`./test-firmware-${name}.wasm`, import.meta.url))
  if (existsSync(path)) return path
  let wasm: Uint8Array | undefined
  const { error, stderr } = await asc.main(
    ['firmware.ts', '--runtime', 'stub', '--initialMemory', '8', '--maximumMemory', '8', '--outFile', 'firmware.wasm'],
    {
      readFile: (file) => (file === 'firmware.ts' ? source : null),
      writeFile: (_file, content) => {
        if (typeof content !== 'string') wasm = content
      },
      listFiles: () => [],
    },
  )
  if (error || !wasm) throw new Error(`the test firmware does not compile: ${stderr.toString()}`, { cause: error })
  const { exportMutableGlobals }: { readonly exportMutableGlobals: ExportGlobals } = await import(POST_LINK)
  const linked = variant === 'sealed' ? { wasm, names: undefined } : exportMutableGlobals(wasm)
  const sha384 = createHash('sha384').update(linked.wasm).digest('hex')
  // Other test processes may compile at the same time: files appear whole or not at all, the module last.
  const write = (target: string, content: string | Uint8Array): void => {
    writeFileSync(`${target}.${process.pid}`, content)
    renameSync(`${target}.${process.pid}`, target)
  }
  write(path.replace(/\.wasm$/, '.json'), JSON.stringify({ sha384, version: 'test', exportsGlobals: linked.names }))
  write(path, linked.wasm)
  return path
}
