// The cable in the guest of test/vm (`test/vm/test.sh bench`): through its kernel, by USB/IP on vhci_hcd and as a gadget on dummy_hcd,
// and past it, by USB/IP in user space. The emulated processor makes everything slow alike: the ratios count.
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Token } from '../../host/board/index.js'
import type { Transport } from '../../host/client/index.js'
import { importDevice, isTokenInterface, openRealDevice, type RealDevice, UsbError } from '../../host/usb/index.js'
import {
  type Context,
  type Group,
  megabytesPerSecond,
  perSecond,
  type RowSpec,
  type Samples,
} from '../harness/bench.js'
import { type Contender, type Costs, interleave } from '../harness/rounds.js'
import { pairOf, save, whole } from '../token/pairs.js'
import { FIRST_PARTITION, type Officer, officer, openInWorker } from '../token/tokens.js'
import { exchanges, IN_PROCESS, inProcess, overProcess, type Traffic } from './cables.js'
import { echo } from './echo.js'

const WAYS = {
  userspace: 'USB/IP in user space',
  vhci: "USB/IP and the kernel's vhci_hcd",
  gadget: "the kernel's gadget on dummy_hcd",
} as const
type Way = keyof typeof WAYS
const NAMES = ['userspace', 'vhci', 'gadget'] as const satisfies readonly Way[]

/** A serial number each, so that all can be plugged in at the same time. */
const SERIALS: Readonly<Record<Way, string>> = { userspace: '700101', vhci: '700102', gadget: '700103' }
const KEYS = 200
const ROUND_TRIPS: Traffic = { length: 64, count: 100, atOnce: 1 }
const BULK: Traffic = { length: 65_536, count: 64, atOnce: 8 }
/** What a quick run does of each instead. */
const QUICK = { keys: 50, roundTrips: { ...ROUND_TRIPS, count: 40 }, bulk: { ...BULK, count: 16 } } as const
/** Milliseconds between looks for a device that the kernel has not configured yet. */
const LOOK = 100

const inGuest = 'in the guest, against the in-process device in the same guest'

const row = (id: string, way: Way, rest: Pick<RowSpec, 'unit' | 'ratio' | 'what' | 'present'>): RowSpec => ({
  id: `${way}-${id}`,
  baselineName: IN_PROCESS,
  ...rest,
})

const rowsOf = (way: Way) => ({
  roundTrip: row('roundtrip', way, {
    unit: 'round trips/s',
    ratio: 'speed',
    what: `a frame of 64 bytes to a device that echoes and its answer, over ${WAYS[way]} ${inGuest}`,
    present: perSecond,
  }),
  bulk: row('bulk', way, {
    unit: 'MB/s',
    ratio: 'speed',
    what: `frames of 64 KiB to a device that echoes, 8 at a time, each way, over ${WAYS[way]} ${inGuest}`,
    present: megabytesPerSecond,
  }),
  backup: row('backup', way, {
    unit: 'objects/s',
    ratio: 'speed',
    what: `backup of ${KEYS} AES-256 keys (quick: ${QUICK.keys}) to a Backup HSM over ${WAYS[way]} ${inGuest}`,
    present: perSecond,
  }),
})

const ROWS = { userspace: rowsOf('userspace'), vhci: rowsOf('vhci'), gadget: rowsOf('gadget') } as const

async function opened(way: Way): Promise<RealDevice> {
  for (;;) {
    try {
      return await openRealDevice({ serialNumber: SERIALS[way] }, { claims: isTokenInterface })
    } catch (error) {
      if (!(error instanceof UsbError)) throw error
    }
    await sleep(LOOK)
  }
}

const run = promisify(execFile)

function cableOf(context: Context, way: Way, folder?: string): Promise<Transport> {
  const server = { way: way === 'gadget' ? 'gadget' : 'usbip', serial: SERIALS[way], folder } as const
  return overProcess(context, server, async (port) => {
    if (way === 'userspace') return importDevice('127.0.0.1', port)
    if (way === 'vhci') await run('usbip', ['--tcp-port', String(port), 'attach', '-r', '127.0.0.1', '-b', '1-1'])
    return opened(way)
  })
}

/** What one kind of measurement takes: the contenders' names, and how each is made. */
interface Plan {
  readonly ways: readonly Way[]
  readonly context: Context
}

async function measureCables({ ways, context }: Plan, traffic: Traffic): Promise<Costs> {
  const cables: Transport[] = []
  const contenders: Record<string, Contender> = {}
  const add = (name: string, cable: Transport): void => {
    cables.push(cable)
    contenders[name] = exchanges(cable, traffic)
  }
  for (const way of ways) add(way, await cableOf(context, way))
  add('near', await inProcess(echo))
  const costs = await interleave(contenders, context.quick ? 3 : 9, { warmups: context.quick ? 1 : 2 })
  for (const cable of cables) await cable.close()
  return costs
}

async function measureBackups({ ways, context }: Plan): Promise<Costs> {
  const prepared = await pairOf('aes256', context.quick ? QUICK.keys : KEYS, 'backup')
  const { handles } = prepared
  const ends: Officer[] = []
  const contenders: Record<string, Contender> = {}
  const add = async (name: string, cable: (folder: string) => Promise<Transport>): Promise<void> => {
    const folders = save(prepared, context)
    const target = await officer(await cable(folders.target), FIRST_PARTITION)
    const source = await openInWorker(folders.source)
    ends.push(source, target)
    contenders[name] = whole({ source, target, handles })
  }
  for (const way of ways) await add(way, (folder) => cableOf(context, way, folder))
  let token: Token | undefined
  await add('near', async (folder) => {
    token = await Token.open({ dir: folder })
    return inProcess(token)
  })
  const costs = await interleave(contenders, context.quick ? 3 : 7, { warmups: context.quick ? 1 : 2 })
  for (const end of ends) await end.close()
  await token?.close()
  return costs
}

const MEASURES = [
  {
    name: 'roundTrip',
    what: 'round trips',
    measure: (plan: Plan) => measureCables(plan, plan.context.quick ? QUICK.roundTrips : ROUND_TRIPS),
  },
  {
    name: 'bulk',
    what: 'bulk',
    measure: (plan: Plan) => measureCables(plan, plan.context.quick ? QUICK.bulk : BULK),
  },
  { name: 'backup', what: 'backups of AES-256 keys', measure: measureBackups },
] as const

export const kernelUsb: Group = {
  rows: MEASURES.flatMap(({ name }) => NAMES.map((way) => ROWS[way][name])),
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    for (const { name, what, measure } of MEASURES) {
      const ways = NAMES.filter((way) => wanted.has(ROWS[way][name].id))
      if (ways.length === 0) continue
      context.progress(`USB in the guest: ${what}`)
      const costs = await measure({ ways, context })
      for (const way of ways) results.set(ROWS[way][name].id, costs.against(way, 'near'))
    }
    return results
  },
}
