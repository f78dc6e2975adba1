import { createHash, createPublicKey, verify } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute, type TokenClient } from '../../host/client/index.js'
import { run } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm over the firmware')

const [SO, PSO, CO, DOMAIN, BACKUP] = ['so-password', 'pso-password', 'co-password', 'the domain', 'container-password']
const MESSAGE = Buffer.from('what is to be signed')

const P256 = Buffer.from('06082a8648ce3d030107', 'hex')

/** Makes an initialized card with two partitions and a Backup HSM, all by lunacm commands. */
async function provisioned(auth: number, options: { domain2?: string; backupStorage?: bigint } = {}): Promise<RealLab> {
  const lab = await RealLab.make({ auth, ...(options.backupStorage ? { backupStorage: options.backupStorage } : {}) })
  const password = (value: string) => (auth === protocol.AUTH_PASSWORD ? ` -password ${value}` : '')
  const domain = (value: string) => (auth === protocol.AUTH_PASSWORD ? ` -domain "${value}"` : '')
  const partition = (slot: number, label: string, text: string) => [
    `slot set slot ${slot}`,
    `partition init -label ${label}${password(PSO)}${domain(text)} -force`,
    `role login -name po${password(PSO)}`,
    `role init -name co${password(CO)}`,
    'role logout',
  ]
  const { transcript, code } = await run(lab, [
    `hsm init -label card${password(SO)}${domain(DOMAIN)} -force`,
    `role login -name so${password(SO)}`,
    'partition create -slot 1',
    'partition create -slot 2',
    ...partition(1, 'SA52_P1', DOMAIN),
    ...partition(2, 'second', options.domain2 ?? DOMAIN),
    'slot set slot 9',
    `hsm init -label Backup${password(SO)}${domain(DOMAIN)} -force`,
  ])
  assert.is(code, 0, transcript.join('\n'))
  lab.newClients()
  return lab
}

/** Puts a key pair, a secret key and a data object on the partition in slot 1; answers the public point. */
async function fill(lab: RealLab, password: string): Promise<Uint8Array> {
  const { card } = lab.clients
  const session = await card.openSession(1)
  await card.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password)
  const token = attribute.bool(protocol.CKA_TOKEN, true)
  const isPrivate = attribute.bool(protocol.CKA_PRIVATE, true)
  const { publicKey } = await card.objects.generatePair(
    session,
    protocol.CKM_EC_KEY_PAIR_GEN,
    [token, attribute.bytes(protocol.CKA_EC_PARAMS, P256), attribute.bool(protocol.CKA_VERIFY, true)],
    [token, isPrivate, attribute.text(protocol.CKA_LABEL, 'signer'), attribute.bool(protocol.CKA_SIGN, true)],
  )
  await card.objects.generate(session, protocol.CKM_AES_KEY_GEN, [
    token,
    isPrivate,
    attribute.ulong(protocol.CKA_VALUE_LEN, 32),
    attribute.text(protocol.CKA_LABEL, 'secret'),
  ])
  const [point] = await card.objects.get(session, publicKey, [protocol.CKA_EC_POINT])
  assert.is(point?.code, protocol.RC_OK)
  await card.roles.logout(session)
  await card.closeSession(session)
  return point?.value ?? new Uint8Array(0)
}

/** Signs with the private key on a partition, and checks the signature with the public point of the original. */
async function provesItself(
  client: TokenClient,
  partition: number,
  password: string,
  point: Uint8Array,
): Promise<void> {
  const session = await client.openSession(partition)
  await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password)
  const [row] = await client.objects.list(session, [attribute.text(protocol.CKA_LABEL, 'signer')])
  assert.ok(row, 'the private key was not restored')
  const digest = createHash('sha256').update(MESSAGE).digest()
  const signature = await client.crypto.sign(session, { mechanism: protocol.CKM_ECDSA }, row?.handle ?? 0, digest)
  // CKA_EC_POINT is a DER octet string around 04 ∥ X ∥ Y.
  const raw = Buffer.from(point.subarray(point.length - 64))
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: raw.subarray(0, 32).toString('base64url'),
    y: raw.subarray(32).toString('base64url'),
  }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  assert.ok(verify('sha256', MESSAGE, { key, dsaEncoding: 'ieee-p1363' }, signature))
  await client.roles.logout(session)
  await client.closeSession(session)
}

