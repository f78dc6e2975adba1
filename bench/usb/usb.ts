// The USB cable by itself and under a backup: a USB/IP server in a process of its own against the in-process device.
import { Token } from '../../host/board/index.js'
import type { Transport } from '../../host/client/index.js'
import {
  type Context,
  type Group,
  inMicroseconds,
  megabytesPerSecond,
  perSecond,
  type RowSpec,
  type Samples,
} from '../harness/bench.js'
import { type Contender, interleave } from '../harness/rounds.js'
import { pairOf, save, whole } from '../token/pairs.js'
import { FIRST_PARTITION, type Officer, officer, openInWorker } from '../token/tokens.js'
import { exchanges, IN_PROCESS, inProcess, overUsbip, type Traffic } from './cables.js'
import { echo } from './echo.js'

const ROUND_TRIP: RowSpec = {
  id: 'usbip-roundtrip',
  unit: 'µs',
  baselineName: IN_PROCESS,
  ratio: 'cost',
  what: 'a frame of 64 bytes to a device that echoes and its answer, over USB/IP in user space, against the in-process device',
  present: inMicroseconds,
}

const BULK: RowSpec = {
  id: 'usbip-bulk',
  unit: 'MB/s',
  baselineName: IN_PROCESS,
  ratio: 'speed',
  what: 'frames of 64 KiB to a device that echoes, 8 at a time, each way, over USB/IP in user space, against the in-process device',
  present: megabytesPerSecond,
}

const BACKUP: RowSpec = {
  id: 'usbip-backup',
  unit: 'objects/s',
  baselineName: IN_PROCESS,
  ratio: 'speed',
  what: 'backup of 1000 AES-256 keys to a Backup HSM over USB/IP in user space, durable, against the same over in-process USB',
  target: 0.7,
  present: perSecond,
}

async function measureCable(context: Context, traffic: Traffic): Promise<Samples> {
  const [far, near] = [await overUsbip(context), await inProcess(echo)]
  const rounds = context.quick ? 5 : 15
  const contenders = { far: exchanges(far, traffic), near: exchanges(near, traffic) }
  const costs = await interleave(contenders, rounds, { warmups: 3 })
  await far.close()
  await near.close()
  return costs.against('far', 'near')
}

const KEYS = 1000

async function measureBackup(context: Context): Promise<Samples> {
  const prepared = await pairOf('aes256', KEYS, 'backup')
  const { handles } = prepared
  const over = async (cable: (folder: string) => Promise<Transport>): Promise<[Contender, Officer, Officer]> => {
    const folders = save(prepared, context)
    const target = await officer(await cable(folders.target), FIRST_PARTITION)
    const source = await openInWorker(folders.source)
    return [whole({ source, target, handles }), source, target]
  }
  const [far, ...farEnds] = await over((folder) => overUsbip(context, folder))
  let token: Token | undefined
  const [near, ...nearEnds] = await over(async (folder) => {
    token = await Token.open({ dir: folder })
    return inProcess(token)
  })
  const costs = await interleave({ far, near }, context.quick ? 3 : 9, { warmups: 2 })
  for (const end of [...farEnds, ...nearEnds]) await end.close()
  await token?.close()
  return costs.against('far', 'near')
}

export const usb: Group = {
  rows: [ROUND_TRIP, BULK, BACKUP],
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    const [small, large] = context.quick ? [500, 200] : [2000, 800]
    context.progress('USB: round trips, bulk, backup')
    if (wanted.has(ROUND_TRIP.id)) {
      results.set(ROUND_TRIP.id, await measureCable(context, { length: 64, count: small, atOnce: 1 }))
    }
    if (wanted.has(BULK.id))
      results.set(BULK.id, await measureCable(context, { length: 65_536, count: large, atOnce: 8 }))
    if (wanted.has(BACKUP.id)) results.set(BACKUP.id, await measureBackup(context))
    return results
  },
}
