// Runs in the guest of test/vm/run.sh: a device that is not ours, QEMU's usb-storage, used by the kernel's own driver through
// `moonlet usb bridge` and vhci_hcd. What was written is read back outside, from the stick's image (bridge.sh).
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Running } from '../cli/support.js'
import { compareCaptures, startUsbmon } from './usbmon.js'

const run = promisify(execFile)
/** Milliseconds between looks at a kernel that has no event for us. */
const LOOK = 200
const IDS = '46f4:0001'
/** Bytes of the file: many transfers, and not a whole number of sectors. */
const SIZE = 1_500_007

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

async function output(program: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(program, args)
    return stdout + stderr
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Waits for the kernel; the guest's time limit ends what never comes. */
async function until<Found>(look: () => Found | undefined | Promise<Found | undefined>): Promise<Found> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}

/** The disk whose USB device hangs on a controller of this name. */
function disk(controller: string): string | undefined {
  return readdirSync('/sys/block').find(
    (name) => name.startsWith('sd') && readlinkSync(`/sys/block/${name}`).includes(controller),
  )
}

const [folder = ''] = process.argv.slice(2)
const own = await until(() => disk('/pci'))
check(true, `the kernel has the stick itself at first, as ${own}`)

const stats = `${folder}/stats.json`
const captured = `${folder}/bridge.pcapng`
const options = ['--listen', '127.0.0.1:0', '--stats', stats, '--capture', captured]
const bridge = new Running('moonlet', ['usb', 'bridge', '--device', IDS, ...options])
await bridge.sees('"listening"')
const port = /"port":(\d+)/.exec(bridge.stdout)?.[1] ?? ''
check(disk('/pci') === undefined, 'the bridge has taken it from the kernel')
const usbip = (...args: string[]): Promise<string> => output('usbip', '--tcp-port', port, ...args)
check((await usbip('list', '-r', '127.0.0.1')).includes(`(${IDS})`), 'usbip list -r shows it')
await output('modprobe', 'usbmon')
const usbmon = await startUsbmon('/run/usbmon.pcapng')
await usbip('attach', '-r', '127.0.0.1', '-b', '1-1')
const far = await until(() => disk('/vhci_hcd'))
check(true, `usbip attach: the kernel's usb-storage has it through the bridge, as ${far}`)

const bus = Number(/\/usb(\d+)\//.exec(readlinkSync(`/sys/block/${far}`))?.[1])
mkdirSync('/run/stick', { recursive: true })
const mounted = await output('mount', '-t', 'ext2', `/dev/${far}`, '/run/stick')
check(mounted === '', `mounted${mounted}`)
const bytes = randomBytes(SIZE)
writeFileSync('/run/stick/file', bytes)
await output('umount', '/run/stick')
await output('mount', '-t', 'ext2', `/dev/${far}`, '/run/stick')
check(readFileSync('/run/stick/file').equals(bytes), 'a file reads back through the bridge')
await output('umount', '/run/stick')
writeFileSync(`${folder}/written`, bytes)

if (usbmon) {
  await usbmon.stop()
  const { differs, same } = compareCaptures(captured, '/run/usbmon.pcapng', bus)
  const shown = differs.slice(0, 5).map((line) => `\n       ${line}`)
  check(
    same > 100 && differs.length === 0,
    `the bridge's capture and the kernel's usbmon: ${same} transfers are the same${shown}`,
  )
} else process.stdout.write("left out: no dumpcap, so no capture of the kernel's own\n")

bridge.child.kill('SIGUSR1')
await bridge.sees('p99.9 us')
check(true, 'statistics at SIGUSR1')
bridge.child.kill('SIGTERM')
const result = await bridge.result
check(result.code === 0, `the bridge ends as it should${result.code === 0 ? '' : `: ${result.stderr}`}`)
process.stdout.write(result.stderr)
const back = await until(() => disk('/pci'))
check(existsSync(`/dev/${back}`), 'the kernel has the stick itself again')
const trouble = (await output('dmesg'))
  .split('\n')
  .filter((line) => /I\/O error|Buffer I\/O|reset .*USB device.*vhci|cut here/i.test(line))
check(trouble.length === 0, `no trouble in the kernel's log${trouble.map((line) => `\n       ${line}`).join('')}`)
