// What somebody who listens on the wire sees: TLS and nothing else; with the keys, the messages of SPEC.md §10.1. Needs tshark and
// the right to capture on the loopback device.
import { execFile, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { COMMAND, HELLO, MessageReader, REPLY, WELCOME } from '../../host/ntls/framing.js'
import { NtlsClient } from '../../host/ntls/index.js'
import { Site, tokenOf } from './support/site.js'

const dir = mkdtempSync(join(tmpdir(), 'moonlet-capture-'))
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
const [file, keys] = [join(dir, 'lo.pcapng'), join(dir, 'keys.log')]

const site = await Site.open()
const { port } = site.appliance
const identity = await site.client('alice')

const capture = spawn('tshark', ['-i', 'lo', '-f', `tcp port ${port}`, '-w', file], {
  stdio: ['ignore', 'ignore', 'pipe'],
})
const ended = new Promise<void>((resolve) => capture.once('exit', () => resolve()))
await new Promise<void>((resolve, reject) => {
  let text = ''
  capture.stderr.on('data', (bytes: Buffer) => {
    text += bytes.toString()
    if (/Capture started/.test(text)) resolve()
  })
  ended.then(() => reject(new Error(`tshark does not capture: ${text}`)))
})

/** What is in the capture, a line for each packet. */
async function show(...args: readonly string[]): Promise<string[]> {
  const all = ['-r', file, '-d', `tcp.port==${port},tls`, ...args]
  const { stdout } = await promisify(execFile)('tshark', all, { maxBuffer: 1 << 26 })
  return stdout.split('\n').filter((line) => line !== '')
}

const LABEL = 'a label that nobody on the wire should read'
const { certificate: server } = site.identity
const onKeys = (line: Buffer): void => appendFileSync(keys, line)
const client = await NtlsClient.connect({ host: '127.0.0.1', port, identity, server, onKeys })
const token = tokenOf(client)
const session = await token.openSession(site.partitions[0] ?? 0)
const commands = 1 + 20
for (let i = 1; i < commands; i++) await token.sessionInfo(session)
await token.objects.list(session, [{ type: 3, value: Buffer.from(LABEL) }])
await client.close()
await site.empty()
await site.close()

// The capture has all of it once the end of the connection is there.
const FLOW = ['-Y', 'tcp.flags.fin==1 || tcp.flags.reset==1']
for (let looks = 0; looks < 100; looks++) {
  const seen = await show(...FLOW).catch(() => [])
  if (seen.length > 0) break
}
capture.kill('SIGINT')
await ended

const protocols = await show('-Y', 'tcp.len>0', '-T', 'fields', '-e', '_ws.col.Protocol')
assert.ok(protocols.length > 10)
for (const one of protocols) assert.match(one, /^(TLSv1(\.[23])?|TCP)$/)
assert.equal(await show('-Y', `frame contains "${LABEL}"`), [])
assert.equal(await show('-Y', 'data.data || tls.segment.data'), [])

// With the keys: the bytes of either direction are messages, of the kinds and in the numbers that were said.
// Told what it is, tshark does not take it for something else.
const follow = await show(
  '-d',
  `tls.port==${port},data`,
  '-o',
  `tls.keylog_file:${keys}`,
  '-q',
  '-z',
  'follow,tls,raw,0',
)
const readers = { client: new MessageReader(), appliance: new MessageReader() }
const kinds: Record<'client' | 'appliance', number[]> = { client: [], appliance: [] }
let said = ''
// The lines of the side that is called node 0 are not indented.
const first = follow.some((line) => line === `Node 0: 127.0.0.1:${port}`) ? 'appliance' : 'client'
const second = first === 'client' ? 'appliance' : 'client'
for (const line of follow) {
  const hex = /^(\t?)([0-9a-f]+)$/.exec(line)
  if (!hex?.[2]) continue
  const who = hex[1] === '\t' ? second : first
  const bytes = Buffer.from(hex[2], 'hex')
  said += bytes.toString('latin1')
  kinds[who].push(...readers[who].push(bytes).map(({ kind }) => kind))
}
assert.equal(kinds.client, [HELLO, ...Array<number>(commands + 1).fill(COMMAND)])
assert.equal(kinds.appliance, [WELCOME, ...Array<number>(commands + 1).fill(REPLY)])
assert.ok(said.includes(LABEL))
console.log(
  `${protocols.length} packets of TLS; with the keys ${kinds.client.length + kinds.appliance.length} messages`,
)
