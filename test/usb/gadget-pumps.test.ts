// What moves between an endpoint's file and the device model, over a file that is none.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Enabled } from '../../host/usb/enabled.js'
import { type Pump, pumpIn, pumpOut } from '../../host/usb/gadget-pumps.js'
import type { FileAnswer } from '../../host/usb/gadget-thread.js'
import { type Complete, OVER, outcome, type Urb, type UrbPort, type UrbResult } from '../../host/usb/urb.js'
import { until } from './cables.js'

const test = suite('usb: gadget, what moves')
const [EINTR, ESHUTDOWN] = [4, 108]
const SHUT: FileAnswer = { errno: ESHUTDOWN }

/** A FunctionFS file: reads give what is queued, then end with the configuration; writes are written down. */
class ImaginedFile {
  readonly written: number[] = []
  readonly asked: number[] = []

  constructor(private readonly reads: (FileAnswer | Promise<FileAnswer>)[] = []) {}

  #next: Promise<FileAnswer> | undefined

  get isReading(): boolean {
    return this.#next !== undefined
  }

  next(length: number): Promise<FileAnswer> {
    this.#next ??= this.read(length)
    return this.#next
  }

  took(): void {
    this.#next = undefined
  }

  async read(length: number): Promise<FileAnswer> {
    this.asked.push(length)
    return (await this.reads.shift()) ?? SHUT
  }

  async write(data: Uint8Array): Promise<FileAnswer> {
    this.written.push(data.length)
    return { data: new Uint8Array(0) }
  }
}

/** A model that answers each transfer with the next of these, and holds back what there is no answer for. */
class ImaginedModel implements UrbPort {
  readonly urbs: Urb[] = []
  cancelled = 0

  constructor(private readonly answers: UrbResult[]) {}

  submit(urb: Urb, complete: Complete) {
    this.urbs.push(urb)
    const answer = this.answers.shift()
    if (answer) {
      complete(answer)
      return OVER
    }
    return () => {
      this.cancelled += 1
      return true
    }
  }

  reset(): void {}
}

interface Pumping {
  readonly pump: Pump
  readonly model: ImaginedModel
  readonly file: ImaginedFile
  readonly end: () => void
}

function pumping(
  answers: UrbResult[],
  reads: (FileAnswer | Promise<FileAnswer>)[] = [],
  packetSize = 512,
  file = new ImaginedFile(reads),
): Pumping {
  const model = new ImaginedModel(answers)
  const enabled = new Enabled()
  return { pump: { model, file, address: 0x01, packetSize, enabled }, model, file, end: () => enabled.end() }
}

const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(7)
const arrival = (length: number): UrbResult => ({ status: 'ok', data: bytes(length), actual: length })

test('out: what the host sends, in whole packets, until the endpoint is off; an interrupted call is made again', async () => {
  const { pump, model, file } = pumping(
    [outcome('ok', 3), outcome('ok', 0)],
    [{ data: bytes(3) }, { errno: EINTR }, { data: bytes(0) }],
  )
  await pumpOut(pump)
  assert.equal(
    model.urbs.map(({ endpoint, data }) => [endpoint, data.length]),
    [
      [1, 3],
      [1, 0],
    ],
  )
  assert.is(file.asked.length, 4)
  assert.ok(file.asked.every((room) => room > 0 && room % 512 === 0))
  assert.equal(file.written, [])
})

test('out: a stall halts the endpoint; the next data says that the host has cleared it', async () => {
  const { pump, model, file } = pumping(
    [outcome('stall'), outcome('ok'), outcome('ok', 2), outcome('ok', 1)],
    [{ data: bytes(1) }, { data: bytes(2) }, { data: bytes(1) }],
  )
  await pumpOut(pump)
  assert.equal(file.written, [1], 'the wrong way, once')
  const [, clear, after] = model.urbs
  assert.equal(clear?.setup, { requestType: 2, request: 1, value: 0, index: 1, length: 0 })
  assert.is(after?.data.length, 2)
  assert.is(model.urbs.length, 4)
})

test('out: a device that is gone ends it', async () => {
  const { pump, file } = pumping([outcome('gone')], [{ data: bytes(1) }, { data: bytes(1) }])
  await pumpOut(pump)
  assert.is(file.asked.length, 1)
})

test('in: an empty packet behind what fills its last one, unless it fills what was asked for', async () => {
  const { pump, file, model } = pumping([100, 512, 1024, 0, 65_536].map(arrival).concat(outcome('gone')))
  await pumpIn(pump)
  assert.equal(file.written, [100, 512, 0, 1024, 0, 0, 65_536])
  assert.ok(model.urbs.every(({ length }) => length === 65_536))
  const slow = pumping([arrival(64), arrival(100), outcome('gone')], [], 64)
  await pumpIn(slow.pump)
  assert.equal(slow.file.written, [64, 0, 100], 'at full speed')
})

test('in: a stall halts the endpoint, and the model goes on for a host that clears it; so with what failed', async () => {
  for (const status of ['stall', 'fault', 'babble'] as const) {
    const { pump, file, model } = pumping([outcome(status), outcome('ok'), arrival(13), outcome('gone')])
    await pumpIn({ ...pump, address: 0x81 })
    assert.equal(file.asked, [1], 'the wrong way, once')
    assert.equal(model.urbs[1]?.setup, { requestType: 2, request: 1, value: 0, index: 0x81, length: 0 })
    assert.equal(file.written, [13])
  }
})

test('packet by packet, both ways', async () => {
  const ins = pumping([512, 512, 13, 0].map(arrival).concat(outcome('gone')))
  await pumpIn({ ...ins.pump, room: 512 })
  assert.equal(ins.file.written, [512, 512, 13, 0])
  assert.ok(ins.model.urbs.every(({ length }) => length === 512))
  const out = pumping([outcome('ok'), outcome('gone')], [{ data: bytes(512) }, { data: bytes(31) }])
  await pumpOut({ ...out.pump, room: 512 })
  assert.equal(out.file.asked, [512, 512])
})

test('out: a read that is late belongs to the next time, whether it brings something or has only ended', async () => {
  for (const answer of [{ data: bytes(5) }, SHUT]) {
    let late = (_: FileAnswer): void => undefined
    const read = new Promise<FileAnswer>((resolve) => {
      late = resolve
    })
    const first = pumping([], [read, { data: bytes(7) }])
    const over = pumpOut(first.pump)
    await until(() => first.file.asked.length === 1)
    first.end()
    await over
    const again = pumping([outcome('ok'), outcome('ok')], [], 512, first.file)
    const second = pumpOut(again.pump)
    late(answer)
    await second
    assert.equal(
      again.model.urbs.map(({ data }) => data.length),
      answer === SHUT ? [7] : [5, 7],
    )
    assert.is(first.model.urbs.length, 0)
  }
})

test('in: a write that is late keeps nobody', async () => {
  const { pump, file, end } = pumping([arrival(1)])
  let wrote = false
  file.write = () => {
    wrote = true
    return new Promise(() => undefined)
  }
  const over = pumpIn(pump)
  await until(() => wrote)
  end()
  await over
})

for (const [name, run] of [
  ['in', pumpIn],
  ['out', pumpOut],
] as const) {
  test(`${name}: what is under way is given up with the endpoint`, async () => {
    const { pump, model, end } = pumping([], [{ data: bytes(1) }])
    const over = run(pump)
    await until(() => model.urbs.length === 1)
    end()
    await over
    assert.is(model.cancelled, 1)
  })
}

test.run()
