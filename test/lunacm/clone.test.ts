// `partition clone`: where it goes, whether there is room, what it says when some objects did not get there.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute } from '../../host/client/index.js'
import { FakeHsm, fakePartition } from './fake-hsm.js'
import { FakeSlots, run, seedLab } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm partition clone')

const LOGIN = 'role login -name co -password userpin'

/** A card in slot 0 with three objects on its partition in slot 1, an empty one in slot 2; a Backup HSM in slot 9. */
function card() {
  const objects = [124, 125, 126].map((handle) => ({ handle, objectClass: protocol.CKO_DATA }))
  const partitions = [
    fakePartition({ id: 1, label: 'one', objects }),
    fakePartition({ id: 2, label: 'two', serial: 66331002n }),
  ]
  const fields = { serial: 66331n, label: 'card', auth: protocol.AUTH_PASSWORD }
  const hsm = new FakeHsm({ ...fields, model: protocol.MODEL_PCIE, partitions })
  const { backup } = seedLab()
  const slots = new FakeSlots([
    { id: 0, hsm, partition: protocol.ADMIN_PARTITION, kind: 'pcie' },
    { id: 1, hsm, partition: 1, kind: 'pcie' },
    { id: 2, hsm, partition: 2, kind: 'pcie' },
    { id: 9, hsm: backup, partition: protocol.ADMIN_PARTITION },
  ])
  return { hsm, backup, slots }
}

const cloneTo = (slot: number) => ['slot set slot 1', LOGIN, `par clone -objects 0 -slot ${slot} -password otherpin`]

test('what cannot be a target is called what it is, and nobody is asked', async () => {
  for (const [slot, sentence] of [
    [9, "Slot 9 is a Backup HSM: use 'partition archive backup'."],
    [0, 'Slot 0 is the HSM itself: objects go to a partition.'],
    [1, 'Slot 1 is the current slot: a partition is not cloned to itself.'],
    [7, 'There is no slot 7.'],
  ] as const) {
    const { hsm, backup, slots } = card()
    const { transcript, code } = await run(slots, cloneTo(slot))
    assert.is(code, 1)
    assert.ok(transcript.includes(`        ${sentence}`), transcript.join('\n'))
    assert.ok(transcript.includes('Command Result : 0x3 (CKR_SLOT_ID_INVALID)'))
    assert.equal([...hsm.log, ...backup.log], ['login 2 userpin'])
  }
})

test('too little room is said before anybody logs in', async () => {
  const { hsm, slots } = card()
  hsm.partition(2).total = 800n
  const { transcript, code } = await run(slots, cloneTo(2))
  assert.is(code, 1)
  assert.ok(transcript.includes('        The objects take 900 bytes, 800 bytes are free.'), transcript.join('\n'))
  assert.ok(transcript.includes('Command Result : 0x8000002c (CKR_CONTAINER_OBJECT_STORAGE_FULL)'))
  assert.equal(hsm.log, ['login 2 userpin'])
  hsm.partition(2).total = 900n
  assert.is((await run(slots, cloneTo(2))).code, 0)
})

test('a clone that some objects did not survive is not called complete', async () => {
  const { hsm, slots } = card()
  hsm.failing.set(125, protocol.RC_CERTIFICATE_DATA_INVALID)
  const { transcript, code } = await run(slots, cloneTo(2))
  assert.is(code, 1)
  const start = transcript.indexOf('        Cloning objects...')
  assert.equal(transcript.slice(start), [
    '        Cloning objects...',
    '        Handle 124 on slot 1 is now handle 19 on slot 2',
    '        Failed to clone object 125: 0x8000000b (CKR_CERTIFICATE_DATA_INVALID).',
    '        Handle 126 on slot 1 is now handle 20 on slot 2',
    '',
    '        2 objects cloned to slot 2.',
    '        1 object could not be cloned.',
    '',
    'Error in execution: CKR_CERTIFICATE_DATA_INVALID.',
    '',
    'Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)',
    '',
  ])
})

test('on the firmware: a partition that is too small takes nothing', async () => {
  const lab = await RealLab.make({ auth: protocol.AUTH_PASSWORD })
  try {
    const [SO, PSO, CO] = ['so-password', 'pso-password', 'co-password']
    const partition = (slot: number) => [
      `slot set slot ${slot}`,
      `partition init -label P${slot} -password ${PSO} -domain dom -force`,
      `role login -name po -password ${PSO}`,
      `role init -name co -password ${CO}`,
      'role logout',
    ]
    const made = await run(lab, [
      `hsm init -label card -password ${SO} -domain dom -force`,
      `role login -name so -password ${SO}`,
      'partition create -slot 1',
      'partition create -slot 2 -size 1000',
      ...partition(1),
      ...partition(2),
    ])
    assert.is(made.code, 0, made.transcript.join('\n'))
    const { card: client } = lab.clients
    const session = await client.openSession(1)
    await client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, CO)
    for (let i = 0; i < 10; i++) {
      await client.objects.create(session, [
        attribute.ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
        attribute.bool(protocol.CKA_TOKEN, true),
        attribute.bytes(protocol.CKA_VALUE, new Uint8Array(100)),
      ])
    }
    const { transcript, code } = await run(lab, ['slot set slot 1', `par clone -objects 0 -slot 2 -password ${CO}`])
    assert.is(code, 1)
    assert.match(transcript.join('\n'), /The objects take \d+ bytes, 1000 bytes are free\./)
    assert.is((await client.partitions.info(2)).objects, 0)
  } finally {
    lab.close()
  }
})

test.run()
