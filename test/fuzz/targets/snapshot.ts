// Snapshot files: cut, changed, and changed with their hash made right again.
import { createHash } from 'node:crypto'
import { BATTERY_REGIONS, FLASH_SECTOR } from '../../../assembly/protocol.js'
import { BoardError, State } from '../../../host/board/index.js'
import { decodeSnapshot, encodeSnapshot } from '../../../host/board/snapshot.js'
import { type Input, step } from '../engine/input.js'
import { mutate, oddNumber } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'

const CODES: readonly string[] = ['SNAPSHOT_INVALID', 'SNAPSHOT_NEWER', 'SNAPSHOT_TRUNCATED', 'SNAPSHOT_DAMAGED']
const DIGEST = 48
const PREFIX = 16
const PAGE = 4096
/** A file may ask for a flash of a gigabyte, and gets it; the fuzzer does not. */
const LARGEST = 64 * FLASH_SECTOR

function sample(): Buffer {
  const state = State.blank(2 * FLASH_SECTOR)
  state.flash.image.fill(7, PAGE, 3 * PAGE)
  state.counter = 5n
  for (let region = 0; region < BATTERY_REGIONS; region++)
    state.apply({ kind: 'battery', region, data: Buffer.alloc(8 * region, region) })
  const page = (first: number, pages: number) => ({ first, bytes: Buffer.alloc(pages * PAGE, first) })
  const bytes = encodeSnapshot({
    ...{ firmware: 'ab'.repeat(48), madeBy: 'the fuzzer', taken: 1_700_000_000_000, uptime: 5, virtualClock: true },
    ...{ seed: Buffer.alloc(64, 3), tamperLine: 0, selfTestFault: 0, bootCode: 0, lastTag: 3 },
    ...{
      pending: [{ inner: 1, tag: 2 }],
      globals: [1, 2n, -1],
      memorySize: 8 * PAGE,
      memory: [page(1, 1), page(4, 2)],
      state,
    },
  })
  return Buffer.from(bytes)
}

/** Length and hash as the content has them. */
function sealed(bytes: Buffer): Buffer {
  if (bytes.length < PREFIX + DIGEST) return bytes
  const copy = Buffer.from(bytes)
  copy.writeBigUInt64BE(BigInt(copy.length), 8)
  createHash('sha384')
    .update(copy.subarray(0, -DIGEST))
    .digest()
    .copy(copy, copy.length - DIGEST)
  return copy
}

class SnapshotFuzzer implements Fuzzer {
  readonly #sample = sample()

  /** Fields lie at the front, between the pages and at the end; the bytes of pages mean nothing. */
  #place(random: Random): number {
    const { length } = this.#sample
    if (!random.oneIn(3)) return random.below(700)
    return random.oneIn(2) ? length - DIGEST - 1 - random.below(40) : random.below(length)
  }

  generate(random: Random): Input {
    const place = this.#place(random)
    const area = this.#sample.subarray(place, place + random.pick([1, 2, 4, 8, 16]))
    const changed = random.oneIn(2) && area.length === 4 ? Buffer.alloc(4) : mutate(random, area)
    if (changed.length === 4 && random.oneIn(2)) changed.writeUInt32BE(oddNumber(random, [PAGE, 8, FLASH_SECTOR]))
    const steps = [step('put', [place, area.length], changed)]
    if (random.oneIn(8)) steps.push(step('cut', [random.below(this.#sample.length)]))
    if (!random.oneIn(4)) steps.push(step('seal'))
    return steps
  }

  run(input: Input) {
    return trial((count) => {
      let bytes = this.#sample
      for (const {
        what,
        numbers: [at = 0, removed = 0],
        bytes: added,
      } of input) {
        const from = Math.max(0, Math.min(at, bytes.length))
        if (what === 'put')
          bytes = Buffer.concat([bytes.subarray(0, from), added, bytes.subarray(from + Math.max(0, removed))])
        if (what === 'cut') bytes = bytes.subarray(0, from)
        if (what === 'seal') bytes = sealed(bytes)
      }
      count()
      check(bytes, this.#sample)
    })
  }
}

function check(bytes: Buffer, sample_: Buffer): void {
  const size = flashSizeOf(bytes)
  if (size !== undefined && size > LARGEST) return
  let decoded: ReturnType<typeof decodeSnapshot>
  try {
    decoded = decodeSnapshot(bytes)
  } catch (error) {
    if (error instanceof BoardError && CODES.includes(error.code)) return
    throw error
  }
  const again = decodeSnapshot(encodeSnapshot(decoded))
  const text = (value: typeof decoded) => {
    const { state, memory, ...rest } = value
    const hash = createHash('sha1').update(state.flash.image)
    for (const { first, bytes: page } of memory) hash.update(`${first} `).update(page)
    return JSON.stringify({ ...rest, memory: hash.digest('hex') }, (_, each) =>
      typeof each === 'bigint' ? `${each}n` : each,
    )
  }
  if (text(again) !== text(decoded))
    throw new Finding('snapshot', 'twice', 'a snapshot that was read is written as another one')
  const intact = bytes.subarray(0, -DIGEST).equals(sample_.subarray(0, -DIGEST))
  const hash = createHash('sha384').update(bytes.subarray(0, -DIGEST)).digest()
  if (!intact && !hash.equals(bytes.subarray(-DIGEST)))
    throw new Finding('snapshot', 'hash', 'a snapshot with a wrong hash is read')
}

/** What the file asks for as its flash: the number before its pages, which end the file. Undefined = it cannot be told. */
function flashSizeOf(bytes: Buffer): number | undefined {
  for (let runs = 0; runs < 4; runs++) {
    const at = bytes.length - DIGEST - runs * (8 + PAGE) - 8
    if (at < 0) return undefined
    const size = bytes.readUInt32BE(at)
    if (size > LARGEST && size % FLASH_SECTOR === 0) return size
  }
  return undefined
}

export const snapshotTarget: Target = {
  name: 'snapshot',
  summary: 'snapshot files, their hash right or wrong',
  usesFirmware: false,
  prepare: async () => new SnapshotFuzzer(),
}