const result = (transcript: readonly string[]) => transcript.filter((line) => line.startsWith('Command Result')).at(-1)

test('backup and restore on password-authenticated HSMs', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD)
  try {
    const point = await fill(lab, CO)
    const secrets = `-sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}"`
    const backup = await run(lab, [
      'slot set slot 1',
      `role login -name Crypto Officer -password ${CO}`,
      `partition archive backup -slot 9 -partition SAbck1 ${secrets}`,
    ])
    assert.is(backup.code, 0, backup.transcript.join('\n'))
    assert.ok(backup.transcript.includes('        3 objects will be backed up.'))
    assert.ok(backup.transcript.includes('        3 objects have been backed up to partition SAbck1'))
    lab.newClients()
    const restore = await run(lab, [
      'slot set slot 2',
      `role login -name Crypto Officer -password ${CO}`,
      `partition archive restore -slot 9 -partition SAbck1 -password ${BACKUP} -add`,
      'partition contents',
      'partition archive list -slot 9',
      `partition archive contents -slot 9 -partition SAbck1 -password ${BACKUP}`,
    ])
    assert.is(restore.code, 0, restore.transcript.join('\n'))
    assert.ok(restore.transcript.includes('        3 objects have been restored from partition SAbck1 on slot 9.'))
    assert.is(restore.transcript.filter((line) => line === '        Number of objects:  3').length, 2)
    await provesItself(lab.clients.card, 2, CO, point)
    // No secret went over a cable in the clear, and none was printed.
    for (const secret of [SO, PSO, CO, BACKUP, DOMAIN]) {
      for (const frame of [...lab.card.frames, ...lab.backup.frames]) assert.not.ok(frame.includes(secret), secret)
      for (const line of [...backup.transcript, ...restore.transcript]) assert.not.ok(line.includes(secret), line)
    }
  } finally {
    lab.close()
  }
})

test('backup and restore on PED-authenticated HSMs print the seed’s stages', async () => {
  const lab = await provisioned(protocol.AUTH_PED)
  try {
    const point = await fill(lab, '')
    const backup = await run(lab, [
      'slot set slot 1',
      'role login -name co',
      'partition archive backup -slot 9 -par SAbck1',
    ])
    assert.is(backup.code, 0, backup.transcript.join('\n'))
    const start = backup.transcript.indexOf('lunacm:> partition archive backup -slot 9 -par SAbck1')
    assert.equal(backup.transcript.slice(start + 1, start + 16), [
      '',
      '        Logging in as the SO on slot 9.',
      '        Please attend to the PED.',
      '',
      '        Creating partition SAbck1 on slot 9.',
      '        Please attend to the PED.',
      '',
      '        Logging into the container SAbck1 on slot 9 as the user.',
      '        Please attend to the PED.',
      '',
      '        Creating Domain for the partition SAbck1 on slot 9.',
      '        Please attend to the PED.',
      '',
      '        Verifying that all objects can be backed up...',
      '        3 objects will be backed up.',
    ])
    lab.newClients()
    const restore = await run(lab, [
      'slot set slot 2',
      'role login -name co',
      'partition archive restore -slot 9 -partition SAbck1 -password ignored -replace',
      'proceed',
    ])
    assert.is(restore.code, 0, restore.transcript.join('\n'))
    await provesItself(lab.clients.card, 2, '', point)
  } finally {
    lab.close()
  }
})

