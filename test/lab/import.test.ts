import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute, type CloneEnd, ulongValue } from '../../host/client/index.js'
import {
  asOfficer,
  importItems,
  type KeyItem,
  type LabError,
  proveRestored,
  readKeyFile,
  useLab,
} from '../../host/lab/index.js'
import { CHALLENGE, failure, fixtureItems, lunacm, newLab, temporaryFolder } from './support.js'

const test = suite('import')

const NETWORK_SLOT = 1

/** Works as the Crypto Officer of a new lab's partition. */
async function atPartition(work: (end: CloneEnd) => Promise<void>): Promise<void> {
  await useLab(await newLab(), {}, (lab) => asOfficer(lab, NETWORK_SLOT, CHALLENGE, work))
}

async function attributes({ client, session }: CloneEnd, handle: number, types: readonly number[]): Promise<Buffer[]> {
  const answers = await client.objects.get(session, handle, types)
  for (const { type, code } of answers) assert.is(code, protocol.RC_OK, `attribute 0x${type.toString(16)}`)
  return answers.map(({ value }) => Buffer.from(value))
}

const bools = [
  protocol.CKA_TOKEN,
  protocol.CKA_PRIVATE,
  protocol.CKA_SENSITIVE,
  protocol.CKA_EXTRACTABLE,
  protocol.CKA_ALWAYS_SENSITIVE,
  protocol.CKA_NEVER_EXTRACTABLE,
  protocol.CKA_LOCAL,
]

test('every object is there once, as what it is, and proves itself', async () => {
  const items = await fixtureItems()
  await atPartition(async (end) => {
    const imported = await importItems(end, items)
    assert.is(imported.length, items.length + items.filter(({ kind }) => kind === 'private key').length)
    const rows = await end.client.objects.list(end.session)
    const sorted = (objects: readonly { readonly handle: number }[]) =>
      objects.map(({ handle }) => handle).sort((a, b) => a - b)
    assert.equal(sorted(rows), sorted(imported), 'nothing else is left, the wrapping key least of all')
    for (const { matches, how, object } of await proveRestored(end, imported)) {
      assert.ok(matches, `${object.kind} ${object.label}: ${how}`)
    }
  })
})

test('private keys and secrets cannot leave; public halves and certificates share their id', async () => {
  const items = (await fixtureItems()).filter(({ label }) => ['tls-p256', 'web-256', 'session-256'].includes(label))
  await atPartition(async (end) => {
    const imported = await importItems(end, items)
    const ids: string[] = []
    for (const { kind, handle, label } of imported) {
      const secret = kind === 'private key' || kind === 'secret key'
      if (secret) {
        const flags = (await attributes(end, handle, bools)).map((value) => value[0])
        assert.equal(flags, [1, 1, 1, 0, 0, 0, 0], `${kind} ${label}`)
        const [value] = await end.client.objects.get(end.session, handle, [protocol.CKA_VALUE])
        assert.is(value?.code, protocol.RC_ATTRIBUTE_SENSITIVE)
      }
      if (kind !== 'secret key') ids.push((await attributes(end, handle, [protocol.CKA_ID]))[0]?.toString('hex') ?? '')
    }
    assert.is(ids.length, 3)
    assert.is(new Set(ids).size, 1)
    assert.match(ids[0] ?? '', /^[0-9a-f]{40}$/)
  })
})

test('a certificate carries its names and serial number in DER, as OpenSSL sees them', async () => {
  const dir = temporaryFolder()
  const run = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: 'pipe' })
  run('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521', '-out', 'key.pem')
  run(
    'req',
    '-x509',
    '-new',
    '-key',
    'key.pem',
    '-subj',
    '/C=XX/O=Some where/CN=a name',
    '-set_serial',
    '0xfedcba98',
    '-out',
    'a.pem',
  )
  const items = await readKeyFile(join(dir, 'a.pem'))
  await atPartition(async (end) => {
    const [certificate] = await importItems(end, items)
    const types = [protocol.CKA_SERIAL_NUMBER, protocol.CKA_ISSUER, protocol.CKA_SUBJECT, protocol.CKA_VALUE]
    const [serial, issuer, subject, value] = await attributes(end, certificate?.handle ?? 0, types)
    // A leading zero, because the first digit would make it negative.
    assert.is(serial?.toString('hex'), '020500fedcba98')
    assert.equal(issuer, subject)
    assert.ok(value?.includes(subject ?? Buffer.from('none')))
    assert.ok(subject?.includes('Some where'))
    const [type] = await attributes(end, certificate?.handle ?? 0, [protocol.CKA_CERTIFICATE_TYPE])
    assert.is(ulongValue(type ?? Buffer.alloc(0)), protocol.CKC_X_509)
  })
})

