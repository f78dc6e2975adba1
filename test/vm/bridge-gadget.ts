// Runs in the guest of test/vm/run.sh: a device that is not ours, the kernel's own mass storage gadget at dummy_udc.1, re-presented by
// `moonlet usb bridge --gadget` at dummy_udc.0 and used by the kernel's own driver there; what was written is looked up in the image.
// (QEMU's stick did not get on so: where it has nothing to send yet it seems to stall a read instead of letting it wait.)
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { Running } from '../cli/support.js'
import { check, disk, found, MOUNT, mount, output } from './stick.js'

/** Bytes of the file: not a whole number of sectors. */
const SIZE = 100_007
const STICK = '/sys/kernel/config/usb_gadget/stick'
const SERIAL = 'STICK1'

const [image = ''] = process.argv.slice(2)

/** The kernel's own stick. */
function makeStick(): void {
  for (const folder of ['', 'strings/0x409', 'configs/c.1', 'functions/mass_storage.0']) {
    mkdirSync(`${STICK}/${folder}`, { recursive: true })
  }
  const values = {
    idVendor: '0x1d6b',
    idProduct: '0x0104',
    'strings/0x409/serialnumber': SERIAL,
    'strings/0x409/product': 'Stick',
    'functions/mass_storage.0/lun.0/file': image,
  }
  for (const [name, value] of Object.entries(values)) writeFileSync(`${STICK}/${name}`, value)
  symlinkSync(`${STICK}/functions/mass_storage.0`, `${STICK}/configs/c.1/mass_storage.0`)
  writeFileSync(`${STICK}/UDC`, 'dummy_udc.1')
}

makeStick()
const own = await found(() => disk('/dummy_hcd.1'))
check(true, `the kernel has the stick itself at first, as ${own}`)
const bridge = new Running('moonlet', ['usb', 'bridge', '--device', SERIAL, '--gadget', '--udc', 'dummy_udc.0'])
await bridge.sees('"listening"')
check(disk('/dummy_hcd.1') === undefined, 'the bridge has taken it from the kernel')
const far = await found(() => disk('/dummy_hcd.0'))
check(true, `usb-storage has it through the bridge and dummy_udc.0, as ${far}`)
const mounted = await mount(far)
check(mounted === '', `mounted${mounted}`)
const bytes = randomBytes(SIZE)
writeFileSync(`${MOUNT}/file`, bytes)
await output('umount', MOUNT)
await mount(far)
check(readFileSync(`${MOUNT}/file`).equals(bytes), 'a file reads back through the bridge')
await output('umount', MOUNT)
bridge.child.kill('SIGTERM')
const { code, stderr } = await bridge.result
check(code === 0, `the bridge ends as it should${code === 0 ? '' : `: ${stderr}`}`)
process.stdout.write(stderr)
await output('debugfs', '-R', 'dump /file /run/read', image)
check(readFileSync('/run/read').equals(bytes), "the stick's image: the same file")
process.exit()
