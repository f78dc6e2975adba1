// test-timeout: 300
// A Backup HSM on USB that is pulled while a program works at it, and plugged in again: program and door go on. Three real processes.
import { createHmac } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { ckrOf as ckrOfCode } from '../../host/client/index.js'
import { caCalls } from '../../host/pkcs11/ca-calls.js'
import { calls } from '../../host/pkcs11/calls.js'
import { LIBRARY, type Missing } from '../../host/pkcs11/codec.js'
import { CKR } from '../../host/pkcs11/errors.js'
import { lunacm, moonlet, Running, temporaryFolder } from '../cli/support.js'
import { plain } from './at-slot.js'
import { Link } from './storm/link.js'
import { ckrOf, data, flag, number, Refused, room, utf8, whole } from './support.js'

const test = suite('pkcs11, a device that is pulled')

const [NETWORK, BACKUP] = [1, 2]
const running: Running[] = []

async function start(args: readonly string[], sees: string): Promise<Running> {
  const program = new Running('moonlet', args)
  running.push(program)
  await program.sees(sees)
  return program
}

test.after(async () => {
  for (const { child, result } of running.reverse()) {
    child.kill('SIGTERM')
    await result
  }
})

test('pulled in the middle of calls, and plugged in again, twice', async () => {
  const state = join(temporaryFolder(), 'state')
  assert.is((await moonlet(['init', '--state', state])).code, 0)
  const usb = await start(['usb', 'serve', '--commands', '--state', state, '--listen', '127.0.0.1:0'], '"listening"')
  await start(['pkcs11', '--state', state], '"listening"')
  const link = await Link.open(join(state, 'pkcs11', 'socket'))
  const { program } = link
  const slots = () => program.call(calls.getSlotList, [1, room(8)])
  assert.equal(await slots(), [NETWORK, BACKUP])

  // A key at the other slot, whose HSM stays.
  const other = await program.call(calls.openSession, [NETWORK, 6])
  await program.call(calls.login, [other, 1, utf8('Crypto0fficer')])
  const mac = await program.call(calls.createObject, [
    other,
    [
      number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
      number(protocol.CKA_KEY_TYPE, protocol.CKK_GENERIC_SECRET),
      data(protocol.CKA_VALUE, 'a secret'),
    ],
  ])
  const sign = async (): Promise<void> => {
    await program.call(calls.signInit, [other, plain(protocol.CKM_SHA256_HMAC), mac])
    const got = whole(await program.call(calls.sign, [other, utf8('data'), room(32)]))
    assert.equal(Buffer.from(got), createHmac('sha256', 'a secret').update('data').digest())
  }

  for (let time = 1; time <= 2; time++) {
    const session = await program.call(calls.openSession, [BACKUP, 6])
    assert.is((await program.call(calls.getTokenInfo, BACKUP)).model, 'G5Backup')
    // It refuses ordinary cryptography with its own code.
    const made = [session, plain(protocol.CKM_AES_KEY_GEN), [number(protocol.CKA_VALUE_LEN, 16)]] as const
    const refused = await ckrOf(() => program.call(calls.generateKey, [...made]))
    assert.is(refused, ckrOfCode(protocol.RC_COMMAND_NON_BACKUP))
    let answers = 0
    const working = (async (): Promise<number> => {
      try {
        for (;;) {
          whole(await program.call(calls.generateRandom, [session, room(4096)]))
          answers++
        }
      } catch (error) {
        if (error instanceof Refused) return error.ckr
        throw error
      }
    })()
    while (answers < 3) await sign()
    const event = program.call(calls.waitForSlotEvent, 0)
    usb.child.stdin.write('unplug backup\n')
    assert.is(await working, CKR.DEVICE_REMOVED)
    assert.is(await event, BACKUP)
    await sign()
    assert.equal(await slots(), [NETWORK])
    assert.is(await ckrOf(() => program.call(calls.getSessionInfo, session)), CKR.DEVICE_REMOVED)
    assert.is(await ckrOf(() => program.call(calls.openSession, [BACKUP, 6])), CKR.TOKEN_NOT_PRESENT)
    const back = program.call(calls.waitForSlotEvent, 0)
    usb.child.stdin.write('plug backup\n')
    assert.is(await back, BACKUP)
    assert.equal(await slots(), [NETWORK, BACKUP])
    const again = await program.call(calls.openSession, [BACKUP, 6])
    assert.is(whole(await program.call(calls.generateRandom, [again, room(32)])).length, 32)
    assert.is(await ckrOf(() => program.call(calls.getSessionInfo, session)), CKR.DEVICE_REMOVED)
    await program.call(calls.closeSession, session)
    await program.call(calls.closeSession, again)
    await sign()
  }
  link.close()
})

