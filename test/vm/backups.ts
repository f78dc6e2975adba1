// In the guest: a backup and its restore to a Backup HSM that the guest's own kernel has, pulled out at random transfers.
// node backups.js WAY CARD BACKUP LOOK PULLS SEED; WAY is who is between the token and the kernel: usbip, redir, gadget. The tokens are
// outside: CARD, BACKUP and LOOK are ports of server.ts.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { importDevice, UsbTransport } from '../../host/usb/index.js'
import { seededNumbers } from '../usb/slow-proxy.js'
import { hasKernelUsb, openPlugged, type Plugged, pullAt, transfersOf } from './kernel-device.js'
import { BACKUP_LINES, held, lunacm, RESTORE_LINES, Slots } from './tokens.js'

/** The computer that runs QEMU, and how its guest gets there. */
const OUTSIDE = '10.0.2.2'
const NETWORK = 'modprobe virtio_net && busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up'
const REMOVED = 'Command Result : 0xe0 (CKR_TOKEN_NOT_PRESENT)'
/** Transfers a run may differ by from the one that was counted: a pull that was ordered for the last ones may not come. */
const SPARE = 3

const [way = '', cards = '', backups = '', looks = '', wanted = '20', seed = '1'] = process.argv.slice(2)
const pulls = Number(wanted)
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

if (!(await hasKernelUsb())) {
  process.stdout.write("left out: backups in the guest need the package 'usb'\n")
  process.exit(77)
}

await run('sh', ['-c', NETWORK])
const card = await UsbTransport.open(await importDevice(OUTSIDE, Number(cards)))
let server: ChildProcess | undefined
if (way === 'gadget') {
  const program = fileURLToPath(new URL('./gadget.js', import.meta.url))
  server = spawn(process.execPath, [program, OUTSIDE, backups], { stdio: ['pipe', 'inherit', 'inherit'] })
}

let plugged: (Plugged & { isGone: boolean }) | undefined

/** The device as the kernel has it now, opened anew where it was gone. */
async function plugIn(): Promise<Plugged & { readonly isGone: boolean }> {
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
  const one = { ...(await openPlugged()), isGone: false }
  one.transport.closed.then(() => {
    one.isGone = true
  })
  plugged = one
  return one
}

const slots = new Slots(card, () => (plugged && !plugged.isGone ? plugged.transport : undefined))

interface Attempt {
  readonly code: number
  readonly transcript: readonly string[]
  /** Of a run that was not to be pulled. */
  readonly transfers: number
  readonly isPulled: boolean
}

/** @param at transfer at which the device is pulled out, 0 = it is not */
async function attempt(lines: readonly string[], at: number, afterwards: boolean): Promise<Attempt> {
  const used = await plugIn()
  const { device, transport } = used
  const begun = await transfersOf(device)
  await pullAt(device, at, afterwards)
  const { code, transcript } = await lunacm(slots, lines)
  const transfers = at === 0 ? (await transfersOf(device)) - begun : 0
  // Where the run took fewer transfers than were counted before, the order stands, and is taken back.
  if (at !== 0) await pullAt(device, 0, false).catch(() => transport.closed)
  return { code, transcript, transfers, isPulled: used.isGone }
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

/** What is there, by OUID, as whoever stands at the HSMs sees it: in the guest this would take longer than all the rest. */
async function look(at: 'card' | 'backup'): Promise<ReadonlyMap<string, string>> {
  const socket = connect(Number(looks), OUTSIDE)
  socket.write(at)
  const rows: unknown = JSON.parse(await text(socket))
  if (!Array.isArray(rows)) throw new TypeError('no list of objects')
  return new Map(rows.map(([ouid, what]) => [String(ouid), String(what)]))
}

/** Pulls the device out of many runs. */
async function pullOut(
  name: string,
  lines: readonly string[],
  place: 'card' | 'backup',
  transfers: number,
): Promise<void> {
  const count = { pulled: 0, error: 0, complete: 0, unclear: 0, whole: 0, next: 0 }
  let objects = 0
  while (count.pulled < pulls) {
    const [at, afterwards] = [1 + below(Math.max(1, transfers - SPARE)), below(2) === 1]
    const { code, transcript, isPulled } = await attempt(lines, at, afterwards)
    const found = await look(place)
    const isWhole = [...found].every(([ouid, what]) => originals.get(ouid) === what)
    const next = await attempt(lines, 0, false)
    const completes = next.code === 0 && same(await look(place), originals)
    const result = transcript.filter((line) => line.startsWith('Command Result')).at(-1)
    const ending = code === 0 ? 'complete' : result === REMOVED ? 'error' : 'unclear'
    const where = `transfer ${at} of ${transfers}, ${afterwards ? 'after' : 'before'} the device had it`
    if (!isPulled) say(`       ${name} not pulled at ${where}: ${ending}`)
    else {
      count.pulled += 1
      count[ending] += 1
      if (isWhole) count.whole += 1
      if (completes) count.next += 1
      objects += found.size
      say(
        `       ${name} ${count.pulled}, pulled at ${where}: ${ending}; ${found.size} objects there, ${isWhole ? 'all whole' : 'NOT WHOLE'}; the next ${completes ? 'completes' : 'DOES NOT COMPLETE'}`,
      )
    }
    if (ending === 'unclear') say(transcript.join('\n'))
    if (!completes) say(next.transcript.join('\n'))
  }
  const { pulled, error, complete, whole, next } = count
  const counted = `${pulled} pulled: ${error} ended with a clear error, ${complete} completed all the same; ${whole} left whole objects only (${objects} in all); ${next} followed by one that completed`
  check(
    error + complete === pulled && whole === pulled && next === pulled && (error > 0 || pulled < 5),
    `${name}: ${counted}`,
  )
}

for (const [name, lines, place] of [
  ['backup', BACKUP_LINES, 'backup'],
  ['restore', RESTORE_LINES, 'card'],
] as const) {
  const clean = await attempt(lines, 0, false)
  check(
    clean.code === 0 && same(await look(place), originals),
    `a ${name} of ${originals.size} objects, ${clean.transfers} transfers${clean.code === 0 ? '' : `\n${clean.transcript.join('\n')}`}`,
  )
  if (name === 'backup') {
    const seconds = await timed(lines, slots)
    const ratio = base === undefined ? '' : `, ${(base / seconds).toFixed(2)} of USB/IP in user space in the same guest`
    say(`       ${way}: ${(originals.size / seconds).toFixed(1)} objects/s${ratio}`)
  }
  await pullOut(name, lines, place, clean.transfers)
}
await card.close()
server?.stdin?.end()
process.exit()
