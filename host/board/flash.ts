import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { WORD_ENTRY } from './changes.js'
import { BoardError } from './errors.js'

export const ERASED = 0xff
const NO_WORDS = new Int32Array(0)

/** Erased images of chips that are gone, by size: to erase another one takes longer than all else that a new board needs. */
const spares = new Map<number, Uint8Array>()

/** @param count words of 4 bytes, 0 = whatever the alignment */
function wordsOf(bytes: Uint8Array, count: number): Int32Array {
  return count === 0 ? NO_WORDS : new Int32Array(bytes.buffer, bytes.byteOffset, count)
}

/** NOR flash as RAM: programming clears bits, erasing sets one sector of FLASH_SECTOR bytes to FF. */
export class Flash {
  #image: Uint8Array
  /** Bytes of each sector behind which nothing was programmed since it was erased. */
  readonly #filled: Uint32Array

  /**
   * @param image the chip's bytes, a whole number of sectors; owned by the flash from here on
   * @param blank whether all of it is erased
   */
  constructor(image: Uint8Array, blank = false) {
    if (image.length === 0 || image.length % FLASH_SECTOR !== 0) {
      throw new BoardError('OPTION_INVALID', `a flash of ${image.length} bytes is not a whole number of sectors`)
    }
    this.#image = image
    this.#filled = new Uint32Array(image.length / FLASH_SECTOR).fill(blank ? 0 : FLASH_SECTOR)
  }

  static erased(size: number): Flash {
    const spare = spares.get(size)
    spares.delete(size)
    return new Flash(spare ?? new Uint8Array(size).fill(ERASED), true)
  }

  /** The chip's bytes; whoever changes them here does what no firmware can. */
  get image(): Uint8Array {
    this.#filled.fill(FLASH_SECTOR)
    return this.#image
  }

  get size(): number {
    return this.#image.length
  }

  /** The bytes themselves, valid until the next change: copy before keeping. */
  read(offset: number, length: number): Uint8Array {
    this.#check(offset, length)
    return this.#image.subarray(offset, offset + length)
  }

  /** Puts bytes where nothing was since the chip was erased. */
  load(offset: number, data: Uint8Array): void {
    this.read(offset, data.length).set(data)
    this.#use(offset, data.length)
  }

  program(offset: number, data: Uint8Array): void {
    const area = this.read(offset, data.length)
    const blank = this.#isBlank(offset, data.length)
    this.#use(offset, data.length)
    if (blank) {
      area.set(data)
      return
    }
    const words = (area.byteOffset | data.byteOffset) % 4 === 0 ? data.length >> 2 : 0
    const [areaWords, dataWords] = [wordsOf(area, words), wordsOf(data, words)]
    for (let i = 0; i < words; i++) areaWords[i] = (areaWords[i] ?? 0) & (dataWords[i] ?? 0)
    for (let i = 4 * words; i < data.length; i++) area[i] = (area[i] ?? 0) & (data[i] ?? 0)
  }

  /** Programs single words, as a change of that kind has them. */
  programWords(entries: Uint8Array): void {
    const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
    for (let at = 0; at < entries.length; at += WORD_ENTRY) {
      const offset = view.getUint32(at)
      this.#check(offset, WORD_ENTRY - 4)
      this.#use(offset, WORD_ENTRY - 4)
      for (let k = 0; k < WORD_ENTRY - 4; k++) {
        this.#image[offset + k] = (this.#image[offset + k] ?? 0) & (entries[at + 4 + k] ?? 0)
      }
    }
  }

  erase(sector: number): void {
    const filled = this.#filled[sector] ?? FLASH_SECTOR
    this.read(sector * FLASH_SECTOR, FLASH_SECTOR).fill(ERASED, 0, filled)
    this.#filled[sector] = 0
  }

  /**
   * The chip is gone, and nothing of it is left; another of its size may have its memory. Only for a chip that was made
   * by `erased` and changed by the methods here.
   */
  discard(): void {
    if (this.size === 0) return
    for (let sector = 0; sector < this.#filled.length; sector++) this.erase(sector)
    spares.set(this.size, this.#image)
    this.#image = new Uint8Array(0)
  }

  /** True only where it is certain. */
  #isBlank(offset: number, length: number): boolean {
    const sector = Math.floor(offset / FLASH_SECTOR)
    const from = offset - sector * FLASH_SECTOR
    return from + length <= FLASH_SECTOR && from >= (this.#filled[sector] ?? FLASH_SECTOR)
  }

  #use(offset: number, length: number): void {
    const end = offset + length
    for (let sector = Math.floor(offset / FLASH_SECTOR); sector * FLASH_SECTOR < end; sector++) {
      this.#filled[sector] = Math.max(this.#filled[sector] ?? 0, Math.min(end - sector * FLASH_SECTOR, FLASH_SECTOR))
    }
  }

  #check(offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new BoardError('PERIPHERAL_ACCESS', `flash access at ${offset}, ${length} bytes, is outside the chip`)
    }
  }
}
