// What `moonlet usb bridge` counts, and what the kernel's usb-storage makes of the harm that it does.
import { readFileSync } from 'node:fs'
import type { EndpointStats } from '../../host/usb/index.js'
import { Running } from '../cli/support.js'
import { check, disk, found, IDS, MOUNT, mount, output, until } from './stick.js'
import { transferCounts } from './usbmon.js'

/** The stick's pipes. */
const [IN, OUT] = [0x81, 0x02]
/** Times of transfers in which each kind of harm is done, all of them in the first megabyte that is read. */
const FAULTS = ['ep=0x02,at=10,do=delay,ms=700', 'ep=0x81,at=25,do=stall', 'ep=0x02,at=60,do=unplug'] as const

interface Stats {
  readonly devices: readonly { readonly endpoints: readonly EndpointStats[]; readonly faults: readonly unknown[] }[]
}

const isStats = (value: unknown): value is Stats => typeof value === 'object' && value !== null && 'devices' in value

function readStats(path: string): Stats['devices'][number] {
  const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const [device] = isStats(value) ? value.devices : []
  if (!device) throw new Error(`${path} has no device`)
  return device
}

/** The file of `--stats` against the capture of the same transfers. @param size bytes that were written, and read again */
export function checkStats(path: string, capture: string, size: number): void {
  const { endpoints } = readStats(path)
  const counts = transferCounts(capture)
  for (const address of [IN, OUT]) {
    const one = endpoints.find(({ endpoint }) => endpoint === address)
    const name = `--stats, endpoint 0x${address.toString(16).padStart(2, '0')}`
    const captured = counts.get(address) ?? 0
    check(one?.transfers === captured && captured > 0, `${name}: ${one?.transfers} transfers, ${captured} captured`)
    check((one?.bytes ?? 0) >= size, `${name}: ${one?.bytes} bytes, of which ${size} are the file's`)
    const { p50 = -1, p99 = -1 } = one?.latency?.percentiles ?? {}
    const { min = 0, max = 0 } = one?.latency ?? {}
    const isOrdered = 0 < min && min <= p50 && p50 <= p99 && p99 <= max
    check(isOrdered && one?.ended.ok === one?.transfers, `${name}: all ok, ${min} to ${max} us, half below ${p50}`)
  }
}

/** The same stick through a bridge that delays, stalls and pulls it out. @param bytes of the file on it */
export async function underFaults(folder: string, bytes: Buffer): Promise<void> {
  const stats = `${folder}/fault-stats.json`
  const faults = FAULTS.flatMap((rule) => ['--fault', rule])
  const options = ['--listen', '127.0.0.1:0', '--stats', stats, ...faults]
  const bridge = new Running('moonlet', ['usb', 'bridge', '--device', IDS, ...options])
  await bridge.sees('"listening"')
  const port = /"port":(\d+)/.exec(bridge.stdout)?.[1] ?? ''
  const attach = (): Promise<string> => output('usbip', '--tcp-port', port, 'attach', '-r', '127.0.0.1', '-b', '1-1')
  await attach()
  const first = await found(() => disk('/vhci_hcd'))
  await output('dmesg', '--clear')
  // Past the page cache, until the cable is pulled.
  const read = await output('dd', `if=/dev/${first}`, 'of=/dev/null', 'bs=64k', 'iflag=direct')
  check(/error|no such/i.test(read), 'a bridge with faults: reading the disk ends when the cable is pulled')
  await until(() => disk('/vhci_hcd') === undefined)
  const [before = ''] = (await output('dmesg')).split('vhci_hcd: connection closed')
  check(
    /reset .*USB device/.test(before) && !/I\/O error/.test(before),
    'until then a reset has got it out of the stall',
  )
  const seen = [...bridge.stdout.matchAll(/"event":"fault".*?"kind":"(\w+)","endpoint":(\d+),"transfer":(\d+)/g)]
  const told = seen.map(([, kind, endpoint, transfer]) => `${kind} ${endpoint} ${transfer}`).join(', ')
  check(told === 'delay 2 10, stall 129 25, unplug 2 60', `each fault at its transfer: ${told}`)

  await bridge.sees('"unplugged"')
  await until(async () => (await output('usbip', '--tcp-port', port, 'list', '-r', '127.0.0.1')).includes(IDS))
  await attach()
  const second = await found(() => disk('/vhci_hcd'))
  const mounted = await mount(second, '-o', 'ro')
  check(mounted === '' && readFileSync(`${MOUNT}/file`).equals(bytes), `plugged in again, the file is whole${mounted}`)
  await output('umount', MOUNT)
  bridge.child.kill('SIGTERM')
  const { code, stderr } = await bridge.result
  check(code === 0, `the bridge ends as it should${code === 0 ? '' : `: ${stderr}`}`)
  check(readStats(stats).faults.length === FAULTS.length, '--stats has the faults')
}
