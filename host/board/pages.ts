// Memories are large and mostly blank. A snapshot holds the pages that are not, in runs: the first page, how many, their bytes.

/** Bytes of a page. */
export const PAGE = 4096

/** Pages that follow each other. */
export interface PageRun {
  /** Number of the first page. */
  readonly first: number
  /** A whole number of pages. */
  readonly bytes: Uint8Array
}

/** Pages that are looked at together: most of a memory is blank. */
const STRETCH = 16

const blanks = new Map<number, Buffer>()

function blankBytes(filler: number): Buffer {
  const bytes = blanks.get(filler) ?? Buffer.alloc(STRETCH * PAGE, filler)
  blanks.set(filler, bytes)
  return bytes
}

/**
 * The pages of a memory that hold anything but `filler`, as views of it, ascending.
 * @param memory a whole number of pages
 */
export function usedPages(memory: Uint8Array, filler: number): PageRun[] {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.length)
  const blank = blankBytes(filler)
  const isBlank = (from: number, to: number): boolean => bytes.compare(blank, 0, to - from, from, to) === 0
  const runs: PageRun[] = []
  let first = -1
  const end = (page: number): void => {
    if (first >= 0) runs.push({ first, bytes: memory.subarray(first * PAGE, page * PAGE) })
    first = -1
  }
  const count = bytes.length / PAGE
  for (let stretch = 0; stretch < count; stretch += STRETCH) {
    const last = Math.min(stretch + STRETCH, count)
    if (isBlank(stretch * PAGE, last * PAGE)) {
      end(stretch)
      continue
    }
    for (let page = stretch; page < last; page++) {
      if (isBlank(page * PAGE, (page + 1) * PAGE)) end(page)
      else if (first < 0) first = page
    }
  }
  end(count)
  return runs
}

/** Copies runs to their places; the rest of the memory stays as it is. */
export function putPages(memory: Uint8Array, runs: readonly PageRun[]): void {
  for (const { first, bytes } of runs) memory.set(bytes, first * PAGE)
}

/** Bytes that the runs hold. */
export function pagesLength(runs: readonly PageRun[]): number {
  return runs.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
