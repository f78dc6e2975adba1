// What of the gadget needs no kernel: FunctionFS's formats, the tree in configfs, what is said where there can be none.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeEvents, describeFunction } from '../../host/usb/functionfs.js'
import { controllersOf, type GadgetRoots, GadgetTree } from '../../host/usb/gadget-tree.js'
import {
  cleanUp,
  type ExportableDevice,
  ForeignFunction,
  Gadget,
  TokenDevice,
  usbIdentity,
} from '../../host/usb/index.js'
import { EchoDoor, rejects } from './support.js'

const test = suite('usb: gadget')
const model = new TokenDevice(new EchoDoor(), usbIdentity('700101'))
const descriptorOf = model.descriptor.bind(model)

let folder: string
let ran: string[]
let roots: GadgetRoots

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'moonlet-gadget-'))
  ran = []
  roots = {
    gadgets: join(folder, 'gadgets'),
    controllers: join(folder, 'udc'),
    mounts: join(folder, 'mounts'),
    run: (program, args) => {
      ran.push([program, ...args].join(' '))
    },
  }
  for (const path of [roots.gadgets, join(roots.controllers, 'b.udc'), join(roots.controllers, 'a.udc')]) {
    mkdirSync(path, { recursive: true })
  }
})

test.after.each(() => rmSync(folder, { recursive: true, force: true }))

test('descriptors and strings as FunctionFS reads them', () => {
  const { descriptors, strings, endpoints, configurationValue, attributes } = describeFunction(descriptorOf)
  const words = [0, 4, 8, 12, 16, 20].map((at) => descriptors.readUInt32LE(at))
  // Magic, length, full and high speed, Microsoft's and all control requests, descriptors of either speed and of Microsoft's.
  assert.equal(words, [3, descriptors.length, 1 | 2 | 8 | 64, 4, 4, 1])
  const windows = 24 + 2 * (9 + 3 * 7)
  assert.is(descriptors.length, windows + 11 + 24)
  assert.is(descriptors.subarray(windows, windows + 11).toString('hex'), '0023000000010004000100')
  assert.is(descriptors.toString('latin1', windows + 13, windows + 21), 'WINUSB\0\0')
  // The interface's own string is the function's first.
  assert.is(descriptors.subarray(24, 33).toString('hex'), '0904000003ff4d4c01')
  assert.is(descriptors.subarray(33, 40).toString('hex'), '07050102400000')
  assert.is(descriptors.subarray(54 + 9, 54 + 16).toString('hex'), '07050102000200')
  assert.equal(
    [0, 4, 8, 12].map((at) => strings.readUInt32LE(at)),
    [2, strings.length, 1, 1],
  )
  assert.is(strings.toString('latin1', 18), 'Token commands\0')
  assert.equal(
    endpoints.map(({ address, packetSize, isBulk }) => [address, packetSize, isBulk]),
    [
      [0x01, 512, true],
      [0x81, 512, true],
      [0x82, 8, false],
    ],
  )
  assert.equal([configurationValue, attributes], [1, 0xc0])
})

test('events of ep0', () => {
  const bytes = Buffer.from(
    '000000000000000002000000' + '41020102030405060400' + '0000' + '000000000000000063000000',
    'hex',
  )
  const events = decodeEvents(bytes)
  assert.equal(
    events.map(({ event }) => event),
    ['enable', 'setup'],
  )
  assert.equal(events[1]?.setup, { requestType: 0x41, request: 2, value: 0x0201, index: 0x0403, length: 0x0605 })
})

test("another device: its power, packets several to a microframe, a serial number that is no file's name", () => {
  const other = new TokenDevice(new EchoDoor(), usbIdentity('A B/1'))
  const described = (type: number, index: number): Uint8Array | undefined => {
    const bytes = other.descriptor(type, index)?.slice()
    // bMaxPower, and wMaxPacketSize of the first endpoint.
    if (bytes && (type === 2 || type === 7)) bytes.set([50], 8)
    if (bytes && type === 2) bytes.set([0x08 | (bytes[23] ?? 0)], 23)
    return bytes
  }
  assert.is(describeFunction(described).endpoints[0]?.packetSize, 512)
  const tree = GadgetTree.of(roots, described)
  tree.build(described)
  assert.is(tree.name, 'moonlet-A_B_1')
  assert.is(readFileSync(join(roots.gadgets, tree.name, 'configs/c.1/MaxPower'), 'utf8'), '100')
})

test('a tree in configfs', () => {
  const tree = GadgetTree.of(roots, descriptorOf)
  tree.build(descriptorOf)
  const path = join(roots.gadgets, 'moonlet-700101')
  const read = (name: string): string => readFileSync(join(path, name), 'utf8')
  assert.equal([read('idVendor'), read('idProduct'), read('bcdDevice')], ['0x1209', '0x4c48', '0x0100'])
  assert.equal([read('strings/0x409/serialnumber'), read('strings/0x409/manufacturer')], ['700101', 'Moonlet'])
  assert.is(read('configs/c.1/bmAttributes'), '0x00c0')
  assert.equal(
    [read('os_desc/b_vendor_code'), read('os_desc/qw_sign'), read('os_desc/use')],
    ['0x0021', 'MSFT100', '1'],
  )
  assert.is(readlinkSync(join(path, 'os_desc/c.1')), join(path, 'configs/c.1'))
  assert.is(readlinkSync(join(path, 'configs/c.1/ffs.moonlet-700101')), join(path, 'functions/ffs.moonlet-700101'))
  assert.equal(ran, [`mount -t functionfs moonlet-700101 ${join(roots.mounts, 'moonlet-700101')}`])
  tree.bind('a.udc')
  assert.is(tree.controller, 'a.udc')
  tree.unbind()
  assert.is(tree.controller, '')
})

