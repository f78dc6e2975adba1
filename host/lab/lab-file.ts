import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BoardError, FolderLock } from '../board/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import {
  type Check,
  decimal,
  fail,
  listOf,
  object,
  oneOf,
  optional,
  text,
  textLike,
  wholeNumber,
} from './json-check.js'
import { writeWholeFile } from './whole-file.js'

/** Version of lab.json. */
export const LAB_FORMAT = 1
export const LAB_FILE = 'lab.json'

/** `partition` of a slot that shows the HSM itself: a Backup HSM, or the HSM SO's slot of a PCIe HSM. */
export const ADMIN_SLOT = 'admin'

export type HsmKind = 'network' | 'pcie' | 'backup'

/** One HSM: a board in a folder of its own. */
export interface LabHsm {
  readonly name: string
  readonly kind: HsmKind
  /** Folder of the board, below the state folder. */
  readonly folder: string
  /** Firmware version that the HSM was manufactured as, such as 6.27.0. */
  readonly profile: string
  readonly auth: 'ped' | 'password'
  /** Decimal; by it the HSM is known where it is found at the end of a cable. */
  readonly serial?: string | undefined
  readonly latency?: LabLatency | undefined
  /** The power goes at this operation on flash, counter or battery, counted from 1 each time the HSM is switched on. */
  readonly powerCut?: number | undefined
}

/** Milliseconds that a command takes longer than the firmware needs for it. */
export interface LabLatency {
  /** Each command. */
  readonly command?: number | undefined
  /** Each 1024 bytes of request and answer. */
  readonly kilobyte?: number | undefined
}

/** What one slot of a workstation shows. */
export interface LabSlot {
  readonly slot: number
  /** Name of the HSM. */
  readonly hsm: string
  /** Serial number of the partition, which outlives its label; or ADMIN_SLOT. */
  readonly partition: string
}

/** What one workstation sees, and which client generation runs there. */
export interface LabView {
  readonly name: string
  readonly persona: 'A' | 'B'
  readonly slots: readonly LabSlot[]
  /** The slot that a shell starts in. */
  readonly firstSlot?: number | undefined
}

/** The one PED. */
export interface LabPed {
  /** Hosts at which its server answers `ped connect`. */
  readonly addresses: readonly string[]
  readonly port: number
  /** Folder of PED keys, below the state folder. */
  readonly keys: string
  /** File of operator rules, below the state folder. */
  readonly rules: string
  /** Serial lines that are plugged into PED ports of HSMs; at the other end is `moonlet ped --serial`. */
  readonly serial?: readonly LabSerialLine[] | undefined
}

export interface LabSerialLine {
  /** Name of the HSM. */
  readonly hsm: string
  /** Path of the port, such as /dev/ttyUSB0. */
  readonly path: string
  readonly baudRate?: number | undefined
}

/** The Crypto Officer's challenge as the lab was made, for people who play with it. */
export interface LabChallenge {
  readonly secret: string
  readonly remark: string
}

export interface LabFile {
  readonly format: number
  /** Program and version. */
  readonly madeBy: string
  readonly hsms: readonly LabHsm[]
  readonly views: readonly LabView[]
  readonly ped: LabPed
  readonly challenge?: LabChallenge | undefined
  /** Folder from which the paths in `lab.toml` are seen, of a lab that was made from such a file. */
  readonly sourceFolder?: string | undefined
}

export const name = textLike(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'a name: letters, digits, dot, dash and underscore')
/** A name in a folder of ours: no path leads out of the state folder. */
const inside = textLike(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'the name of a file or folder inside the state folder')
const partition = textLike(/^(admin|[1-9][0-9]{0,19})$/, `a partition's serial number, or "${ADMIN_SLOT}"`)
export const slotNumber = wholeNumber(0, 0xffff)

const MINUTE = 60_000
export const checkLatency: Check<LabLatency> = object({
  command: optional(decimal(0, MINUTE)),
  kilobyte: optional(decimal(0, MINUTE)),
})

const checkLab: Check<LabFile> = object({
  format: wholeNumber(1, LAB_FORMAT),
  madeBy: text,
  hsms: listOf(
    object({
      name,
      kind: oneOf('network', 'pcie', 'backup'),
      folder: inside,
      profile: textLike(/^\d+\.\d+\.\d+$/, 'a firmware version such as 6.27.0'),
      auth: oneOf('ped', 'password'),
      serial: optional(textLike(/^[1-9][0-9]{0,19}$/, 'a serial number')),
      latency: optional(checkLatency),
      powerCut: optional(wholeNumber(1, Number.MAX_SAFE_INTEGER)),
    }),
  ),
  views: listOf(
    object({
      name,
      persona: oneOf('A', 'B'),
      slots: listOf(object({ slot: slotNumber, hsm: text, partition })),
      firstSlot: optional(slotNumber),
    }),
  ),
  ped: object({
    addresses: listOf(text),
    port: wholeNumber(1, 0xffff),
    keys: inside,
    rules: inside,
    serial: optional(listOf(object({ hsm: name, path: text, baudRate: optional(wholeNumber(300, 4_000_000)) }))),
  }),
  challenge: optional(object({ secret: text, remark: text })),
  sourceFolder: optional(text),
})

