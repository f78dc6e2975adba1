import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { FakeHsm, fakePartition } from './fake-hsm.js'
import { FakeSlots, run, seedLab } from './fake-lab.js'

const test = suite('lunacm commands')

const LOGIN = 'role login -name co -password userpin'

/** A PCIe HSM: slot 0 its admin partition, slots 1 and 2 partitions. */
function pcie(auth: number = protocol.AUTH_PED) {
  const partitions = [
    fakePartition({ id: 1, label: 'one', serial: 66331001n }),
    fakePartition({ id: 2, label: 'two', serial: 66331002n }),
  ]
  const hsm = new FakeHsm({ serial: 66331n, label: 'card', model: protocol.MODEL_PCIE, auth, partitions })
  const slots = new FakeSlots([
    { id: 0, hsm, partition: protocol.ADMIN_PARTITION, kind: 'pcie' },
    { id: 1, hsm, partition: 1, kind: 'pcie' },
    { id: 2, hsm, partition: 2, kind: 'pcie' },
  ])
  return { hsm, slots }
}

test('hsm init asks first, then the PED', async () => {
  const { hsm, slots } = pcie()
  hsm.state = protocol.STATE_ZEROIZED
  const { transcript, code } = await run(slots, ['hsm init -label "my hsm"', 'proceed'])
  assert.equal(transcript.slice(1), [
    '',
    '        You are about to initialize the HSM.',
    '        All contents of the HSM will be destroyed.',
    '',
    '        Are you sure you wish to continue?',
    '',
    "        Type 'proceed' to continue, or 'quit' to quit now ->proceed",
    '',
    '        Please attend to the PED.',
    '',
    'Command Result : No Error',
    '',
  ])
  assert.is(code, 0)
  assert.equal(hsm.log, ['hsm init my hsm||'])
})

test('hsm init on a password-authenticated HSM asks for password and domain', async () => {
  const { hsm, slots } = pcie(protocol.AUTH_PASSWORD)
  hsm.state = protocol.STATE_ZEROIZED
  const input = ['hsm init -label x -force', 'sopass1', 'sopass1', 'dom', 'dom', 'hsm init -label x -f -p sopass1 -def']
  const { transcript, code } = await run(slots, input)
  assert.is(code, 0)
  assert.ok(transcript.includes('        Option -password was not supplied.  It is required.'))
  assert.ok(transcript.includes('        Option -domain was not specified.  It is required.'))
  assert.ok(transcript.includes('        Re-enter the domain name: *******'))
  assert.equal(hsm.log, ['hsm init x|sopass1|dom', 'hsm init x|sopass1|moonlet default domain'])
})

test('hsm init of an HSM in use asks for no secret: it keeps its SO', async () => {
  const { hsm, slots } = pcie()
  const { transcript, code } = await run(slots, ['hsm init -label x -force'])
  assert.is(code, 0)
  assert.not.ok(transcript.includes('        Please attend to the PED.'))
  assert.equal(hsm.log, ['hsm init x||'])
})

test('hsm init with the other kind of authentication is refused', async () => {
  const { hsm, slots } = pcie()
  const { transcript, code } = await run(slots, ['hsm init -label x -initwithpwd -force'])
  assert.ok(transcript.includes('        Option -initwithpwd does not fit this HSM.'))
  assert.is(code, 1)
  assert.equal(hsm.log, [])
})

test('partition init on a password-authenticated HSM prints what field transcripts show', async () => {
  const { hsm, slots } = pcie(protocol.AUTH_PASSWORD)
  const input = ['slot set slot 1', 'partition init -label p -defaultdomain', 'sopass1', 'sopass1', 'proceed']
  const { transcript } = await run(slots, input)
  const start = transcript.indexOf('lunacm:> partition init -label p -defaultdomain')
  assert.equal(transcript.slice(start + 1), [
    '        Enter password for Partition SO: *******',
    '        Re-enter password for Partition SO: *******',
    '',
    '        You are about to initialize the partition.',
    '        All contents of the partition will be destroyed.',
    '',
    '        Are you sure you wish to continue?',
    '',
    "        Type 'proceed' to continue, or 'quit' to quit now ->proceed",
    '',
    'Command Result : No Error',
    '',
  ])
  assert.equal(hsm.log, ['partition init p|sopass1|moonlet default domain'])
})

