import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { BATTERY_REGIONS, FLASH_SECTOR } from '../../assembly/protocol.js'
import { BATTERY_CAPACITY, type Change, type FlashChange, SPLIT_SIZE } from './changes.js'
import { BoardError, messageOf, systemCode } from './errors.js'
import { Flash } from './flash.js'
import { JournalWriter, readJournal } from './journal.js'
import { JournalFile } from './journal-file.js'
import { type Backing, changesBetween, State, type Written } from './non-volatile.js'
import { TouchedPages } from './touched-pages.js'

/** Version of the folder's layout. */
export const FOLDER_FORMAT = 1
/** Bytes of journal after which the files are made durable and the journal starts again. */
export const JOURNAL_LIMIT = 16 * 1024 * 1024

const DESCRIPTION = 'board.json'
const FLASH = 'flash.img'
const BATTERY = 'battery.bin'
const COUNTER = 'counter'
const SPLIT = 'split.bin'
const STANDBY = 'standby.bin'
const JOURNAL = 'journal'

const BATTERY_ROW = 4 + BATTERY_CAPACITY

function batteryBytes(state: State): Buffer {
  const bytes = Buffer.alloc(BATTERY_REGIONS * BATTERY_ROW)
  for (let region = 0; region < BATTERY_REGIONS; region++) {
    const data = state.battery(region)
    bytes.writeUInt32BE(data.length, region * BATTERY_ROW)
    bytes.set(data, region * BATTERY_ROW + 4)
  }
  return bytes
}

function counterBytes(state: State): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(state.counter)
  return bytes
}

function splitBytes(state: State): Buffer {
  const bytes = Buffer.alloc(1 + SPLIT_SIZE)
  if (state.split) {
    bytes[0] = 1
    bytes.set(state.split, 1)
  }
  return bytes
}

function standbyBytes(state: State): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(state.aliveAt)
  bytes.writeBigUInt64BE(state.randomPosition, 8)
  return bytes
}

/** The small files are rewritten whole: name and content. The flash image is written where it changed. */
const SMALL: readonly (readonly [string, (state: State) => Buffer])[] = [
  [BATTERY, batteryBytes],
  [COUNTER, counterBytes],
  [SPLIT, splitBytes],
  [STANDBY, standbyBytes],
]

const FILE_OF: { readonly [kind in Exclude<Change['kind'], FlashChange['kind']>]: string } = {
  counter: COUNTER,
  battery: BATTERY,
  split: SPLIT,
  random: STANDBY,
  alive: STANDBY,
}

function damaged(path: string, why: string, cause?: unknown): BoardError {
  return new BoardError('STATE_DAMAGED', `${path} ${why}`, cause === undefined ? undefined : { cause })
}

function readWhole(dir: string, name: string, size?: number): Buffer {
  const path = join(dir, name)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') throw new BoardError('STATE_MISSING', `${path} is missing`, { cause })
    throw new BoardError('STATE_IO', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
  if (size !== undefined && bytes.length !== size) {
    throw damaged(path, `has ${bytes.length} bytes where ${size} belong`)
  }
  return bytes
}

interface Description {
  readonly flashSize: number
  readonly madeBy: string
}

function readDescription(dir: string): Description {
  const path = join(dir, DESCRIPTION)
  let parsed: unknown
  try {
    parsed = JSON.parse(readWhole(dir, DESCRIPTION).toString('utf8'))
  } catch (cause) {
    if (cause instanceof BoardError) throw cause
    throw damaged(path, 'is not JSON', cause)
  }
  if (typeof parsed !== 'object' || parsed === null || !('format' in parsed))
    throw damaged(path, 'has no format number')
  const { format } = parsed
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) {
    throw damaged(path, 'has no valid format number')
  }
  const madeBy = 'madeBy' in parsed && typeof parsed.madeBy === 'string' ? parsed.madeBy : 'an unknown version'
  if (format > FOLDER_FORMAT) {
    throw new BoardError(
      'STATE_NEWER',
      `${dir} has state format ${format}, made by ${madeBy}; this version reads formats up to ${FOLDER_FORMAT}`,
    )
  }
  const flashSize = 'flashSize' in parsed ? parsed.flashSize : undefined
  if (typeof flashSize !== 'number' || !Number.isSafeInteger(flashSize) || flashSize <= 0 || flashSize % FLASH_SECTOR) {
    throw damaged(path, 'has no valid flash size')
  }
  return { flashSize, madeBy }
}

