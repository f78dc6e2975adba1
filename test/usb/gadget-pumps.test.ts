// What moves between an endpoint's file and the device model, over a file that is none.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
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

  constructor(private readonly reads: FileAnswer[] = []) {}

  async read(length: number): Promise<FileAnswer> {
    this.asked.push(length)
    return this.reads.shift() ?? SHUT
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

function pumping(answers: UrbResult[], reads: FileAnswer[] = [], packetSize = 512): Pumping {
  const [model, file] = [new ImaginedModel(answers), new ImaginedFile(reads)]
  let end = (): void => undefined
  const over = new Promise<void>((resolve) => {
    end = resolve
  })
  return { pump: { model, file, address: 0x01, packetSize, over }, model, file, end }
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
