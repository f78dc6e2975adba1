// The kernel's own recorder of USB traffic beside ours: what both saw of one device, transfer by transfer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readCapture } from '../../host/usb/pcapng-read.js'
import { decodeUsbmon, encodeSetup, LINKTYPE_USB_LINUX, LINKTYPE_USB_LINUX_MMAPPED } from '../../host/usb/usbmon.js'

/** Records all buses into a file; undefined where there is no program for it. */
export async function startUsbmon(path: string): Promise<{ stop(): Promise<void> } | undefined> {
  const recorder = spawn('dumpcap', ['-q', '-i', 'usbmon0', '-w', path], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exit = once(recorder, 'exit')
  let said = ''
  const started = await new Promise<boolean>((resolve) => {
    recorder.once('error', () => resolve(false))
    exit.then(() => resolve(false))
    recorder.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString()
      if (said.includes('File:')) resolve(true)
    })
  })
  if (!started) return undefined
  return {
    stop: async () => {
      recorder.kill('SIGINT')
      await exit
    },
  }
}

/** A transfer as far as both recorders can know it; data as far as it was captured. */
interface SeenTransfer {
  readonly endpoint: number
  readonly setup: string
  readonly out: Buffer
  status: number | undefined
  actual: number
  in: Buffer
}

const SET_ADDRESS = '0005'
/** How a transfer ended for its host: short is no error, and whoever gave it up has its own number for that. */
const SAME: ReadonlyMap<number, number> = new Map([
  [-121, 0],
  [-104, -2],
])

/** The transfers of each endpoint, in order. @param takes which bus and device */
function transfersOf(path: string, takes: (bus: number, device: number) => boolean): Map<number, SeenTransfer[]> {
  const found = new Map<number, SeenTransfer[]>()
  const open = new Map<bigint, SeenTransfer>()
  for (const { linkType, little, bytes } of readCapture(readFileSync(path)).packets) {
    if (linkType !== LINKTYPE_USB_LINUX && linkType !== LINKTYPE_USB_LINUX_MMAPPED) continue
    const packet = decodeUsbmon(bytes, linkType, little)
    if (!takes(packet.bus, packet.device)) continue
    if (packet.event === 'S') {
      const setup = packet.setup ? encodeSetup(packet.setup).toString('hex') : ''
      // The host controller's own business.
      if (setup.startsWith(SET_ADDRESS)) continue
      const { endpoint, data } = packet
      const one = { endpoint, setup, out: Buffer.from(data), status: undefined, actual: 0, in: Buffer.alloc(0) }
      open.set(packet.id, one)
      const list = found.get(endpoint & 0x7f ? endpoint : 0)
      if (list) list.push(one)
      else found.set(endpoint & 0x7f ? endpoint : 0, [one])
      continue
    }
    const one = open.get(packet.id)
    if (!one) continue
    open.delete(packet.id)
    one.status = SAME.get(packet.status) ?? packet.status
    one.actual = packet.length
    one.in = Buffer.from(packet.data)
  }
  return found
}

/** How many transfers a capture of one device has, by endpoint. */
export function transferCounts(path: string): Map<number, number> {
  return new Map([...transfersOf(path, () => true)].map(([endpoint, all]) => [endpoint, all.length]))
}

/** Either may have captured less of a transfer than the other. */
function sameBytes(a: Buffer, b: Buffer): boolean {
  const length = Math.min(a.length, b.length)
  return a.subarray(0, length).equals(b.subarray(0, length))
}

function sameTransfer(a: SeenTransfer, b: SeenTransfer): boolean {
  const result = a.status === b.status && (a.status === -2 || a.actual === b.actual)
  return a.setup === b.setup && result && sameBytes(a.out, b.out) && sameBytes(a.in, b.in)
}

/**
 * Compares our capture of a device with the kernel's at its host.
 * @param bus of the kernel's
 * @returns what differs, in words, and how many transfers are the same
 */
export function compareCaptures(ours: string, kernels: string, bus: number): { differs: string[]; same: number } {
  const own = transfersOf(ours, () => true)
  // Device 1 is the controller's own hub; 0 is what a device is before it has an address.
  const theirs = transfersOf(kernels, (at, device) => at === bus && device !== 1)
  const differs: string[] = []
  let same = 0
  for (const endpoint of new Set([...own.keys(), ...theirs.keys()])) {
    const [a, b] = [own.get(endpoint) ?? [], theirs.get(endpoint) ?? []]
    const name = `endpoint 0x${endpoint.toString(16)}`
    if (a.length !== b.length) differs.push(`${name}: ${a.length} transfers here, ${b.length} in the kernel's`)
    for (const [i, one] of a.entries()) {
      const other = b[i]
      if (!other) break
      if (sameTransfer(one, other)) same += 1
      else differs.push(`${name}, transfer ${i + 1}: ${words(one)} here, ${words(other)} in the kernel's`)
    }
  }
  return { differs, same }
}

const words = ({ setup, out, status, actual, in: got }: SeenTransfer): string =>
  `${setup || 'no SETUP'}, ${out.length} bytes out, status ${status}, ${actual} moved, ${got.length} captured`
