// In the guest: a backup and its restore to a Backup HSM that the guest's own kernel has, pulled out at random transfers.
// node backups.js WAY CARD BACKUP PULLS SEED; WAY is who is between the token and the kernel: usbip, redir, gadget. The tokens are
// outside: CARD and BACKUP are ports of server.ts.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importDevice, UsbTransport } from '../../host/usb/index.js'
import { seededNumbers } from '../usb/slow-proxy.js'
import { deviceOf, kernelUsb, pullAt, transfersOf } from './kernel-device.js'
import { archived, BACKUP_LINES, held, lunacm, RESTORE_LINES, Slots } from './tokens.js'

/** Pulls of which most have to be noticed; a run whose last transfer it is may be done before. */
const MANY = 5

/** The computer that runs QEMU, and how its guest gets there. */
const OUTSIDE = '10.0.2.2'
const NETWORK = 'modprobe virtio_net && busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up'

const [way = '', cards = '', backups = '', pulls = '20', seed = '1'] = process.argv.slice(2)
const below = seededNumbers(Number(seed))
const run = promisify(execFile)
const since = Date.now()

function say(what: string): void {
  process.stdout.write(`${what} (${((Date.now() - since) / 1000).toFixed(1)} s)\n`)
}

function check(holds: boolean, what: string): void {
  say(`${holds ? 'ok    ' : 'FAILED'} ${way}: ${what}`)
  if (!holds) process.exitCode = 1
}

const usb = await kernelUsb()
if (!usb) {
  process.stdout.write("left out: backups in the guest need the package 'usb'\n")
  process.exit(77)
}

await promisify(execFile)('sh', ['-c', NETWORK])
const card = await UsbTransport.open(await importDevice(OUTSIDE, Number(cards)))
let server: ChildProcess | undefined
if (way === 'gadget') {
  const program = fileURLToPath(new URL('./gadget.js', import.meta.url))
  server = spawn(process.execPath, [program, OUTSIDE, backups], { stdio: ['pipe', 'inherit', 'inherit'] })
}

interface Plugged {
  readonly device: USBDevice
  readonly transport: UsbTransport
  isGone: boolean
}
let plugged: Plugged | undefined

/** The device as the kernel has it now, opened anew where it was gone. */
async function plugIn(): Promise<Plugged> {
  if (plugged && !plugged.isGone) return plugged
  if (way === 'usbip') {
    for (;;) {
      // Until it is plugged in again, and the server has nothing left of who had it.
      const attached = await run('usbip', ['--tcp-port', backups, 'attach', '-r', OUTSIDE, '-b', '1-1']).catch(
        () => undefined,
      )
      if (attached) break
    }
  }
  for (;;) {
    try {
      const device = await deviceOf(usbOf())
      const one: Plugged = { device, transport: await UsbTransport.open(device), isGone: false }
      one.transport.closed.then(() => {
        one.isGone = true
      })
      plugged = one
      return one
    } catch {
      // It was the last one's remains.
    }
  }
}

function usbOf(): NonNullable<typeof usb> {
  if (!usb) throw new Error('no usb')
  return usb
}

const slots = new Slots(card, () => (plugged && !plugged.isGone ? plugged.transport : undefined))

async function attempt(lines: readonly string[], at: number, afterwards: boolean) {
  const { device, transport } = await plugIn()
  const begun = await transfersOf(device)
  await pullAt(device, at, afterwards)
  const { code, transcript } = await lunacm(slots, lines)
  const transfers = at === 0 ? (await transfersOf(device)) - begun : 0
  if (at !== 0) await pullAt(device, 0, false).catch(() => transport.closed)
  return { code, transcript, transfers }
}

const same = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean =>
  one.size === other.size && [...one].every(([ouid, what]) => other.get(ouid) === what)

/** Seconds of a run that has been made before, so that the code is warm. */
async function timed(lines: readonly string[], over: Slots): Promise<number> {
  const begun = performance.now()
  await lunacm(over, lines)
  return (performance.now() - begun) / 1000
}

/** The same without the guest's kernel, by the client in user space: what the kernel's part is measured against. */
async function baseline(): Promise<number> {
  const device = await importDevice(OUTSIDE, Number(backups))
  const transport = await UsbTransport.open(device)
  const over = new Slots(card, () => transport)
  await lunacm(over, BACKUP_LINES)
  const seconds = await timed(BACKUP_LINES, over)
  await transport.close()
  await device.detach()
  return seconds
}

const originals = await held(card, 1)
say(`${way}: the card has ${originals.size} objects; seed ${seed}`)
const base = way === 'usbip' ? await baseline() : undefined
const seeBackup = async (): Promise<Map<string, string>> => archived((await plugIn()).transport)
for (const [name, lines, see] of [
  ['backup', BACKUP_LINES, seeBackup],
  ['restore', RESTORE_LINES, () => held(card, 2)],
] as const) {
  const clean = await attempt(lines, 0, false)
  check(
    clean.code === 0 && same(await see(), originals),
    `a ${name}, ${clean.transfers} transfers${clean.code === 0 ? '' : `\n${clean.transcript.join('\n')}`}`,
  )
  if (name === 'backup') {
    const seconds = await timed(lines, slots)
    const ratio = base === undefined ? '' : `, ${(base / seconds).toFixed(2)} of USB/IP in user space in the same guest`
    say(`       ${way}: ${(originals.size / seconds).toFixed(1)} objects/s${ratio}`)
  }
  let [noticed, clear, whole, completed] = [0, 0, 0, 0]
  for (let pull = 0; pull < Number(pulls); pull++) {
    const [at, afterwards] = [1 + below(clean.transfers), below(2) === 1]
    const { code, transcript } = await attempt(lines, at, afterwards)
    const result = transcript.filter((line) => line.startsWith('Command Result')).at(-1)
    if (code !== 0) noticed += 1
    if (code === 0 || result === 'Command Result : 0xe0 (CKR_TOKEN_NOT_PRESENT)') clear += 1
    else say(`${name} pulled at ${at}: ${transcript.join('\n')}`)
    const found = await see()
    if ([...found].every(([ouid, what]) => originals.get(ouid) === what)) whole += 1
    const next = await attempt(lines, 0, false)
    if (next.code === 0 && same(await see(), originals)) completed += 1
    else say(`after ${name} pulled at ${at}: ${next.transcript.join('\n')}`)
  }
  const counted = `${noticed} noticed, ${clear} told clearly, ${whole} left whole objects, ${completed} followed by one that completed`
  check(
    clear === Number(pulls) &&
      whole === clear &&
      completed === clear &&
      (noticed > Number(pulls) / 2 || Number(pulls) < MANY),
    `${pulls} pulls during a ${name}: ${counted}`,
  )
}
await card.close()
server?.stdin?.end()
process.exit()
