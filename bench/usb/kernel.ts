// The cable through a kernel: USB/IP on vhci_hcd, and a gadget on dummy_hcd. In the guest of test/vm only (`test/vm/test.sh bench`),
// whose emulated processor makes everything slow alike: the ratios count.
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Token } from '../../host/board/index.js'
import type { Transport } from '../../host/client/index.js'
import { isTokenInterface, openRealDevice, type RealDevice, UsbError } from '../../host/usb/index.js'
import {
  type Context,
  type Group,
  inMicroseconds,
  megabytesPerSecond,
  perSecond,
  type RowSpec,
  type Samples,
} from '../harness/bench.js'
import { type Costs, interleave } from '../harness/rounds.js'
import { pairOf, save, whole } from '../token/pairs.js'
import { FIRST_PARTITION, type Officer, officer, openInWorker } from '../token/tokens.js'
import { exchanges, IN_PROCESS, inProcess, overProcess, type Traffic } from './cables.js'
import { echo } from './echo.js'

const WAYS = { vhci: 'USB/IP and vhci_hcd', gadget: 'a gadget on dummy_hcd' } as const
type Way = keyof typeof WAYS

/** A serial number each, so that both can be plugged in at the same time. */
const SERIALS: Readonly<Record<Way, string>> = { vhci: '700102', gadget: '700103' }
const KEYS = 200
const ROUND_TRIPS: Traffic = { length: 64, count: 100, atOnce: 1 }
const BULK: Traffic = { length: 65_536, count: 64, atOnce: 8 }
/** Milliseconds between looks for a device that the kernel has not configured yet. */
const LOOK = 100

const inGuest = `in the guest's kernel, against the in-process device in the same guest`

const row = (id: string, way: Way, rest: Pick<RowSpec, 'unit' | 'ratio' | 'what' | 'present'>): RowSpec => ({
  id: `${way}-${id}`,
  baselineName: IN_PROCESS,
  ...rest,
})

const rowsOf = (way: Way) => ({
  roundTrip: row('roundtrip', way, {
    unit: 'µs',
    ratio: 'cost',
    what: `a frame of 64 bytes to a device that echoes and its answer, over ${WAYS[way]} ${inGuest}`,
    present: inMicroseconds,
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
    what: `backup of ${KEYS} AES-256 keys to a Backup HSM over ${WAYS[way]} ${inGuest}`,
    present: perSecond,
  }),
})

const ROWS = { vhci: rowsOf('vhci'), gadget: rowsOf('gadget') } as const

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

function overKernel(context: Context, way: Way, folder?: string): Promise<Transport> {
  const server = { way: way === 'gadget' ? 'gadget' : 'usbip', serial: SERIALS[way], folder } as const
  return overProcess(context, server, async (port) => {
    if (way === 'vhci') await run('usbip', ['--tcp-port', String(port), 'attach', '-r', '127.0.0.1', '-b', '1-1'])
    return opened(way)
  })
}

async function measureCables(context: Context, traffic: Traffic): Promise<Costs> {
  const cables = {
    vhci: await overKernel(context, 'vhci'),
    gadget: await overKernel(context, 'gadget'),
    near: await inProcess(echo),
  }
  const contenders = {
    vhci: exchanges(cables.vhci, traffic),
    gadget: exchanges(cables.gadget, traffic),
    near: exchanges(cables.near, traffic),
  }
  const costs = await interleave(contenders, context.quick ? 3 : 9, { warmups: 2 })
  for (const cable of Object.values(cables)) await cable.close()
  return costs
}

async function measureBackups(context: Context): Promise<Costs> {
  const prepared = await pairOf('aes256', KEYS, 'backup')
  const { handles } = prepared
  const ends: Officer[] = []
  const over = async (cable: (folder: string) => Promise<Transport>) => {
    const folders = save(prepared, context)
    const target = await officer(await cable(folders.target), FIRST_PARTITION)
    const source = await openInWorker(folders.source)
    ends.push(source, target)
    return whole({ source, target, handles })
  }
  const tokens: Token[] = []
  const contenders = {
    vhci: await over((folder) => overKernel(context, 'vhci', folder)),
    gadget: await over((folder) => overKernel(context, 'gadget', folder)),
    near: await over(async (folder) => {
      const token = await Token.open({ dir: folder })
      tokens.push(token)
      return inProcess(token)
    }),
  }
  const costs = await interleave(contenders, context.quick ? 3 : 7, { warmups: 2 })
  for (const end of ends) await end.close()
  for (const token of tokens) await token.close()
  return costs
}

const MEASURES = [
  { name: 'roundTrip', what: 'round trips', measure: (context: Context) => measureCables(context, ROUND_TRIPS) },
  { name: 'bulk', what: 'bulk', measure: (context: Context) => measureCables(context, BULK) },
  { name: 'backup', what: `backup of ${KEYS} AES-256 keys`, measure: measureBackups },
] as const

export const kernelUsb: Group = {
  rows: MEASURES.flatMap(({ name }) => [ROWS.vhci[name], ROWS.gadget[name]]),
  async measure(wanted, context) {
    const results = new Map<string, Samples>()
    for (const { name, what, measure } of MEASURES) {
      const ways = (['vhci', 'gadget'] as const).filter((way) => wanted.has(ROWS[way][name].id))
      if (ways.length === 0) continue
      context.progress(`USB through the kernel: ${what}`)
      const costs = await measure(context)
      for (const way of ways) results.set(ROWS[way][name].id, costs.against(way, 'near'))
    }
    return results
  },
}
