import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FolderAppliance, Lab } from '../../host/lab/index.js'
import { Registry, readCertificate, readSettings } from '../../host/ntls/index.js'
import { failure, newLab, temporaryFolder } from '../lab/support.js'
import { bringCertificate, FAILURE, lunash, SUCCESS } from './support.js'

const test = suite("the appliance's shell")

const PARTITION = '500409014'

test('a client is registered by the certificate that was brought, and shown', async () => {
  const dir = await newLab()
  const { fingerprint } = readCertificate(await bringCertificate(dir, 'web1'))
  await bringCertificate(dir, '192.20.11.78')
  const { transcript, code } = await lunash(dir, [
    'client list',
    'client register -c web -hostname web1',
    'c reg -client ftp -ip 192.20.11.78',
    'client list',
    'client show -c web',
    'client show -client ftp',
  ])
  assert.is(code, 0, transcript)
  assert.match(transcript, '[network] lunash:>client register -c web -hostname web1\n\n')
  assert.match(transcript, "'client register' successful.\n\nCommand Result : 0 (Success)\n")
  assert.match(transcript, 'registered client 1: web\nregistered client 2: ftp\n')
  assert.match(transcript, `ClientID:     web\nHostname:     web1\nCertificate:  SHA-256 ${fingerprint}\n`)
  assert.match(transcript, 'IPAddress:    192.20.11.78\n')
  const registry = new Registry(dir)
  assert.is(registry.show('web').address, 'web1')
  assert.is(registry.show('web').fingerprint, fingerprint)
  assert.is(registry.show('ftp').address, '192.20.11.78')
})

test('what cannot be registered is refused, and the registry stays as it was', async () => {
  const dir = await newLab()
  await bringCertificate(dir, 'web1')
  writeFileSync(join(dir, 'bad.pem'), 'no certificate')
  assert.is((await lunash(dir, ['client register -c web -hostname web1'])).code, 0)
  const before = readFileSync(join(dir, 'registry.json'))
  const { transcript, results, code } = await lunash(dir, [
    'client register -c web -hostname web1',
    'client register -c web2 -hostname web1',
    'client register -c a/b -hostname web1',
    'client register -c x -hostname missing',
    'client register -c x -hostname ../x',
    'client register -c x -hostname bad',
    'client register -c x -ip web1',
    'client register -c x',
    'client register -hostname web1',
    'client delete -c nobody -f',
    'client show -c nobody',
    'client dance',
  ])
  assert.is(code, 1)
  assert.equal([...new Set(results)], [FAILURE], transcript)
  assert.is(results.length, 12)
  assert.match(transcript, "Error:  'client register' failed. (CLIENT_EXISTS : ")
  assert.match(transcript, "Error:  'client register' failed. (CERTIFICATE_INVALID : ")
  assert.match(transcript, 'Error:  One of the options -ip and -hostname is required.')
  assert.match(transcript, 'Option -client was not supplied.')
  assert.equal(readFileSync(join(dir, 'registry.json')), before)
})

test('partitions are assigned and revoked, by name, label or serial number', async () => {
  const dir = await newLab()
  await bringCertificate(dir, 'web1')
  const { transcript, results } = await lunash(dir, [
    'client register -c web -hostname web1',
    'client assignPartition -c web -p SA52_P1',
    'client show -c web',
    `client assignPartition -c web -p ${PARTITION}`,
    'client assignPartition -c web -p nothing',
    'client revokePartition -c web -p SA52_P1',
    'client show -c web',
    'client revokePartition -c web -p SA52_P1',
    `client assignPartition -c web -p ${PARTITION}`,
  ])
  assert.equal(results, [SUCCESS, SUCCESS, SUCCESS, FAILURE, FAILURE, SUCCESS, SUCCESS, FAILURE, SUCCESS], transcript)
  assert.match(transcript, 'Partitions:   "SA52_P1"')
  assert.match(transcript, 'Partitions:   <none>')
  assert.match(transcript, 'PARTITION_ASSIGNED')
  assert.match(transcript, 'Error:  There is no partition "nothing".')
  assert.equal(new Registry(dir).show('web').partitions, [PARTITION])
})