test('activation and a challenge: the seed’s log-in', async () => {
  const lab = await provisioned(protocol.AUTH_PED)
  try {
    const { transcript, code } = await run(lab, [
      'slot set slot 1',
      'role login -name po',
      'partition changepolicy -policy 22 -value 1',
      'role createchallenge -name co -challengesecret userpin',
      'role logout',
      'role login -name co -password userpin',
      'role logout',
      'role login -name Crypto Officer',
      'userpin',
      'par si',
    ])
    assert.is(code, 0, transcript.join('\n'))
    const start = transcript.indexOf('lunacm:> role login -name Crypto Officer')
    assert.equal(transcript.slice(start + 1, start + 9), [
      '',
      '        Option -password was not supplied.  It is required.',
      '',
      '        Enter the password: *******',
      '',
      '        User is activated, PED is not required.',
      '',
      'Command Result : No Error',
    ])
    assert.ok(transcript.includes('                CONTAINER_ACTIVATED'))
  } finally {
    lab.close()
  }
})

test('a remote PED takes over from the local one and gives it back', async () => {
  const lab = await provisioned(protocol.AUTH_PED)
  try {
    const { transcript, code } = await run(lab, [
      'slot set slot 9',
      'role login -name so',
      'ped vector init -force',
      'ped get',
      'ped connect ip 192.20.10.190',
      'ped get',
      'role logout',
      'role login -name so',
      'ped disconnect -force',
      'ped get',
    ])
    assert.is(code, 0, transcript.join('\n'))
    const [local, remote] = ['local PED (PED id=0).', 'remote PED (PED id=100).']
    const said = transcript.filter((line) => line.includes('listening')).map((line) => line.split('to ')[1])
    assert.equal(said, [local, remote, local])
  } finally {
    lab.close()
  }
})

test('a domain mismatch clones nothing and leaves an empty partition behind', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD)
  try {
    await fill(lab, CO)
    const backup = (domain: string, more = '') =>
      run(lab, [
        'slot set slot 1',
        `role login -name co -password ${CO}`,
        `partition archive backup -slot 9 -par P -sop ${SO} -p ${BACKUP} -domain "${domain}" ${more}`,
        'partition archive list -slot 9',
      ])
    const { transcript, code } = await backup('another domain')
    assert.is(code, 1)
    assert.is(transcript.filter((line) => line.includes('Failed to clone object')).length, 3)
    assert.ok(transcript.includes('Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)'))
    assert.ok(transcript.includes('        Number Of Objects:         0'))
    lab.newClients()
    const again = await backup('another domain')
    assert.ok(again.transcript.includes('        Partition P exists on slot 9.'))
    lab.newClients()
    const gone = await run(lab, [`partition archive delete -slot 9 -partition P -sopassword ${SO} -force`])
    assert.is(gone.code, 0, gone.transcript.join('\n'))
    lab.newClients()
    assert.is((await backup(DOMAIN)).code, 0)
  } finally {
    lab.close()
  }
})

test('a restore with -replace into another domain destroys nothing', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD, { domain2: 'a domain of its own' })
  try {
    await fill(lab, CO)
    const secrets = `-sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}"`
    const prepared = await run(lab, [
      'slot set slot 1',
      `role login -name co -password ${CO}`,
      `partition archive backup -slot 9 -partition P ${secrets}`,
    ])
    assert.is(prepared.code, 0, prepared.transcript.join('\n'))
    const { card } = lab.clients
    const session = await card.openSession(2)
    await card.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, CO)
    await card.objects.generate(session, protocol.CKM_AES_KEY_GEN, [
      attribute.bool(protocol.CKA_TOKEN, true),
      attribute.ulong(protocol.CKA_VALUE_LEN, 16),
    ])
    const { transcript } = await run(lab, [
      'slot set slot 2',
      `partition archive restore -slot 9 -partition P -password ${BACKUP} -replace -force`,
    ])
    assert.is(result(transcript), 'Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)')
    assert.is((await card.objects.list(session)).length, 1)
  } finally {
    lab.close()
  }
})

