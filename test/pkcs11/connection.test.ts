// The door on a real Unix socket: version bytes, framing, hostile bytes, programs that vanish, devices that vanish.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { type SlotSource, TokenClient, type Transport, TransportError } from '../../host/client/index.js'
import { calls } from '../../host/pkcs11/calls.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { serveClient } from '../../host/pkcs11/index.js'
import { encodeRequest, HEAD, readReply } from '../../host/pkcs11/rpc.js'
import { SECRETS } from '../firmware/support/officer.js'
import type { TestToken } from '../firmware/support/test-token.js'
import { ckrOf, data, number, Program, partitionInSlot, room, slotOf, utf8, whole } from './support.js'

const test = suite('pkcs11 connection')

const folder = mkdtempSync(join(tmpdir(), 'moonlet-pkcs11-'))
const path = join(folder, 'socket')

/** A token whose cable can be cut, and whose answers can be held back. */
class Cable implements Transport {
  readonly closed = new Promise<void>(() => {})
  cut = false
  holding: (() => void)[] | undefined
  /** Frames of SESSION_OPEN and SESSION_CLOSE that were answered with RC_OK, the difference. */
  open = 0

  constructor(private readonly token: TestToken) {}

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    if (this.cut) throw new TransportError('TRANSPORT_REMOVED', 'pulled')
    const command = new DataView(frame.buffer, frame.byteOffset).getUint16(0)
    const held = command === protocol.CMD_RANDOM ? this.holding : undefined
    if (held) await new Promise<void>((resolve) => held.push(resolve))
    const answer = await this.token.exchange(frame)
    const ok = new DataView(answer.buffer, answer.byteOffset).getUint32(4) === protocol.RC_OK
    if (ok && command === protocol.CMD_SESSION_OPEN) this.open++
    if (ok && command === protocol.CMD_SESSION_CLOSE) this.open--
    return answer
  }

  async close(): Promise<void> {}
}

let server: Server
let cable: Cable
let slots: SlotSource
/** Connections that the door has done with. */
let served: Promise<{ calls: number }>[] = []

test.before(async () => {
  const { token, partition } = await partitionInSlot()
  cable = new Cable(token)
  const client = new TokenClient(cable, { now: 0n })
  slots = { slots: async () => [slotOf(client, partition)] }
  server = createServer((socket) => {
    served.push(serveClient(socket, { slots }))
  })
  server.listen(path)
  await once(server, 'listening')
})

test.after(() => {
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

test.after.each(async () => {
  await Promise.all(served)
  served = []
  assert.is(cable.open, 0, 'sessions are left at the token')
})

/** Reads exactly, as a client does. */
class Wire {
  #kept = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => undefined

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#kept = Buffer.concat([this.#kept, chunk])
      this.#wake()
    })
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true
        this.#wake()
      })
    }
  }

  static async open(): Promise<Wire> {
    const socket = connect(path)
    await once(socket, 'connect')
    return new Wire(socket)
  }

  /** Shorter only where the door has closed the connection. */
  async read(length: number): Promise<Buffer> {
    while (this.#kept.length < length && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const taken = this.#kept.subarray(0, length)
    this.#kept = this.#kept.subarray(length)
    return taken
  }

  async message(): Promise<{ code: number; body: Buffer }> {
    const head = await this.read(HEAD)
    return { code: head.readUInt32BE(0), body: await this.read(head.readUInt32BE(8)) }
  }

  async start(offered: number): Promise<number> {
    this.socket.write(Uint8Array.of(offered))
    return (await this.read(1))[0] ?? -1
  }
}

async function program(offered = 0): Promise<{ program: Program; wire: Wire }> {
  const wire = await Wire.open()
  await wire.start(offered)
  const carry = async (message: Uint8Array): Promise<Uint8Array> => {
    wire.socket.write(message)
    return (await wire.message()).body
  }
  const made = new Program(carry, offered)
  await made.initialize()
  return { program: made, wire }
}

test('the version is the lower of both', async () => {
  for (const [offered, agreed] of [
    [0, 0],
    [1, 1],
    [2, 2],
    [200, 2],
  ] as const) {
    const wire = await Wire.open()
    assert.is(await wire.start(offered), agreed)
    wire.socket.destroy()
  }
})

