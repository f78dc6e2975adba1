import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ANSWER, FLASH_SECTOR, FRAME_HEADER } from '../../assembly/protocol.js'
import { type Board, BoardError, createBoardFolder } from '../../host/board/index.js'

/** Flash of test boards: small, so that folders are made quickly. */
export const SMALL_FLASH = 4 * FLASH_SECTOR

export const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

export function request(command: number, body: Uint8Array = Buffer.alloc(0), tag = 1): Buffer {
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt16BE(command)
  header.writeUInt32BE(tag, 8)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

export interface Answer {
  readonly code: number
  readonly tag: number
  readonly body: Buffer
}

export function parse(frame: Uint8Array): Answer {
  const bytes = Buffer.from(frame)
  assert.ok(bytes.readUInt16BE() & ANSWER, 'an answer')
  assert.is(bytes.readUInt32BE(12), bytes.length - FRAME_HEADER)
  return { code: bytes.readUInt32BE(4), tag: bytes.readUInt32BE(8), body: bytes.subarray(FRAME_HEADER) }
}

/** One command to a board of this thread, as a promise. */
export function submit(board: Board, command: number, body?: Uint8Array, tag?: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    board.submit(request(command, body, tag), (result) => {
      if (result instanceof BoardError) reject(result)
      else resolve(parse(result))
    })
  })
}

/** One command to anything with a door; fails the test where the code is not 0. */
export async function ask(
  door: { exchange(frame: Uint8Array): Promise<Uint8Array> },
  command: number,
  body?: Uint8Array,
  tag?: number,
): Promise<Buffer> {
  const { code, body: result } = parse(await door.exchange(request(command, body, tag)))
  assert.is(code, 0, `command 0x${command.toString(16)}`)
  return result
}

/** Asserts that something fails with a BoardError of this code. */
export async function fails(code: string, action: () => unknown): Promise<BoardError> {
  try {
    await action()
  } catch (thrown) {
    if (!(thrown instanceof BoardError)) throw thrown
    assert.is(thrown.code, code, thrown.message)
    return thrown
  }
  assert.unreachable(`${code} was expected`)
  throw new Error('unreachable')
}

let root: string | undefined

/** A new folder, gone when the test process ends. */
export function scratch(): string {
  if (root === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'moonlet-board-'))
    process.on('exit', () => rmSync(made, { recursive: true, force: true }))
    root = made
  }
  return mkdtempSync(join(root, 'x'))
}

/** The state folder of a new small board. */
export function newBoardFolder(): string {
  const dir = join(scratch(), 'board')
  createBoardFolder(dir, { flashSize: SMALL_FLASH, madeBy: 'test' })
  return dir
}
