// Any bytes in any pieces: what a reader makes of them, and what the appliance does. Seeds are printed by fast-check.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CMD_STATUS, FRAME_HEADER, MAX_FRAME } from '../../assembly/protocol.js'
import { isCommandFrame } from '../../host/board/frames.js'
import {
  COMMAND,
  encodeMessage,
  HELLO,
  helloMessage,
  MessageReader,
  PED_CONNECT,
  PED_DISCONNECT,
  REPLY,
} from '../../host/ntls/framing.js'
import { type Identity, NtlsError } from '../../host/ntls/index.js'
import { drained, Site, tokenOf } from './support/site.js'

const test = suite('NTLS: bytes')

const KINDS = 8

let site: Site

test.after(() => site.close())

/** Pieces of the bytes, cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1))), bytes.length].sort((a, b) => a - b)
  return ends.map((end, i) => Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)))
}

const message = fc
  .tuple(fc.integer({ min: HELLO, max: KINDS }), fc.nat(255), fc.uint8Array({ maxLength: 200 }))
  .map(([kind, hsm, body]) => ({ kind, hsm, body: Buffer.from(body) }))
const places = fc.array(fc.nat(2000), { maxLength: 8 })

test('what is written is read, however it is cut on the way', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), places, (messages, where) => {
      const reader = new MessageReader()
      const bytes = Buffer.concat(messages.map(({ kind, hsm, body }) => encodeMessage(kind, hsm, body)))
      const read = cut(bytes, where).flatMap((piece) => reader.push(piece))
      assert.equal(read, messages)
      assert.not.ok(reader.inside)
    }),
  )
})

test('any bytes are messages or are refused', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc
      .uint8Array({ minLength: 1, maxLength: 100 })
      .map((body) => Buffer.concat([Buffer.of(0, 0, 0, body.length), body])),
  )
  fc.assert(
    fc.property(anything, places, (bytes, where) => {
      const read = (pieces: readonly Buffer[]): unknown => {
        const reader = new MessageReader()
        try {
          return pieces.flatMap((piece) => reader.push(piece))
        } catch (error) {
          assert.ok(error instanceof NtlsError && error.code === 'NTLS_FRAMING', String(error))
          return 'refused'
        }
      }
      // The same in one piece: a refusal, or the same messages.
      assert.equal(read(cut(Buffer.from(bytes), where)), read([Buffer.from(bytes)]))
    }),
    { numRuns: 2000 },
  )
})

test('a length is refused before there is memory for it', () => {
  for (const length of [0, 3, MAX_FRAME + 5, 0xffff_ffff]) {
    const head = Buffer.from('0000000003000000', 'hex')
    head.writeUInt32BE(length)
    assert.throws(
      () => new MessageReader().push(head),
      (error: unknown) => error instanceof NtlsError && error.code === 'NTLS_FRAMING',
    )
  }
})

function status(tag: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER)
  frame.writeUInt16BE(CMD_STATUS)
  frame.writeUInt32BE(tag, 8)
  return encodeMessage(COMMAND, 0, frame)
}

/** Commands that a peer has well and truly asked for, by the rules of SPEC.md §10.1, read without the reader. */
function commandsIn(bytes: Buffer): Buffer[] {
  const commands: Buffer[] = []
  let isGreeted = false
  for (let at = 0; bytes.length - at >= 8; ) {
    const end = at + 4 + bytes.readUInt32BE(at)
    const [kind, hsm, zero] = [bytes.readUInt8(at + 4), bytes.readUInt8(at + 5), bytes.readUInt16BE(at + 6)]
    const body = bytes.subarray(at + 8, end)
    if (end > bytes.length || end < at + 8 || zero !== 0) break
    if (!isGreeted) {
      if (kind !== HELLO || body.toString('hex') !== '0001') break
      isGreeted = true
    } else if (kind === COMMAND && hsm === 0 && isCommandFrame(body)) commands.push(body)
    // An order about a remote PED; one that is none ends the connection, which the HSM does not hear of.
    else if (kind !== PED_CONNECT && kind !== PED_DISCONNECT) break
    at = end
  }
  return commands
}

test('whatever a registered client says, in whatever pieces: no crash, and nothing that it has not asked for', async () => {
  site = await Site.open()
  const mallory: Identity = await site.client('mallory', [])
  const link = await site.connect(await site.client('alice'))
  const alice = tokenOf(link)
  // Most begin as they should and then go astray.
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.nat(0xffff).map(status) },
    { weight: 2, arbitrary: message.map(({ kind, hsm, body }) => encodeMessage(kind, hsm % 2, body)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)) },
  )
  const flip = fc.option(fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 255 })), { nil: undefined })
  const speech = fc.tuple(fc.boolean(), fc.array(piece, { maxLength: 6 }), flip).map(([greets, pieces, flipped]) => {
    const bytes = Buffer.concat([...(greets ? [helloMessage()] : []), ...pieces])
    if (flipped && bytes.length > 0) {
      const at = flipped[0] % bytes.length
      bytes[at] = (bytes[at] ?? 0) ^ flipped[1]
    }
    return bytes
  })
  await fc.assert(
    fc.asyncProperty(speech, places, async (bytes, where) => {
      const before = [...site.asked.values()].reduce((sum, count) => sum + count, 0)
      const socket = await site.raw(mallory)
      const said = drained(socket)
      for (const one of cut(bytes, where)) socket.write(one)
      socket.end()
      const answers = new MessageReader().push(await said).filter(({ kind }) => kind === REPLY)
      while (site.appliance.connections > 1) await new Promise((resolve) => setImmediate(resolve))
      const asked = commandsIn(bytes)
      const reached = [...site.asked.values()].reduce((sum, count) => sum + count, 0) - before
      assert.ok(reached <= asked.length, `${reached} commands reached the HSM, ${asked.length} were asked`)
      const tags = asked.map((frame) => frame.readUInt32BE(8))
      for (const { body } of answers) assert.ok(tags.includes(body.readUInt32BE(8)))
      assert.is((await alice.status()).serial, 500409n)
    }),
    // Each attempt to make a failure smaller would be a connection.
    { numRuns: 150, endOnFailure: true },
  )
  await link.close()
  await site.empty()
  assert.is(await site.sessionsLeft(), 0)
})

test.run()