test('a program works, in one piece or byte by byte', async () => {
  const { program: one, wire } = await program()
  const session = await one.officer()
  assert.is(whole(await one.call(calls.generateRandom, [session, room(32)])).length, 32)
  const message = encodeRequest(99, calls.getSessionInfo, session, 0)
  for (const byte of message) {
    wire.socket.write(Uint8Array.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { code, body } = await wire.message()
  assert.is(code, 99)
  assert.equal(readReply(calls.getSessionInfo, body, 0), { value: { slot: 1, state: 3, flags: 6, deviceError: 0 } })
  wire.socket.end()
})

test('what a program gives in parts is kept until it is signed', async () => {
  const { program: one, wire } = await program()
  const session = await one.officer()
  const secret = utf8('a secret of some length')
  const key = await one.call(calls.createObject, [
    session,
    [
      number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
      data(protocol.CKA_VALUE, secret),
    ],
  ])
  const how = { type: protocol.CKM_SHA256_HMAC, parameter: { form: 'none' as const } }
  await one.call(calls.signInit, [session, how, key])
  for (const part of ['one ', 'two ', 'three']) await one.call(calls.signUpdate, [session, utf8(part)])
  const mac = whole(await one.call(calls.signFinal, [session, room(32)]))
  assert.equal(Buffer.from(mac), createHmac('sha256', secret).update('one two three').digest())
  wire.socket.end()
})

test('answers come as they are ready, in one session in order', async () => {
  const { program: one, wire } = await program()
  const [first, second] = [await one.call(calls.openSession, [1, 4]), await one.call(calls.openSession, [1, 4])]
  cable.holding = []
  const send = (code: number, message: Uint8Array) => {
    wire.socket.write(message)
    return code
  }
  send(201, encodeRequest(201, calls.generateRandom, [first, room(8)], 0))
  send(202, encodeRequest(202, calls.getSessionInfo, first, 0))
  send(203, encodeRequest(203, calls.getSessionInfo, second, 0))
  assert.is((await wire.message()).code, 203)
  const held = cable.holding
  cable.holding = undefined
  for (const go of held) go()
  assert.is((await wire.message()).code, 201)
  assert.is((await wire.message()).code, 202)
  wire.socket.end()
})

test('a program that vanishes leaves no session, even while calls are under way', async () => {
  const { program: one, wire } = await program()
  const session = await one.officer()
  await one.call(calls.openSession, [1, 6])
  assert.is(cable.open, 2)
  wire.socket.write(encodeRequest(300, calls.openSession, [1, 6], 0))
  wire.socket.write(encodeRequest(301, calls.generateRandom, [session, room(32)], 0))
  wire.socket.destroy()
  // after.each looks at the token.
})

test('a log-in ends with its connection alone', async () => {
  const [a, b] = [await program(), await program()]
  await a.program.officer()
  const theirs = await b.program.call(calls.openSession, [1, 6])
  assert.is((await b.program.call(calls.getSessionInfo, theirs)).state, 2)
  await b.program.call(calls.login, [theirs, 1, utf8(SECRETS.officer)])
  a.wire.socket.destroy()
  await served[0]
  assert.is((await b.program.call(calls.getSessionInfo, theirs)).state, 3)
  b.wire.socket.destroy()
})

test('a device that is gone is said to be gone; the connection stays, and works when it is back', async () => {
  const { program: one, wire } = await program()
  const session = await one.officer()
  cable.cut = true
  const random = () => one.call(calls.generateRandom, [session, room(8)])
  assert.is(await ckrOf(random), CKR.DEVICE_REMOVED)
  assert.is(await ckrOf(() => one.call(calls.openSession, [1, 6])), CKR.DEVICE_REMOVED)
  assert.is(await ckrOf(() => one.call(calls.getTokenInfo, 1)), CKR.DEVICE_REMOVED)
  cable.cut = false
  assert.is(whole(await random()).length, 8)
  wire.socket.end()
})

test('a body that is none is refused, and the connection goes on', async () => {
  const { program: one, wire } = await program()
  const message = (id: number, signature: string, rest: Uint8Array) => {
    const body = Buffer.alloc(8 + signature.length)
    body.writeUInt32BE(id, 0)
    body.writeUInt32BE(signature.length, 4)
    body.write(signature, 8)
    const head = Buffer.alloc(HEAD)
    head.writeUInt32BE(7, 0)
    head.writeUInt32BE(body.length + rest.length, 8)
    return Buffer.concat([head, body, rest])
  }
  const ckr = async (bytes: Uint8Array) => {
    wire.socket.write(bytes)
    const reply = readReply(calls.closeSession, (await wire.message()).body, 0)
    return 'ckr' in reply ? reply.ckr : 0
  }
  assert.is(await ckr(message(11, 'uu', new Uint8Array(16))), CKR.DEVICE_ERROR)
  assert.is(await ckr(message(11, 'u', new Uint8Array(7))), CKR.DEVICE_ERROR)
  assert.is(await ckr(message(11, 'u', new Uint8Array(9))), CKR.DEVICE_ERROR)
  assert.is(await ckr(message(4711, '', new Uint8Array(0))), CKR.FUNCTION_NOT_SUPPORTED)
  assert.is((await one.call(calls.getInfo, undefined)).cryptokiVersion.major, 2)
  wire.socket.end()
})

test('hostile bytes end their own connection and no other', async () => {
  const { program: good, wire: kept } = await program()
  const session = await good.officer()
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const wire = await Wire.open()
      wire.socket.end(bytes)
      // Until the door has closed it.
      await wire.read(1_000_000)
      assert.is((await good.call(calls.getSessionInfo, session)).state, 3)
    }),
    { numRuns: 100 },
  )
  const wire = await Wire.open()
  await wire.start(0)
  const head = Buffer.alloc(HEAD, 0xff)
  wire.socket.write(head)
  assert.is((await wire.read(1)).length, 0)
  kept.socket.end()
})

test.run()