test('partition create makes either kind', async () => {
  const { hsm, slots } = pcie()
  const { transcript, code } = await run(slots, [
    'role login -name so',
    'partition create -label old',
    'partition create -slot 9 -size 100000',
  ])
  assert.is(code, 0)
  assert.is(transcript.filter((line) => line === '        Please attend to the PED.').length, 4)
  assert.equal(hsm.log, ['login 0 ', 'create old ', 'login 2 ', 'domain ', 'logout', 'create  '])
  const refused = await run(slots, [
    'partition create',
    'partition create -label a -slot 9',
    'partition create -slot 1',
  ])
  assert.is(refused.transcript.filter((line) => line.startsWith('Error in execution')).length, 3)
  assert.ok(refused.transcript.includes('        Slot 1 is in use already.'))
  // Nobody says in which slots partitions show here: none is named.
  assert.ok(transcript.includes('        A partition was created, serial number 66335.'), transcript.join('\n'))
  assert.is(hsm.log.length, 6)
})

test('partition delete finds the partition by slot or by name, on the same HSM only', async () => {
  const { hsm, slots } = pcie()
  assert.is((await run(slots, ['partition delete -slot 2 -force', 'par del -par one -f'])).code, 0)
  assert.equal(hsm.log, ['delete 2', 'delete 1'])
  const other = pcie()
  const mixed = new FakeSlots([
    { id: 0, hsm: other.hsm, partition: protocol.ADMIN_PARTITION, kind: 'pcie' },
    { id: 5, hsm: seedLab().source, partition: 14 },
  ])
  for (const line of ['partition delete -slot 5', 'partition delete -partition x', 'partition delete']) {
    assert.is((await run(mixed, [`${line} -force`])).code, 1, line)
  }
  assert.equal(other.hsm.log, [])
})

test('a partition without a label is deleted by its serial number, which the question names', async () => {
  const { hsm, slots } = pcie()
  hsm.partitions.push(fakePartition({ id: 3, label: '', serial: 154438865288n }))
  const asked = await run(slots, [
    'partition delete -serial 154438865288',
    'proceed',
    'partition delete -slot 2',
    'quit',
  ])
  assert.ok(asked.transcript.includes('        You are about to delete the partition with serial number 154438865288.'))
  assert.ok(asked.transcript.includes('        You are about to delete partition two.'))
  assert.equal(hsm.log, ['delete 3'])
  for (const [line, sentence] of [
    ['partition delete -serial 1', 'The HSM has no partition with serial number 1.'],
    ['partition delete -serial x', 'The HSM has no partition with serial number x.'],
    ['partition delete -partition ""', 'There is no partition  on slot 0.'],
    ['partition delete -slot 0', 'Slot 0 is the HSM itself, not a partition.'],
    ['partition delete -slot 1 -serial 66331001', 'Options -slot and -serial exclude each other.'],
    ['partition delete', 'One of the options -slot, -partition and -serial is required.'],
  ] as const) {
    const { transcript, code } = await run(slots, [`${line} -force`])
    assert.is(code, 1, line)
    assert.ok(transcript.includes(`        ${sentence}`), transcript.join('\n'))
  }
  assert.equal(hsm.log, ['delete 3'])
})

