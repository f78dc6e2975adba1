// The flash image: a token boots from one that was changed. Whatever was done to it, the token either says that its storage does not
// hold together, or holds what it held before.
import * as protocol from '../../../assembly/protocol.js'
import { logRecords, RECORD, rowOffset, superblocks } from '../../firmware/support/flash-image.js'
import { cat, u32 } from '../../oracle/obc1/bytes.js'
import { MemoryChecks } from '../checks/memory.js'
import { type Input, type Step, step } from '../engine/input.js'
import { mutate, oddNumber } from '../engine/mutate.js'
import type { Random } from '../engine/random.js'
import { type Context, Finding, type Fuzzer, type Target, trial } from '../engine/target.js'
import { type Contents, contentsOf, quietly } from '../firmware/contents.js'
import type { GuardedFirmware } from '../firmware/guarded-build.js'
import type { Kept } from '../firmware/machine.js'
import { filled, templateBytes } from '../firmware/postures.js'
import { field, Station } from '../firmware/station.js'
import { resealed } from './flash-reseal.js'

const FACTORY = [0, 4, 8, 16, 20, 24, 28, 32, 40, 44, 48, 80, 336, 592, 648, 976, 1024]
const VECTORS = 4096
const hex = (value: number) => `0x${value.toString(16)}`

/** A field of the image: where it is and how long. */
interface Place {
  readonly at: number
  readonly length: number
}

/** Fields that boot reads, by the page: record heads and ends, sector heads, superblocks, the factory record. */
function placesOf(image: Uint8Array): readonly (readonly Place[])[] {
  const records = logRecords(image)
  const heads = records.flatMap(({ offset }) =>
    [0, 4, ...Object.values(RECORD)].map((at) => ({ at: offset + at, length: 4 })),
  )
  const ends = records.map(({ offset, bytes }) => ({ at: offset + bytes.length - 4, length: 4 }))
  const bodies = records.map(({ offset, bytes }) => ({
    at: offset + RECORD.ciphertext,
    length: bytes.length - RECORD.ciphertext,
  }))
  const blank = records.map(({ offset, bytes }) => ({ at: offset + bytes.length, length: 104 })).slice(-3)
  const sectors = Array.from(
    { length: image.length / protocol.FLASH_SECTOR - protocol.FLASH_LOG },
    (_, i) => (protocol.FLASH_LOG + i) * protocol.FLASH_SECTOR,
  )
  const sectorHeads = sectors.flatMap((at) => [0, 4, 8, 12, 16].map((field_) => ({ at: at + field_, length: 4 })))
  const blockHeads = superblocks(image).flatMap(({ offset }) =>
    [0, 4, 8, 12, 16, 20, 24, 28, 28, 28, 32, 76].map((at) => ({ at: offset + at, length: 4 })),
  )
  const blocks = superblocks(image).flatMap(({ offset, bytes }) => [
    { at: offset + 128, length: 256 },
    ...[0, 1, 2].flatMap((row) =>
      [0, 4, 8, 20, 24, 64, 68, 80, 128].map((at) => ({ at: offset + rowOffset(row) + at, length: 4 })),
    ),
    { at: offset + bytes.length - 48, length: 48 },
  ])
  const factory = FACTORY.map((at) => ({ at, length: 4 }))
  return [
    heads,
    heads,
    heads,
    ends,
    bodies,
    blank,
    sectorHeads,
    sectorHeads,
    blockHeads,
    blocks,
    [...factory, { at: VECTORS, length: 64 }],
  ]
}

class FlashFuzzer implements Fuzzer {
  readonly #station: Station
  readonly #start: Kept
  readonly #memory: MemoryChecks
  readonly #image: Uint8Array
  readonly #older: Uint8Array
  readonly #places: readonly (readonly Place[])[]
  readonly #before: Contents
  readonly #reseal: (image: Uint8Array) => readonly (readonly [offset: number, bytes: Uint8Array])[]

  constructor(firmware: GuardedFirmware) {
    const { station, officer, handles } = filled(firmware)
    this.#older = Uint8Array.from(station.machine.chips.memory.state.flash.image)
    // Something is gone, something was changed and something came later, so that there are old generations and tombstones.
    const create = () => station.ask(protocol.CMD_OBJECT_CREATE, officer, field(templateBytes('data'))).readUInt32BE()
    const [gone, changed] = [create(), create()]
    station.ask(protocol.CMD_OBJECT_DESTROY, officer, Buffer.from(`0001${gone.toString(16).padStart(8, '0')}`, 'hex'))
    const label = cat(u32(protocol.CKA_LABEL), u32(4), 'new!')
    station.ask(protocol.CMD_OBJECT_SET, officer, cat(u32(changed), field(label)))
    if (handles.length === 0) throw new Error('a token without objects')
    const { state } = station.machine.keep()
    this.#image = state.flash
    this.#reseal = (image) => resealed(image, state.battery)

    // A board that is off, with that state.
    this.#station = new Station(firmware)
    this.#start = { ...this.#station.machine.keep(), state }
    this.#memory = new MemoryChecks(this.#station.machine)
    this.#places = placesOf(this.#image)
    this.#station.machine.putBack(this.#start)
    this.#before = this.#boot()
  }

