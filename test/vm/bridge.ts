// Runs in the guest of test/vm/run.sh: a device that is not ours, QEMU's usb-storage, used by the kernel's own driver through
// `moonlet usb bridge` and vhci_hcd. What was written is read back outside, from the stick's image (bridge.sh).
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { Running } from '../cli/support.js'
import { checkStats, underFaults } from './bridge-faults.js'
import { check, disk, found, IDS, MOUNT, mount, output } from './stick.js'
import { compareCaptures, startUsbmon } from './usbmon.js'

/** Bytes of the file: many transfers, and not a whole number of sectors. */
const SIZE = 1_500_007

const [folder = ''] = process.argv.slice(2)
const own = await found(() => disk('/pci'))
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
const far = await found(() => disk('/vhci_hcd'))
check(true, `usbip attach: the kernel's usb-storage has it through the bridge, as ${far}`)

const bus = Number(/\/usb(\d+)\//.exec(readlinkSync(`/sys/block/${far}`))?.[1])
const mounted = await mount(far)
check(mounted === '', `mounted${mounted}`)
const bytes = randomBytes(SIZE)
writeFileSync(`${MOUNT}/file`, bytes)
await output('umount', MOUNT)
await mount(far)
check(readFileSync(`${MOUNT}/file`).equals(bytes), 'a file reads back through the bridge')
await output('umount', MOUNT)
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
const back = await found(() => disk('/pci'))
check(existsSync(`/dev/${back}`), 'the kernel has the stick itself again')
const trouble = (await output('dmesg'))
  .split('\n')
  .filter((line) => /I\/O error|Buffer I\/O|reset .*USB device.*vhci|cut here/i.test(line))
check(trouble.length === 0, `no trouble in the kernel's log${trouble.map((line) => `\n       ${line}`).join('')}`)

checkStats(stats, captured, SIZE)
await underFaults(folder, bytes)
