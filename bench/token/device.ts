// One token by itself: power-up, one command's way there and back, the memory that its objects take.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { Token } from '../../host/board/index.js'
import {
  asItIs,
  BenchError,
  type Context,
  type Group,
  inMicroseconds,
  inMilliseconds,
  type RowSpec,
  type Samples,
} from '../harness/bench.js'
import { type Contender, clockNow, interleave } from '../harness/rounds.js'
import { fill, RECORD_BYTES } from './objects.js'
import { openHere, openInWorker, Prepared } from './tokens.js'

const BOOT: RowSpec = {
  id: 'boot',
  unit: 'ms',
  baselineName: 'an empty worker thread',
  ratio: 'cost',
  what: 'a board with 1,000 objects, from its folder to the moment it takes commands, against starting a thread that does nothing',
  present: inMilliseconds,
}

const ROUND_TRIP: RowSpec = {
  id: 'roundtrip',
  unit: 'µs',
  baselineName: 'a board on this thread',
  ratio: 'cost',
  what: 'STATUS to a board in a worker thread and its answer back, one at a time, against a board on the same thread',
  present: inMicroseconds,
}

const MEMORY: RowSpec = {
  id: 'memory-per-object',
  unit: 'B/object',
  baselineName: 'bytes of flash',
  ratio: 'cost',
  what: 'what one AES-256 key more adds to the resident memory of a process with one board, against what it takes in flash',
  present: asItIs,
}

const OBJECTS = 1000

async function tokenFolder(context: Context, objects: number, room: number): Promise<string> {
  const token = await Prepared.make('hsm', room)
  await fill(token, 'aes256', objects)
  const folder = context.folder('token')
  token.save(folder)
  await token.officer.close()
  return folder
}

async function measureBoot(folder: string, rounds: number): Promise<Samples> {
  const boot = async (): Promise<number> => {
    const started = clockNow('wall')
    const token = await Token.open({ dir: folder })
    const taken = clockNow('wall') - started
    await token.close()
    return taken
  }
  const thread = async (): Promise<number> => {
    const started = clockNow('wall')
    const worker = new Worker("require('node:worker_threads').parentPort.postMessage(0)", { eval: true })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    const taken = clockNow('wall') - started
    await worker.terminate()
    return taken
  }
  return (await interleave({ boot, thread }, rounds)).against('boot', 'thread')
}

async function measureRoundTrip(context: Context, folder: string): Promise<Samples> {
  const other = await tokenFolder(context, 1, RECORD_BYTES.aes256)
  const [far, near] = [await openInWorker(folder), await openHere(other)]
  const commands = context.quick ? 200 : 1000
  const ask =
    ({ client }: typeof far): Contender =>
    async () => {
      const started = clockNow('wall')
      for (let i = 0; i < commands; i++) await client.status()
      return (clockNow('wall') - started) / commands
    }
  const costs = await interleave({ far: ask(far), near: ask(near) }, context.quick ? 5 : 15, { warmups: 2 })
  await far.close()
  await near.close()
  return costs.against('far', 'near')
}

const RESIDENT = fileURLToPath(new URL('./resident.js', import.meta.url))

/** Resident bytes of a process that has opened the folder. */
async function residentBytes(folder: string, { adopt }: Context): Promise<number> {
  const running = promisify(execFile)(process.execPath, ['--expose-gc', RESIDENT, folder])
  adopt(running.child)
  const { stdout } = await running
  const bytes = Number(stdout)
  if (!(bytes > 0)) throw new BenchError(`no memory size: ${stdout}`)
  return bytes
}

/** The lower of two processes. */
async function leastResident(folder: string, context: Context): Promise<number> {
  return Math.min(await residentBytes(folder, context), await residentBytes(folder, context))
}

/** Initial pages of the first memory of a module whose memory section is where the format puts it. */
function firmwareMemory(): number {
  const module = readFileSync(new URL('../../firmware.wasm', import.meta.url))
  let at = 8
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++] ?? 0
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
  }
  while (at < module.length) {
    const section = module[at++]
    const length = number()
    if (section === 5) {
      number() // how many memories
      number() // whether there is a maximum
      return number() * 65536
    }
    at += length
  }
  throw new BenchError('the firmware has no memory of its own')
}

async function measureMemory(context: Context): Promise<Samples> {
  // Fewer are lost in what the process's own memory comes and goes by.
  const many = 50_000
  // Room for the same number: both processes hold a flash of one size.
  const room = RECORD_BYTES.aes256 * many
  const [full, sparse] = [await tokenFolder(context, many, room), await tokenFolder(context, OBJECTS, room)]
  const token = await openHere(sparse)
  const { rows } = await token.client.objects.page(token.session)
  await token.close()
  const flash = rows[0]?.size ?? 0
  const ours: number[] = []
  for (let round = 0; round < (context.quick ? 3 : 5); round++) {
    const [high, low] = [await leastResident(full, context), await leastResident(sparse, context)]
    ours.push((high - low) / (many - OBJECTS))
  }
  const fixed = firmwareMemory() / 2 ** 20
  const note = `${MEMORY.id}: between ${OBJECTS} and ${many} objects; the firmware's own memory is ${fixed} MiB, however many it holds`
  return { ours, baseline: ours.map(() => flash), note }
}

export const device: Group = {
  rows: [BOOT, ROUND_TRIP, MEMORY],
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    context.progress('power-up, round trip, memory')
    const folder = await tokenFolder(context, OBJECTS, RECORD_BYTES.aes256 * OBJECTS)
    if (wanted.has(BOOT.id)) results.set(BOOT.id, await measureBoot(folder, context.quick ? 3 : 11))
    if (wanted.has(ROUND_TRIP.id)) results.set(ROUND_TRIP.id, await measureRoundTrip(context, folder))
    if (wanted.has(MEMORY.id)) results.set(MEMORY.id, await measureMemory(context))
    return results
  },
}
