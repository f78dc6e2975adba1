import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { FakeHsm, fakePartition } from './fake-hsm.js'
import { FakeSlots, lines, run, seedLab, unplugged } from './fake-lab.js'

const test = suite('lunacm slots')

test('persona A greets as the first half of the seed', async () => {
  const { greeting, code } = await run(seedLab().slots, [])
  assert.equal(
    greeting,
    lines(`
LunaCM V6.3.0 - Copyright (c) 2006-2017 Gemalto, Inc.

        Available HSM's:

        Slot Id ->              1
        HSM Label ->            SA52_P1
        HSM Serial Number ->    500409014
        HSM Model ->            LunaSA
        HSM Firmware Version -> 6.27.0
        HSM Configuration ->    Luna User Partition With SO (PED) Signing With Cloning Mode
        HSM Status ->           OK
     
        Slot Id ->              2
        HSM Label ->            Backup
        HSM Serial Number ->    700101
        HSM Model ->            G5Backup
        HSM Firmware Version -> 6.27.0
        HSM Configuration ->    Remote Backup HSM (PED) Backup Device
        HSM Status ->           OK

        Current Slot Id: 1

`),
  )
  assert.is(code, 0)
})

test('persona B greets as the second half of the seed', async () => {
  const hsm = { auth: protocol.AUTH_PED, label: 'lunabackup', model: protocol.MODEL_BACKUP }
  const network = new FakeHsm({
    ...hsm,
    serial: 154438n,
    model: protocol.MODEL_NETWORK,
    partitions: [fakePartition({ id: 3, label: 'par1', serial: 154438865288n })],
  })
  const slots = new FakeSlots([
    { id: 0, hsm: network, partition: 3 },
    { id: 21, hsm: new FakeHsm({ ...hsm, serial: 496771n }), partition: protocol.ADMIN_PARTITION },
  ])
  const { greeting } = await run(slots, [], 'B')
  assert.equal(
    greeting,
    lines(`
LunaCM v7.0.0. Copyright (c) 2006-2017 SafeNet.

        Available HSMs:

        Slot Id ->              0
        Label ->                par1
        Serial Number ->        154438865288
        Model ->                LunaSA 6.0.0
        Firmware Version ->     6.27.0
        Configuration ->        Luna User Partition With SO (PED) Signing With Cloning Mode
        Slot Description ->     Net Token Slot

        Slot Id ->              21
        Label ->                lunabackup
        Serial Number ->        496771
        Model ->                G5Backup
        Firmware Version ->     6.27.0
        HSM Configuration ->    Remote Backup HSM (PED) Backup Device
        HSM Status ->           OK


        Current Slot Id: 0

`),
  )
})

test('a slot whose cable is gone is listed as not present, the others as ever', async () => {
  const { source, backup } = seedLab()
  backup.token.on(protocol.CMD_STATUS, unplugged)
  const slots = new FakeSlots([
    { id: 1, hsm: source, partition: 14 },
    { id: 2, hsm: backup, partition: protocol.ADMIN_PARTITION },
  ])
  const { greeting, transcript, code } = await run(slots, ['ped get -slot 1', 'partition archive list -slot 2'])
  assert.ok(greeting.includes('        HSM Status ->           Not present'))
  assert.ok(greeting.includes('        HSM Label ->            SA52_P1'))
  assert.ok(transcript.includes('        the device was unplugged'))
  assert.ok(transcript.includes('Command Result : 0xe0 (CKR_TOKEN_NOT_PRESENT)'))
  assert.is(code, 1)
})

test('without a slot there is none to work with', async () => {
  const { greeting, transcript } = await run(new FakeSlots([]), ['ped get'])
  assert.equal(greeting.slice(-2), ['        Current Slot Id: None', ''])
  assert.ok(transcript.includes('Command Result : 0x3 (CKR_SLOT_ID_INVALID)'))
})

test.run()