function readState(dir: string, { flashSize }: Description): State {
  const image = readWhole(dir, FLASH, flashSize)
  const state = new State(new Flash(new Uint8Array(image.buffer, image.byteOffset, image.length)))
  const [battery, counter, split, standby] = SMALL.map(([name, content]) => readWhole(dir, name, content(state).length))
  if (!battery || !counter || !split || !standby) throw new BoardError('STATE_MISSING', `${dir} lacks a file`)

  for (let region = 0; region < BATTERY_REGIONS; region++) {
    const row = battery.subarray(region * BATTERY_ROW, (region + 1) * BATTERY_ROW)
    const length = row.readUInt32BE()
    if (length > BATTERY_CAPACITY) throw damaged(join(dir, BATTERY), `says that region ${region} has ${length} bytes`)
    state.apply({ kind: 'battery', region, data: row.subarray(4, 4 + length) })
  }
  state.counter = counter.readBigUInt64BE()
  const present = split[0] ?? 0
  if (present > 1) throw damaged(join(dir, SPLIT), 'does not start with 0 or 1')
  if (present) state.apply({ kind: 'split', data: split.subarray(1) })
  state.aliveAt = standby.readBigUInt64BE()
  state.randomPosition = standby.readBigUInt64BE(8)
  return state
}

/** SHA-256 in hex of the flash of a board that is closed. Throws STATE_MISSING, STATE_IO. */
export function flashDigest(dir: string): string {
  return createHash('sha256').update(readWhole(dir, FLASH)).digest('hex')
}

