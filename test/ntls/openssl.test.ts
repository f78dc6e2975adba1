// The appliance as the openssl program sees it, in either version of TLS.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { encodeMessage, HELLO, MessageReader, REFUSED, refusalOf, WELCOME } from '../../host/ntls/framing.js'
import { createIdentity, type Identity } from '../../host/ntls/index.js'
import { Site } from './support/site.js'

const test = suite('NTLS: openssl s_client')

let site: Site

test.before(async () => {
  site = await Site.open()
  save('alice', await site.client('alice'))
  save('stranger', await createIdentity({ commonName: 'alice' }))
  const old = await createIdentity({ commonName: 'old', days: 1, from: new Date(Date.now() - 3 * 86_400_000) })
  site.registry.register('old', old.certificate)
  save('old', old)
})
test.after(() => site.close())

function save(name: string, { certificate, privateKey }: Identity): void {
  writeFileSync(join(site.dir, `${name}.pem`), certificate)
  writeFileSync(join(site.dir, `${name}-key.pem`), privateKey)
}

interface Attempt {
  readonly code: number
  /** What the appliance has said inside TLS. */
  readonly said: Buffer
  readonly errors: string
}

const HELLO_1 = encodeMessage(HELLO, 0, Buffer.of(0, 1))

/** @param who whose certificate is shown; none unless given */
function attempt(version: '1_2' | '1_3', who?: string): Promise<Attempt> {
  const own = who ? ['-cert', join(site.dir, `${who}.pem`), '-key', join(site.dir, `${who}-key.pem`)] : []
  const port = String(site.appliance.port)
  // -quiet writes what the peer says and nothing else, and stays until the peer ends.
  const args = ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, `-tls${version}`, ...own]
  return new Promise((resolve) => {
    const child = execFile('openssl', args, { encoding: 'buffer' }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), said: stdout, errors: stderr.toString() })
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.write(HELLO_1)
    // Whoever is welcome is asked to leave again.
    child.stdout?.on('data', (bytes: Buffer) => {
      if (new MessageReader().push(Buffer.from(bytes)).some(({ kind }) => kind === WELCOME)) child.kill()
    })
  })
}

for (const version of ['1_2', '1_3'] as const) {
  test(`TLS ${version}: a registered certificate gets through and is welcome`, async () => {
    const { said } = await attempt(version, 'alice')
    const [message, ...more] = new MessageReader().push(said)
    assert.is(message?.kind, WELCOME)
    assert.equal(more, [])
  })

  test(`TLS ${version}: without a certificate the handshake fails`, async () => {
    const { code, said, errors } = await attempt(version)
    assert.is(said.length, 0)
    assert.is.not(code, 0)
    assert.match(errors, version === '1_3' ? /alert certificate required/ : /alert handshake failure/)
  })
}

for (const [who, why] of [
  ['stranger', 'NOT_REGISTERED'],
  ['old', 'CERTIFICATE_EXPIRED'],
] as const) {
  test(`TLS 1_2: the handshake of a certificate that is not let in fails: ${why}`, async () => {
    site.events.splice(0)
    const { code, said, errors } = await attempt('1_2', who)
    assert.is(said.length, 0)
    assert.is.not(code, 0)
    assert.match(errors, /unexpected eof/)
    const [event, ...more] = site.events
    assert.ok(event?.event === 'refused' && event.why.startsWith(why), JSON.stringify(event))
    assert.equal(more, [])
  })

  test(`TLS 1_3: a certificate that is not let in is told so and gets nothing else: ${why}`, async () => {
    const { said } = await attempt('1_3', who)
    const [message, ...more] = new MessageReader().push(said)
    assert.is(message?.kind, REFUSED)
    assert.is(refusalOf(message?.body.readUInt16BE() ?? 0), why)
    assert.equal(more, [])
  })
}

test('nobody of these is left', async () => {
  await site.empty()
  assert.is(await site.sessionsLeft(), 0)
})

test.run()
