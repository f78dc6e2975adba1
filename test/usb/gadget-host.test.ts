// A gadget between a host that FunctionFS tells of and a device model, over files that are none: what ep0 says, and what becomes of it.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { FunctionFile } from '../../host/usb/gadget-file.js'
import type { FileAnswer } from '../../host/usb/gadget-thread.js'
import { type ExportableDevice, Gadget, type GadgetEvent, TokenDevice, usbIdentity } from '../../host/usb/index.js'
import { type Cancel, type Complete, OVER, outcome, type Urb, type UrbResult } from '../../host/usb/urb.js'
import { until } from './cables.js'
import { EchoDoor, rejects } from './support.js'

const test = suite('usb: gadget and its host')
const [EINTR, EIDRM, ESHUTDOWN] = [4, 43, 108]
const [BIND, UNBIND, ENABLE, DISABLE, SETUP, SUSPEND, RESUME] = [0, 1, 2, 3, 4, 5, 6]
const EVENTS_ROOM = 48
const ID = '1-1'

/** A file of FunctionFS: reads wait until the test says what they give. */
class ImaginedFile implements FunctionFile {
  fd: number
  readonly begun = Promise.resolve()
  /** What was done with it, reads of events left out: `read N`, or what was written, in hexadecimal. */
  readonly done: string[] = []
  /** Reads of events, and all others. */
  readonly #events = new Reads()
  readonly #data = new Reads()
  #next: Promise<FileAnswer> | undefined
  stopped = false

  constructor(fd = -1) {
    this.fd = fd
  }

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

  read(length: number): Promise<FileAnswer> {
    if (length === EVENTS_ROOM) return this.#events.read()
    this.done.push(`read ${length}`)
    // A request without data is acknowledged by a read of nothing.
    return length === 1 ? Promise.resolve({ data: new Uint8Array(0) }) : this.#data.read()
  }

  async write(data: Uint8Array): Promise<FileAnswer> {
    this.done.push(Buffer.from(data).toString('hex'))
    return { data: new Uint8Array(0) }
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.#events.end()
    this.#data.end()
  }

  /** What the read of events says that waits, or the next one. */
  says(events: FileAnswer | Buffer): void {
    this.#events.answer(events)
  }

  /** The same for any other read. */
  gives(data: FileAnswer | Buffer): void {
    this.#data.answer(data)
  }
}

class Reads {
  readonly #answers: FileAnswer[] = []
  readonly #waiting: ((answer: FileAnswer) => void)[] = []

  read(): Promise<FileAnswer> {
    const answer = this.#answers.shift()
    return answer ? Promise.resolve(answer) : new Promise((resolve) => this.#waiting.push(resolve))
  }

  answer(answer: FileAnswer | Buffer): void {
    const given = Buffer.isBuffer(answer) ? { data: Uint8Array.from(answer) } : answer
    const waiting = this.#waiting.shift()
    if (waiting) waiting(given)
    else this.#answers.push(given)
  }

  end(): void {
    for (const resolve of this.#waiting.splice(0)) resolve({ errno: ESHUTDOWN })
  }
}

/** Answers as it is told; its descriptors are ours. */
class ImaginedDevice implements ExportableDevice {
  readonly seen: string[] = []
  readonly urbs: Urb[] = []
  speed: 'full' | 'high' = 'high'
  cancelled = 0
  /** Until it has nothing left of who had it last. */
  leaving: Promise<void> = Promise.resolve()
  /** By endpoint; undefined = the transfer waits. */
  answer: (urb: Urb) => UrbResult | undefined = ({ endpoint }) => (endpoint === 0 ? outcome('ok') : undefined)
  readonly #model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))

  submit(urb: Urb, complete: Complete): Cancel {
    this.urbs.push(urb)
    const answer = this.answer(urb)
    if (!answer) {
      return () => {
        this.cancelled += 1
        return true
      }
    }
    complete(answer)
    return OVER
  }

  reset(): void {
    this.seen.push('reset')
  }
  descriptor(type: number, index: number): Uint8Array | undefined {
    return this.#model.descriptor(type, index)
  }
  attach(): void {
    this.seen.push('attach')
  }
  async detach(): Promise<void> {
    this.seen.push('detach')
    await this.leaving
  }
  notify(event: 'removal'): void {
    this.seen.push(event)
  }

  /** Requests since the last look, without the gadget's own. */
  requests(): (string | undefined)[] {
    return this.urbs
      .splice(0)
      .filter(({ endpoint }) => endpoint === 0)
      .map(({ setup, data, length }) => setup && `${JSON.stringify(Object.values(setup))} ${data.length} ${length}`)
  }
}

interface Bench {
  readonly gadget: Gadget
  readonly device: ImaginedDevice
  readonly control: ImaginedFile
  readonly endpoints: () => ImaginedFile[]
  readonly events: string[]
  readonly tree: string
  say(...events: (number | Buffer)[]): Promise<void>
}

let folder: string
let opened: { readonly gadget: Gadget; readonly control: ImaginedFile } | undefined

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'moonlet-gadget-'))
  mkdirSync(join(folder, 'udc/a.udc'), { recursive: true })
  mkdirSync(join(folder, 'gadgets'))
})
test.after.each(async () => {
  const closing = opened?.gadget.close()
  // As a kernel says when the gadget is unbound.
  opened?.control.says(eventOf(UNBIND))
  await closing
  opened = undefined
  rmSync(folder, { recursive: true, force: true })
})

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

