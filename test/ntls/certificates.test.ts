import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkIdentity, createIdentity, readCertificate } from '../../host/ntls/certificates.js'
import { NtlsError } from '../../host/ntls/errors.js'
import { mayComeFrom, REGISTRY_FILE, Registry } from '../../host/ntls/registry.js'
import { SERVER_KEY, serverIdentity } from '../../host/ntls/server-identity.js'

const test = suite('NTLS: certificates and the registry')
const folders: string[] = []
test.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'moonlet-ntls-'))
  folders.push(folder)
  return folder
}

function refuses(code: string, work: () => unknown): void {
  assert.throws(work, (thrown: unknown) => thrown instanceof NtlsError && thrown.code === code)
}

test('openssl reads a certificate as it was asked for, and the key is its own', async () => {
  const identity = await createIdentity({ commonName: 'appliance.example', hosts: ['localhost', '127.0.0.1', '::1'] })
  const path = join(newFolder(), 'certificate.pem')
  writeFileSync(path, identity.certificate)
  const text = execFileSync('openssl', ['x509', '-in', path, '-noout', '-text'], { encoding: 'utf8' })
  assert.match(text, /Subject: CN ?= ?appliance\.example/)
  assert.match(text, /DNS:localhost, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1/)
  execFileSync('openssl', ['verify', '-CAfile', path, path])
  const facts = checkIdentity(identity)
  assert.is(facts.commonName, 'appliance.example')
  assert.is(facts.pem, identity.certificate)
  const print = execFileSync('openssl', ['x509', '-in', path, '-noout', '-fingerprint', '-sha256'], {
    encoding: 'utf8',
  })
  assert.is(facts.fingerprint, print.trim().split('=')[1]?.replaceAll(':', '').toLowerCase())
})

test('what is no certificate, or not one, or not that of the key, is refused', async () => {
  const [one, other] = [await createIdentity({ commonName: 'one' }), await createIdentity({ commonName: 'other' })]
  refuses('CERTIFICATE_INVALID', () => readCertificate('nothing'))
  refuses('CERTIFICATE_INVALID', () => readCertificate(one.certificate + other.certificate))
  refuses('CERTIFICATE_INVALID', () => readCertificate(one.certificate.replace('MII', 'MIX')))
  refuses('CERTIFICATE_INVALID', () => checkIdentity({ ...one, privateKey: other.privateKey }))
  refuses('CERTIFICATE_INVALID', () => checkIdentity({ ...one, privateKey: one.certificate }))
  for (const options of [
    { commonName: '' },
    { commonName: 'a\nb' },
    { commonName: 'a', days: 0 },
    { commonName: 'a'.repeat(65) },
  ]) {
    let code = ''
    await createIdentity(options).catch((thrown: unknown) => {
      if (thrown instanceof NtlsError) code = thrown.code
    })
    assert.is(code, 'CERTIFICATE_INVALID', JSON.stringify(options))
  }
})

test("a server's identity is made once; a cut between key and certificate costs nothing", async () => {
  const dir = newFolder()
  writeFileSync(join(dir, SERVER_KEY), 'what was written before the power went')
  const identity = await serverIdentity(dir, 'pedserver')
  assert.is(checkIdentity(identity).commonName, 'pedserver')
  assert.equal(await serverIdentity(dir), identity)
  assert.is(statSync(join(dir, SERVER_KEY)).mode & 0o777, 0o600)
})

test('clients are registered, get partitions, lose them, and are deleted; another process sees it', async () => {
  const dir = newFolder()
  const registry = new Registry(dir)
  const [alice, bob] = [await createIdentity({ commonName: 'alice' }), await createIdentity({ commonName: 'bob' })]
  const { fingerprint } = registry.register('alice', alice.certificate)
  registry.register('bob', bob.certificate, '127.0.0.1')
  refuses('CLIENT_EXISTS', () => registry.register('alice', bob.certificate))
  refuses('CLIENT_EXISTS', () => registry.register('carol', alice.certificate))
  refuses('CLIENT_NAME_INVALID', () => registry.register('../carol', alice.certificate))
  registry.assign('alice', '500409014')
  refuses('PARTITION_ASSIGNED', () => registry.assign('alice', '500409014'))
  refuses('CLIENT_UNKNOWN', () => registry.assign('nobody', '500409014'))
  const again = new Registry(dir)
  assert.equal(again.find(fingerprint)?.partitions, ['500409014'])
  assert.ok(await mayComeFrom(again.show('alice'), '::1'))
  assert.not.ok(await mayComeFrom(again.show('bob'), '127.0.0.2'))
  assert.ok(await mayComeFrom(again.show('bob'), '127.0.0.1'))
  assert.ok(await mayComeFrom({ ...again.show('bob'), address: 'localhost' }, '127.0.0.1'))
  assert.not.ok(await mayComeFrom({ ...again.show('bob'), address: 'localhost' }, '127.0.0.2'))
  assert.not.ok(await mayComeFrom({ ...again.show('bob'), address: 'no-such-host.invalid' }, '127.0.0.1'))
  again.revoke('alice', '500409014')
  refuses('PARTITION_NOT_ASSIGNED', () => registry.revoke('alice', '500409014'))
  registry.delete('alice')
  refuses('CLIENT_UNKNOWN', () => again.show('alice'))
  assert.equal(
    again.list().map(({ name }) => name),
    ['bob'],
  )
  assert.is(statSync(join(dir, REGISTRY_FILE)).mode & 0o777, 0o600)
})

test('a damaged registry is refused with the place, and stays as it is', async () => {
  const dir = newFolder()
  const path = join(dir, REGISTRY_FILE)
  const registry = new Registry(dir)
  const { certificate } = await createIdentity({ commonName: 'alice' })
  const client = { name: 'alice', certificate, partitions: [] }
  for (const content of [
    '{',
    '[]',
    '{"format":2,"clients":[]}',
    '{"format":1}',
    JSON.stringify({ format: 1, clients: [client, client] }),
    JSON.stringify({ format: 1, clients: [{ ...client, partitions: ['-1'] }] }),
    JSON.stringify({ format: 1, clients: [{ ...client, certificate: 'x' }] }),
    JSON.stringify({ format: 1, clients: [{ ...client, name: '..' }] }),
  ]) {
    writeFileSync(path, content)
    refuses('REGISTRY_INVALID', () => registry.list())
    refuses('REGISTRY_INVALID', () => registry.register('bob', certificate))
    assert.is(readFileSync(path, 'utf8'), content)
  }
})

test.run()
