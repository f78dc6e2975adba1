// Where more commands wait the board does not wait for the disk, and nothing leaves it before the disk has answered.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import {
  Board,
  BoardError,
  type Change,
  FirmwareImage,
  NonVolatileMemory,
  State,
  SystemTrng,
  VirtualClock,
} from '../../host/board/index.js'
import { START } from './board-support.js'
import { parse, request, u32 } from './support.js'
import { TEST, testFirmware } from './test-firmware.js'

const test = suite('board: commits of many commands')
const image = FirmwareImage.load(await testFirmware())

/** A disk that answers when it is told to. */
class SlowDisk {
  readonly writes: { readonly changes: number; readonly done: (failure?: BoardError) => void }[] = []
  synced = 0
  refuses = false

  readonly commit = (changes: readonly Change[]): void => {
    this.synced += programs(changes)
  }

  readonly begin = (changes: readonly Change[], done: (failure?: BoardError) => void): boolean => {
    if (this.refuses) return false
    this.writes.push({ changes: programs(changes), done })
    return true
  }

  readonly settle = (): void => undefined
}

const programs = (changes: readonly Change[]): number => changes.filter(({ kind }) => kind === 'program').length

function begin() {
  const disk = new SlowDisk()
  const answers: string[] = []
  const made = { busy: true }
  const memory = new NonVolatileMemory(State.blank(2 * FLASH_SECTOR), disk)
  const chips = { memory, clock: new VirtualClock(START), trng: new SystemTrng() }
  const board = new Board(image, chips, { isBusy: () => made.busy })
  board.powerOn()
  const ask = (name: string, command: number, body: Uint8Array): void =>
    board.submit(request(command, body), (result) => {
      answers.push(result instanceof BoardError ? `${name} ${result.code}` : `${name} ${parse(result).code}`)
    })
  return {
    ...{ board, disk, answers },
    setBusy: (busy: boolean) => {
      made.busy = busy
    },
    program: (name: string, at: number) => ask(name, TEST.programOnly, Buffer.concat([u32(at), Buffer.of(0)])),
    read: (name: string) => ask(name, TEST.read, Buffer.concat([u32(0), u32(4)])),
    echo: (name: string) => ask(name, TEST.echo, Buffer.from(name)),
  }
}

test('answers wait for what they rest on, in order, and what comes meanwhile is written together', () => {
  const { disk, answers, program, read } = begin()
  program('a', 0)
  read('b')
  assert.is(disk.writes.length, 1)
  program('c', 1)
  program('d', 2)
  read('e')
  assert.equal(answers, [], 'nothing is durable')
  disk.writes[0]?.done()
  assert.equal(answers, ['a 0', 'b 0'])
  assert.is(disk.writes.length, 2, 'one for both')
  assert.is(disk.writes[1]?.changes, 2)
  disk.writes[1]?.done()
  assert.equal(answers, ['a 0', 'b 0', 'c 0', 'd 0', 'e 0'])
  assert.is(disk.synced, 0)
})

test('where nobody waits the board does', () => {
  const { disk, answers, program, setBusy } = begin()
  setBusy(false)
  program('a', 0)
  assert.equal(answers, ['a 0'])
  setBusy(true)
  program('b', 1)
  program('c', 2)
  setBusy(false)
  disk.writes[0]?.done()
  assert.equal(answers, ['a 0', 'b 0', 'c 0'], 'the rest at once')
  assert.is(disk.synced, 2, 'a and c')
})

test('changes that cannot wait are durable at once', () => {
  const { disk, answers, program } = begin()
  disk.refuses = true
  program('a', 0)
  assert.equal(answers, ['a 0'])
  assert.is(disk.synced, 1)
})

test('switched off, or kept as a snapshot: what was done is durable and answered first', () => {
  for (const end of ['powerOff', 'snapshot'] as const) {
    const { board, disk, answers, program } = begin()
    program('a', 0)
    program('b', 1)
    board[end]()
    assert.equal(answers, ['a 0', 'b 0'], end)
    assert.is(disk.synced, 1, 'what the write under way does not hold')
    disk.writes[0]?.done()
    assert.equal(answers, ['a 0', 'b 0'], `${end}: once`)
  }
})

test('a disk that fails: nobody is told that it was done, and the board begins again', () => {
  const { disk, answers, program, echo, setBusy, board } = begin()
  program('a', 0)
  program('b', 1)
  disk.writes[0]?.done(new BoardError('STATE_IO', 'no space'))
  assert.equal(answers, ['a BOARD_RESET', 'b BOARD_RESET'])
  assert.match(board.crash?.message ?? '', 'no space')
  setBusy(false)
  echo('c')
  assert.is(answers.at(-1), 'c 0')
})

test('a crash while the disk writes: answers that were held are lost with the others, and the old write says nothing', () => {
  const { board, disk, answers, program } = begin()
  program('a', 0)
  board.submit(request(TEST.trap), (result) => answers.push(result instanceof BoardError ? result.code : 'answered'))
  assert.equal(answers, ['a BOARD_RESET', 'BOARD_RESET'])
  disk.writes[0]?.done()
  assert.is(answers.length, 2)
})

test.run()