  generate(random: Random): Input {
    const steps: Step[] = []
    for (let left = random.oneIn(3) ? random.between(2, 5) : 1; left > 0; left--) steps.push(this.#step(random))
    if (random.oneIn(3)) steps.push(step('reseal'))
    return steps
  }

  #step(random: Random): Step {
    const sectors = this.#image.length / protocol.FLASH_SECTOR
    if (random.oneIn(20)) return step('older sector', [random.below(sectors)])
    if (random.oneIn(20)) {
      const [from, to] = [random.pick(logRecords(this.#image)), random.pick(logRecords(this.#image))]
      return step('put', [random.oneIn(2) ? to.offset : to.offset + to.bytes.length], from.bytes)
    }
    if (random.oneIn(30)) return step('counter', [random.pick([-2, -1, 1, 2, 1000])])
    const { at, length } = random.pick(random.pick(this.#places))
    const old = Buffer.from(this.#image.subarray(at, at + length))
    if (length !== 4 || random.oneIn(4)) return step('put', [at], mutate(random, old).subarray(0, 2 * length))
    return step(
      'put',
      [at],
      u32(
        oddNumber(random, [
          old.readUInt32BE(),
          protocol.FLASH_SECTOR,
          protocol.FLASH_SECTOR - (at % protocol.FLASH_SECTOR),
        ]),
      ),
    )
  }

  run(input: Input) {
    return trial((count) => {
      count()
      const { memory } = this.#station.machine.chips
      this.#station.machine.putBack(this.#start)
      let sealed = false
      for (const each of input) sealed = this.#apply(each) || sealed
      memory.watch()
      const after = this.#boot()
      this.#memory.check(false)
      if (after.state !== protocol.STATE_FUNCTIONAL) this.#checkError(after)
      else if (!sealed) this.#checkSame(after)
      if (after.state === protocol.STATE_FUNCTIONAL) this.#checkUsable()
    })
  }

  /** @returns whether MAC and directory hash were made to fit */
  #apply({ what, numbers: [at = 0], bytes }: Step): boolean {
    const { memory } = this.#station.machine.chips
    const { image } = memory.state.flash
    if (what === 'put') memory.tinker(Math.max(0, at) % image.length, bytes)
    else if (what === 'counter')
      memory.state.counter = BigInt.asUintN(64, memory.state.counter + BigInt(Math.trunc(at)))
    else if (what === 'older sector') {
      const offset = (Math.abs(at) * protocol.FLASH_SECTOR) % image.length
      memory.tinker(offset, this.#older.subarray(offset, offset + protocol.FLASH_SECTOR))
    } else if (what === 'reseal') {
      for (const [offset, block] of this.#reseal(image)) memory.tinker(offset, block)
      return true
    }
    return false
  }

  #boot(): Contents {
    this.#station.channel = undefined
    this.#station.boot()
    return contentsOf(this.#station)
  }

  #checkError({ state, error }: Contents): void {
    // The commit word of the factory record decides whether a board was ever manufactured.
    if (state === protocol.STATE_BLANK) return
    const codes: readonly number[] = [
      ...[protocol.RC_STORAGE_INTEGRITY, protocol.RC_STORAGE_VERSION, protocol.RC_SELF_TEST_ECC],
    ]
    if (state === protocol.STATE_ERROR && codes.includes(error)) return
    throw new Finding('flash', 'state', `after boot the token is in state ${state}, error ${hex(error)}`)
  }

  /** Nothing is authentic that was changed: what can be read is what was there. */
  #checkSame(after: Contents): void {
    const fault = (where: string, what: string): never => {
      throw new Finding('flash', where, what)
    }
    if (after.frame !== this.#before.frame) fault('partitions', 'partitions, policies or sizes are others after boot')
    for (const [partition, objects] of this.#before.objects) {
      const seen = after.objects.get(partition) ?? []
      const handles = (list: typeof seen) => list.map(({ handle }) => handle).join()
      if (handles(seen) !== handles(objects))
        fault('handles', `partition ${partition} lists ${handles(seen)}, not ${handles(objects)}`)
      for (const [i, { handle, row, values }] of objects.entries()) {
        const now = seen[i]
        // A head is authenticated with its record, when that is opened.
        if (!now || now.values === undefined) continue
        if (now.values !== values || now.row !== row)
          fault('object', `object ${handle} can be read, and is another one`)
      }
    }
  }

  /** Whatever it holds, it goes on. */
  #checkUsable(): void {
    const session = quietly(
      this.#station,
      protocol.CMD_SESSION_OPEN,
      0,
      Buffer.from('00000001000000000000000101', 'hex'),
    )
    if (session)
      quietly(this.#station, protocol.CMD_OBJECT_CREATE, session.readUInt32BE(), field(templateBytes('data')))
    this.#memory.check(false)
    this.#boot()
    this.#memory.check(false)
  }
}

export const flashTarget: Target = {
  name: 'flash',
  summary: 'boot of changed images: factory record, superblocks, sector heads, records',
  usesFirmware: true,
  prepare: async (context: Context) => new FlashFuzzer(await context.firmware()),
}