test('a serial port is a second function of the tree', async () => {
  const tree = GadgetTree.of(roots, descriptorOf)
  tree.build(descriptorOf, { withSerial: true })
  const path = join(roots.gadgets, 'moonlet-700101')
  assert.equal(
    readdirSync(join(path, 'configs/c.1')).filter((name) => name.includes('.')),
    ['acm.moonlet-700101', 'ffs.moonlet-700101'],
  )
  const classes = ['bDeviceClass', 'bDeviceSubClass', 'bDeviceProtocol']
  assert.equal(
    classes.map((name) => readFileSync(join(path, name), 'utf8')),
    ['0x00ef', '0x0002', '0x0001'],
  )
  await rejects('GADGET_IO', (async () => tree.serialPath)())
  writeFileSync(join(path, 'functions/acm.moonlet-700101/port_num'), '3\n')
  assert.is(tree.serialPath, '/dev/ttyGS3')
  tree.remove()
  assert.equal(
    readdirSync(join(path, 'configs/c.1')).filter((name) => name.includes('.')),
    [],
  )
})

test('a device that is not ours: descriptors for both speeds, its own texts; what cannot be carried is said', async () => {
  const foreign = (change: (bytes: Uint8Array) => void = () => undefined): ExportableDevice => ({
    speed: 'super',
    submit: (urb, complete) => model.submit(urb, complete),
    reset: () => model.reset(),
    descriptor: (type, index) => {
      const bytes = model.descriptor(type, index)?.slice()
      if (bytes && type === 2) change(bytes)
      return bytes
    },
    attach: () => model.attach(),
    detach: () => model.detach(),
    notify: () => undefined,
  })
  model.attach()
  const fitted = await ForeignFunction.of(foreign((bytes) => bytes.set([0, 4], 22)))
  const { descriptors, strings, endpoints } = describeFunction(fitted.descriptor.bind(fitted), false)
  assert.is(descriptors.readUInt32LE(8), 1 | 2 | 64, 'nothing for Windows')
  assert.is(strings.toString('latin1', 18), 'Token commands\0')
  assert.equal(
    endpoints.map(({ packetSize, fullSpeedPacket }) => [packetSize, fullSpeedPacket]),
    [
      [512, 64],
      [512, 64],
      [8, 8],
    ],
  )
  assert.is(GadgetTree.of(roots, fitted.descriptor.bind(fitted), { isForeign: true }).name, 'moonlet-1209-4c48-700101')
  for (const [place, value, said] of [
    [12, 1, /other settings/],
    [21, 1, /isochronous/],
    [19, 0x24, /no descriptor 0x24/],
  ] as const) {
    const refused = ForeignFunction.of(foreign((bytes) => bytes.set([value], place)))
    assert.match((await rejects('GADGET_UNSUITABLE', refused)).message, said)
  }
})

test('no second tree of the same device; a tree that cannot be finished is taken down', async () => {
  GadgetTree.of(roots, descriptorOf).build(descriptorOf)
  const again = async (): Promise<void> => GadgetTree.of(roots, descriptorOf).build(descriptorOf)
  assert.match((await rejects('GADGET_BUSY', again())).message, /--cleanup/)
  const broken: GadgetRoots = {
    ...roots,
    gadgets: join(folder, 'others'),
    run: (program) => {
      ran.push(program)
      if (program === 'mount') throw new Error('no functionfs here')
    },
  }
  const other = async (): Promise<void> => GadgetTree.of(broken, descriptorOf).build(descriptorOf)
  assert.match((await rejects('GADGET_IO', other())).message, /no functionfs here/)
  assert.ok(ran.includes('umount'))
})

test('clean-up leaves what is bound and what is not ours', async () => {
  const tree = GadgetTree.of(roots, descriptorOf)
  tree.build(descriptorOf)
  mkdirSync(join(roots.gadgets, 'somebody-else'))
  tree.bind('a.udc')
  assert.equal(cleanUp(roots), [])
  tree.unbind()
  // These files are no attributes of configfs and do not go with their folder.
  const stays = async (): Promise<string[]> => cleanUp(roots)
  await rejects('GADGET_BUSY', stays())
  assert.equal(readdirSync(roots.gadgets), ['moonlet-700101', 'somebody-else'])
  assert.ok(!existsSync(tree.mount))
})

test('what is missing is said', async () => {
  const at =
    (change: Partial<GadgetRoots>, root = true) =>
    async () =>
      controllersOf({ ...roots, ...change }, root)
  assert.equal(controllersOf(roots, true), ['a.udc', 'b.udc'])
  assert.match((await rejects('GADGET_UNAVAILABLE', at({}, false)())).message, /it takes root/)
  assert.match((await rejects('GADGET_UNAVAILABLE', at({ gadgets: '/none' })())).message, /modprobe libcomposite/)
  assert.match((await rejects('GADGET_UNAVAILABLE', at({ controllers: '/none' })())).message, /dummy_hcd/)
  const other = Gadget.open({ roots, udc: 'c.udc' })
  assert.match((await rejects('GADGET_UNAVAILABLE', other)).message, /c\.udc, but a\.udc, b\.udc/)
  const gadget = await Gadget.open({ roots })
  assert.is(gadget.host, 'a.udc')
  await gadget.close()
})

test.run()
