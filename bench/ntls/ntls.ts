// NTLS: one command's way through TLS, the appliance and the token's thread, and back; and a backup whose source is over there.
import { CMD_SESSION_INFO, FRAME_HEADER } from '../../assembly/protocol.js'
import { Token } from '../../host/board/index.js'
import { TokenClient, type Transport } from '../../host/client/index.js'
import { MESSAGE_HEADER } from '../../host/ntls/framing.js'
import { InProcessAppliance } from '../../host/ntls/index.js'
import { BenchError, type Context, type Group, perSecond, type RowSpec, type Samples } from '../harness/bench.js'
import { type Contender, clockNow, interleave } from '../harness/rounds.js'
import { fill, RECORD_BYTES } from '../token/objects.js'
import { openFolders, type Pair, pairOf, saveTwice, whole } from '../token/pairs.js'
import { FIRST_PARTITION, officer, openInWorker, Prepared } from '../token/tokens.js'
import { BenchSite, type Echo, type Sizes } from './site.js'

/** SESSION_INFO: what it asks and answers is short, and the appliance has to look whose session it is. */
const SIZES: Sizes = { asked: MESSAGE_HEADER + FRAME_HEADER, answered: MESSAGE_HEADER + FRAME_HEADER + 6 }
const MANY = 64
const ECHO = 'a bare node:tls echo of the same sizes'
const IN_PROCESS = 'the appliance in this process, no TLS'

function roundTrips(clients: 1 | 64, against: 'echo' | 'process'): RowSpec {
  const others = against === 'echo' ? { baselineName: ECHO, target: 1.5 } : { baselineName: IN_PROCESS }
  return {
    id: `ntls${clients}-vs-${against}`,
    unit: 'commands/s',
    ratio: 'cost',
    what: `SESSION_INFO over NTLS and its answer back, ${clients === 1 ? 'one client' : `${clients} clients at once`}, one at a time each, against ${others.baselineName}`,
    ...others,
    present: perSecond,
  }
}

const ROWS = {
  oneEcho: roundTrips(1, 'echo'),
  oneProcess: roundTrips(1, 'process'),
  manyEcho: roundTrips(MANY, 'echo'),
  manyProcess: roundTrips(MANY, 'process'),
} as const

const BACKUP_COUNT = 2000
const QUICK_BACKUP_COUNT = 500

const BACKUP: RowSpec = {
  id: 'ntls-backup',
  unit: 'objects/s',
  baselineName: 'both tokens in this process',
  ratio: 'cost',
  what: `backup of ${BACKUP_COUNT} AES-256 keys, durable, from an HSM over NTLS to one in this process, against both in this process`,
  present: perSecond,
}

/** Something that asks and is answered. */
type Ask = () => Promise<unknown>

/** Nanoseconds per round trip while all of them ask, one at a time each. */
const all =
  (asks: readonly Ask[], rounds: number): Contender =>
  async () => {
    const started = clockNow('wall')
    await Promise.all(
      asks.map(async (ask) => {
        for (let i = 0; i < rounds; i++) await ask()
      }),
    )
    return (clockNow('wall') - started) / (rounds * asks.length)
  }

async function sessionInfo(transport: Transport): Promise<Ask> {
  const session = await new TokenClient(transport).openSession(FIRST_PARTITION)
  const frame = Buffer.alloc(FRAME_HEADER)
  frame.writeUInt16BE(CMD_SESSION_INFO)
  frame.writeUInt32BE(session, 4)
  const answer = await transport.exchange(frame)
  if (answer.length !== SIZES.answered - MESSAGE_HEADER) throw new BenchError(`an answer of ${answer.length} bytes`)
  return () => transport.exchange(frame)
}

const bare =
  (echo: Echo): Ask =>
  () =>
    echo.exchange()

async function measureRoundTrips(context: Context): Promise<Map<string, Samples>> {
  context.progress('NTLS: round trips')
  const made = await Prepared.make('hsm', RECORD_BYTES.aes256)
  await fill(made, 'aes256', 1)
  const [there, here] = [context.folder('hsm'), context.folder('hsm')]
  made.save(there)
  made.save(here)
  const site = await BenchSite.start(context, there, MANY, SIZES)
  const token = await Token.open({ dir: here })
  const inside = new InProcessAppliance(token)
  const numbers = Array.from({ length: MANY }, (_, i) => i)
  const links = await Promise.all(numbers.map((i) => site.client(i)))
  const echoes = await Promise.all(numbers.map((i) => site.echo(i)))
  const ntls = await Promise.all(links.map((link) => sessionInfo(link.transport(0))))
  const process = await Promise.all(
    numbers.map((i) => sessionInfo(inside.connect({ name: `client-${i}`, assigned: () => true }))),
  )
  const echo = echoes.map(bare)
  const one = context.quick ? 500 : 2000
  const each = context.quick ? 30 : 100
  const contenders = {
    oneNtls: all(ntls.slice(0, 1), one),
    oneEcho: all(echo.slice(0, 1), one),
    oneProcess: all(process.slice(0, 1), one),
    manyNtls: all(ntls, each),
    manyEcho: all(echo, each),
    manyProcess: all(process, each),
  }
  const costs = await interleave(contenders, context.quick ? 7 : 15, { warmups: 4 })
  for (const link of links) await link.close()
  for (const { socket } of echoes) socket.destroy()
  await token.close()
  await site.close()
  return new Map([
    [ROWS.oneEcho.id, costs.against('oneNtls', 'oneEcho')],
    [ROWS.oneProcess.id, costs.against('oneNtls', 'oneProcess')],
    [ROWS.manyEcho.id, costs.against('manyNtls', 'manyEcho')],
    [ROWS.manyProcess.id, costs.against('manyNtls', 'manyProcess')],
  ])
}

async function measureBackup(context: Context): Promise<Samples> {
  const count = context.quick ? QUICK_BACKUP_COUNT : BACKUP_COUNT
  context.progress(`NTLS: backup of ${count} AES-256 keys`)
  const pair = await pairOf('aes256', count, 'backup')
  const [far, near] = saveTwice(pair, context)
  const site = await BenchSite.start(context, far.source, 1, SIZES)
  const link = await site.client(0)
  const overNtls: Pair = {
    source: await officer(link.transport(0), FIRST_PARTITION),
    target: await openInWorker(far.target),
    handles: far.handles,
  }
  const inProcess = await openFolders(near, openInWorker)
  const contenders = { ntls: whole(overNtls), process: whole(inProcess) }
  const costs = await interleave(contenders, context.quick ? 5 : 9, { warmups: 3 })
  for (const end of [overNtls.target, inProcess.source, inProcess.target]) await end.close()
  await link.close()
  await site.close()
  return costs.against('ntls', 'process', count === BACKUP_COUNT ? undefined : `${BACKUP.id}: ${count} objects`)
}

export const ntls: Group = {
  rows: [...Object.values(ROWS), BACKUP],
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    if (Object.values(ROWS).some(({ id }) => wanted.has(id))) {
      for (const [id, samples] of await measureRoundTrips(context)) results.set(id, samples)
    }
    if (wanted.has(BACKUP.id)) results.set(BACKUP.id, await measureBackup(context))
    return results
  },
}
