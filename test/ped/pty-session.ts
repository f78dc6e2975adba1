// A PED in a process of its own at one end of a pty pair, a board with the real firmware at the other, noise and cuts between them.
// Run by .ci/suites/serial; needs python3, which has ptys, and the package serialport.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as protocol from '../../assembly/protocol.js'
import { createBoardFolder, manufacture, Token } from '../../host/board/index.js'
import { TokenClient, TokenError } from '../../host/client/index.js'
import { plugPedLine, serialPortOpener } from '../../host/lab/ped-lines.js'
import { blankPedKey, PedKeyBox } from '../../host/ped/index.js'

const MOONLET = fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url))
const HELPER = fileURLToPath(new URL('../../../test/ped/pty-pair.py', import.meta.url))
const RECORD = {
  serial: 700101n,
  model: protocol.MODEL_BACKUP,
  profile: protocol.PROFILE_6_27_0,
  auth: protocol.AUTH_PED,
  maxPartitions: 20,
  storage: 16_252_928n,
  partitionBase: 700101001,
  partitionMultiplier: 0,
}
/** Nobody answers within this time. */
const DAWDLE = 600_000
const FIRST = '/LOGIN SO.*Insert a/'
const RULES = [
  { prompt: 'Would you like to reuse', action: 'no' },
  { prompt: '/SETTING SO PIN.*M value/', action: 'enter', value: 3 },
  { prompt: '/SETTING SO PIN.*N value/', action: 'enter', value: 5 },
  ...[1, 2, 3, 4, 5].map((n) => ({ prompt: `/SETTING SO PIN.*Key ${n} of 5/`, action: 'key', key: `blue-${n}` })),
  { prompt: 'M value', action: 'enter' },
  { prompt: 'N value', action: 'enter' },
  { prompt: 'Are you duplicating', action: 'no' },
  { prompt: '/DOMAIN.*Insert a/', action: 'key', key: 'red' },
  { prompt: 'Key 2 of 3', action: 'key', key: 'blue-4' },
  { prompt: 'Key 3 of 3', action: 'key', key: 'blue-5' },
  { prompt: FIRST, action: 'key', key: 'blue-2', times: 1 },
  { prompt: FIRST, action: 'key', key: 'blue-2', times: 1, delayMs: DAWDLE },
  { prompt: FIRST, action: 'key', key: 'blue-1' },
]

function check(holds: boolean, what: string): void {
  process.stdout.write(`${holds ? 'ok    ' : 'FAILED'} ${what}\n`)
  if (!holds) process.exitCode = 1
}

function rcOf(work: Promise<unknown>): Promise<number> {
  return work.then(
    () => protocol.RC_OK,
    (error: unknown) => (error instanceof TokenError ? error.rc : Promise.reject(error)),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'moonlet-pty-'))
const helper = spawn('python3', [HELPER], { stdio: ['pipe', 'pipe', 'inherit'] })
const said = createInterface({ input: helper.stdout })[Symbol.asyncIterator]()
const heard = async () => String((await said.next()).value)
const order = async (text: string) => {
  helper.stdin.write(`${text}\n`)
  await heard()
}
const [hsmPath = '', pedPath = ''] = (await heard()).split(' ')

const keys = join(folder, 'board-and-keys')
createBoardFolder(keys, { flashSize: 64 * protocol.FLASH_SECTOR })
const box = new PedKeyBox(keys)
for (const n of [1, 2, 3, 4, 5]) await box.add(`blue-${n}`, blankPedKey('blue'))
await box.add('red', blankPedKey('red'))
const rules = join(folder, 'rules.json')
writeFileSync(rules, JSON.stringify(RULES))

const token = await Token.open({ dir: keys, trng: { seed: 'pty' } })
await manufacture(token, RECORD)
const exchange = (frame: Uint8Array) => token.exchange(frame)
const client = new TokenClient({ exchange, closed: token.closed, close: () => token.close() })

const events: string[] = []
let news: () => void = () => undefined
const line = await plugPedLine(token, serialPortOpener({ hsm: 'backup', path: hsmPath }), {
  onEvent: ({ event }) => {
    events.push(event)
    news()
  },
})
const log = join(folder, 'ped.log')
const ped = spawn(
  process.execPath,
  [MOONLET, 'ped', '--serial', pedPath, '--keys', keys, '--rules', rules, '--log', log, '--log-level', 'debug'],
  { stdio: 'inherit' },
)
// What the PED says of itself, in a file: how many questions it has asked, how many answers given.
const logged = (event: string) =>
  existsSync(log) ? readFileSync(log, 'utf8').split(`"event":"${event}"`).length - 1 : 0
const watcher = watch(folder, () => news())
const count = (event: string) =>
  event === 'question' || event === 'answer' ? logged(event) : events.filter((one) => one === event).length
const until = async (event: string, times: number) => {
  while (count(event) < times) {
    await new Promise<void>((resolve) => {
      news = resolve
    })
  }
}

try {
  await until('line-up', 1)
  const admin = await client.openSession(protocol.ADMIN_PARTITION, { readWrite: true })
  await order('noise on')
  await client.hsm.init(admin, { label: 'Backup' })
  const shares = await Promise.all([1, 2, 3, 4, 5].map(async (n) => (await box.read(`blue-${n}`)).content?.share))
  check(
    shares.every((share) => share?.threshold === 3 && share.total === 5),
    'init through noise: the secret of the SO on 5 keys, of which 3 are needed',
  )
  await client.roles.login(admin, protocol.ROLE_SO)
  check(true, 'log-in through noise, with keys 2, 4 and 5')
  await order('noise off')
  // The PED's log may be late.
  await until('answer', 3)
  await client.roles.logout(admin)

  const asked = count('question')
  const login = rcOf(client.roles.login(admin, protocol.ROLE_SO))
  await until('question', asked + 1)
  await order('cut')
  check((await login) === protocol.RC_PED_UNPLUGGED, 'the line cut in the middle of an entry ends the log-in')
  await until('line-down', 1)
  const unplugged = await rcOf(client.roles.login(admin, protocol.ROLE_SO))
  check(unplugged !== protocol.RC_OK, 'no log-in while the line is cut')
  const before = count('line-up')
  await order('restore')
  await until('line-up', before + 1)
  await client.roles.login(admin, protocol.ROLE_SO)
  check(true, 'the line restored: log-in with keys 1, 4 and 5')
  process.stdout.write(`noise: told of ${count('noise')} times\n`)
} finally {
  watcher.close()
  ped.kill('SIGTERM')
  await once(ped, 'close')
  await line.close()
  await token.close()
  helper.stdin.end()
  await once(helper, 'close')
  rmSync(folder, { recursive: true, force: true })
}
