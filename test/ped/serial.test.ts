import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { PED_MAX_FRAME, PED_STATUS_OK } from '../../assembly/protocol.js'
import type { FrameLink } from '../../host/board/frame-link.js'
import { type SerialEvent, SerialLine } from '../../host/ped/index.js'
import { encodePacket, LINE_PACKET_MAX, PacketReader } from '../../host/ped/line-code.js'
import { LINE_HERE } from '../../host/ped/serial.js'
import { insert, ManualClock, press, Script, secretOf, withDesk } from './desk.js'
import { HsmSide } from './hsm-side.js'
import { settle, Wire } from './wire.js'

const test = suite('ped: serial line')
const PRESENT_SO = { op: protocol.PED_OP_PRESENT, kind: protocol.PED_KIND_SO }
const packets = fc.uint8Array({ maxLength: LINE_PACKET_MAX })

test('packets come out as they went in, whatever pieces the line makes of them', () => {
  fc.assert(
    fc.property(fc.array(packets, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (sent, piece) => {
      const line = Buffer.concat(sent.map(encodePacket))
      const reader = new PacketReader()
      const got: Buffer[] = []
      for (let at = 0; at < line.length; at += piece) got.push(...reader.push(line.subarray(at, at + piece)))
      assert.equal(
        got,
        sent.map((one) => Buffer.from(one)),
      )
      assert.is(reader.noise, 0)
    }),
  )
})

test('a packet after noise is found, and no noise is a packet', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), packets, (noise, packet) => {
      const got = new PacketReader().push(Buffer.concat([noise, encodePacket(packet)]))
      assert.equal(got, [Buffer.from(packet)])
    }),
  )
})

test('a packet with a changed byte, or one that is missing, is no packet; the next one is', () => {
  fc.assert(
    fc.property(packets, fc.nat(), fc.integer({ min: 0, max: 255 }), (packet, at, mask) => {
      const line = encodePacket(packet)
      // Without its markers: those belong to its neighbours as well.
      const index = 1 + (at % (line.length - 2))
      const damaged = Buffer.concat([line.subarray(0, index), line.subarray(index + 1)])
      const changed = mask === 0 ? damaged : Buffer.from(line)
      if (mask !== 0) changed.writeUInt8(line.readUInt8(index) ^ mask, index)
      const reader = new PacketReader()
      assert.equal(reader.push(Buffer.concat([changed, encodePacket(Buffer.from('next'))])), [Buffer.from('next')])
      assert.ok(reader.noise >= 1)
    }),
  )
})

test('flow control never stands on the line, and nothing is kept of what has no end', () => {
  const line = encodePacket(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))
  assert.not(line.includes(0x11))
  assert.not(line.includes(0x13))
  assert.equal([...line].filter((byte) => byte === 0x7e).length, 2)
  const reader = new PacketReader()
  assert.equal(reader.push(Buffer.concat([Buffer.of(0x7e), Buffer.alloc(100_000, 0x41), Buffer.of(0x7e)])), [])
  assert.is(reader.noise, 1)
  assert.throws(() => encodePacket(Buffer.alloc(LINE_PACKET_MAX + 1)), /a packet of 519 bytes/)
})

interface Ends {
  wire: Wire
  clock: ManualClock
  events: SerialEvent[]
  /** What each end was given, newest last. */
  hsm: FrameLink[]
  ped: FrameLink[]
  /** Lets so many intervals of HERE pass. */
  pass(intervals: number): Promise<void>
}

async function withLine(work: (ends: Ends) => Promise<void>, onPed?: (link: FrameLink) => void): Promise<void> {
  const [wire, clock] = [new Wire(), new ManualClock()]
  const [events, hsm, ped]: [SerialEvent[], FrameLink[], FrameLink[]] = [[], [], []]
  const [near, far] = wire.ends
  const lines = [
    new SerialLine({ stream: near, role: 'hsm', clock, onLink: (l) => hsm.push(l), onEvent: (e) => events.push(e) }),
    new SerialLine({ stream: far, role: 'ped', clock, onLink: onPed ?? ((link) => ped.push(link)) }),
  ]
  const pass = async (intervals: number) => {
    for (let i = 0; i < intervals; i++) {
      clock.advance(LINE_HERE)
      await settle()
    }
  }
  try {
    await settle()
    await work({ wire, clock, events, hsm, ped, pass })
  } finally {
    for (const line of lines) line.close()
  }
}

function last(links: readonly FrameLink[]): FrameLink {
  const link = links.at(-1)
  if (!link) throw new Error('there is no link')
  return link
}
function framesOf(link: FrameLink): Buffer[] {
  const frames: Buffer[] = []
  link.onFrame((frame) => frames.push(Buffer.from(frame)))
  return frames
}

