// Runs in the guest of test/vm/run.sh -s, given a lab's state folder: the systemd unit and the udev rules of fixtures/linux, installed
// as fixtures/README.md says. The gadget starts when its controller comes, and whoever is in plugdev may open the device.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FIXTURES } from '../cli/support.js'
import { check, found, output, shows, until } from './support.js'

const UNIT = 'moonlet-gadget.service'
const GADGETS = '/sys/kernel/config/usb_gadget'
const PROGRAM = fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url))

const [given = ''] = process.argv.slice(2)
cpSync(given, '/var/lib/moonlet', { recursive: true })
copyFileSync(join(FIXTURES, 'linux', UNIT), join('/etc/systemd/system', UNIT))
copyFileSync(join(FIXTURES, 'linux', '60-moonlet-usb.rules'), '/etc/udev/rules.d/60-moonlet-usb.rules')
if (!existsSync('/usr/local/bin/moonlet')) symlinkSync(PROGRAM, '/usr/local/bin/moonlet')
// The guest's systemd has nothing but this to start: what comes before every service of a whole system would take minutes.
mkdirSync(`/run/systemd/system/${UNIT}.d`, { recursive: true })
writeFileSync(`/run/systemd/system/${UNIT}.d/guest.conf`, '[Unit]\nDefaultDependencies=no\n')
await output('systemctl', 'daemon-reload')
await output('udevadm', 'control', '--reload')

const verified = await output('systemd-analyze', 'verify', `/etc/systemd/system/${UNIT}`)
const complaints = verified.split('\n').filter((line) => line.includes('moonlet'))
check(complaints.length === 0, `systemd-analyze verify has no complaint${complaints.map((line) => `\n       ${line}`)}`)

const property = async (name: string): Promise<string> =>
  (await output('systemctl', 'show', '--value', '-p', name, UNIT)).trim()
const left = (): string[] => (existsSync(GADGETS) ? readdirSync(GADGETS) : [])

check((await property('ActiveState')) === 'inactive', 'before there is a controller, nothing runs')
await output('modprobe', 'dummy_hcd')
await until(shows)
check(
  (await property('ActiveState')) === 'active',
  'a controller comes: systemd starts the gadget, the kernel has the device',
)

/** The device's file, for those who open it without a driver. */
function file(): string | undefined {
  for (const name of readdirSync('/sys/bus/usb/devices')) {
    const read = (attribute: string): string => {
      const path = join('/sys/bus/usb/devices', name, attribute)
      return existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
    }
    if (read('idVendor') !== '1209') continue
    return join('/dev/bus/usb', read('busnum').padStart(3, '0'), read('devnum').padStart(3, '0'))
  }
  return undefined
}
await output('udevadm', 'settle')
const path = await found(file)
const { mode, gid } = statSync(path)
const plugdev = /^plugdev:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1]
check(
  (mode & 0o777) === 0o660 && String(gid) === plugdev,
  `${path} belongs to plugdev, mode ${(mode & 0o777).toString(8)}`,
)
check(
  (await output('udevadm', 'info', path)).includes('uaccess'),
  'udev has tagged it for whoever sits at the computer',
)

const killed = await property('MainPID')
process.kill(Number(killed), 'SIGKILL')
await until(
  async () => !['0', killed].includes(await property('MainPID')) && (await property('SubState')) === 'running',
)
await until(shows)
check(true, 'killed: systemd cleans up and starts it again, the kernel has the device again')

await output('systemctl', 'stop', UNIT)
check((await property('Result')) === 'success', 'stopped: it ends as it should')
check(left().length === 0 && !(await shows()), 'and leaves nothing behind')
const log = await output('journalctl', '-u', UNIT, '--no-pager')
if (process.exitCode) process.stdout.write(`${await output('systemctl', 'status', UNIT)}\n${log}\n`)
