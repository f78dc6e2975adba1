// Captures: usbmon packets in pcapng files, written and read; what a redacted one shows.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { CaptureFile, TokenDevice, UsbCapture, UsbError, UsbTransport, usbIdentity } from '../../host/usb/index.js'
import { type CapturedPacket, readCapture } from '../../host/usb/pcapng-read.js'
import { interfaceBlock, packetBlock, secretsBlock, sectionBlock } from '../../host/usb/pcapng-write.js'
import { readRecording } from '../../host/usb/recording.js'
import { CableRedactor } from '../../host/usb/redact.js'
import { decodeUsbmon, encodeUsbmon, LINKTYPE_USB_LINUX_MMAPPED, type UsbmonPacket } from '../../host/usb/usbmon.js'
import { HostOver } from './host-over.js'
import { bodyOf, EchoDoor, frame } from './support.js'

const test = suite('usb captures')
const folder = mkdtempSync(join(tmpdir(), 'moonlet-capture-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
let files = 0
const freePath = (): string => join(folder, `${++files}.pcapng`)

const word = fc.integer({ min: 0, max: 0xffff })
const bytes = fc.uint8Array({ maxLength: 300 })

const packet = fc
  .record({
    id: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    event: fc.constantFrom('S', 'C', 'E'),
    type: fc.constantFrom('control', 'bulk', 'interrupt'),
    endpoint: fc.constantFrom(0, 0x80, 1, 0x81, 0x82, 15, 0x8f),
    bus: word,
    device: fc.integer({ min: 0, max: 127 }),
    time: fc.bigInt({ min: 0n, max: 2n ** 52n }),
    status: fc.integer({ min: -200, max: 0 }),
    length: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    setup: fc
      .tuple(fc.nat(255), fc.nat(255), word, word, word)
      .map(([requestType, request, value, index, length]) => ({ requestType, request, value, index, length })),
    data: bytes,
  })
  .map(({ setup, ...rest }): UsbmonPacket => {
    const has = rest.type === 'control' && rest.event === 'S'
    return { ...rest, setup: has ? setup : undefined }
  })

test('a usbmon packet that was written is read as it was', () => {
  fc.assert(
    fc.property(packet, (one) => {
      const read = decodeUsbmon(encodeUsbmon(one), LINKTYPE_USB_LINUX_MMAPPED, true)
      assert.equal({ ...read, data: Uint8Array.from(read.data) }, one)
    }),
  )
})

const blocks = fc.array(bytes, { maxLength: 8 }).map((packets) => {
  const usb = { linkType: LINKTYPE_USB_LINUX_MMAPPED, name: 'usb', description: 'a device' }
  const written = packets.map((one, i) => packetBlock(0, BigInt(i), one, i % 2 ? 'a comment' : undefined))
  return {
    packets,
    file: Buffer.concat([
      sectionBlock('test', 'of the test'),
      interfaceBlock(usb),
      secretsBlock(Buffer.from('KEY')),
      ...written,
    ]),
  }
})

const dataOf = (packets: readonly CapturedPacket[]): string[] =>
  packets.map((one) => Buffer.from(one.bytes).toString('hex'))

test('a pcapng file that was written is read as it was; cut off anywhere, what was whole of it is', () => {
  fc.assert(
    fc.property(blocks, fc.nat(), ({ packets, file }, at) => {
      const { packets: read, comments, cutOff } = readCapture(file)
      const wanted = packets.map((one) => Buffer.from(one).toString('hex'))
      assert.equal([dataOf(read), comments, cutOff], [wanted, ['of the test'], false])
      const size = 12 + (at % (file.length - 12))
      try {
        const part = readCapture(file.subarray(0, size))
        assert.equal(dataOf(part.packets), wanted.slice(0, part.packets.length))
      } catch (error) {
        assert.ok(error instanceof UsbError && error.code === 'CAPTURE_FORMAT', String(error))
      }
    }),
  )
})

test('a damaged file is refused with a code, or read; nothing else happens', () => {
  fc.assert(
    fc.property(
      blocks,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      ({ file }, changes) => {
        const damaged = Buffer.from(file)
        for (const [at, value] of changes) damaged[at % damaged.length] = value
        try {
          readRecording(damaged)
        } catch (error) {
          assert.ok(error instanceof UsbError && error.code.startsWith('CAPTURE_'), String(error))
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('files of big-endian machines and classic pcap files', () => {
  const swapped = (length: number, put: (view: DataView) => void): Buffer => {
    const view = new DataView(new ArrayBuffer(length))
    put(view)
    return Buffer.from(view.buffer)
  }
  const section = swapped(28, (view) => {
    for (const [at, value] of [
      [0, 0x0a0d0d0a],
      [4, 28],
      [8, 0x1a2b3c4d],
      [12, 0x00010000],
      [24, 28],
    ] as const)
      view.setUint32(at, value)
  })
  const usb = swapped(20, (view) => {
    for (const [at, value] of [
      [0, 1],
      [4, 20],
      [8, 220 << 16],
      [16, 20],
    ] as const)
      view.setUint32(at, value)
  })
  const simple = swapped(20, (view) => {
    for (const [at, value] of [
      [0, 3],
      [4, 20],
      [8, 3],
      [12, 0x41424300],
      [16, 20],
    ] as const)
      view.setUint32(at, value)
  })
  const [big] = readCapture(Buffer.concat([section, usb, simple])).packets
  assert.equal([big?.linkType, big?.little, Buffer.from(big?.bytes ?? []).toString()], [220, false, 'ABC'])
  const classic = swapped(24 + 16 + 3, (view) => {
    for (const [at, value] of [
      [0, 0xa1b2c3d4],
      [20, 189],
      [32, 3],
      [36, 3],
    ] as const)
      view.setUint32(at, value)
    view.setUint8(40, 0x41)
    view.setUint16(41, 0x4243)
  })
  const [old] = readCapture(classic).packets
  assert.equal([old?.linkType, old?.little, Buffer.from(old?.bytes ?? []).toString()], [189, false, 'ABC'])
  assert.throws(
    () => readCapture(Buffer.alloc(40)),
    (error: unknown) => error instanceof UsbError && error.code === 'CAPTURE_FORMAT',
  )
})

/** A device that echoes, captured; what the work did is in the answered file. */
async function captured(
  redacted: boolean,
  work: (transport: UsbTransport, look: () => Buffer) => Promise<void>,
): Promise<Buffer> {
  const path = freePath()
  const file = CaptureFile.create(path, { description: 'the test', redacted })
  const device = new UsbCapture(file).device(new TokenDevice(new EchoDoor(), usbIdentity('700101')))
  device.attach()
  const host = await HostOver.open(device)
  const transport = await UsbTransport.open(host)
  await work(transport, () => readFileSync(path))
  await transport.close()
  await device.detach()
  file.close()
  return readFileSync(path)
}

test('what passes a device is in its capture, from enumeration to the end, at every moment', async () => {
  let before = 0
  const whole = await captured(false, async (transport, look) => {
    for (const body of ['one', 'two', 'three']) {
      await transport.exchange(frame(protocol.CMD_STATUS, Buffer.from(body)))
      const { packets, cutOff } = readCapture(look())
      assert.ok(packets.length > before && !cutOff)
      before = packets.length
    }
  })
  const { transfers, steps } = readRecording(whole)
  const went = transfers.filter(({ endpoint }) => endpoint === 1)
  assert.equal(
    went.map(({ data }) => Buffer.from(data).toString('latin1', 24)),
    ['one', 'two', 'three'],
  )
  const came = transfers.flatMap(({ endpoint, result }) => (endpoint === 0x81 && result ? [result.data] : []))
  assert.equal(
    came.map((data) => Buffer.from(data).toString('latin1', 24)),
    ['one', 'two', 'three'],
  )
  // The reads that the host gave up have no result; all else has.
  assert.equal(
    transfers
      .filter(({ result }) => !result)
      .map(({ endpoint }) => endpoint)
      .sort(),
    [0x81, 0x82],
  )
  assert.is(steps.length, 2 * transfers.length - 2)
})

test('a read that ends with its device is gone where that was pulled out, given up where its host let it go', async () => {
  for (const pulled of [true, false]) {
    const path = freePath()
    const file = CaptureFile.create(path, { description: 'the test' })
    const device = new UsbCapture(file).device(new TokenDevice(new EchoDoor(), usbIdentity('700101')))
    device.attach()
    const host = await HostOver.open(device)
    await host.open()
    await host.selectConfiguration(1)
    const read = { endpoint: 0x81, data: new Uint8Array(0), length: 512 }
    const cancel = device.submit(read, () => undefined)
    assert.ok(cancel())
    device.submit(read, () => undefined)
    if (pulled) device.notify('removal')
    await device.detach()
    file.close()
    const packets = readCapture(readFileSync(path)).packets.map(({ bytes: one }) =>
      decodeUsbmon(one, LINKTYPE_USB_LINUX_MMAPPED, true),
    )
    const ends = packets.filter(({ event, endpoint }) => event === 'C' && endpoint === 0x81)
    assert.equal(
      ends.map(({ status }) => status),
      [-2, pulled ? -108 : -2],
    )
    const last = readRecording(readFileSync(path)).transfers.at(-1)
    assert.is(last?.result?.status, pulled ? 'gone' : undefined)
  }
})

test('a redacted capture shows what is named as open, and of all else the length', async () => {
  const [secret, open] = ['a secret that is 30 bytes long.', 'nothing']
  let asked = ''
  const file = await captured(true, async (transport) => {
    await transport.exchange(frame(protocol.CMD_STATUS, Buffer.from(open)))
    await transport.exchange(frame(protocol.CMD_OBJECT_CREATE, Buffer.from(secret)))
    await transport.exchange(frame(0x7777, Buffer.from(secret)))
    const sealed = frame(protocol.CMD_STATUS, Buffer.from(secret))
    sealed.writeUInt16BE(protocol.FLAG_SEALED, 2)
    asked = bodyOf(await transport.exchange(sealed)).toString()
  })
  assert.is(asked, secret)
  const text = file.toString('latin1')
  assert.not.match(text, /secret that/)
  assert.is(text.split(open).length - 1, 2)
  const lengths = readCapture(file).packets.map(({ bytes: one }) => one.length)
  assert.is(lengths.filter((length) => length === 64 + 24 + secret.length).length, 6)
  assert.throws(
    () => readRecording(file),
    (error: unknown) => error instanceof UsbError && error.code === 'CAPTURE_INCOMPLETE',
  )
})

const transfer = fc
  .tuple(
    fc.constantFrom(protocol.CMD_STATUS, protocol.CMD_OBJECT_CREATE, 0x7777),
    fc.boolean(),
    fc.uint8Array({ minLength: 1, maxLength: 90 }),
  )
  .map(([command, sealed, body]) => {
    const bytes = Buffer.from(encodeTransfer(frame(command, body)))
    if (sealed) bytes.writeUInt16BE(protocol.FLAG_SEALED, 10)
    const open = command === protocol.CMD_STATUS && !sealed
    return { bytes, shown: open ? bytes : Buffer.concat([bytes.subarray(0, 24), Buffer.alloc(body.length)]) }
  })

test('redaction does not depend on how transfers are cut; what is no transfer is hidden to the next abort', () => {
  fc.assert(
    fc.property(fc.array(transfer), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (transfers, cuts) => {
      const stream = Buffer.concat(transfers.map(({ bytes: one }) => one))
      const redactor = new CableRedactor()
      const say = (data: Uint8Array): Buffer => {
        const urb = { endpoint: 1, data, length: 0 }
        return Buffer.from(redactor.redact(urb, 'bulk', 'S', data).data)
      }
      const pieces: Buffer[] = []
      for (let at = 0, i = 0; at < stream.length; i++) {
        const piece = stream.subarray(at, at + (cuts[i % cuts.length] ?? 1))
        pieces.push(say(piece))
        at += piece.length
      }
      assert.equal(Buffer.concat(pieces), Buffer.concat(transfers.map(({ shown }) => shown)))
      assert.equal(say(Buffer.from('a secret in no transfer')), Buffer.alloc(23))
      assert.equal(say(Buffer.from(encodeTransfer(frame(protocol.CMD_STATUS)))), Buffer.alloc(24))
      const abort = { requestType: 0x41, request: 1, value: 0, index: 0, length: 0 }
      redactor.redact({ endpoint: 0, setup: abort, data: Buffer.alloc(0), length: 0 }, 'control', 'S', Buffer.alloc(0))
      const again = Buffer.from(encodeTransfer(frame(protocol.CMD_STATUS)))
      assert.equal(say(again), again)
    }),
  )
})

test('frames of other cables and TLS secrets in the same file; of a redacted one, neither ciphertexts nor secrets', () => {
  const ped = Buffer.from('4d50443103010000000000010000000a53454352455453454352', 'hex')
  for (const redacted of [false, true]) {
    const path = freePath()
    const file = CaptureFile.create(path, { description: 'the test', redacted })
    file.tlsSecret(Buffer.from('CLIENT_RANDOM 00 11\n'))
    file.frame('moonlet.ped', 'ped:backup', 'to HSM', ped, 1n)
    file.frame('moonlet.frame', 'ntls:1', 'from HSM', frame(protocol.CMD_ROLE_LOGIN, Buffer.from('password')), 2n)
    file.close()
    const text = readFileSync(path, 'latin1')
    const shows = (what: string): boolean => text.includes(what)
    assert.equal(
      [shows('CLIENT_RANDOM'), shows('SECRETSECR'), shows('password'), shows('MPD1'), shows('ntls:1, from HSM')],
      [!redacted, !redacted, !redacted, true, true],
    )
    assert.equal(
      readCapture(Buffer.from(text, 'latin1')).packets.map(({ linkType }) => linkType),
      [252, 252],
    )
  }
})

test('the dissector has the names and numbers of protocol.ts', () => {
  const script = readFileSync(new URL('../../../host/usb/wireshark/moonlet.lua', import.meta.url), 'utf8')
  const table = (name: string): Map<number, string> => {
    const [, rows = ''] = new RegExp(`local ${name} = \\{([^}]*)\\}`).exec(script) ?? []
    return new Map([...rows.matchAll(/\[(\w+)\] = "(\w+)"/g)].map(([, number, word = '']) => [Number(number), word]))
  }
  const numbers = (pattern: RegExp): Map<number, string> =>
    new Map(
      Object.entries(protocol).flatMap(([name, value]): [number, string][] => {
        const [, word] = pattern.exec(name) ?? []
        return word !== undefined && typeof value === 'number' ? [[value, word]] : []
      }),
    )
  assert.equal(table('COMMANDS'), numbers(/^CMD_(\w+)$/))
  assert.equal(table('PED_TYPES'), numbers(/^PED_(HELLO|HELLO_ACK|REQUEST|ANSWER|CANCEL|CLOSE|ALERT)$/))
})

test.run()