async function bench(options: { isForeign?: boolean; patience?: number; speed?: 'full' } = {}): Promise<Bench> {
  const files: ImaginedFile[] = []
  const events: string[] = []
  const mount = (path: string): void => {
    for (const name of ['ep0', 'ep1', 'ep2', 'ep3']) writeFileSync(join(path, name), '')
  }
  const gadget = await Gadget.open({
    ...options,
    roots: {
      gadgets: join(folder, 'gadgets'),
      controllers: join(folder, 'udc'),
      mounts: join(folder, 'mounts'),
      run: (program, args) => {
        const path = args.at(-1) ?? ''
        if (program === 'mount') mount(path)
        else for (const name of readdirSync(path)) unlinkSync(join(path, name))
      },
    },
    fileOf: (fd) => {
      const file = new ImaginedFile(fd)
      files.push(file)
      return file
    },
    onEvent: ({ event }: GadgetEvent) => events.push(event),
  })
  const device = new ImaginedDevice()
  if (options.speed) device.speed = options.speed
  gadget.plug(ID, device)
  const [control] = files
  if (!control) throw new Error('no file for ep0')
  opened = { gadget, control }
  const say = async (...said: (number | Buffer)[]): Promise<void> => {
    control.says(Buffer.concat(said.map((one) => (typeof one === 'number' ? eventOf(one) : one))))
    await settle()
  }
  const name = readdirSync(join(folder, 'gadgets'))[0] ?? ''
  return { gadget, device, control, endpoints: () => files.slice(1), events, tree: join(folder, 'gadgets', name), say }
}

function eventOf(kind: number, setup = '0000000000000000'): Buffer {
  return Buffer.concat([Buffer.from(setup, 'hex'), Buffer.of(kind, 0, 0, 0)])
}
const setupEvent = (setup: string): Buffer => eventOf(SETUP, setup)

test('a host comes, suspends, resumes, resets, goes: the device is attached, configured and detached accordingly', async () => {
  const { device, events, say, gadget } = await bench()
  await settle()
  assert.equal(device.seen.splice(0), ['detach'], 'nothing is left of whoever had it last')
  await say(BIND)
  assert.equal([device.seen, gadget.connections], [[], 0])
  await say(ENABLE)
  assert.equal(device.seen.splice(0), ['attach'])
  assert.equal(device.requests(), ['[0,9,1,0,0] 0 0'], 'SET_CONFIGURATION, which FunctionFS keeps to itself')
  assert.is(gadget.connections, 1)
  await say(SUSPEND, RESUME)
  await say(DISABLE, ENABLE)
  assert.equal(device.seen.splice(0), ['detach', 'attach'], 'FunctionFS does not say whether that is another host')
  // Enabled anew without a word.
  await say(ENABLE)
  assert.equal(device.seen.splice(0), ['detach', 'attach'])
  await say(UNBIND)
  assert.equal(device.seen.splice(0), ['detach'])
  assert.equal(events, [
    ...['plugged', 'imported', 'suspended', 'resumed', 'released', 'imported', 'released', 'imported', 'released'],
  ])
})

