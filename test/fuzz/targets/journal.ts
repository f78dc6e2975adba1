// The state folder of a board: its journal, and the files beside it.
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BATTERY_REGIONS, FLASH_SECTOR } from '../../../assembly/protocol.js'
import type { Change } from '../../../host/board/changes.js'
import { BoardError, BoardFolder } from '../../../host/board/index.js'
import { JournalWriter, readJournal } from '../../../host/board/journal.js'
import { encodeChanges } from '../../board/support/encode-changes.js'
import { type Input, type Step, step } from '../engine/input.js'
import { mutate, oddNumber } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import { readModel } from './journal-model.js'

const SECTORS = 2
const FLASH_SIZE = SECTORS * FLASH_SECTOR
const CODES: readonly string[] = ['STATE_DAMAGED', 'STATE_MISSING', 'STATE_NEWER']
const FILES = ['board.json', 'battery.bin', 'counter', 'split.bin', 'standby.bin', 'flash.img', 'crash.json'] as const

function fault(where: string, what: string): never {
  throw new Finding('journal', where, what)
}

function words(random: Random): Buffer {
  const entries = Array.from({ length: random.below(4) }, () => {
    const entry = random.bytes(8)
    entry.writeUInt32BE(random.oneIn(12) ? oddNumber(random, [FLASH_SIZE]) : random.below(FLASH_SIZE - 4))
    return entry
  })
  return random.oneIn(12) ? random.bytes(random.below(20)) : Buffer.concat(entries)
}

function anyChange(random: Random): Change {
  const data = random.bytes(random.pick([0, 1, 4, 32, 200]))
  const number = BigInt(random.u32())
  return random.pick<Change>([
    {
      kind: 'program',
      offset: random.oneIn(12) ? oddNumber(random, [FLASH_SIZE]) : random.below(FLASH_SIZE - 200),
      data,
    },
    { kind: 'words', entries: words(random) },
    { kind: 'erase', sector: random.oneIn(12) ? oddNumber(random, [SECTORS]) : random.below(SECTORS) },
    { kind: 'counter', value: number },
    { kind: 'battery', region: random.below(BATTERY_REGIONS), data },
    { kind: 'split', data: random.bytes(32) },
    { kind: 'random', position: number },
    { kind: 'alive', time: number },
  ])
}

/** A program of 2,048 bytes like all of them. */
function longProgram(random: Random): Change {
  const data = Buffer.alloc(2048, 9)
  for (let left = random.below(6); left > 0; left--) data.writeUInt32BE(random.u32(), 4 * random.below(512))
  return { kind: 'program', offset: random.below(FLASH_SIZE - 2048), data }
}

/** A frame whose hash is right around whatever its changes are. */
function frame(random: Random, sequence: bigint, writer: JournalWriter, place: number): Buffer {
  const changes = Array.from({ length: random.below(4) }, () =>
    random.oneIn(4) ? longProgram(random) : anyChange(random),
  )
  const good = Buffer.from(writer.frame(sequence, changes, place))
  if (!random.oneIn(4)) return good
  const body = mutate(random, good.subarray(16, -32))
  const head = Buffer.from(good.subarray(0, 16))
  head.writeUInt32BE(random.oneIn(8) ? oddNumber(random, [body.length]) : body.length, 4)
  const signed = Buffer.concat([head, body])
  return Buffer.concat([signed, createHash('sha256').update(signed).digest()])
}

function journal(random: Random): Buffer {
  let sequence = BigInt(random.pick([0, 1, 2, 7]))
  const frames: Buffer[] = []
  const writer = new JournalWriter()
  let place = 0
  for (let left = random.below(5); left > 0; left--) {
    const one = frame(random, BigInt.asUintN(64, sequence), writer, place)
    frames.push(one)
    place += one.length
    sequence += BigInt(random.oneIn(10) ? random.pick([0, 2, -1]) : 1)
  }
  const bytes = Buffer.concat(frames)
  return random.oneIn(3) ? mutate(random, bytes) : bytes
}

class JournalFuzzer implements Fuzzer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'moonlet-fuzz-'))
  readonly #blank: ReadonlyMap<string, Buffer>

  constructor() {
    const dir = join(this.#folder, 'board')
    BoardFolder.create(dir, { flashSize: FLASH_SIZE, madeBy: 'the fuzzer' })
    this.#blank = new Map(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]))
    process.once('exit', () => rmSync(this.#folder, { recursive: true, force: true }))
  }

  generate(random: Random): Input {
    const steps: Step[] = [step('journal', [], journal(random))]
    if (!random.oneIn(40)) return steps
    // On a disk as well; now and then with other files damaged too.
    const name = random.oneIn(3) ? random.pick(FILES) : undefined
    const old = name && this.#blank.get(name)
    if (name) steps.push(step(name, [], old ? mutate(random, old) : Buffer.from('{"format":1}')))
    return [...steps, step('open')]
  }

  run(input: Input) {
    return trial((count) => {
      const files = new Map(this.#blank)
      for (const { what, bytes } of input) {
        if (what === 'open') this.#open(files)
        else files.set(what.replaceAll(/[^a-z.]/g, ''), bytes)
        if (what === 'journal') checkReading(bytes)
        count()
      }
    })
  }

  #open(files: ReadonlyMap<string, Buffer>): void {
    const dir = join(this.#folder, 'opened')
    rmSync(dir, { recursive: true, force: true })
    BoardFolder.create(dir, { flashSize: FLASH_SIZE, madeBy: 'the fuzzer' })
    for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes)
    let folder: BoardFolder
    try {
      folder = BoardFolder.open(dir)
    } catch (error) {
      if (!(error instanceof BoardError) || !CODES.includes(error.code)) throw error
      for (const [name, bytes] of files) {
        if (!readFileSync(join(dir, name)).equals(bytes))
          fault('refusal', `a folder that is refused has another ${name}`)
      }
      return
    }
    const before = stateText(folder)
    folder.close()
    // What was replayed is in the files now: opening again finds the same.
    const again = BoardFolder.open(dir)
    if (stateText(again) !== before) fault('twice', 'a folder that was opened and closed holds something else')
    again.close()
  }
}

function stateText({ state }: BoardFolder): string {
  const hash = createHash('sha1').update(state.flash.image)
  for (let region = 0; region < BATTERY_REGIONS; region++) hash.update(state.battery(region)).update('|')
  hash.update(state.split ?? '-').update(`${state.counter} ${state.randomPosition} ${state.aliveAt}`)
  return hash.digest('hex')
}

function checkReading(bytes: Buffer): void {
  const { frames, length, damaged } = readJournal(bytes)
  const model = readModel(bytes)
  const shown = bytes.toString('hex', 0, 200)
  if (frames.length !== model.frames.length || length !== model.length) {
    fault(
      'frames',
      `${frames.length} frames in ${length} bytes, by SPEC.md ${model.frames.length} in ${model.length}: ${shown}`,
    )
  }
  if (damaged !== model.damaged) fault('damaged', `damaged is ${damaged}, by SPEC.md ${model.damaged}: ${shown}`)
  for (const [i, { sequence, changes }] of frames.entries()) {
    const expected = model.frames[i]
    if (sequence !== expected?.sequence) fault('sequence', `frame ${i} has sequence ${sequence}: ${shown}`)
    if (!encodeChanges(changes).equals(expected.changes))
      fault('changes', `frame ${i} is read as other changes: ${shown}`)
  }
}

export const journalTarget: Target = {
  name: 'journal',
  summary: 'journal and files of a state folder, held against SPEC.md §8',
  usesFirmware: false,
  prepare: async () => new JournalFuzzer(),
}