test('private keys are skipped where the policy forbids their cloning, on backup and on restore', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD)
  try {
    await fill(lab, CO)
    const secrets = `-sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}"`
    const off = (slot: number) => [
      `slot set slot ${slot}`,
      `role login -name po -password ${PSO}`,
      'partition changepolicy -policy 0 -value 0 -force',
      'role logout',
      `role login -name co -password ${CO}`,
    ]
    const full = await run(lab, [
      'slot set slot 1',
      `role login -name co -password ${CO}`,
      `partition archive backup -slot 9 -partition all ${secrets}`,
      'role logout',
      ...off(2),
      `partition archive restore -slot 9 -partition all -password ${BACKUP} -replace -force`,
    ])
    assert.is(full.code, 0, full.transcript.join('\n'))
    assert.ok(full.transcript.includes('        1 private key cannot be cloned and will be skipped.'))
    assert.ok(full.transcript.includes('        2 objects have been restored from partition all on slot 9.'))
    lab.newClients()
    const some = await run(lab, [...off(1), `partition archive backup -slot 9 -partition some ${secrets}`])
    assert.is(some.code, 0, some.transcript.join('\n'))
    assert.ok(some.transcript.includes('        2 objects will be backed up.'))
    assert.ok(some.transcript.includes('        1 private key cannot be cloned and will be skipped.'))
  } finally {
    lab.close()
  }
})

test('a backup appended to itself adds nothing', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD)
  try {
    await fill(lab, CO)
    const secrets = `-sopassword ${SO} -password ${BACKUP} -domain "${DOMAIN}"`
    const { transcript, code } = await run(lab, [
      'slot set slot 1',
      `role login -name co -password ${CO}`,
      `partition archive backup -slot 9 -partition P ${secrets}`,
      `partition archive backup -slot 9 -partition P ${secrets} -append`,
      'partition archive list -slot 9',
    ])
    assert.is(code, 0, transcript.join('\n'))
    assert.ok(transcript.includes('        3 objects already there will be skipped.'))
    assert.ok(transcript.includes('        Number Of Objects:         3'))
  } finally {
    lab.close()
  }
})

test('too little room on the Backup HSM is said before a partition is made', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD, { backupStorage: 600n })
  try {
    await fill(lab, CO)
    const { transcript, code } = await run(lab, [
      'slot set slot 1',
      `role login -name co -password ${CO}`,
      `partition archive backup -slot 9 -par P -sop ${SO} -p ${BACKUP} -domain "${DOMAIN}"`,
      'partition archive list -slot 9',
    ])
    assert.is(code, 1)
    assert.ok(transcript.includes('Command Result : 0x8000002a (CKR_HSM_STORAGE_FULL)'), transcript.join('\n'))
    assert.ok(transcript.includes('        Number of partition: 0'))
  } finally {
    lab.close()
  }
})

test('wrong passwords lock the Crypto Officer out, wrong SO passwords zeroize the Backup HSM', async () => {
  const lab = await provisioned(protocol.AUTH_PASSWORD)
  try {
    const wrong = 'role login -name co -password wrong-password'
    const officer = await run(lab, ['slot set slot 1', ...Array(10).fill(wrong), `role login -name co -password ${CO}`])
    assert.is(result(officer.transcript), 'Command Result : 0xa4 (CKR_PIN_LOCKED)')
    lab.newClients()
    const so = await run(lab, [
      'slot set slot 9',
      ...Array(3).fill('role login -name so -password wrong-password'),
      'slot list',
    ])
    const codes = so.transcript.filter((line) => line.startsWith('Command Result : 0x'))
    assert.is(codes.length, 3)
    assert.ok(so.transcript.includes('        HSM Status ->           L3 Device, Zeroized'), so.transcript.join('\n'))
  } finally {
    lab.close()
  }
})

test.run()
