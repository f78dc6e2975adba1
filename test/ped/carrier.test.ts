// Whoever carries the frames of a remote link, such as pedserver and pedclient, in the middle between a PED and the real firmware.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { createBoardFolder, type FrameLink, frameCable, manufacture, Token } from '../../host/board/index.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { blankPedKey, defaultRules, Ped, PedKeyBox, RuleOperator } from '../../host/ped/index.js'
import { Haystack, type Secret } from '../lab/secret-finder.js'

const RECORD = {
  serial: 700101n,
  model: protocol.MODEL_BACKUP,
  profile: protocol.PROFILE_6_27_0,
  auth: protocol.AUTH_PED,
  maxPartitions: 20,
  storage: 16_252_928n,
  partitionBase: 700101001,
  partitionMultiplier: 0,
}
const COLOURS = ['blue', 'black', 'red', 'orange'] as const

/** What the carrier makes of a frame on its way. */
type Carry = (frame: Buffer, toPed: boolean) => readonly Uint8Array[]

class Carrier {
  readonly seen: { readonly frame: Buffer; readonly toPed: boolean }[] = []
  carry: Carry = (frame) => [frame]

  /** Stands between two cables; answers the ends for the HSM and the PED. */
  between(): { hsm: FrameLink; ped: FrameLink; inject(frame: Uint8Array, toPed: boolean): void } {
    const [hsm, near] = frameCable()
    const [far, ped] = frameCable()
    const pass = (to: FrameLink, toPed: boolean) => (bytes: Uint8Array) => {
      const frame = Buffer.from(bytes)
      this.seen.push({ frame, toPed })
      for (const one of this.carry(Buffer.from(frame), toPed)) to.send(one)
    }
    near.onFrame(pass(far, true))
    far.onFrame(pass(near, false))
    near.onClose(() => far.close())
    far.onClose(() => near.close())
    return { hsm, ped, inject: (frame, toPed) => (toPed ? far : near).send(frame) }
  }
}

interface Bench {
  client: TokenClient
  box: PedKeyBox
  ped: Ped
  carrier: Carrier
  admin: number
  /** Plugs the PED into the remote connector, through the carrier. */
  plug(): ReturnType<Carrier['between']>
  unplug(): void
  /** Every secret on a PED key. */
  secrets(): Promise<Secret[]>
}