test('the next host has to wait until nothing is left of the last one', async () => {
  const { device, say } = await bench()
  await say(ENABLE)
  let left = (): void => undefined
  device.leaving = new Promise((resolve) => {
    left = resolve
  })
  await say(DISABLE)
  await say(ENABLE)
  assert.equal(device.seen.splice(0), ['detach', 'attach', 'detach'])
  left()
  await settle()
  assert.equal(device.seen, ['attach'])
})

test('the pipes: what the host writes goes to the device, what the device has goes to the host, each to its end', async () => {
  const { device, endpoints, say } = await bench()
  device.answer = ({ endpoint, length }) => {
    if (endpoint === 0x81 && length > 0) {
      device.answer = ({ endpoint: other }) => (other === 0x81 || other === 0x82 ? undefined : outcome('ok'))
      return { status: 'ok', data: Uint8Array.of(1, 2, 3), actual: 3 }
    }
    return endpoint === 0x82 ? undefined : outcome('ok')
  }
  await say(ENABLE)
  const [out, into] = endpoints()
  await until(() => into?.done.length === 1)
  assert.equal(into?.done, ['010203'])
  out?.gives(Buffer.from('hello'))
  await until(() => device.urbs.some(({ endpoint }) => endpoint === 1))
  const sent = device.urbs.find(({ endpoint }) => endpoint === 1)
  assert.is(Buffer.from(sent?.data ?? []).toString(), 'hello')
  const waiting = device.cancelled
  await say(DISABLE)
  assert.is(device.cancelled, waiting + 2, 'the reads that waited are given up')
})

test('requests: data, success and stall, each as FunctionFS takes it', async () => {
  const { device, control, say } = await bench()
  await say(ENABLE)
  device.requests()
  const steps: readonly [string, UrbResult, readonly string[], string][] = [
    // IN: the data; a stall is a read.
    ['c020000007001000', { status: 'ok', data: Uint8Array.of(7, 8), actual: 2 }, ['0708'], '[192,32,0,7,16] 0 16'],
    ['c020000007001000', outcome('stall'), ['read 1'], '[192,32,0,7,16] 0 16'],
    // So where no data is asked for: an empty write, or a read.
    ['c020000007000000', outcome('ok'), [''], '[192,32,0,7,0] 0 0'],
    ['c020000007000000', outcome('stall'), ['read 1'], '[192,32,0,7,0] 0 0'],
    // OUT without data: an empty read acknowledges it; a stall is a write.
    ['4101000000000000', outcome('ok'), ['read 1'], '[65,1,0,0,0] 0 0'],
    ['4101000000000000', outcome('stall'), ['00'], '[65,1,0,0,0] 0 0'],
    // To an endpoint: FunctionFS says the how manyth.
    ['8200000002000200', { status: 'ok', data: Uint8Array.of(1, 0), actual: 2 }, ['0100'], '[130,0,0,129,2] 0 2'],
    ['0201000003000000', outcome('ok'), ['read 1'], '[2,1,0,130,0] 0 0'],
  ]
  for (const [setup, answer, done, asked] of steps) {
    device.answer = () => answer
    await say(setupEvent(setup))
    assert.equal([control.done.splice(0), device.requests()], [done, [asked]], setup)
  }
  // OUT with data: read first, then handed on.
  device.answer = () => outcome('ok')
  control.says(setupEvent('4103000000000300'))
  control.gives(Buffer.from('abc'))
  await settle()
  assert.equal([control.done.splice(0), device.requests()], [['read 3'], ['[65,3,0,0,3] 3 0']])
  // The host gave it up before its data came.
  control.says(setupEvent('4103000000000300'))
  control.gives({ errno: EIDRM })
  await settle()
  assert.equal([control.done.splice(0), device.requests()], [['read 3'], []])
})

test('a read of ep0 that was interrupted, or whose request is over, is made again; one that fails ends it', async () => {
  const { device, control, say } = await bench()
  await settle()
  device.seen.splice(0)
  control.says({ errno: EINTR })
  await settle()
  control.says({ errno: EIDRM })
  await say(ENABLE)
  assert.equal(device.seen.splice(0), ['attach'])
  control.says({ errno: ESHUTDOWN })
  await settle()
  assert.equal(device.seen.splice(0), ['detach'])
})

