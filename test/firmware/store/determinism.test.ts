// Same seed, same clock, same script, cuts and all: the same image, byte for byte, and the same answers.
// test-timeout: 400
import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { BoardError, FaultyMemory, type NonVolatile, type State } from '../../../host/board/index.js'
import { attribute, TokenClient, type Transport } from '../../../host/client/index.js'
import { officerOn, prepare, SECRETS, soOn } from '../support/officer.js'
import { seededNumbers } from '../support/power-cuts.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('store: determinism')

/** Frames of the token as far as they are its own: a sealed body depends on its client's chance too. */
class Transcript implements Transport {
  readonly closed = new Promise<void>(() => {})
  readonly lines: string[] = []

  constructor(private readonly token: TestToken) {}

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    const answer = Buffer.from(await this.token.exchange(frame))
    const [command, flags] = [answer.readUInt16BE(), answer.readUInt16BE(2)]
    const own = flags === 0 && command !== (protocol.CMD_CHANNEL_OPEN | protocol.ANSWER)
    this.lines.push(own ? answer.toString('hex') : `${command} ${answer.readUInt32BE(4)} ${answer.length}`)
    return answer
  }

  close(): Promise<void> {
    return this.token.close()
  }
}

/** Everything that a board keeps, in one hash. */
function digestOf(state: State): string {
  const hash = createHash('sha256').update(state.flash.image)
  hash.update(`${state.counter} ${state.randomPosition} ${state.aliveAt}`).update(state.split ?? '')
  for (let region = 0; region < protocol.BATTERY_REGIONS; region++) hash.update(state.battery(region))
  return hash.digest('hex')
}

/** A life: initialization, busy days at the brim, cuts in the middle, partitions that come and go. */
async function live(seed: string): Promise<{ images: string[]; transcript: string[] }> {
  const numbers = seededNumbers(7)
  let faults: FaultyMemory | undefined
  const wrap = (memory: NonVolatile) => {
    faults = new FaultyMemory(memory)
    return faults
  }
  const token = await TestToken.make({ sectors: 12, storage: 8_000_000n }, { seed, wrap })
  const { partition } = await prepare(token, { size: 4_000_000n })
  const transcript = new Transcript(token)
  const images: string[] = []
  for (let day = 0; day < 8; day++) {
    const client = new TokenClient(transcript, { now: 0n, access: BigInt(day + 1) })
    const admin = await soOn(client)
    const session = await officerOn(client, partition)
    const made = await client.partitions.create(admin, { legacy: true, label: `day ${day}`, password: SECRETS.officer })
    faults?.cut({ at: 200 + (numbers() % 200), torn: () => numbers() & 0xff })
    try {
      const handles: number[] = []
      for (let i = 0; i < 60; i++) {
        handles.push(await client.objects.create(session, dataObject(`${i}`, Buffer.alloc(numbers() % 9000, i))))
        if (handles.length > 8) await client.objects.destroy(session, handles.splice(0, 3))
        const aes = [attribute.bool(protocol.CKA_TOKEN, true), attribute.ulong(protocol.CKA_VALUE_LEN, 32)]
        if (i % 7 === 0) handles.push(await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, aes))
        token.clock.advance(1000)
        token.board.tick()
      }
      assert.unreachable('the power is cut')
    } catch (error) {
      if (!(error instanceof BoardError)) throw error
    }
    faults?.cut()
    images.push(digestOf(token.state))
    assert.is(token.powerCycle(5000), protocol.RC_OK)
    const again = new TokenClient(transcript, { now: 0n, access: 100n + BigInt(day) })
    await again.partitions.delete(await soOn(again), made.id)
    await again.partitions.clear(await officerOn(again, partition))
    images.push(digestOf(token.state))
  }
  return { images, transcript: transcript.lines }
}

test('two lives from one seed are one life', async () => {
  const [first, second] = [await live('a seed'), await live('a seed')]
  assert.equal(first.images, second.images)
  assert.equal(first.transcript, second.transcript)
  assert.is(new Set(first.images).size, first.images.length)
  assert.ok(first.transcript.length > 200)
})

test('another seed is another life', async () => {
  const [first, second] = [await live('a seed'), await live('another seed')]
  assert.not.equal(first.images[0], second.images[0])
})

test.run()