function refuseRepeated(values: readonly (string | number)[], path: (index: number) => string): void {
  values.forEach((value, index) => {
    if (values.indexOf(value) !== index) fail(path(index), `is there twice: ${value}`)
  })
}

/** What no field alone can tell. */
function checkReferences({ hsms, views, ped }: LabFile): void {
  if (views.length === 0) fail('views', 'must hold at least one view')
  refuseRepeated(
    hsms.map((hsm) => hsm.name),
    (index) => `hsms[${index}].name`,
  )
  refuseRepeated(
    hsms.map((hsm) => hsm.folder),
    (index) => `hsms[${index}].folder`,
  )
  refuseRepeated(
    views.map((view) => view.name),
    (index) => `views[${index}].name`,
  )
  refuseRepeated(
    (ped.serial ?? []).map(({ hsm }) => hsm),
    (index) => `ped.serial[${index}].hsm`,
  )
  for (const [index, { hsm }] of (ped.serial ?? []).entries()) {
    if (hsms.every((one) => one.name !== hsm)) fail(`ped.serial[${index}].hsm`, 'names no HSM of this lab')
  }
  for (const [index, view] of views.entries()) checkView(view, `views[${index}]`, hsms)
}

function checkView({ slots, firstSlot }: LabView, path: string, hsms: readonly LabHsm[]): void {
  refuseRepeated(
    slots.map(({ slot }) => slot),
    (index) => `${path}.slots[${index}].slot`,
  )
  for (const [index, slot] of slots.entries()) {
    const at = `${path}.slots[${index}]`
    const kind = hsms.find((hsm) => hsm.name === slot.hsm)?.kind ?? fail(`${at}.hsm`, `names no HSM of this lab`)
    const admin = slot.partition === ADMIN_SLOT
    if (kind === 'network' && admin) {
      fail(`${at}.partition`, 'must be a serial number: no client sees a Network HSM itself')
    }
    if (kind === 'backup' && !admin) fail(`${at}.partition`, `must be "${ADMIN_SLOT}": a Backup HSM is one slot`)
  }
  if (firstSlot !== undefined && !slots.some(({ slot }) => slot === firstSlot)) {
    fail(`${path}.firstSlot`, 'is not a slot of this view')
  }
}

/** The number a document begins with, before anything else in it is believed. */
function formatOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined
}

/**
 * Reads the text of a lab file; `source` names it in errors.
 * @throws LabError LAB_STATE_NEWER, or LAB_FILE_INVALID with the path of what is wrong
 */
export function parseLabFile(content: string, source: string): LabFile {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (cause) {
    throw new LabError('LAB_FILE_INVALID', `${source} is not JSON`, { cause })
  }
  const format = formatOf(value)
  if (typeof format === 'number' && format > LAB_FORMAT) {
    const madeBy = typeof value === 'object' && value !== null && 'madeBy' in value ? value.madeBy : undefined
    throw new LabError(
      'LAB_STATE_NEWER',
      `${source} has format ${format}, made by ${typeof madeBy === 'string' ? madeBy : 'a newer version'}; this version reads formats up to ${LAB_FORMAT}`,
    )
  }
  try {
    const file = checkLab(value, '')
    checkReferences(file)
    return file
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    throw new LabError(error.code, `${source}: ${error.message}`)
  }
}

/** @throws LabError LAB_MISSING, LAB_STATE_NEWER, LAB_FILE_INVALID, LAB_IO */
export function readLabFile(stateDir: string): LabFile {
  const path = join(stateDir, LAB_FILE)
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new LabError('LAB_MISSING', `there is no lab in ${stateDir}: run \`moonlet init\``, { cause })
    }
    throw new LabError('LAB_IO', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
  return parseLabFile(content, path)
}

/** Writes the file whole or not at all. @throws LabError LAB_IO */
export function writeLabFile(stateDir: string, file: LabFile): void {
  writeWholeFile(join(stateDir, LAB_FILE), `${JSON.stringify(file, null, 2)}\n`)
}

/** Milliseconds between tries for the lock of a file that is being written. */
const LOCK_PAUSE = 20
/** As many as half a minute has: whoever holds it waits for a disk, perhaps. */
const LOCK_TRIES = 1500

/**
 * Changes the file that is there now, one process after the other, and answers what it holds then.
 * @throws LabError as `readLabFile`, and LAB_IO; it is as it was then
 */
export async function changeLabFile(stateDir: string, change: (file: LabFile) => LabFile): Promise<LabFile> {
  const lock = await lockToWrite(stateDir)
  try {
    const before = readLabFile(stateDir)
    const after = change(before)
    if (after !== before) writeLabFile(stateDir, after)
    return after
  } finally {
    await lock.release()
  }
}

async function lockToWrite(stateDir: string): Promise<FolderLock> {
  for (let tries = 1; ; tries++) {
    try {
      return await FolderLock.acquire(stateDir)
    } catch (cause) {
      if (!(cause instanceof BoardError)) throw cause
      if (cause.code !== 'STATE_LOCKED' || tries === LOCK_TRIES) throw new LabError('LAB_IO', cause.message, { cause })
      await new Promise((resolve) => setTimeout(resolve, LOCK_PAUSE))
    }
  }
}
