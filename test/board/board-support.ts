import * as assert from 'uvu/assert'
import { FLASH_SECTOR, PED_HEADER, PED_MAGIC } from '../../assembly/protocol.js'
import { Board, FirmwareImage, NonVolatileMemory, SeededTrng, State, VirtualClock } from '../../host/board/index.js'
import { u16 } from './support.js'
import { testFirmware } from './test-firmware.js'

/** Where the virtual clocks of test boards start. */
export const START = 1_700_000_000_000

export const image = FirmwareImage.load(await testFirmware())

/** A board with the test firmware, on, that keeps its state in memory. */
export function newBoard(state = State.blank(2 * FLASH_SECTOR)): { board: Board; state: State; clock: VirtualClock } {
  const memory = new NonVolatileMemory(state)
  const clock = new VirtualClock(START)
  const board = new Board(image, { memory, clock, trng: new SeededTrng('board test', memory) })
  assert.is(board.powerOn(), 0)
  return { board, state, clock }
}

export const pedFrame = (id: number, text: string): Buffer => {
  const header = Buffer.alloc(PED_HEADER)
  header.writeUInt32BE(PED_MAGIC)
  header.writeUInt16BE(id, 6)
  header.writeUInt32BE(text.length, 12)
  return Buffer.concat([header, Buffer.from(text)])
}

export const park = (id: number, text: string): Buffer => Buffer.concat([u16(id), Buffer.from(text)])