test('frames go both ways in their order, of any content', () =>
  withLine(async ({ hsm, ped, events }) => {
    assert.equal([hsm.length, ped.length], [1, 1])
    const [toHsm, toPed] = [framesOf(last(hsm)), framesOf(last(ped))]
    const sent = [Buffer.alloc(0), Buffer.alloc(PED_MAX_FRAME, 0x7e), randomBytes(PED_MAX_FRAME), Buffer.from('4')]
    for (const frame of sent) {
      last(hsm).send(frame)
      last(ped).send(frame)
    }
    await settle()
    assert.equal(toPed, sent)
    assert.equal(toHsm, sent)
    assert.equal(events, [{ event: 'line-up' }])
  }))

test('frames that noise spoils are sent again, and none comes twice', () =>
  withLine(async ({ wire, hsm, ped, pass, events }) => {
    const toPed = framesOf(last(ped))
    let chance = 1
    // One packet in three loses a bit: frames, and what confirms them.
    wire.disturb = (bytes) => {
      chance = (chance * 48_271) % 0x7fffffff
      if (chance % 3 === 0) bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 4, bytes.length >> 1)
      return bytes
    }
    const sent = Array.from({ length: 6 }, (_, i) => Buffer.from(`frame ${i}`))
    for (const frame of sent) last(hsm).send(frame)
    for (let i = 0; i < 80 && toPed.length < sent.length; i++) {
      wire.noise(randomBytes(40))
      await pass(1)
    }
    assert.equal(toPed, sent)
    assert.is(hsm.length, 1, 'the link stood all the time')
    assert.ok(events.some(({ event }) => event === 'noise'))
  }))

test('a line that is cut ends the link at both ends, and comes up again once it is whole', () =>
  withLine(async ({ wire, hsm, ped, pass, events }) => {
    let closed = 0
    for (const link of [last(hsm), last(ped)]) link.onClose(() => closed++)
    wire.cut = true
    await pass(8)
    assert.is(closed, 2)
    last(hsm).send(Buffer.from('into the void'))
    wire.cut = false
    await pass(2)
    assert.equal([hsm.length, ped.length], [2, 2])
    const toPed = framesOf(last(ped))
    last(hsm).send(Buffer.from('anew'))
    await settle()
    assert.equal(toPed, [Buffer.from('anew')])
    assert.equal(
      events.map(({ event }) => event),
      ['line-up', 'line-down', 'line-up'],
    )
  }))

test('a frame of an earlier link that is put back onto the line belongs to nobody', () =>
  withLine(async ({ wire, hsm, ped, pass }) => {
    framesOf(last(ped))
    wire.seen.length = 0
    last(hsm).send(Buffer.from('once'))
    await settle()
    const old = Buffer.concat(wire.seen)
    wire.cut = true
    await pass(8)
    wire.cut = false
    await pass(2)
    const toPed = framesOf(last(ped))
    wire.noise(old)
    await settle()
    assert.equal(toPed, [])
  }))

test('a second PED on the line is told of, and the first one served on', () =>
  withLine(async ({ wire, clock, hsm, ped, events, pass }) => {
    const other = new Wire()
    const [near, far] = other.ends
    // What the second PED says comes to the HSM's end as well; it hears what the HSM says.
    near.on('data', (bytes) => wire.ends[0].push(bytes))
    const plain = wire.disturb
    wire.disturb = (bytes) => {
      near.write(bytes)
      return plain(bytes)
    }
    const links: FrameLink[] = []
    const second = new SerialLine({ stream: far, role: 'ped', clock, onLink: (link) => links.push(link) })
    await pass(3)
    second.close()
    assert.is(links.length, 0)
    assert.is(events.filter(({ event }) => event === 'conflict').length, 1)
    const toPed = framesOf(last(ped))
    last(hsm).send(Buffer.from('still'))
    await settle()
    assert.equal(toPed, [Buffer.from('still')])
    assert.is(hsm.length, 1)
  }))

test('the cable pulled in the middle of an entry: no answer then, and the PED serves the next link', () => {
  const operator = new Script()
  return withDesk(operator, async ({ ped }) =>
    withLine(
      async ({ wire, hsm, pass }) => {
        const first = new HsmSide(last(hsm))
        assert.ok(await first.hello())
        first.ask(PRESENT_SO)
        await operator.waiting
        assert.ok(ped.connected)
        wire.cut = true
        await pass(8)
        assert.not(ped.connected)
        assert.equal(ped.lcd.slice(0, 2), ['PED', 'Not connected'])
        wire.cut = false
        await pass(2)
        operator.more(insert('blue'), press('enter'))
        const again = new HsmSide(last(hsm))
        assert.ok(await again.hello())
        const answer = await again.request(PRESENT_SO)
        assert.equal([answer.status, answer.secret], [PED_STATUS_OK, secretOf('blue')])
      },
      (link) => ped.connect(link),
    ),
  )
})

test.run()
