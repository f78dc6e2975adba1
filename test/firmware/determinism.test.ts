// test-timeout: 180
// Same seed, same clock, same script: the same frames on every cable and the same bytes on every chip. Everything that could make a
// difference is an import of the firmware, or a source of random bytes that is handed in.
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { type FrameLink, frameCable } from '../../host/board/index.js'
import { attribute, clone, seededRandom } from '../../host/client/index.js'
import { Ped } from '../../host/ped/index.js'
import { codeOf } from './support/expect.js'
import { initHsm, officerOn, ownPartition, SECRETS } from './support/officer.js'
import { PedDesk } from './support/ped-desk.js'
import { SwapToken } from './support/swap-token.js'
import { dataObject } from './support/templates.js'

const test = suite('determinism')
const { bool, bytes, text, ulong } = attribute
const HOUR = 3_600_000

/** What a run leaves behind, each line with the name of what it is. */
interface Story {
  readonly chips: readonly string[]
  readonly commands: readonly string[]
  readonly peds: readonly string[]
}

/** A cable that writes down what passes. */
function written(inner: FrameLink, lines: string[], name: string): FrameLink {
  const note = (sign: string, frame: Uint8Array): void => {
    lines.push(`${name} ${sign} ${Buffer.from(frame).toString('hex')}`)
  }
  return {
    send: (frame) => {
      note('<', frame)
      inner.send(frame)
    },
    onFrame: (handler) =>
      inner.onFrame((frame) => {
        note('>', frame)
        handler(frame)
      }),
    onClose: (handler) => inner.onClose(handler),
    close: () => inner.close(),
  }
}

function chipsOf({ name, state }: SwapToken): string[] {
  const { flash, counter, randomPosition, split, aliveAt } = state
  const batteries = [protocol.BATTERY_KEK, protocol.BATTERY_MTK, protocol.BATTERY_ACTIVATION].map((region) =>
    Buffer.from(state.battery(region)).toString('hex'),
  )
  return [
    `${name} flash ${createHash('sha384').update(flash.image).digest('hex')}`,
    `${name} counter ${counter}, random ${randomPosition}, alive ${aliveAt}`,
    `${name} split ${Buffer.from(split ?? []).toString('hex')}, batteries ${batteries.join()}`,
  ]
}

/** How often sectors of the log were erased (SPEC.md §6.3). */
function erasures({ state }: SwapToken): number {
  const image = Buffer.from(state.flash.image.buffer, state.flash.image.byteOffset, state.flash.size)
  let sum = 0
  for (let at = protocol.FLASH_LOG * protocol.FLASH_SECTOR; at < image.length; at += protocol.FLASH_SECTOR) {
    if (image.toString('latin1', at, at + 4) === 'OBL1') sum += image.readUInt32BE(at + 4)
  }
  return sum
}

const keep = (label: string) => [bool(protocol.CKA_TOKEN, true), text(protocol.CKA_LABEL, label)]

/** Keys of every kind, made in the token, and what chance goes into their use. */
async function makeKeys({ client }: SwapToken, session: number): Promise<void> {
  const { objects, crypto } = client
  const sign = [...keep('sign'), bool(protocol.CKA_SIGN, true)]
  const modulus = ulong(protocol.CKA_MODULUS_BITS, 2048)
  const exponent = bytes(protocol.CKA_PUBLIC_EXPONENT, Buffer.of(1, 0, 1))
  const rsa = await objects.generatePair(
    session,
    protocol.CKM_RSA_PKCS_KEY_PAIR_GEN,
    [...keep('rsa'), modulus, exponent],
    sign,
  )
  const p256 = bytes(protocol.CKA_EC_PARAMS, Buffer.from('06082a8648ce3d030107', 'hex'))
  const ec = await objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, [...keep('ec'), p256], sign)
  await objects.generate(session, protocol.CKM_AES_KEY_GEN, [...keep('aes'), ulong(protocol.CKA_VALUE_LEN, 32)])
  const data = Buffer.from('signed by chance and by key')
  await crypto.sign(session, { mechanism: protocol.CKM_SHA256_RSA_PKCS }, rsa.privateKey, data)
  await crypto.sign(session, { mechanism: protocol.CKM_ECDSA_SHA256 }, ec.privateKey, data)
  await client.random(1000)
}

/** Enough to have the log cleaned. */
async function fillAndEmpty({ client }: SwapToken, session: number): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const handles: number[] = []
    for (let i = 0; i < 20; i++) {
      handles.push(await client.objects.create(session, dataObject(`d${i}`, Buffer.alloc(8000, i), true)))
    }
    await client.objects.destroy(session, handles.slice(0, -1))
  }
}

async function tell(seed: string): Promise<Story> {
  const desk = await PedDesk.lay()
  try {
    const peds: string[] = []
    const make = async (name: string, serial: bigint): Promise<SwapToken> => {
      const options = { auth: protocol.AUTH_PED, serial, sectors: 13, storage: 8_000_000n }
      const token = await SwapToken.make(`${seed} ${name}`, options, { clock: desk.clock })
      const [near, far] = frameCable()
      token.board.attachPed('local', written(near, peds, name))
      const random = seededRandom(`${seed} PED ${name}`)
      new Ped({ box: desk.box, operator: desk.byTheBook(), clock: desk.clock, random }).connect(far)
      return token
    }
    const [source, target] = [await make('source', 500409n), await make('target', 700101n)]
    const sessions: number[] = []
    for (const token of [source, target]) {
      const admin = await initHsm(token)
      const partition = await ownPartition(token.client, admin, { size: 7_000_000n, user: true })
      sessions.push(await officerOn(token.client, partition))
    }
    const [from = 0, to = 0] = sessions
    await makeKeys(source, from)
    desk.clock.advance(HOUR)
    const handles = (await source.client.objects.list(from)).map(({ handle }) => handle)
    const ends = [
      { client: source.client, session: from },
      { client: target.client, session: to },
    ] as const
    const results: string[] = []
    for await (const result of clone(...ends, { handles, profile: protocol.PROFILE_6_27_0 })) {
      results.push(JSON.stringify(result))
    }
    assert.is(results.length, 5)
    await fillAndEmpty(source, from)
    await target.client.objects.destroy(to, [(await target.client.objects.list(to))[0]?.handle ?? 0])
    source.board.powerOff()
    desk.clock.advance(3 * HOUR)
    source.board.powerOn()
    const partition = (await source.client.partitions.list())[0]?.id ?? 0
    await officerOn(source.client, partition)
    await codeOf(source.client.roles.login(await source.client.openSession(partition), protocol.ROLE_SO, SECRETS.so))
    assert.ok(erasures(source) > 0, 'the log was cleaned')
    return {
      chips: [...chipsOf(source), ...chipsOf(target)],
      commands: [...source.frames, ...results, ...target.frames],
      peds,
    }
  } finally {
    desk.clear()
  }
}

test('a long story told twice is the same to the last byte; with another seed it is another', async () => {
  const [first, second] = [await tell('a seed'), await tell('a seed')]
  for (const part of ['commands', 'peds', 'chips'] as const) {
    for (const [i, line] of first[part].entries()) assert.is(second[part][i], line, `${part}, line ${i}`)
    assert.is(second[part].length, first[part].length, part)
  }
  assert.ok(first.commands.length > 300 && first.peds.length > 20)
  const other = await tell('another seed')
  assert.is(other.commands.length, first.commands.length, 'the same script')
  assert.is.not(other.chips[0]?.slice(-96), first.chips[0]?.slice(-96))
})

test.run()
