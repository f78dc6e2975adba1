import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { slotActions } from '../../host/cli/vtl/slots.js'
import { rendered } from '../../host/lunacm/index.js'
import { ClientConfig, createIdentity } from '../../host/ntls/index.js'
import { temporaryFolder, vtl } from './support.js'

const test = suite('vtl')

const BANNER = 'vtl (64-bit) v10.3.0-275. Copyright (c) 2020 SafeNet. All rights reserved.\n\n'

/** A file with the certificate of an appliance. */
async function serverCertificate(name: string, days = 10): Promise<string> {
  const from = days < 0 ? new Date(Date.now() - 86_400_000 * 30) : new Date()
  const { certificate } = await createIdentity({ commonName: name, hosts: [name], days: Math.abs(days), from })
  const path = join(temporaryFolder(), 'server.pem')
  writeFileSync(path, certificate)
  return path
}

test('a certificate is made once, its key for its owner only, and the configuration names both', async () => {
  const dir = join(temporaryFolder(), 'deep', 'config')
  const made = await vtl(['createCert', '-n', 'web1', '--config', dir])
  assert.is(made.code, 0, made.stderr)
  const [key, certificate] = [join(dir, 'cert/client/web1Key.pem'), join(dir, 'cert/client/web1.pem')]
  assert.is(
    made.stdout,
    `${BANNER}Private Key created and written to: ${key}\nCertificate created and written to: ${certificate}\n`,
  )
  assert.is(statSync(key).mode & 0o777, 0o600)
  assert.match(readFileSync(key, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/)
  assert.is(new X509Certificate(readFileSync(certificate)).subject, 'CN=web1')
  assert.equal(ClientConfig.load(dir).identity(), { certificate, key })

  const before = readFileSync(certificate)
  const again = await vtl(['createCert', '-n', 'web1', '--config', dir])
  assert.is(again.code, 1)
  assert.match(again.stderr, 'vtl: CERTIFICATE_EXISTS: ')
  assert.equal(readFileSync(certificate), before)
  assert.is((await vtl(['createCert', '-n', 'web1', '-f', '--config', dir])).code, 0)
  assert.not.equal(readFileSync(certificate), before)
})

test('servers are added, listed and deleted; what else is in the file stays', async () => {
  const dir = temporaryFolder()
  const foreign = '# ours\nMisc = { PE1746Enabled=0; }\n\nLunaSA Client = {\n   NetClient = 1; # on\n}\n'
  writeFileSync(join(dir, 'Chrystoki.conf'), foreign)
  const env = { ChrystokiConfigurationPath: dir }
  assert.match((await vtl(['listServers'], { env })).stdout, 'Error: There are no registered servers\n')
  const certificate = await serverCertificate('hsm1')
  const added = await vtl(['addServer', '-n', '192.20.11.78', '-c', certificate], { env })
  assert.is(added.stdout, `${BANNER}New server 192.20.11.78 successfully added to server list.\n`, added.stderr)
  assert.is((await vtl(['addserver', '-n', 'hsm2', '-c', certificate, '-p', '2792'], { env })).code, 0)
  const listed = await vtl(['listServers'], { env })
  assert.is(listed.stdout, `${BANNER}Server: 192.20.11.78  HTL required: no\nServer: hsm2  HTL required: no\n`)
  const text = readFileSync(join(dir, 'Chrystoki.conf'), 'utf8')
  assert.match(text, '   ServerName00 = 192.20.11.78;\n   ServerPort00 = 1792;\n   ServerHtl00 = 0;\n')
  assert.match(text, '   ServerName01 = hsm2;\n   ServerPort01 = 2792;\n   ServerHtl01 = 0;\n')
  assert.ok(text.startsWith(foreign.slice(0, foreign.indexOf('\n}\n'))))
  const all = join(dir, 'cert/server/CAFile.pem')
  assert.is(readFileSync(all, 'utf8').split('BEGIN CERTIFICATE').length - 1, 2)

  const twice = await vtl(['addServer', '-n', 'HSM2', '-c', certificate], { env })
  assert.is(twice.code, 1)
  assert.match(twice.stderr, 'CONFIG_SERVER_EXISTS')
  assert.is((await vtl(['deleteServer', '-n', '192.20.11.78'], { env })).code, 0)
  assert.equal(ClientConfig.load(dir).servers(), [{ host: 'hsm2', port: 2792 }])
  assert.is(readFileSync(all, 'utf8').split('BEGIN CERTIFICATE').length - 1, 1)
  assert.match((await vtl(['deleteServer', '-n', 'hsm1'], { env })).stderr, 'CONFIG_SERVER_UNKNOWN')
  await vtl(['deleteServer', '-n', 'hsm2'], { env })
  assert.equal(ClientConfig.load(dir).servers(), [])
  assert.not.match(readFileSync(join(dir, 'Chrystoki.conf'), 'utf8'), 'ServerName')
})

test('bad certificates, hosts and configurations are refused and change nothing', async () => {
  const dir = temporaryFolder()
  const config = ['--config', dir]
  const good = await serverCertificate('hsm1')
  await vtl(['addServer', '-n', 'hsm1', '-c', good, ...config])
  const before = readFileSync(join(dir, 'Chrystoki.conf'))
  const expired = await serverCertificate('old', -1)
  const cases: readonly [args: string[], code: string][] = [
    [['addServer', '-n', 'old', '-c', expired], 'CERTIFICATE_INVALID: the certificate .* has expired'],
    [['addServer', '-n', 'x', '-c', join(dir, 'Chrystoki.conf')], 'CERTIFICATE_INVALID'],
    [['addServer', '-n', 'x', '-c', join(dir, 'nothing')], 'CERTIFICATE_MISSING'],
    [['addServer', '-n', '../x', '-c', good], 'CONFIG_HOST_INVALID'],
    [['addServer', '-n', 'a;b', '-c', good], 'CONFIG_HOST_INVALID'],
    [['createCert', '-n', '../../x'], 'CONFIG_HOST_INVALID'],
    [['deleteServer', '-n', '../x'], 'CONFIG_HOST_INVALID'],
  ]
  for (const [args, code] of cases) {
    const { code: exit, stderr } = await vtl([...args, ...config])
    assert.is(exit, 1, args.join(' '))
    assert.match(stderr, new RegExp(code))
  }
  assert.equal(readFileSync(join(dir, 'Chrystoki.conf')), before)
  const broken = temporaryFolder()
  writeFileSync(join(broken, 'Chrystoki.conf'), 'Luna = {\n\tDefaultTimeOut = 1;\n}\n')
  const refused = await vtl(['listServers', '--config', broken])
  assert.is(refused.code, 1)
  assert.match(refused.stderr, /CONFIG_INVALID: .*Chrystoki\.conf: line 2: a TAB/)
  writeFileSync(join(broken, 'Chrystoki.conf'), 'LunaSA Client = {\n ServerName00 = a;\n ServerPort00 = 99999;\n}\n')
  assert.match(
    (await vtl(['listServers', '--config', broken])).stderr,
    'line 3: ServerPort00 is no number from 1 to 65535',
  )
  mkdirSync(join(dir, 'is-a-folder', 'Chrystoki.conf'), { recursive: true })
  assert.match((await vtl(['listServers', '--config', join(dir, 'is-a-folder')])).stderr, 'CONFIG_IO')
})

test('commands in any case and cut short; wrong usage is exit code 2', async () => {
  const dir = temporaryFolder()
  assert.is((await vtl(['LISTSERVERS', '--config', dir])).code, 0)
  assert.is((await vtl(['listse', '--config', dir])).code, 0)
  for (const args of [
    [],
    ['dance'],
    ['listServers', 'x'],
    ['createCert'],
    ['addServer', '-n', 'x', '-c', 'y', '-p', '0'],
  ]) {
    const { code, stderr } = await vtl([...args, ...(args.length > 0 ? ['--config', dir] : [])])
    assert.is(code, 2, args.join(' '))
    assert.match(stderr, "Try 'vtl --help'.")
  }
  const { code, stdout } = await vtl(['--help'])
  assert.is(code, 0)
  assert.match(stdout, /^Usage: vtl COMMAND/)
})

test('verify and listSlots lay out what appliances show, and go on where one does not answer', async () => {
  const dir = temporaryFolder()
  const config = ClientConfig.load(dir)
  for (const host of ['a', 'b']) config.addServer({ host, port: 1792 })
  const lines: string[] = []
  const options = { config, name: undefined, certificate: undefined, port: undefined, force: false }
  const actions = slotActions(async (_, { host }) => {
    if (host === 'b') throw Object.assign(new Error('it does not answer'), { code: 'NTLS_REFUSED' })
    return [{ serial: 534071053n, label: 'partition6' }]
  })
  const say: Parameters<typeof actions.verify>[1] = (literal, ...args) => {
    lines.push(...rendered(literal, ...args).map(({ text }) => text))
  }
  assert.is(await actions.verify(options, say), 1)
  assert.equal(lines.splice(0), [
    'Error: Server b: it does not answer (NTLS_REFUSED)',
    'The following Luna SA Slots/Partitions were found:',
    '',
    'Slot    Serial #                Label',
    '====    ================        =====',
    '   0           534071053        partition6',
  ])
  assert.is(await actions.listSlots(options, say), 1)
  assert.is(lines[1], 'Number of slots: 2')
  assert.match(lines.at(-2) ?? '', /^slot #1 +LunaNet Slot +partition6 +534071053 +Present$/)
  assert.match(lines.at(-1) ?? '', /^slot #2 +LunaNet Slot +- +- +Not present$/)
})

test.run()
