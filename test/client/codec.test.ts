import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FRAME_HEADER, MAX_BODY } from '../../assembly/protocol.js'
import {
  attribute,
  boolValue,
  decode,
  decodeAttributes,
  decodeFrame,
  encodeAttributes,
  encodeFrame,
  FrameError,
  type Reader,
  ulongValue,
  Writer,
} from '../../host/client/index.js'

const test = suite('client codec')

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const bytes = fc.uint8Array({ maxLength: 40 })
const plain = (value: Uint8Array) => [...value]

function refuses(code: string, act: () => unknown): void {
  try {
    act()
  } catch (error) {
    assert.instance(error, FrameError)
    if (error instanceof FrameError) assert.is(error.code, code)
    return
  }
  assert.unreachable(`expected ${code}`)
}

/** One field of a body: how it is written, how it is read back, and what must come out. */
const field = fc.oneof(
  fc.integer({ min: 0, max: 0xff }).map((v) =>
    entry(
      (w) => w.u8(v),
      (r) => r.u8(),
      v,
    ),
  ),
  fc.integer({ min: 0, max: 0xffff }).map((v) =>
    entry(
      (w) => w.u16(v),
      (r) => r.u16(),
      v,
    ),
  ),
  u32.map((v) =>
    entry(
      (w) => w.u32(v),
      (r) => r.u32(),
      v,
    ),
  ),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((v) =>
    entry(
      (w) => w.u64(v),
      (r) => r.u64(),
      v,
    ),
  ),
  bytes.map((v) =>
    entry(
      (w) => w.bytes(v),
      (r) => plain(r.bytes()),
      plain(v),
    ),
  ),
  bytes.map((v) =>
    entry(
      (w) => w.fixed(v, v.length),
      (r) => plain(r.fixed(v.length)),
      plain(v),
    ),
  ),
  fc.string({ unit: 'grapheme' }).map((v) =>
    entry(
      (w) => w.text(v),
      (r) => r.text(),
      v,
    ),
  ),
)

function entry(write: (writer: Writer) => Writer, read: (reader: Reader) => unknown, value: unknown) {
  return { write, read, value }
}

test('what is written is read back, and every truncation or addition is refused', () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
      const writer = new Writer()
      for (const one of fields) one.write(writer)
      const body = writer.finish()
      const readAll = (reader: Reader) => fields.map((one) => one.read(reader))
      assert.equal(
        decode(body, readAll),
        fields.map((one) => one.value),
      )
      for (let length = 0; length < body.length; length++) {
        refuses('FRAME_MALFORMED', () => decode(body.subarray(0, length), readAll))
      }
      refuses('FRAME_MALFORMED', () => decode(Uint8Array.of(...body, 0), readAll))
    }),
    { numRuns: 200, verbose: true },
  )
})

test('a number that does not fit its field is refused before anything is sent', () => {
  const writer = () => new Writer()
  const bad = [() => writer().u8(256), () => writer().u16(65536), () => writer().u32(2 ** 32), () => writer().u32(-1)]
  bad.push(
    () => writer().u32(1.5),
    () => writer().u64(1n << 64n),
    () => writer().u64(-1n),
  )
  bad.push(() => writer().fixed(new Uint8Array(3), 4))
  for (const act of bad) refuses('ARGUMENT_RANGE', act)
})

test('a length that points past the end is refused', () => {
  refuses('FRAME_MALFORMED', () => decode(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1), (reader) => reader.bytes()))
})

const attributeList = fc
  .uniqueArray(fc.record({ type: u32, value: bytes }), { selector: (one) => one.type, maxLength: 6 })
  .map((list) => list.map(({ type, value }) => attribute.bytes(type, value)))

