import { FLASH_SECTOR } from '../../assembly/protocol.js'
import { type FlashChange, WORD, WORD_ENTRY } from './changes.js'
import { PAGE } from './pages.js'

/** Which pages of a flash have changed. A page that many objects have is one page, and remembering it makes no garbage. */
export class TouchedPages {
  readonly #touched: Uint8Array
  readonly #size: number

  /** @param size bytes of the flash, a whole number of pages */
  constructor(size: number) {
    this.#size = size
    this.#touched = new Uint8Array(size / PAGE)
  }

  add(change: FlashChange): void {
    switch (change.kind) {
      case 'program':
        this.#add(change.offset, change.data.length)
        return
      case 'erase':
        this.#add(change.sector * FLASH_SECTOR, FLASH_SECTOR)
        return
      case 'words':
        this.#addWords(change.entries)
    }
  }

  #addWords(entries: Uint8Array): void {
    const view = new DataView(entries.buffer, entries.byteOffset, entries.length)
    for (let at = 0; at < entries.length; at += WORD_ENTRY) this.#add(view.getUint32(at), WORD)
  }

  #add(offset: number, length: number): void {
    if (length === 0) return
    const last = Math.floor((offset + length - 1) / PAGE)
    for (let page = Math.floor(offset / PAGE); page <= last; page++) this.#touched[page] = 1
  }

  /** Pages that follow each other as one range of bytes, ascending. */
  *ranges(): Generator<readonly [from: number, to: number], void, undefined> {
    for (let from = this.#touched.indexOf(1); from >= 0; ) {
      const end = this.#touched.indexOf(0, from)
      yield [from * PAGE, end < 0 ? this.#size : end * PAGE]
      from = end < 0 ? -1 : this.#touched.indexOf(1, end)
    }
  }

  clear(): void {
    this.#touched.fill(0)
  }
}
