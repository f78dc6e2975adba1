import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { InProcessAppliance, type NtlsTransport, type RegisteredClient } from '../../host/ntls/index.js'

const test = suite('ntls: visibility')

interface Call {
  readonly command: number
  readonly session: number
  readonly body: Buffer
}

const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}

function frame(command: number, session: number, body: Uint8Array = Buffer.alloc(0), flags = 0): Buffer {
  const header = Buffer.alloc(protocol.FRAME_HEADER)
  header.writeUInt16BE(command)
  header.writeUInt16BE(flags, 2)
  header.writeUInt32BE(session, 4)
  header.writeUInt32BE(0x5eed, 8)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

const partitionRow = (id: number, label: string): Buffer =>
  Buffer.concat([u32(id, 0, 500 + id, 1), u32(label.length), Buffer.from(label), u32(0, 9, 0, 1, 3), Buffer.of(1)])

const openBody = (partition: number, access = 1): Buffer => Buffer.concat([u32(partition, 0, access), Buffer.of(1)])

/** A card with partitions 1 to 3 that gives out session numbers and keeps what it was asked. */
class Card {
  readonly calls: Call[] = []
  readonly sessions = new Set<number>()
  broken = false
  held: (() => void)[] | undefined
  next = 10

  async exchange(request: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(request)
    const call = { command: bytes.readUInt16BE(), session: bytes.readUInt32BE(4), body: bytes.subarray(16) }
    this.calls.push(call)
    if (this.held) await new Promise<void>((resolve) => this.held?.push(resolve))
    if (this.broken) throw new Error('reset')
    const answer = frame(call.command | protocol.ANSWER, 0, this.#body(call))
    answer.writeUInt32BE(bytes.readUInt32BE(8), 8)
    return answer
  }

  #body({ command, session }: Call): Buffer {
    if (command === protocol.CMD_SESSION_OPEN) {
      this.sessions.add(this.next)
      return u32(this.next++)
    }
    if (command === protocol.CMD_SESSION_CLOSE) this.sessions.delete(session)
    if (command !== protocol.CMD_PARTITION_LIST) return Buffer.alloc(0)
    const rows = [partitionRow(1, 'SA52_P1'), partitionRow(2, ''), partitionRow(3, 'other')]
    return Buffer.concat([Buffer.of(0, rows.length), ...rows])
  }
}

const client = (name: string, ...partitions: readonly number[]): RegisteredClient => ({
  name,
  assigned: (partition) => partitions.includes(partition),
})

async function code(transport: NtlsTransport, request: Buffer): Promise<number> {
  const answer = Buffer.from(await transport.exchange(request))
  assert.is(answer.readUInt16BE(), request.readUInt16BE() | protocol.ANSWER)
  assert.is(answer.readUInt32BE(8), 0x5eed)
  return answer.readUInt32BE(4)
}

async function open(transport: NtlsTransport, partition: number, access?: number): Promise<number> {
  const answer = Buffer.from(await transport.exchange(frame(protocol.CMD_SESSION_OPEN, 0, openBody(partition, access))))
  assert.is(answer.readUInt32BE(4), protocol.RC_OK)
  return answer.readUInt32BE(16)
}

/** Asserts that the transport rejects with this code. */
async function rejects(expected: string, promise: Promise<unknown>): Promise<void> {
  try {
    await promise
  } catch (thrown) {
    assert.ok(thrown instanceof Error && 'code' in thrown && thrown.code === expected, String(thrown))
    return
  }
  assert.unreachable(`${expected} was expected`)
}

test('only assigned partitions can be named, never the card itself', async () => {
  const card = new Card()
  const transport = new InProcessAppliance(card).connect(client('a', protocol.ADMIN_PARTITION, 1))
  const naming = [protocol.CMD_SESSION_OPEN, protocol.CMD_PARTITION_INFO, protocol.CMD_PARTITION_POLICIES]
  for (const command of naming) {
    for (const partition of [protocol.ADMIN_PARTITION, 2, 99, 0xffffffff]) {
      assert.is(await code(transport, frame(command, 0, openBody(partition))), protocol.RC_SLOT_ID_INVALID)
    }
    assert.is(await code(transport, frame(command, 0, Buffer.alloc(3))), protocol.RC_FRAME_MALFORMED)
  }
  assert.is(card.calls.length, 0, 'the card was never asked')
  for (const command of naming) assert.is(await code(transport, frame(command, 0, openBody(1))), protocol.RC_OK)
  const session = await open(transport, 1)
  const inSession = [protocol.CMD_PARTITION_SET_POLICY, protocol.CMD_PARTITION_DELETE, protocol.CMD_PARTITION_RESIZE]
  for (const command of inSession) {
    assert.is(await code(transport, frame(command, session, u32(2, 0))), protocol.RC_SLOT_ID_INVALID)
    assert.is(await code(transport, frame(command, session, u32(1, 0))), protocol.RC_OK)
  }
})

test('what the appliance must read cannot be sealed; everything else passes sealed', async () => {
  const card = new Card()
  const transport = new InProcessAppliance(card).connect(client('a', 1))
  const session = await open(transport, 1)
  const sealed = (command: number, of = session): Promise<number> =>
    code(transport, frame(command, of, Buffer.alloc(40), protocol.FLAG_SEALED))
  for (const command of [
    protocol.CMD_SESSION_OPEN,
    protocol.CMD_PARTITION_INFO,
    protocol.CMD_PARTITION_POLICIES,
    protocol.CMD_PARTITION_LIST,
  ]) {
    assert.is(await sealed(command, 0), protocol.RC_CHANNEL_INVALID)
    assert.is(await sealed(command), protocol.RC_CHANNEL_INVALID)
  }
  assert.is(await sealed(protocol.CMD_PARTITION_SET_POLICY), protocol.RC_CHANNEL_INVALID)
  assert.is(await sealed(protocol.CMD_ROLE_LOGIN), protocol.RC_OK)
})

test('the list of partitions shows the assigned ones, whole', async () => {
  const list = async (...partitions: readonly number[]): Promise<Buffer> => {
    const transport = new InProcessAppliance(new Card()).connect(client('a', ...partitions))
    const answer = Buffer.from(await transport.exchange(frame(protocol.CMD_PARTITION_LIST, 0)))
    assert.is(answer.readUInt32BE(12), answer.length - 16)
    return answer.subarray(16)
  }
  assert.equal(await list(1, 3), Buffer.concat([Buffer.of(0, 2), partitionRow(1, 'SA52_P1'), partitionRow(3, 'other')]))
  assert.equal(await list(2), Buffer.concat([Buffer.of(0, 1), partitionRow(2, '')]))
  assert.equal(await list(), Buffer.of(0, 0))
})

test('a list that cannot be read is not passed on', async () => {
  const bodies = [Buffer.alloc(1), Buffer.of(0, 1), Buffer.of(0, 0, 9)]
  const row = Buffer.concat([Buffer.of(0, 1), partitionRow(1, 'x')])
  for (const body of [...bodies, row.subarray(0, -1), Buffer.concat([row, Buffer.of(0)])]) {
    const card = { exchange: () => Promise.resolve(frame(protocol.CMD_PARTITION_LIST | protocol.ANSWER, 0, body)) }
    const transport = new InProcessAppliance(card).connect(client('a', 1))
    const answer = Buffer.from(await transport.exchange(frame(protocol.CMD_PARTITION_LIST, 0)))
    assert.is(answer.readUInt32BE(4), protocol.RC_DEVICE_ERROR)
    assert.is(answer.length, 16)
  }
})

test('a session works on its own connection only', async () => {
  const card = new Card()
  const appliance = new InProcessAppliance(card)
  const [a, b] = [appliance.connect(client('a', 1)), appliance.connect(client('b', 1))]
  const session = await open(a, 1)
  const sign = frame(protocol.CMD_SIGN, session)
  assert.is(await code(b, sign), protocol.RC_SESSION_HANDLE_INVALID)
  assert.is(await code(b, frame(protocol.CMD_SESSION_CLOSE, session)), protocol.RC_SESSION_HANDLE_INVALID)
  assert.is(await code(b, frame(protocol.CMD_STATUS, session)), protocol.RC_SESSION_HANDLE_INVALID)
  assert.is(await code(a, sign), protocol.RC_OK)
  assert.is(await code(a, frame(protocol.CMD_SESSION_CLOSE, session)), protocol.RC_OK)
  assert.is(await code(a, sign), protocol.RC_SESSION_HANDLE_INVALID)
  assert.is(await code(a, frame(protocol.CMD_SIGN, 0)), protocol.RC_SESSION_HANDLE_INVALID)
})

test('a session number that the card gives again belongs to whom it was given last', async () => {
  const card = new Card()
  const appliance = new InProcessAppliance(card)
  const [a, b] = [appliance.connect(client('a', 1)), appliance.connect(client('b', 1))]
  const session = await open(a, 1)
  card.next = session
  assert.is(await open(b, 1), session)
  assert.is(await code(a, frame(protocol.CMD_SIGN, session)), protocol.RC_SESSION_HANDLE_INVALID)
  await a.close()
  assert.ok(card.sessions.has(session), 'the old owner does not close it')
  assert.is(await code(b, frame(protocol.CMD_SIGN, session)), protocol.RC_OK)
})

test('a partition that is taken away is gone from open sessions too', async () => {
  const partitions = new Set([1])
  const appliance = new InProcessAppliance(new Card())
  const transport = appliance.connect({ name: 'a', assigned: (partition) => partitions.has(partition) })
  const session = await open(transport, 1)
  partitions.clear()
  assert.is(await code(transport, frame(protocol.CMD_SIGN, session)), protocol.RC_SESSION_HANDLE_INVALID)
})

test('commands without a session: those of every client pass, the factory’s and unknown ones do not', async () => {
  const card = new Card()
  const transport = new InProcessAppliance(card).connect(client('a', 1))
  const session = await open(transport, 1)
  const passing = [
    protocol.CMD_STATUS,
    protocol.CMD_CHANNEL_OPEN,
    protocol.CMD_RANDOM,
    protocol.CMD_RANDOM_SEED,
    protocol.CMD_HSM_INFO,
    protocol.CMD_PED_GET,
    protocol.CMD_MECHANISM_LIST,
  ]
  for (const command of passing) assert.is(await code(transport, frame(command, 0)), protocol.RC_OK)
  for (const of of [0, session]) {
    for (const command of [protocol.CMD_FACTORY_BEGIN, protocol.CMD_FACTORY_FINISH]) {
      assert.is(await code(transport, frame(command, of)), protocol.RC_OPERATION_NOT_ALLOWED)
    }
  }
  for (const command of [0, 0x7fff, protocol.CMD_HSM_INIT, protocol.CMD_PARTITION_CREATE]) {
    assert.is(await code(transport, frame(command, 0)), protocol.RC_SESSION_HANDLE_INVALID)
  }
})

test('two clients with one access id do not share it, one client’s connections do', async () => {
  const card = new Card()
  const appliance = new InProcessAppliance(card)
  const access = async (name: string, id: number): Promise<string> => {
    await open(appliance.connect(client(name, 1)), 1, id)
    return card.calls.at(-1)?.body.toString('hex', 4, 12) ?? ''
  }
  const first = await access('a', 7)
  assert.is(await access('a', 7), first)
  assert.is.not(await access('b', 7), first)
  assert.is.not(await access('a', 8), first)
  const flags = card.calls.at(-1)?.body.subarray(12)
  assert.equal(flags, Buffer.of(1))
})

test('closing a connection closes its sessions and no others, also those just being opened', async () => {
  const card = new Card()
  const appliance = new InProcessAppliance(card)
  const [a, b] = [appliance.connect(client('a', 1)), appliance.connect(client('b', 1))]
  await open(a, 1)
  await open(a, 1)
  const kept = await open(b, 1)
  card.held = []
  const opening = rejects('TRANSPORT_CLOSED', a.exchange(frame(protocol.CMD_SESSION_OPEN, 0, openBody(1))))
  const closing = a.close()
  await opening
  for (let turn = 0; card.held.length > 0 || turn < 20; turn++) {
    for (const release of card.held.splice(0)) release()
    await Promise.resolve()
  }
  await closing
  await a.closed
  assert.equal([...card.sessions], [kept])
  await rejects('TRANSPORT_CLOSED', a.exchange(frame(protocol.CMD_STATUS, 0)))
  card.held = undefined
  assert.is(await code(b, frame(protocol.CMD_SIGN, kept)), protocol.RC_OK)
})

test('a card that breaks is a device error; one that is gone ends the connection', async () => {
  const card = new Card()
  let gone = (): void => undefined
  const closed = new Promise<void>((resolve) => {
    gone = resolve
  })
  const transport = new InProcessAppliance(Object.assign(card, { closed })).connect(client('a', 1))
  card.broken = true
  assert.is(await code(transport, frame(protocol.CMD_STATUS, 0)), protocol.RC_DEVICE_ERROR)
  card.held = []
  const waiting = rejects('TRANSPORT_REMOVED', transport.exchange(frame(protocol.CMD_STATUS, 0)))
  gone()
  await waiting
  await transport.closed
  await rejects('TRANSPORT_REMOVED', transport.exchange(frame(protocol.CMD_STATUS, 0)))
})

test('a malformed frame is not sent', async () => {
  const card = new Card()
  const transport = new InProcessAppliance(card).connect(client('a', 1))
  for (const bad of [Buffer.alloc(0), Buffer.alloc(15), frame(1, 0).subarray(1)]) {
    await rejects('TRANSPORT_FRAME', transport.exchange(bad))
  }
  assert.is(card.calls.length, 0)
})

test.run()