test('attribute lists come back sorted, and every truncation and wrong order is refused', () => {
  fc.assert(
    fc.property(attributeList, (list) => {
      const encoded = encodeAttributes(list)
      assert.is(encoded.length % 4, 0)
      const sorted = [...list].sort((a, b) => a.type - b.type)
      const comparable = (items: typeof list) => items.map(({ type, value }) => ({ type, value: plain(value) }))
      assert.equal(comparable(decodeAttributes(encoded)), comparable(sorted))
      const starts = new Set<number>([0])
      for (const { value } of sorted) starts.add(Math.max(...starts) + 8 + Math.ceil(value.length / 4) * 4)
      for (let length = 0; length < encoded.length; length++) {
        if (starts.has(length)) continue
        refuses('FRAME_MALFORMED', () => decodeAttributes(encoded.subarray(0, length)))
      }
    }),
    { numRuns: 200, verbose: true },
  )
})

test('duplicates, descending order and non-zero padding are refused', () => {
  const a = attribute.bytes(3, Uint8Array.of(1))
  const b = attribute.bytes(4, Uint8Array.of(2))
  refuses('ARGUMENT_RANGE', () => encodeAttributes([a, b, a]))
  const [first, second] = [encodeAttributes([a]), encodeAttributes([b])]
  refuses('FRAME_MALFORMED', () => decodeAttributes(Uint8Array.of(...second, ...first)))
  refuses('FRAME_MALFORMED', () => decodeAttributes(Uint8Array.of(...first, ...first)))
  const padded = Uint8Array.from(first)
  padded[padded.length - 1] = 1
  refuses('FRAME_MALFORMED', () => decodeAttributes(padded))
})

test('CK_ULONG and CK_BBOOL values are checked', () => {
  assert.is(ulongValue(attribute.ulong(1, 0xfffffffe).value), 0xfffffffe)
  assert.is(boolValue(attribute.bool(1, true).value), true)
  assert.is(boolValue(attribute.bool(1, false).value), false)
  refuses('FRAME_MALFORMED', () => boolValue(Uint8Array.of(2)))
  refuses('FRAME_MALFORMED', () => boolValue(Uint8Array.of(0, 0)))
  refuses('FRAME_MALFORMED', () => ulongValue(Uint8Array.of(0, 0, 0)))
})

test('frames have the layout of the specification', () => {
  const frame = { command: 0x8302, flags: 1, word: 0x00a00002, tag: 0x01020304, body: Uint8Array.of(9, 8) }
  const encoded = encodeFrame(frame)
  assert.is(Buffer.from(encoded).toString('hex'), '8302000100a0000201020304000000020908')
  assert.equal(decodeFrame(encoded), frame)
  for (let length = 0; length < encoded.length; length++) {
    refuses('FRAME_MALFORMED', () => decodeFrame(encoded.subarray(0, length)))
  }
  refuses('FRAME_MALFORMED', () => decodeFrame(Uint8Array.of(...encoded, 0)))
})

test('a body of any length, written in pieces, comes out whole, in a frame and without one; no other body is in its memory', () => {
  const head = { command: 0x0804, flags: 0, word: 7, tag: 9 }
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 4 }), fc.nat(255), (pieces, byte) => {
      const whole = Buffer.concat([...pieces, Uint8Array.of(byte)])
      const written = () => {
        const writer = new Writer()
        for (const piece of pieces) writer.fixed(piece, piece.length)
        return writer.u8(byte)
      }
      const [framed, body, other] = [written().frame(head), written().finish(), written().finish()]
      assert.equal(framed, encodeFrame({ ...head, body: whole }))
      other.fill(byte ^ 0xff)
      assert.equal(Buffer.from(body), whole)
    }),
  )
})

test('the largest body passes and one byte more does not', () => {
  const frame = { command: 1, flags: 0, word: 0, tag: 1, body: new Uint8Array(MAX_BODY) }
  assert.is(decodeFrame(encodeFrame(frame)).body.length, MAX_BODY)
  refuses('ARGUMENT_RANGE', () => encodeFrame({ ...frame, body: new Uint8Array(MAX_BODY + 1) }))
  const tooLong = new Uint8Array(FRAME_HEADER + MAX_BODY + 1)
  new DataView(tooLong.buffer).setUint32(12, MAX_BODY + 1)
  refuses('FRAME_MALFORMED', () => decodeFrame(tooLong))
})

test.run()
