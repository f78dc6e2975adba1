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

const blanks = new Map<number, Buffer>()

function blankPage(filler: number): Buffer {
  const page = blanks.get(filler) ?? Buffer.alloc(PAGE, filler)
  blanks.set(filler, page)
  return page
}

/**
 * The pages of a memory that hold anything but `filler`, as views of it, ascending.
 * @param memory a whole number of pages
 */
export function usedPages(memory: Uint8Array, filler: number): PageRun[] {
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.length)
  const blank = blankPage(filler)
  const runs: PageRun[] = []
  const count = bytes.length / PAGE
  let first = -1
  for (let page = 0; page <= count; page++) {
    const used = page < count && bytes.compare(blank, 0, PAGE, page * PAGE, (page + 1) * PAGE) !== 0
    if (used && first < 0) first = page
    if (!used && first >= 0) {
      runs.push({ first, bytes: memory.subarray(first * PAGE, page * PAGE) })
      first = -1
    }
  }
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