test('a partition is made by the HSM Admin, has a name here, and leaves its clients when it is deleted', async () => {
  const dir = await newLab()
  await bringCertificate(dir, 'web1')
  const { transcript, results } = await lunash(
    dir,
    [
      'partition create -partition par2 -force',
      'hsm login',
      'partition create -partition par2',
      'quit',
      'partition create -partition par2',
      'proceed',
      'partition create -partition par2 -f',
      'partition list',
      'partition show -partition par2',
      'client register -c web -hostname web1',
      'client assignPartition -c web -p par2',
      'client show -c web',
      'partition delete -partition par2 -force',
      'client show -c web',
      'hsm show',
    ],
    { localPed: true },
  )
  const S = SUCCESS
  assert.equal(results, [FAILURE, S, FAILURE, S, FAILURE, S, S, S, S, S, S, S, S], transcript)
  assert.match(transcript, "Error:  'partition create' failed. (0x101 : CKR_USER_NOT_LOGGED_IN)")
  assert.match(transcript, "Type 'proceed' to create the partition, or 'quit' to quit now.\n> quit\n")
  assert.match(transcript, "'partition create' aborted.")
  assert.match(transcript, 'Error:  There is a partition "par2" already.')
  assert.match(transcript, /^500409015 {7}par2 {26}0 +\d+ +0 +\d+$/m)
  assert.match(transcript, 'Partitions:   "par2"')
  assert.match(transcript, 'Partitions:   <none>')
  assert.match(transcript, /HSM Admin login status: +Logged In\n/)
  assert.match(transcript, /HSM Admin login attempts left: +3 before HSM zeroization!\n/)
  assert.match(transcript, '   Partition: 500409014, Name: SA52_P1\n')
  assert.not.match(transcript, 'Name: par2\n')
  assert.equal(readSettings(dir).names, {})
})

test('a log-in ends with the shell', async () => {
  const dir = await newLab()
  assert.is((await lunash(dir, ['hsm login'], { localPed: true })).code, 0)
  const { transcript } = await lunash(dir, ['hsm show', 'partition create -p x -f'])
  assert.match(transcript, /HSM Admin login status: +Not Logged In\n/)
  assert.match(transcript, 'CKR_USER_NOT_LOGGED_IN')
})

test('the remote PED, and what is said when no server answers', async () => {
  const dir = await newLab()
  const { transcript, results } = await lunash(dir, [
    'hsm ped connect -ip 10.9.9.9',
    'hsm ped connect -ip localhost -port 99999',
    'hsm ped connect -ip localhost',
    'hsm login',
    'hsm logout',
    'hsm ped disconnect',
    'hsm login',
  ])
  assert.equal(results.slice(0, 6), [FAILURE, FAILURE, SUCCESS, SUCCESS, SUCCESS, SUCCESS], transcript)
  assert.is(results[6], FAILURE)
  assert.match(transcript, 'CKR_UNABLE_TO_CONNECT')
  assert.match(transcript, 'Luna PED operation required to connect to Remote PED - use orange PED Key(s).')
})

test('a PED that gives up at hsm ped connect is let go: the next try has it', async () => {
  const dir = await newLab()
  const rules = join(dir, 'once.json')
  writeFileSync(rules, JSON.stringify([{ prompt: '/./', action: 'cancel', times: 1 }]))
  const connect = 'hsm ped connect -ip localhost'
  const { transcript, results } = await lunash(dir, [connect, connect, 'hsm ped show'], { rules })
  assert.equal(results, [FAILURE, SUCCESS, SUCCESS], transcript)
  assert.match(transcript, 'remote (PED id=100)')
})

test('hsm ped timeout: the idle time is kept, the firmware has its own for keys and operations', async () => {
  const dir = await newLab()
  const { transcript, results } = await lunash(dir, [
    'hsm ped timeout show',
    'hsm ped timeout set -type rped -seconds 600',
    'hsm ped timeout set -type pedk -seconds 0',
    'hsm ped timeout set -type pedk -seconds 300',
    'hsm ped timeout set -type wdel -seconds 1',
    'hsm ped timeout set -type rped -seconds 100000',
    'hsm ped timeout show',
    'hsm ped timeout set -t rped -s 99999',
    'hsm ped timeout set -t rped -s 0',
  ])
  const [ok, no] = [SUCCESS, FAILURE]
  assert.equal(results, [ok, ok, ok, no, no, no, ok, ok, ok], transcript)
  assert.equal(
    [...transcript.matchAll(/Timeout rped \(seconds\): +(\d+)\n +Timeout pedk \(seconds\): +200\n/g)].map(
      ([, one]) => one,
    ),
    ['1800', '600'],
  )
  assert.match(transcript, /set -type rped -seconds 600\n\nSet the timeout value to 600 seconds\.\n\nCommand Result/)
  assert.match(transcript, "Error:  The HSM's firmware has 200 seconds for pedk, and no other value.")
  assert.match(transcript, "Error:  'wdel' is no type of timeout: rped, pedk or pedo.")
  assert.match(transcript, /Set the timeout value to 99999 seconds\.\nThe HSM itself hangs up after 1800 seconds\.\n/)
  assert.match(transcript, /-t rped -s 0\n\nSet the timeout value to 1800 seconds\.\n/)
})

test('an HSM in use is initialized again by its Admin only; its partitions go', async () => {
  const dir = await newLab()
  const { transcript, results } = await lunash(
    dir,
    ['hsm init -label New -f', 'hsm login', 'hsm init -label New', 'no', 'hsm init -label New', 'proceed', 'hsm show'],
    { localPed: true },
  )
  assert.equal(results, [FAILURE, SUCCESS, FAILURE, SUCCESS, SUCCESS], transcript)
  assert.match(transcript, /HSM Label: +New\n/)
  assert.match(transcript, /Number of partitions created: +0\n/)
})

