import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { ERASED, Flash } from '../../host/board/flash.js'
import { fails } from './support.js'

const test = suite('board: flash')
const SECTORS = 2

test('a new chip is erased', () => {
  const flash = Flash.erased(FLASH_SECTOR)
  assert.ok(flash.read(0, FLASH_SECTOR).every((byte) => byte === ERASED))
})

test('programming only clears bits, erasing sets one sector', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: SECTORS * FLASH_SECTOR - 8 }),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      (offset, first, second) => {
        const flash = Flash.erased(SECTORS * FLASH_SECTOR)
        flash.program(offset, first)
        flash.program(offset, second)
        assert.equal(
          [...flash.read(offset, 8)],
          [...first].map((byte, i) => byte & (second[i] ?? 0)),
        )
        const sector = Math.floor(offset / FLASH_SECTOR)
        const other = 1 - sector
        flash.program(other * FLASH_SECTOR, Uint8Array.of(1))
        flash.erase(sector)
        assert.ok(flash.read(sector * FLASH_SECTOR, FLASH_SECTOR).every((byte) => byte === ERASED))
        assert.is(flash.read(other * FLASH_SECTOR, 1)[0], 1)
      },
    ),
  )
})

test('an erase takes all of a sector, also what was put there otherwise', () => {
  const whole = (flash: Flash): boolean => flash.read(0, SECTORS * FLASH_SECTOR).every((byte) => byte === ERASED)
  const erase = (flash: Flash): Flash => {
    for (let sector = 0; sector < SECTORS; sector++) flash.erase(sector)
    return flash
  }
  assert.ok(whole(erase(new Flash(new Uint8Array(SECTORS * FLASH_SECTOR)))))
  const flash = Flash.erased(SECTORS * FLASH_SECTOR)
  flash.program(FLASH_SECTOR - 2, Uint8Array.of(0, 0, 0, 0))
  assert.ok(whole(erase(flash)))
  flash.programWords(Uint8Array.of(0, 0, 0xff, 0xfe, 0, 0, 0, 0))
  assert.ok(whole(erase(flash)))
  flash.image[2 * FLASH_SECTOR - 1] = 0
  assert.ok(whole(erase(flash)))
  flash.load(100, Uint8Array.of(7))
  flash.discard()
  assert.ok(whole(Flash.erased(SECTORS * FLASH_SECTOR)), 'memory that another chip had')
})

test('an access outside the chip is refused and changes nothing', async () => {
  const flash = Flash.erased(FLASH_SECTOR)
  const outside = [
    () => flash.read(FLASH_SECTOR, 1),
    () => flash.read(-1, 1),
    () => flash.read(0, FLASH_SECTOR + 1),
    () => flash.read(0xffffffff, 2),
    () => flash.program(FLASH_SECTOR - 1, Uint8Array.of(0, 0)),
    () => flash.erase(1),
    () => flash.erase(-1),
  ]
  for (const access of outside) await fails('PERIPHERAL_ACCESS', access)
  assert.ok(flash.image.every((byte) => byte === ERASED))
})

test('a size that is not a whole number of sectors is refused', async () => {
  for (const size of [0, 1, FLASH_SECTOR + 1]) await fails('OPTION_INVALID', () => Flash.erased(size))
})

test.run()