/** The Backup HSM's partition for clones, which lunacm makes. */
const MAKE_PARTITION = `slot set slot 1
role login -name Crypto Officer -password Crypto0fficer
partition archive backup -slot 2 -partition clones
`

const KEYS = 200
const CONTINUE = 1
const AES_VALUE = new Uint8Array(32).fill(7)

test('pulled in the middle of a clone, and plugged in again: what is there is whole, and the same program clones', async () => {
  const folder = temporaryFolder()
  const state = join(folder, 'state')
  assert.is((await moonlet(['init', '--state', state])).code, 0)
  const serve = ['usb', 'serve', '--commands', '--local-ped', 'backup', '--state', state, '--listen', '127.0.0.1:0']
  const usb = await start(serve, '"listening"')
  const script = join(folder, 'make.txt')
  writeFileSync(script, MAKE_PARTITION)
  const made = await lunacm(['--state', state, '-f', script])
  assert.match(made.stdout, /Backup Complete/)
  await start(['pkcs11', '--state', state], '"listening"')
  const link = await Link.open(join(state, 'pkcs11', 'socket'), LIBRARY)
  const { program } = link

  const source = await program.call(calls.openSession, [NETWORK, 6])
  await program.call(calls.login, [source, 1, utf8('Crypto0fficer')])
  const template = [
    number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    number(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
    flag(protocol.CKA_TOKEN, true),
    data(protocol.CKA_VALUE, AES_VALUE),
  ]
  const keys: number[] = []
  while (keys.length < KEYS) keys.push(await program.call(calls.createObject, [source, template]))

  const atBackup = async (): Promise<number> => {
    const containers = await program.call(caCalls.getContainerList, [BACKUP, 0, 0, room(8)])
    const [container = 0] = 'missing' in containers ? [] : containers
    const session = await program.call(caCalls.openSession, [BACKUP, container, 6])
    // The black key is at the PED.
    await program.call(calls.login, [session, 1, { missing: 0 }])
    return session
  }
  const types = keys.map(() => 0)
  const cloneTo = async (target: number): Promise<readonly number[]> => {
    const ends: [number, number, number] = [source, target, CONTINUE]
    const [codes] = await program.call(caCalls.migrateKeys, [ends, types, keys, room(KEYS), room(KEYS)])
    return listed(codes)
  }
  const found = async (session: number): Promise<readonly number[]> => {
    await program.call(calls.findObjectsInit, [session, [number(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY)]])
    const handles = await program.call(calls.findObjects, [session, room(100_000)])
    await program.call(calls.findObjectsFinal, session)
    if ('missing' in handles) throw new Error('no handles came')
    return handles
  }

  const target = await atBackup()
  // Once they are all there each is refused, which is a clone too.
  const cloning = ckrOf(async () => {
    for (;;) await cloneTo(target)
  })
  usb.child.stdin.write('unplug backup\n')
  assert.is(await cloning, CKR.DEVICE_REMOVED)
  assert.is(await ckrOf(() => program.call(calls.getSessionInfo, target)), CKR.DEVICE_REMOVED)
  assert.is((await found(source)).length, KEYS, 'nothing is lost at the source')

  const back = program.call(calls.waitForSlotEvent, 0)
  usb.child.stdin.write('plug backup\n')
  await back
  while (!listed(await program.call(calls.getSlotList, [1, room(8)])).includes(BACKUP)) {
    await program.call(calls.waitForSlotEvent, 0)
  }
  const again = await atBackup()
  const there = await found(again)
  assert.ok(there.length <= KEYS)
  // No object is there in part.
  for (const handle of there) {
    const wanted = [protocol.CKA_KEY_TYPE, protocol.CKA_VALUE_LEN].map((type) => ({ type, capacity: 8 }))
    const [, ckr] = await program.call(calls.getAttributeValue, [again, handle, wanted])
    assert.is(ckr, CKR.OK)
  }
  if (there.length > 0) assert.equal(await program.call(caCalls.destroyMultipleObjects, [again, there]), [0, CKR.OK])
  assert.equal(
    await cloneTo(again),
    keys.map(() => CKR.OK),
  )
  assert.is((await found(again)).length, KEYS)
  link.close()
})

function listed(list: readonly number[] | Missing): readonly number[] {
  return 'missing' in list ? [] : list
}

test.run()
