import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME_HEADER, MAX_FRAME } from '../../assembly/protocol.js'
import { UsbError } from '../../host/usb/errors.js'
import { encodeTransfer, MAX_TRANSFER, needsEmptyPacket, TransferReader } from '../../host/usb/framing.js'

const test = suite('usb: framing')

function refuses(reader: TransferReader, bytes: Uint8Array): void {
  assert.throws(
    () => reader.push(bytes),
    (thrown: unknown) => thrown instanceof UsbError && thrown.code === 'USB_FRAMING',
  )
}

test('a transfer is magic, length, frame', () => {
  const frame = Buffer.from('sixteen bytes..!')
  assert.equal(Buffer.from(encodeTransfer(frame)), Buffer.concat([Buffer.from('MLU1\0\0\0\x10'), frame]))
})

test('frames come out as they went in, however the bytes were split', () => {
  const frames = fc.array(fc.uint8Array({ minLength: FRAME_HEADER, maxLength: 2000 }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(frames, fc.array(fc.nat({ max: 1024 }), { minLength: 1 }), (sent, sizes) => {
      const bytes = Buffer.concat(sent.map(encodeTransfer))
      const reader = new TransferReader()
      const received: Uint8Array[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        // A size of 0 is an empty packet; the last 1 keeps a row of zeros from standing still.
        const size = turn % (sizes.length + 1) === sizes.length ? 1 : (sizes[turn % (sizes.length + 1)] ?? 1)
        received.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      assert.equal(received.map(Buffer.from), sent.map(Buffer.from))
    }),
  )
})

test('the largest frame fits, a larger or a too short one is refused before its bytes come', () => {
  const largest = new Uint8Array(MAX_FRAME).fill(7)
  assert.is(encodeTransfer(largest).length, MAX_TRANSFER)
  assert.equal(new TransferReader().push(encodeTransfer(largest)), [largest])
  for (const length of [0, FRAME_HEADER - 1, MAX_FRAME + 1, 0xffffffff]) {
    const header = Buffer.from('MLU1\0\0\0\0')
    header.writeUInt32BE(length, 4)
    refuses(new TransferReader(), header)
  }
})

test('a wrong magic is refused at its first wrong byte', () => {
  for (let at = 0; at < 4; at++) {
    const header = Buffer.from('MLU1')
    header.writeUInt8((header[at] ?? 0) ^ 0x20, at)
    refuses(new TransferReader(), header.subarray(0, at + 1))
    const reader = new TransferReader()
    assert.equal(reader.push(header.subarray(0, at)), [])
    refuses(reader, header.subarray(at))
  }
})

test('bytes between transfers are refused', () => {
  const reader = new TransferReader()
  const transfer = encodeTransfer(new Uint8Array(FRAME_HEADER))
  reader.push(transfer)
  refuses(reader, Uint8Array.of(0))
})

test('an empty packet follows whole packets only', () => {
  assert.equal([0, 1, 511, 512, 513, 1024].map(needsEmptyPacket), [true, false, false, true, false, true])
})

test.run()