test('a device that does not answer a request: the host gets a stall, and its next one is heard', async () => {
  const { device, control, say } = await bench({ patience: 20 })
  await say(ENABLE)
  const given = device.cancelled
  device.answer = () => undefined
  await say(setupEvent('c020000007001000'))
  await until(() => control.done.length > 0)
  assert.equal([control.done.splice(0), device.cancelled - given], [['read 1'], 1], 'given up')
  device.answer = () => ({ status: 'ok', data: Uint8Array.of(9), actual: 1 })
  await say(setupEvent('c020000007001000'))
  await until(() => control.done.length > 0)
  assert.equal(control.done, ['09'])
})

test('a request that waits ends with what the host has enabled', async () => {
  const { device, control, say, gadget } = await bench({ patience: 3_600_000 })
  await say(ENABLE)
  device.answer = () => undefined
  await say(setupEvent('c020000007001000'))
  const unplugged = gadget.unplug(ID)
  control.says(eventOf(UNBIND))
  await unplugged
  assert.equal(control.done, ['read 1'])
})

test('pulled out and plugged in again: bound and unbound, the device is told; one device, once', async () => {
  const { gadget, device, control, events, tree, say } = await bench()
  const controller = (): string => readFileSync(join(tree, 'UDC'), 'utf8').trim()
  assert.is(controller(), 'a.udc')
  const plug = async (model: ExportableDevice): Promise<void> => gadget.plug(ID, model)
  await rejects('USB_ONE_DEVICE', plug(device))
  await rejects('USB_ONE_DEVICE', plug(new ImaginedDevice()))
  await say(ENABLE)
  device.seen.splice(0)
  await gadget.unplug('another')
  assert.is(controller(), 'a.udc')
  const unplugged = gadget.unplug(ID)
  assert.equal([controller(), device.seen.splice(0)], ['', ['removal', 'detach']])
  control.says(eventOf(UNBIND))
  await unplugged
  await rejects('USB_ONE_DEVICE', plug(new ImaginedDevice()))
  gadget.plug(ID, device)
  assert.is(controller(), 'a.udc')
  await say(BIND)
  await say(ENABLE)
  assert.equal(device.seen, ['detach', 'attach'])
  assert.equal(events, ['plugged', 'imported', 'released', 'unplugged', 'plugged', 'imported'])
})

test('closed: unbound, its files stopped, its tree and mount taken down', async () => {
  const { gadget, control, endpoints, tree } = await bench()
  const mount = join(folder, 'mounts', 'moonlet-700101')
  assert.ok(existsSync(mount))
  const closing = gadget.close()
  opened = undefined
  control.says(eventOf(UNBIND))
  await closing
  assert.ok([control, ...endpoints()].every(({ stopped }) => stopped))
  assert.is(readFileSync(join(tree, 'UDC'), 'utf8').trim(), '')
  assert.ok(!existsSync(mount) && !existsSync(join(tree, 'configs/c.1/ffs.moonlet-700101')))
})

test('a device that is not ours goes packet by packet at its own speed, and leaves nothing of itself when it is pulled out', async () => {
  const { gadget, device, control, endpoints, tree, say } = await bench({ isForeign: true, speed: 'full' })
  assert.is(readFileSync(join(tree, 'max_speed'), 'utf8'), 'full-speed')
  await say(ENABLE)
  await until(() => device.urbs.some(({ endpoint }) => endpoint === 0x81))
  const [out] = endpoints()
  assert.is(device.urbs.find(({ endpoint }) => endpoint === 0x81)?.length, 64)
  assert.equal(out?.done, ['read 64'])
  const unplugged = gadget.unplug(ID)
  control.says(eventOf(UNBIND))
  await unplugged
  assert.ok(!existsSync(join(tree, 'configs/c.1/ffs.moonlet-1209-4c48-700101')))
  // Files that configfs would have taken away with their folder.
  rmSync(tree, { recursive: true })
  const other = new ImaginedDevice()
  gadget.plug(ID, other)
  await say(ENABLE)
  assert.equal(other.seen, ['detach', 'attach'])
})

test.run()