test('what the policies forbid is refused with the file’s name, and nothing of that file stays', async () => {
  const dir = temporaryFolder()
  const [key, certificate] = (await fixtureItems()).filter(({ label }) => label === 'tls-p256')
  const pem = (item: KeyItem | undefined) =>
    item?.kind === 'certificate'
      ? item.certificate.toString()
      : item?.kind === 'private key'
        ? String(item.key.export({ format: 'pem', type: 'pkcs8' }))
        : ''
  const bundle = join(dir, 'bundle.pem')
  writeFileSync(bundle, pem(key) === '' ? '' : [pem(key), pem(certificate)].sort().join('\n'))
  assert.match(readFileSync(bundle, 'utf8'), /^-----BEGIN CERTIFICATE/)
  const secret = join(dir, 'secret.aes')
  writeFileSync(secret, Buffer.alloc(16, 1))
  const items = [...(await readKeyFile(bundle)), ...(await readKeyFile(secret))]
  await useLab(await newLab(), { localPed: 'network' }, async (lab) => {
    const slot = await lab.slot(NETWORK_SLOT)
    const { console: administrator } = lab.hsm('network')
    const own = await administrator.openSession(slot.partition)
    await administrator.roles.login(own, protocol.ROLE_PARTITION_SO)
    await administrator.partitions.setPolicy(own, slot.partition, protocol.POLICY_PRIVATE_UNWRAPPING, 0)
    await asOfficer(lab, NETWORK_SLOT, CHALLENGE, async (end) => {
      const error = await failure(importItems(end, items))
      assert.is(error.code, 'IMPORT_REFUSED')
      assert.match(error.message, bundle)
      assert.match(error.message, 'CKR_OPERATION_NOT_ALLOWED')
      // The certificate came before the key that was refused.
      assert.equal(await end.client.objects.list(end.session), [])
      const failures: LabError[] = []
      const imported = await importItems(end, items, { onFailure: (one) => failures.push(one) })
      assert.equal(
        imported.map(({ label }) => label),
        ['secret'],
      )
      assert.equal(
        failures.map(({ code }) => code),
        ['IMPORT_REFUSED'],
      )
      assert.is((await end.client.objects.list(end.session)).length, 1)
    })
  })
})

test('where there is no room left the rest is refused', async () => {
  const dir = temporaryFolder()
  writeFileSync(join(dir, 'fits.hmac'), Buffer.alloc(32, 1))
  const items = await readKeyFile(join(dir, 'fits.hmac'))
  await useLab(await newLab(), { localPed: 'network' }, async (lab) => {
    const { partition } = await lab.slot(NETWORK_SLOT)
    await asOfficer(lab, NETWORK_SLOT, CHALLENGE, async (end) => {
      await importItems(end, items)
      const { console: administrator } = lab.hsm('network')
      const admin = await administrator.openSession(protocol.ADMIN_PARTITION)
      await administrator.roles.login(admin, protocol.ROLE_SO)
      const { used } = await administrator.partitions.info(partition)
      await administrator.partitions.resize(admin, partition, used)
      const error = await failure(importItems(end, items))
      assert.is(error.code, 'IMPORT_REFUSED')
      assert.match(error.message, 'CKR_CONTAINER_OBJECT_STORAGE_FULL')
      assert.is((await end.client.objects.list(end.session)).length, 1)
    })
  })
})

test('a wrong challenge is the token’s own refusal; without activation the PED is asked for the black key', async () => {
  const stateDir = await newLab()
  await useLab(stateDir, {}, async (lab) => {
    const wrong = await failure(asOfficer(lab, NETWORK_SLOT, 'not the one', async () => undefined))
    assert.is(wrong.code, 'CKR_CHALLENGE_INCORRECT')
    await lunacm(lab, ['role login -n co', CHALLENGE, 'role deactivate -n co'])
    await asOfficer(lab, NETWORK_SLOT, CHALLENGE, async ({ client, session }) => {
      const made = await client.objects.create(session, [
        attribute.ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
        attribute.bool(protocol.CKA_TOKEN, true),
      ])
      assert.ok(made > 0)
    })
    assert.ok(lab.desk.ped.events.some((event) => event.event === 'key' && event.key === 'black-partition'))
    assert.not.ok(lab.desk.ped.connected, 'the PED is free again')
  })
})

test.run()