function syncFolder(dir: string): void {
  const fd = openSync(dir, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** What was zeroized must not live on in the journal. */
function isWipe(change: Change): boolean {
  return change.kind === 'battery' && change.data.length === 0
}

/**
 * The files of one board (SPEC.md §8). Every commit is one journal frame and one fdatasync; the files follow behind, so
 * that after a kill or a host power loss they and the journal together are always what the board did up to some commit.
 * Whoever opens one holds the folder's lock.
 */
export class BoardFolder implements Backing {
  #state: State
  #files = new Map<string, number>()
  #sequence = 1n
  readonly #journal: JournalFile
  readonly #frames = new JournalWriter()
  /** What the files have not followed yet: pages of the flash, and names of small files. */
  readonly #touched: TouchedPages
  readonly #small = new Set<string>()
  /** The write of the journal that is not known to be durable. */
  #underWay: symbol | undefined
  /** After a failed write the disk no longer follows the state: nothing may be acknowledged any more. */
  #broken: unknown

  private constructor(
    readonly dir: string,
    readonly description: Description,
  ) {
    this.#state = readState(dir, description)
    this.#touched = new TouchedPages(description.flashSize)
    const journal = readWhole(dir, JOURNAL)
    try {
      for (const name of [FLASH, JOURNAL, ...SMALL.map(([small]) => small)]) {
        this.#files.set(name, openSync(join(dir, name), 'r+'))
      }
      this.#journal = new JournalFile(this.#fd(JOURNAL), journal.length, JOURNAL_LIMIT)
      this.#replay(journal)
    } catch (cause) {
      this.#closeFiles()
      if (cause instanceof BoardError) throw cause
      throw new BoardError('STATE_IO', `${dir} cannot be opened: ${messageOf(cause)}`, { cause })
    }
  }

  /**
   * Makes the folder of a new board, unmanufactured unless a state is given. The description is written last: a folder
   * without it is no board. Throws STATE_EXISTS where the folder holds anything already, STATE_IO.
   */
  static create(dir: string, description: Description, state: State = State.blank(description.flashSize)): void {
    const { flashSize, madeBy } = description
    try {
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      if (readdirSync(dir).some((name) => name !== 'lock')) {
        throw new BoardError('STATE_EXISTS', `${dir} is not empty`)
      }
      const write = (name: string, content: string | Uint8Array): void =>
        writeFileSync(join(dir, name), content, { flag: 'wx', mode: 0o600, flush: true })
      write(FLASH, state.flash.image)
      for (const [name, content] of SMALL) write(name, content(state))
      write(JOURNAL, '')
      write(`${DESCRIPTION}.new`, `${JSON.stringify({ format: FOLDER_FORMAT, flashSize, madeBy }, null, 2)}\n`)
      syncFolder(dir)
      renameSync(join(dir, `${DESCRIPTION}.new`), join(dir, DESCRIPTION))
      syncFolder(dir)
    } catch (cause) {
      if (cause instanceof BoardError) throw cause
      throw new BoardError('STATE_IO', `${dir} cannot be made: ${messageOf(cause)}`, { cause })
    }
  }

  /** Throws STATE_MISSING, STATE_NEWER, STATE_DAMAGED or STATE_IO, and then has changed nothing. */
  static open(dir: string): BoardFolder {
    if (!existsSync(dir)) throw new BoardError('STATE_MISSING', `there is no state folder ${dir}`)
    return new BoardFolder(dir, readDescription(dir))
  }

  get state(): State {
    return this.#state
  }

  /**
   * Takes another state for its own, in one commit; whoever uses that state goes on with it.
   * Throws SNAPSHOT_MISFIT where the board's chips are not made for it, and has changed nothing then; STATE_IO.
   */
  become(state: State): void {
    const [here, there] = [this.#state.flash.size, state.flash.size]
    if (here !== there) {
      throw new BoardError(
        'SNAPSHOT_MISFIT',
        `the board in ${this.dir} has ${here} bytes of flash, the snapshot ${there}`,
      )
    }
    if (this.#state.split && !state.split) {
      throw new BoardError('SNAPSHOT_MISFIT', `the board in ${this.dir} was manufactured, that of the snapshot was not`)
    }
    const changes = changesBetween(this.#state, state)
    this.#state = state
    if (changes.length > 0) this.commit(changes)
  }

  commit(changes: readonly Change[]): void {
    this.#guarded(() => {
      // A frame must not be there before the one in front of it is: that would look like damage.
      this.#settle()
      this.#append(changes)
      fdatasyncSync(this.#fd(JOURNAL))
      if (this.#isFull || changes.some(isWipe)) this.#checkpoint()
    })
  }

  begin(changes: readonly Change[], done: Written): boolean {
    if (this.#underWay || this.#isFull || changes.some(isWipe)) return false
    this.#guarded(() => this.#append(changes))
    const write = Symbol('write')
    this.#underWay = write
    fdatasync(this.#fd(JOURNAL), (cause) => {
      if (this.#underWay === write) this.#underWay = undefined
      if (cause) this.#broken ??= cause
      done(cause ? this.#ioError(cause) : undefined)
    })
    return true
  }

  settle(): void {
    this.#guarded(() => this.#settle())
  }

  #settle(): void {
    if (this.#underWay === undefined) return
    fdatasyncSync(this.#fd(JOURNAL))
    this.#underWay = undefined
  }

  get #isFull(): boolean {
    return this.#journal.length > JOURNAL_LIMIT
  }

  #append(changes: readonly Change[]): void {
    const frame = this.#frames.frame(this.#sequence, changes, this.#journal.length)
    this.#journal.append(frame)
    frame.fill(0)
    this.#sequence += 1n
    for (const change of changes) this.#note(change)
  }

  /** Leaves durable files and an empty journal behind. */
  close(): void {
    if (this.#files.size === 0) return
    try {
      if (this.#broken === undefined) this.#guarded(() => this.#checkpoint())
    } finally {
      this.#closeFiles()
    }
  }

  #replay(bytes: Buffer): void {
    const { frames, length, damaged: broken } = readJournal(bytes)
    const path = join(this.dir, JOURNAL)
    if (broken) throw damaged(path, `is damaged after byte ${length}: acknowledged changes are lost`)
    for (const { changes } of frames) {
      for (const change of changes) {
        try {
          this.state.apply(change)
        } catch (cause) {
          throw damaged(path, 'holds a change that this board cannot have made', cause)
        }
        this.#note(change)
      }
    }
    if (bytes.length > 0) this.#checkpoint()
  }

  /** The journal has this change; the files get it at the next checkpoint, each place once. */
  #note(change: Change): void {
    switch (change.kind) {
      case 'program':
      case 'words':
      case 'erase':
        this.#touched.add(change)
        return
      default:
        this.#small.add(FILE_OF[change.kind])
    }
  }

  #checkpoint(): void {
    const { flash } = this.state
    for (const [from, to] of this.#touched.ranges()) this.#write(FLASH, flash.read(from, to - from), from)
    for (const [name, content] of SMALL) if (this.#small.has(name)) this.#write(name, content(this.state), 0)
    for (const [name, fd] of this.#files) if (name !== JOURNAL) fdatasyncSync(fd)
    // Only now: a crash before this line replays the journal over files that have it already, which changes nothing.
    this.#journal.empty()
    this.#frames.forget()
    this.#touched.clear()
    this.#small.clear()
  }

  #write(name: string, bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd(name), bytes, done, bytes.length - done, offset + done)
    }
  }

  #fd(name: string): number {
    const fd = this.#files.get(name)
    if (fd === undefined) throw new BoardError('BOARD_CLOSED', `${this.dir} is closed`)
    return fd
  }

  #guarded(action: () => void): void {
    if (this.#broken !== undefined) {
      throw new BoardError('STATE_IO', `${this.dir} could not be written earlier`, { cause: this.#broken })
    }
    try {
      action()
    } catch (cause) {
      this.#broken = cause
      throw cause instanceof BoardError ? cause : this.#ioError(cause)
    }
  }

  #ioError(cause: unknown): BoardError {
    return new BoardError('STATE_IO', `${this.dir} cannot be written: ${messageOf(cause)}`, { cause })
  }

  #closeFiles(): void {
    for (const fd of this.#files.values()) closeSync(fd)
    this.#files.clear()
  }
}
