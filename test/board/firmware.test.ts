import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import {
  Board,
  FirmwareImage,
  firmwareInfo,
  NonVolatileMemory,
  RealClock,
  State,
  SystemTrng,
} from '../../host/board/index.js'
import { fails, scratch } from './support.js'
import { testFirmware } from './test-firmware.js'

const test = suite('board: boot loader')

async function copy(): Promise<string> {
  const [from, to] = [await testFirmware(), join(scratch(), 'firmware.wasm')]
  cpSync(from, to)
  cpSync(from.replace(/\.wasm$/, '.json'), to.replace(/\.wasm$/, '.json'))
  return to
}

const record = (path: string, content: string): void => writeFileSync(path.replace(/\.wasm$/, '.json'), content)

test('the module of the build is loaded and known by its hash', async () => {
  const path = await copy()
  const info = firmwareInfo(path)
  assert.is(info.version, 'test')
  assert.match(info.sha384, /^[0-9a-f]{96}$/)
  assert.equal(FirmwareImage.load(path).info, info)
})

test('one changed byte is refused', async () => {
  const path = await copy()
  const bytes = readFileSync(path)
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
  writeFileSync(path, bytes)
  await fails('FIRMWARE_UNTRUSTED', () => FirmwareImage.load(path))
})

test('a module without a proper record is refused', async () => {
  for (const content of ['', '{}', 'null', '{"sha384":1,"version":"x"}', '{"sha384":"00"}']) {
    const path = await copy()
    record(path, content)
    await fails('FIRMWARE_UNTRUSTED', () => FirmwareImage.load(path))
  }
  const path = await copy()
  rmSync(path)
  await fails('FIRMWARE_MISSING', () => FirmwareImage.load(path))
  await fails('FIRMWARE_MISSING', () => FirmwareImage.load(join(scratch(), 'firmware.wasm')))
})

test('what is no module, or not one for this board, is refused', async () => {
  const { createHash } = await import('node:crypto')
  const write = async (bytes: Uint8Array): Promise<string> => {
    const path = await copy()
    writeFileSync(path, bytes)
    record(path, JSON.stringify({ version: 'x', sha384: createHash('sha384').update(bytes).digest('hex') }))
    return path
  }
  const garbage = await write(Buffer.from('garbage'))
  await fails('FIRMWARE_INCOMPATIBLE', () => FirmwareImage.load(garbage))

  const empty = FirmwareImage.load(await write(Buffer.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)))
  const memory = new NonVolatileMemory(State.blank(FLASH_SECTOR))
  const board = new Board(empty, { memory, trng: new SystemTrng(), clock: new RealClock() })
  await fails('BOARD_DEAD', () => board.powerOn())
  assert.is(board.crash?.code, 'FIRMWARE_INCOMPATIBLE')
  assert.match(board.crash?.message ?? '', /does not export boot/)
})

test.run()