test('what NTLS is bound to, and whether addresses are checked, is kept for its next start', async () => {
  const dir = await newLab()
  assert.equal(readSettings(dir), { host: '127.0.0.1', port: 1792, ipCheck: true, names: {} })
  const { transcript, results } = await lunash(dir, [
    'ntls show',
    'ntls bind eth0',
    'ntls bind 10.1.2.3 -port 2792',
    'ntls show',
    'ntls ipcheck show',
    'ntls ipcheck disable',
    'ntls bind nowhere',
    'ntls bind',
    'ntls bind lo -port 0',
    'service restart ntls',
  ])
  const [S, F] = [SUCCESS, FAILURE]
  assert.equal(results, [S, S, S, S, S, S, F, F, F, F], transcript)
  assert.match(transcript, 'NTLS bound to network device: lo  IP Address: "127.0.0.1"')
  assert.match(transcript, 'NTLS bound to network device: eth0  IP Address: "0.0.0.0"')
  assert.match(transcript, 'NTLS is not running.')
  assert.match(transcript, 'NTLS client source IP validation : Enable')
  assert.match(transcript, 'NTLS client source IP validation : Disable')
  assert.match(transcript, 'APPLIANCE_STOPPED')
  assert.equal(readSettings(dir), { host: '10.1.2.3', port: 2792, ipCheck: false, names: {} })
})

test('settings that somebody damaged are refused with the place', async () => {
  const dir = await newLab()
  for (const [content, about] of [
    ['{', 'is not JSON'],
    ['{ "port": "x" }', 'port must be'],
    ['{ "ipcheck": true }', 'ipcheck is not a known field'],
    ['{ "names": { "a": "b" } }', 'names: a is no serial number'],
  ] as const) {
    writeFileSync(join(dir, 'appliance.json'), content)
    const { transcript, code } = await lunash(dir, ['ntls show'])
    assert.is(code, 1)
    assert.match(transcript, 'SETTINGS_INVALID')
    assert.match(transcript, about)
  }
})

test('the certificate is made anew only where somebody says so', async () => {
  const dir = await newLab()
  const path = join(dir, 'server.pem')
  const { transcript, results } = await lunash(dir, ['sysconf regenCert', 'quit', 'sysconf regenCert -force'])
  assert.equal(results, [FAILURE, SUCCESS])
  const { fingerprint } = readCertificate(readFileSync(path, 'utf8'))
  assert.match(transcript, `Server certificate:  SHA-256 ${fingerprint}`)
  assert.is(statSync(join(dir, 'serverKey.pem')).mode & 0o777, 0o600)
  await lunash(dir, ['sy r -f'])
  assert.is.not(readCertificate(readFileSync(path, 'utf8')).fingerprint, fingerprint)
})

test('who works on the registry alone needs no HSM; the HSM cannot be had while another shell has it', async () => {
  const dir = await newLab()
  await bringCertificate(dir, 'web1')
  const lab = await Lab.open(dir)
  try {
    const { transcript, results } = await lunash(dir, [
      'client register -c web -hostname web1',
      'client list',
      'partition list',
    ])
    assert.equal(results, [SUCCESS, SUCCESS, FAILURE], transcript)
    assert.match(transcript, /APPLIANCE_BUSY : state folder .* is in use by this process .*; it is no appliance/)
  } finally {
    await lab.close()
  }
  assert.is((await lunash(dir, ['partition list'])).code, 0)
  assert.not.ok(existsSync(join(dir, 'lock')))
})

test('a folder without a lab, or without a Network HSM of that name, is refused', async () => {
  const codeOf = async (dir: string, hsm?: string) =>
    (await failure(Promise.resolve().then(() => FolderAppliance.open(dir, { hsm })))).code
  const dir = await newLab()
  assert.is(await codeOf(temporaryFolder()), 'LAB_MISSING')
  assert.is(await codeOf(dir, 'nothing'), 'LAB_HSM_UNKNOWN')
  assert.is(await codeOf(dir, 'backup'), 'APPLIANCE_NO_HSM')
  rmSync(join(dir, 'lab.json'))
  assert.is(await codeOf(dir), 'LAB_MISSING')
})

test('passwords are never shown, wherever they are typed', async () => {
  const dir = await newLab()
  const { transcript, code } = await lunash(dir, [
    'hsm login -password s3cret-one',
    'hsm login -passwort s3cret-two',
    's3cret-three',
    'hsm init -label X -password s3cret-four -domain s3cret-five',
  ])
  assert.is(code, 1)
  assert.not.match(transcript, 's3cret')
})

test('help for all, for a group, for a command', async () => {
  const dir = await newLab()
  const { transcript, results } = await lunash(dir, [
    'help',
    'client',
    'help client register',
    'ntls bind ?',
    'help dance',
  ])
  assert.equal(results, [SUCCESS, SUCCESS, SUCCESS, SUCCESS, FAILURE], transcript)
  assert.match(transcript, 'service (se) restart (r) ntls (n)')
  assert.match(transcript, 'Syntax: client register -client <name> [-ip <address>]')
  assert.match(transcript, 'Syntax: ntls bind [-port <port>]')
})

test.run()
