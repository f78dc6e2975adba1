import * as assert from 'uvu/assert'
import { Random } from '../../fuzz/engine/random.js'
import { type Memory, memoryNow } from '../support/memory.js'
import { codeOf, Site } from '../support/site.js'
import { CutProxy } from './cut-proxy.js'
import { Soaker } from './soaker.js'

export interface SoakOptions {
  readonly seconds: number
  readonly clients: number
  readonly sessions: number
  readonly seed: number
}

export interface SoakReport {
  readonly operations: number
  /** Command frames that reached the HSM. */
  readonly commands: number
  readonly samples: readonly Memory[]
  /** Commands from the first sample that counts to the last one. */
  readonly measured: number
  /** Objects and sessions that the clients remember more at the last sample than at the first one that counts. */
  readonly remembered: number
}

const PARTITIONS = 16
/** Bytes of a partition for each of its clients' sessions: their objects, and what is not cleaned up yet. */
const ROOM = 4096
const SECTORS = 160
/** Rows of the firmware's tables of session objects. */
const SESSION_OBJECTS = 4352
/** Milliseconds between two looks at the memory. */
const LOOK = 1000
/** Bytes of a client after which its link is cut at the latest. */
const CUT = 4000

/** Clients at work, then all of them cut, and what is left: nothing. @throws whatever was wrong */
export async function soak({ seconds, clients, sessions, seed }: SoakOptions): Promise<SoakReport> {
  const random = new Random(seed)
  const partitions = Math.min(PARTITIONS, Math.max(clients, 2))
  const size = BigInt(Math.ceil((clients * sessions) / partitions) * ROOM)
  const site = await Site.open({ partitions, size, sectors: SECTORS, limits: { perClient: 1 } })
  const soakers: Soaker[] = []
  const room = { left: SESSION_OBJECTS }
  const proxies: CutProxy[] = []
  for (let number = 0; number < clients; number++) {
    const [partition, forbidden] = [site.partitions[number % partitions], site.partitions[(number + 1) % partitions]]
    if (partition === undefined || forbidden === undefined) throw new Error('there are too few partitions')
    const identity = await site.client(`client-${number}`, [partition])
    const proxy = await CutProxy.listen(site.appliance.port)
    proxies.push(proxy)
    const link = await site.connect(identity, proxy.port)
    soakers.push(new Soaker({ number, link, proxy, partition, forbidden, sessions, room, random: random.fork() }))
  }
  for (const [i, soaker] of soakers.entries()) soaker.neighbour = soakers[(i + 1) % soakers.length]
  await Promise.all(soakers.map((soaker) => soaker.begin()))
  assert.is(site.appliance.connections, clients)
  assert.is(await site.sessionsLeft(), clients * sessions)

  const commands = (): number => [...site.asked.values()].reduce((sum, count) => sum + count, 0)
  const samples: Memory[] = []
  const seen: number[] = []
  const known: number[] = []
  const looking = setInterval(() => {
    samples.push(memoryNow())
    seen.push(commands())
    known.push(soakers.reduce((sum, { remembered }) => sum + remembered, 0))
  }, LOOK)
  try {
    const until = Date.now() + seconds * 1000
    await Promise.all(soakers.map((soaker) => soaker.work(until)))
  } finally {
    clearInterval(looking)
  }
  // The first half is for buffers and compiled code to reach their size.
  const half = samples.length >> 1
  const measured = (seen.at(-1) ?? 0) - (seen[half] ?? 0)
  const remembered = (known.at(-1) ?? 0) - (known[half] ?? 0)

  await Promise.all(soakers.map((soaker) => soaker.workUntilCut(random.below(CUT))))
  await site.empty()
  assert.is(await site.sessionsLeft(), 0)
  const { client } = site.token
  for (const handle of soakers.flatMap(({ handles }) => [...handles])) {
    assert.match(await codeOf(client.sessionInfo(handle)), /CKR_SESSION_HANDLE_INVALID/)
  }
  for (const proxy of proxies) proxy.close()
  await site.close()
  return {
    operations: soakers.reduce((sum, { operations }) => sum + operations, 0),
    commands: commands(),
    samples: samples.slice(half),
    measured,
    remembered,
  }
}