test('a label that is empty or too long is refused in words, before anything is asked or sent', async () => {
  const { hsm, slots } = pcie(protocol.AUTH_PASSWORD)
  const long = 'x'.repeat(33)
  for (const [line, option, bytes] of [
    ['hsm init -label ""', 'label', '0 bytes'],
    [`hsm init -label ${long}`, 'label', '33 bytes'],
    [`partition init -label ${long}`, 'label', '33 bytes'],
    ['partition init -label ""', 'label', '0 bytes'],
    [`partition create -label ${'é'.repeat(17)}`, 'label', '34 bytes'],
    [`partition domainadd -domainlabel ${long} -domain x`, 'domainlabel', '33 bytes'],
    ['partition domainchangelabel -newlabel ""', 'newlabel', '0 bytes'],
  ] as const) {
    const { transcript, code } = await run(slots, [line])
    assert.is(code, 1, line)
    const sentence = `        Option -${option} takes 1 to 32 characters; this one has ${bytes}.`
    assert.ok(transcript.includes(sentence), transcript.join('\n'))
    assert.ok(transcript.includes('Command Result : 0x7 (CKR_ARGUMENTS_BAD)'))
    assert.is(transcript.filter((text) => text.includes('Enter') || text.includes('proceed')).length, 0, line)
  }
  assert.equal(hsm.log, [])
  assert.is((await run(slots, [`hsm init -label ${'x'.repeat(32)} -force`])).code, 0)
  const lab = seedLab({ auth: protocol.AUTH_PASSWORD })
  const archive = await run(lab.slots, [LOGIN, `partition archive backup -slot 2 -partition ${long}`])
  assert.ok(archive.transcript.includes('        Option -partition takes 1 to 32 characters; this one has 33 bytes.'))
  assert.equal(lab.backup.log, [])
})

test('partition clear needs the Crypto Officer and asks', async () => {
  const { hsm, slots } = pcie()
  hsm.partition(1).objects = [{ handle: 5, objectClass: protocol.CKO_DATA }]
  assert.is((await run(slots, ['slot set slot 1', 'partition clear -force'])).code, 1)
  assert.is(hsm.partition(1).objects.length, 1)
  const { transcript, code } = await run(slots, ['slot set slot 1', LOGIN, 'partition clear', 'proceed'])
  assert.is(code, 0)
  assert.ok(transcript.includes('        1 object destroyed.'))
})

test('partition clone logs in to the target and out again', async () => {
  const { hsm, slots } = pcie()
  hsm.activated = true
  hsm.challenge = true
  hsm.partition(1).objects = [124, 140].map((handle) => ({ handle, objectClass: protocol.CKO_DATA }))
  const { transcript, code } = await run(slots, [
    'slot set slot 1',
    LOGIN,
    'partition clone -objects 124,140 -slot 2',
    'otherpin',
  ])
  assert.is(code, 0)
  assert.ok(transcript.includes('        2 objects will be cloned.'))
  assert.ok(transcript.includes('        Handle 124 on slot 1 is now handle 19 on slot 2'))
  assert.equal(hsm.log, ['login 2 userpin', 'login 2 otherpin', 'logout'])
  const back = await run(slots, [
    'slot set slot 1',
    LOGIN,
    'partition clone -objects 1 -slot 2',
    'partition clone -o 0 -s 0',
  ])
  assert.ok(back.transcript.includes('Command Result : 0x82 (CKR_OBJECT_HANDLE_INVALID)'))
  assert.ok(back.transcript.includes('Command Result : 0x3 (CKR_SLOT_ID_INVALID)'))
})

test('roles are created, challenged, changed and deactivated', async () => {
  const { source, slots } = seedLab()
  const { transcript, code } = await run(slots, [
    'role init -name cu',
    'role createchallenge -name cu',
    LOGIN,
    'role changepw -name co -force',
    'userpin',
    'newpin12',
    'newpin12',
    'role changepw -name cu -prompt',
    'role deactivate -name co',
    'role logout',
  ])
  assert.is(code, 0)
  assert.equal(source.log, [
    'role init 3 ',
    'challenge 3 ',
    'login 2 userpin',
    'change 2 userpin newpin12',
    'change 3  ',
    'deactivate 2',
    'logout',
  ])
  assert.ok(transcript.includes('        Warning: this role has no secondary credentials.'))
  const again = await run(slots, ['role logout'])
  assert.ok(again.transcript.includes('Command Result : 0x101 (CKR_USER_NOT_LOGGED_IN)'))
})