/** A Backup HSM with its SO and its orange key, no remote link yet. */
async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-carrier-'))
  try {
    createBoardFolder(join(folder, 'board'), { flashSize: 64 * protocol.FLASH_SECTOR })
    const token = await Token.open({ dir: join(folder, 'board'), trng: { seed: 'carrier' } })
    try {
      await manufacture(token, RECORD)
      const exchange = (frame: Uint8Array) => token.exchange(frame)
      const client = new TokenClient({ exchange, closed: token.closed, close: () => token.close() })
      const box = new PedKeyBox(folder)
      for (const colour of COLOURS) await box.add(colour, blankPedKey(colour))
      const ped = new Ped({ box, operator: new RuleOperator({ rules: defaultRules(), box }) })
      const [near, far] = frameCable()
      token.attachPed('local', near)
      ped.connect(far)
      const admin = await client.openSession(protocol.ADMIN_PARTITION, { readWrite: true })
      await client.hsm.init(admin, { label: 'Backup' })
      await client.roles.login(admin, protocol.ROLE_SO)
      await client.ped.initVector(admin)
      const carrier = new Carrier()
      const unplug = () => {
        token.detachPed('remote')
        ped.disconnect()
      }
      const plug = () => {
        unplug()
        const ends = carrier.between()
        token.attachPed('remote', ends.hsm)
        ped.connect(ends.ped)
        return ends
      }
      const secrets = async () => {
        const keys = await Promise.all(COLOURS.map(async (name) => ({ name, content: (await box.read(name)).content })))
        return keys.flatMap(({ name, content }) => (content ? [{ name, bytes: Buffer.from(content.secret) }] : []))
      }
      await work({ client, box, ped, carrier, admin, plug, unplug, secrets })
    } finally {
      await token.close()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Return code of what ends with one; RC_OK where it succeeds. */
function rcOf(work: Promise<unknown>): Promise<number> {
  return work.then(
    () => protocol.RC_OK,
    (error: unknown) => (error instanceof TokenError ? error.rc : Promise.reject(error)),
  )
}

const typeOf = (frame: Uint8Array) => frame[4]
const test = suite('ped: a carrier in the middle')

test('it learns no secret of all that it carries', () =>
  withBench(async ({ client, carrier, admin, plug, secrets }) => {
    plug()
    await client.ped.connect()
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.partitions.create(admin, { legacy: true, label: 'SAbck1' })
    const haystack = new Haystack('carried', Buffer.concat(carrier.seen.map(({ frame }) => frame)))
    assert.ok(carrier.seen.length >= 6, 'HELLO and its answer, log-in, partition')
    const all = await secrets()
    assert.is(all.length, COLOURS.length)
    assert.equal(
      all.filter((secret) => haystack.find(secret)).map(({ name }) => name),
      [],
    )
    // The search itself: it finds what is there.
    const [first] = all
    assert.ok(first && new Haystack('found', Buffer.concat([Buffer.of(1), first.bytes])).find(first))
  }))

test('a flipped bit anywhere in the hello or its answer: no link, PED id 0', () =>
  withBench(async ({ client, carrier, plug }) => {
    for (const type of [protocol.PED_HELLO, protocol.PED_HELLO_ACK]) {
      for (const at of [17, 20, 30, 60, 100, 140, 170]) {
        carrier.carry = (frame) => {
          if (typeOf(frame) === type && at < frame.length) frame.writeUInt8(frame.readUInt8(at) ^ 1, at)
          return [frame]
        }
        plug()
        const length = type === protocol.PED_HELLO ? 157 : 177
        if (at < length) {
          assert.is.not(await rcOf(client.ped.connect()), protocol.RC_OK, `type ${type}, byte ${at}`)
          assert.is((await client.ped.get()).id, protocol.PED_ID_LOCAL)
        }
      }
    }
    carrier.carry = (frame) => [frame]
    plug()
    await client.ped.connect()
    assert.is((await client.ped.get()).id, protocol.PED_ID_REMOTE)
  }))

test('a flipped bit in a request or an answer is no log-in, and counts as none', () =>
  withBench(async ({ client, carrier, admin, plug }) => {
    for (const type of [protocol.PED_REQUEST, protocol.PED_ANSWER]) {
      for (const at of [16, 20, 40, -1, -16]) {
        carrier.carry = (frame) => [frame]
        plug()
        await client.ped.connect()
        await client.roles.logout(admin).catch(() => undefined)
        carrier.carry = (frame) => {
          const index = at < 0 ? frame.length + at : at
          if (typeOf(frame) === type) frame.writeUInt8(frame.readUInt8(index) ^ 0x80, index)
          return [frame]
        }
        const session = client.roles.login(admin, protocol.ROLE_SO)
        // An answer that does not open is noise: the HSM waits on, until the cable is pulled.
        if (type === protocol.PED_ANSWER) {
          while (!carrier.seen.some(({ frame }) => typeOf(frame) === type)) await new Promise(setImmediate)
          for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
          plug()
        }
        assert.is.not(await rcOf(session), protocol.RC_OK, `type ${type}, byte ${at}`)
        carrier.seen.length = 0
      }
    }
    carrier.carry = (frame) => [frame]
    plug()
    await client.ped.connect()
    await client.roles.login(admin, protocol.ROLE_SO)
  }))

test('dropped, doubled and replayed frames change nothing; those of an earlier link do not count', () =>
  withBench(async ({ client, carrier, admin, plug, ped }) => {
    plug()
    await client.ped.connect()
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    const earlier = carrier.seen.slice()
    carrier.seen.length = 0
    // Every frame twice, and before it all those of the earlier link.
    carrier.carry = (frame, toPed) => [
      ...(typeOf(frame) === protocol.PED_HELLO || typeOf(frame) === protocol.PED_HELLO_ACK
        ? []
        : earlier.flatMap((one) =>
            one.toPed === toPed && typeOf(one.frame) !== protocol.PED_HELLO && typeOf(one.frame) !== protocol.PED_ALERT
              ? [one.frame]
              : [],
          )),
      frame,
      ...(typeOf(frame) === protocol.PED_HELLO ? [] : [frame]),
    ]
    plug()
    await client.ped.connect()
    await client.roles.logout(admin)
    const inserted = () => ped.events.filter(({ event }) => event === 'key').length
    const before = inserted()
    // Alerts about replayed frames are ignored or end the command; they never log anybody in, or ask the person twice.
    const rc = await rcOf(client.roles.login(admin, protocol.ROLE_SO))
    assert.ok(inserted() - before <= 1, 'no replayed request reaches the person')
    if (rc === protocol.RC_OK) return
    assert.is(rc, protocol.RC_PED_ERROR)
  }))

test('a request of this very link that comes again after its answer is not asked again', () =>
  withBench(async ({ client, carrier, admin, plug, ped }) => {
    const { inject } = plug()
    await client.ped.connect()
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    const inserted = () => ped.events.filter(({ event }) => event === 'key').length
    const before = inserted()
    const requests = carrier.seen.filter(({ frame }) => typeOf(frame) === protocol.PED_REQUEST)
    assert.is(requests.length, 1)
    for (const { frame } of requests) inject(frame, true)
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    assert.is(inserted(), before + 1, 'the new log-in alone')
  }))

test('an answer that is held back and put into the next request does not count', () =>
  withBench(async ({ client, carrier, admin, plug }) => {
    plug()
    await client.ped.connect()
    await client.roles.logout(admin)
    let held: Buffer | undefined
    carrier.carry = (frame, toPed) => {
      if (toPed || typeOf(frame) !== protocol.PED_ANSWER) return [frame]
      if (held) return [held, frame]
      held = frame
      return [frame]
    }
    await client.roles.login(admin, protocol.ROLE_SO)
    await client.roles.logout(admin)
    await client.roles.login(admin, protocol.ROLE_SO)
    assert.ok(held)
  }))

test.run()
