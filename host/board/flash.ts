import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { BoardError } from './errors.js'

export const ERASED = 0xff

/** NOR flash as RAM: programming clears bits, erasing sets one sector of FLASH_SECTOR bytes to FF. */
export class Flash {
  /** @param image the chip's bytes, a whole number of sectors; owned by the flash from here on */
  constructor(readonly image: Uint8Array) {
    if (image.length === 0 || image.length % FLASH_SECTOR !== 0) {
      throw new BoardError('OPTION_INVALID', `a flash of ${image.length} bytes is not a whole number of sectors`)
    }
  }

  static erased(size: number): Flash {
    return new Flash(new Uint8Array(size).fill(ERASED))
  }

  get size(): number {
    return this.image.length
  }

  /** The bytes themselves, valid until the next change: copy before keeping. */
  read(offset: number, length: number): Uint8Array {
    this.#check(offset, length)
    return this.image.subarray(offset, offset + length)
  }

  program(offset: number, data: Uint8Array): void {
    const area = this.read(offset, data.length)
    for (let i = 0; i < data.length; i++) area[i] = (area[i] ?? 0) & (data[i] ?? 0)
  }

  erase(sector: number): void {
    this.read(sector * FLASH_SECTOR, FLASH_SECTOR).fill(ERASED)
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.image.length) {
      throw new BoardError('PERIPHERAL_ACCESS', `flash access at ${offset}, ${length} bytes, is outside the chip`)
    }
  }
}