test('firmware 7 has its challenge typed', async () => {
  const { source, slots } = seedLab({ profile: protocol.PROFILE_7_0_3 })
  const { transcript } = await run(slots, [
    'role login -name po',
    'role createchallenge -name co',
    'challenge1',
    'challenge1',
  ])
  assert.equal(transcript.slice(transcript.indexOf('lunacm:> role createchallenge -name co') + 1), [
    '',
    '        Please attend to the PED.',
    '        enter new challenge secret: *******',
    '        re-enter new challenge secret: *******',
    '',
    'Command Result : No Error',
    '',
  ])
  assert.equal(source.log, ['login 1 ', 'challenge 2 challenge1'])
})

test("a partition's one user logs in and gets a challenge as before there were roles", async () => {
  const { source, slots } = seedLab()
  const { transcript, code } = await run(slots, ['par logi -p userpin'])
  assert.is(code, 0)
  assert.equal(transcript.slice(0, 5), [
    'lunacm:> par logi -p *******',
    '',
    '        User is activated, PED is not required.',
    '',
    'Command Result : No Error',
  ])
  assert.equal(source.log, ['login 2 userpin'])
  const made = seedLab()
  assert.is((await run(made.slots, ['role login -name po', 'par crc'])).code, 0)
  assert.equal(made.source.log, ['login 1 ', 'challenge 2 '])
})

test('the remote PED vector is made after a question', async () => {
  const { hsm, slots } = pcie()
  const { transcript } = await run(slots, ['ped vector init', 'proceed', 'ped connect -ip h', 'ped connect -ip h'])
  assert.equal(transcript.slice(1, 11), [
    '',
    '        You are about to initialize the Remote PED Vector',
    '',
    '        Are you sure you wish to continue?',
    '',
    "        Type 'proceed' to continue, or 'quit' to quit now ->proceed",
    '',
    '        RPV was successfully initialized.',
    '',
    'Command Result : No Error',
  ])
  assert.equal(hsm.log, ['vector'])
  assert.ok(transcript.includes('        HSM slot 0 is already connected to a remote PED.'))
  const off = await run(slots, ['ped disconnect', 'quit', 'ped disconnect -force', 'ped get'])
  assert.ok(off.transcript.includes('        HSM slot 0 listening to local PED (PED id=0).'))
})

test('admin slots and HSMs in trouble describe themselves', async () => {
  const { hsm, slots } = pcie(protocol.AUTH_PASSWORD)
  const healthy = await run(slots, ['slot set slot 0', 'slot set slot 1'], 'B')
  for (const line of [
    '        Configuration ->        Luna HSM Admin Partition (PW) Signing With Cloning Mode',
    '        Slot Description ->     Admin Token Slot',
    '        Slot Description ->     User Token Slot',
  ]) {
    assert.ok(healthy.greeting.includes(line), line)
  }
  assert.ok(
    healthy.transcript.includes(
      '        Current Slot Id: 0     (Luna Admin Slot 6.27.0 (PW) Signing With Cloning Mode)',
    ),
  )
  for (const [state, status] of [
    [protocol.STATE_ZEROIZED, 'L3 Device, Zeroized'],
    [protocol.STATE_ERROR, 'Error (0x300030, STORAGE_INTEGRITY)'],
    [protocol.STATE_TAMPERED, 'Hardware Tamper'],
  ] as const) {
    hsm.state = state
    hsm.error = state === protocol.STATE_ERROR ? protocol.RC_STORAGE_INTEGRITY : 0
    const { greeting } = await run(slots, [])
    assert.is(greeting.filter((line) => line === `        HSM Status ->           ${status}`).length, 3, status)
  }
})

test.run()
