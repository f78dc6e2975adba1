// The device model by itself: what hosts that are no WebUSB do to it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ANSWER,
  CMD_SESSION_CLOSE,
  CMD_SESSION_OPEN,
  CMD_STATUS,
  FLAG_SEALED,
  RC_ARGUMENTS_BAD,
} from '../../assembly/protocol.js'
import type { CommandDoor } from '../../host/board/index.js'
import { encodeTransfer } from '../../host/usb/framing.js'
import { TokenDevice, type UrbResult, usbIdentity } from '../../host/usb/index.js'
import { SessionDoor } from '../../host/usb/session-door.js'
import { NO_DATA } from '../../host/usb/urb.js'
import { until } from './cables.js'
import { bodyOf, EchoDoor, frame } from './support.js'

const test = suite('usb: device model')

const SET_CONFIGURATION = { requestType: 0, request: 9, value: 1, index: 0, length: 0 }
const STATUSES = (results: readonly UrbResult[]): string[] => results.map(({ status }) => status)

function configured(door: CommandDoor): TokenDevice {
  const device = new TokenDevice(door, usbIdentity('700101'))
  device.submit({ endpoint: 0, setup: SET_CONFIGURATION, data: NO_DATA, length: 0 }, () => undefined)
  assert.is(device.configuration, 1)
  return device
}

const transferOf = (text: string): Uint8Array => encodeTransfer(frame(7, Buffer.from(text)))

test('a host that begins a transfer as soon as another is over keeps their order', async () => {
  const door = new EchoDoor()
  const device = configured(door)
  const got: string[] = []
  const read = (): void => {
    device.submit({ endpoint: 0x81, data: NO_DATA, length: 4096 }, ({ data }) => {
      got.push(bodyOf(Buffer.from(data).subarray(8)).toString())
      if (got.length < 100) read()
    })
  }
  read()
  let sent = 0
  const write = (): void => {
    device.submit({ endpoint: 0x01, data: transferOf(`${sent++}`), length: 0 }, () => {
      if (sent < 100) write()
    })
  }
  write()
  await until(() => got.length === 100)
  assert.equal(
    got,
    Array.from({ length: 100 }, (_, i) => `${i}`),
  )
})

test('a host that writes again and again from the answer does not pile up calls', () => {
  const device = configured(new EchoDoor())
  let left = 100_000
  const write = (): void => {
    left -= 1
    if (left > 0) device.submit({ endpoint: 0x01, data: NO_DATA, length: 0 }, write)
  }
  write()
  assert.is(left, 0)
})

test('a detached device answers everything with gone, an attached one is as after plugging in', async () => {
  const door = new EchoDoor()
  const device = configured(door)
  door.held = []
  const results: UrbResult[] = []
  const keep = (result: UrbResult): void => {
    results.push(result)
  }
  device.submit({ endpoint: 0x81, data: NO_DATA, length: 512 }, keep)
  device.submit({ endpoint: 0x82, data: NO_DATA, length: 8 }, keep)
  for (let i = 0; i < 17; i++) device.submit({ endpoint: 0x01, data: transferOf('x'), length: 0 }, keep)
  assert.is(results.length, 16, 'the last one waits')
  await device.detach()
  assert.equal([...new Set(STATUSES(results.slice(16)))], ['gone'])
  assert.is(results.length, 19)
  const late = device.submit({ endpoint: 0x01, data: NO_DATA, length: 0 }, keep)
  assert.equal([STATUSES(results).at(-1), late()], ['gone', false])
  device.attach()
  device.submit({ endpoint: 0x81, data: NO_DATA, length: 512 }, keep)
  assert.equal([STATUSES(results).at(-1), device.configuration], ['absent', 0])
})

test('a transfer that is given up is never told of, and loses nothing', async () => {
  const device = configured(new EchoDoor())
  let told = 0
  const cancel = device.submit({ endpoint: 0x81, data: NO_DATA, length: 512 }, () => {
    told += 1
  })
  assert.equal([cancel(), cancel()], [true, false])
  device.submit({ endpoint: 0x01, data: transferOf('kept'), length: 0 }, () => undefined)
  let got = ''
  device.submit({ endpoint: 0x81, data: NO_DATA, length: 512 }, ({ data }) => {
    got = bodyOf(Buffer.from(data).subarray(8)).toString()
  })
  await until(() => got !== '')
  assert.equal([got, told], ['kept', 0])
})

/** A card that opens sessions 1, 2 …; answers are held while `held`. */
class Card implements CommandDoor {
  readonly open = new Set<number>()
  held: Promise<void> | undefined
  #last = 0

  async exchange(request: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(request)
    const [command, session] = [bytes.readUInt16BE(), bytes.readUInt32BE(4)]
    const answer = frame(command | ANSWER, command === CMD_SESSION_OPEN ? this.#next() : Buffer.alloc(0))
    if (command === CMD_SESSION_CLOSE) this.open.delete(session)
    if (command === CMD_STATUS) answer.writeUInt32BE(RC_ARGUMENTS_BAD, 4)
    await this.held
    return answer
  }

  #next(): Buffer {
    this.open.add(++this.#last)
    const body = Buffer.alloc(4)
    body.writeUInt32BE(this.#last)
    return body
  }
}

test('a pulled cable closes the sessions that were opened on it, also those that are just being opened', async () => {
  const card = new Card()
  const door = new SessionDoor(card)
  const open = (): Promise<Uint8Array> => door.exchange(frame(CMD_SESSION_OPEN, Buffer.alloc(13)))
  for (let i = 0; i < 3; i++) await open()
  const close = frame(CMD_SESSION_CLOSE)
  close.writeUInt32BE(2, 4)
  await door.exchange(close)
  await door.exchange(frame(CMD_STATUS))
  assert.equal([...card.open], [1, 3])
  let release = (): void => undefined
  card.held = new Promise((resolve) => {
    release = resolve
  })
  const late = open()
  const pulled = door.pulled()
  release()
  await pulled
  await late
  assert.equal([...card.open], [])
  const sealed = frame(CMD_SESSION_OPEN, Buffer.alloc(13))
  sealed.writeUInt16BE(FLAG_SEALED, 2)
  await door.exchange(sealed)
  await door.pulled()
  assert.equal([...card.open], [5], 'a sealed one is not seen')
})

test.run()
