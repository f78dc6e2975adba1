// Partitions of a PCIe HSM in the slots that were asked for: kept in lab.json, seen by every view of that computer.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ADMIN_SLOT,
  LAB_FILE,
  type LabView,
  readLabFile,
  shownSlots,
  standardPlan,
  useLab,
  writeLabFile,
} from '../../host/lab/index.js'
import { run } from '../lunacm/fake-lab.js'
import { lunacm, newLab } from './support.js'

const test = suite('slots of new partitions')

const LOGIN = ['slot set slot 103', 'role login -name so']
const OPTIONS = { localPed: 'pcie' }

const newCard = () => newLab(standardPlan({ pcie: true }))

/** `2 pcie 150518006` for each slot that a view names. */
function named(stateDir: string, name = 'lunacm-6'): string[] {
  const { views } = readLabFile(stateDir)
  const view = views.find((one) => one.name === name)
  return (view?.slots ?? []).map(({ slot, hsm, partition }) => `${slot} ${hsm} ${partition}`)
}

const view = (slots: LabView['slots']): LabView => ({ name: 'v', persona: 'A', slots })

test('partitions that a view does not name come in the next free slots', () => {
  const hsms = [
    { name: 'network', kind: 'network', partitions: [{ serial: 1n }, { serial: 2n }] },
    { name: 'card', kind: 'pcie', partitions: [{ serial: 10n }, { serial: 11n }, { serial: 12n }] },
    { name: 'elsewhere', kind: 'pcie', partitions: [{ serial: 20n }] },
    { name: 'backup', kind: 'backup', partitions: [{ serial: 30n }] },
  ] as const
  const slots = [
    { slot: 3, hsm: 'network', partition: '1' },
    { slot: 5, hsm: 'card', partition: '11' },
    { slot: 4, hsm: 'backup', partition: ADMIN_SLOT },
    { slot: 103, hsm: 'card', partition: ADMIN_SLOT },
  ]
  const added = shownSlots(view(slots), hsms).slice(slots.length)
  assert.equal(added, [
    { slot: 6, hsm: 'card', partition: '10' },
    { slot: 7, hsm: 'card', partition: '12' },
  ])
})

test('the slot asked for is the slot it shows in, in every view and after a restart', async () => {
  const stateDir = await newCard()
  await useLab(stateDir, OPTIONS, async (lab) => {
    const { transcript, code } = await lunacm(lab, [
      ...LOGIN,
      'partition create -slot 104 -force',
      'partition create -label old -force',
      'slot set slot 104',
      'partition init -label made -force',
    ])
    assert.is(code, 0, transcript)
    assert.match(transcript, 'A partition was created in slot 104, serial number 150518007.')
    assert.match(transcript, 'Partition old was created in slot 4, serial number 150518008.')
  })
  assert.ok(named(stateDir).includes('104 pcie 150518007'))
  assert.ok(named(stateDir, 'lunacm-7').includes('104 pcie 150518007'))
  for (const name of ['lunacm-6', 'lunacm-7']) {
    await useLab(stateDir, { view: name }, async (lab) => {
      const ids = (await lab.slots()).map(({ id }) => id).sort((a, b) => a - b)
      assert.equal(ids, [1, 2, 3, 4, 103, 104])
      assert.match((await lunacm(lab, ['slot set slot 104', 'par si'])).transcript, 'Partition Label ->         made')
    })
  }
})

test('a slot that is taken, or kept for another HSM, is refused and no partition is made', async () => {
  const stateDir = await newCard()
  const before = readFileSync(join(stateDir, LAB_FILE))
  await useLab(stateDir, OPTIONS, async (lab) => {
    // The Network HSM has lost its partition, but slot 1 is still the one it shows in.
    const { console: network } = lab.hsm('network')
    const session = await network.openSession(0)
    await network.hsm.factoryReset(session)
    const slots = [1, 2, 3, 103, 65536]
    const { transcript } = await lunacm(lab, [...LOGIN, ...slots.map((slot) => `partition create -slot ${slot}`)])
    for (const slot of slots.slice(0, -1)) assert.match(transcript, `Slot ${slot} is in use already.`)
    assert.match(transcript, 'Slot numbers go up to 65535.')
    assert.is((await lab.hsm('pcie').console.partitions.list()).length, 1)
  })
  assert.ok(readFileSync(join(stateDir, LAB_FILE)).equals(before))
})

test('a slot is taken once, free again after the partition is deleted, and a serial number used again shows there no more', async () => {
  const stateDir = await newCard()
  await useLab(stateDir, OPTIONS, async (lab) => {
    const { transcript } = await lunacm(lab, [
      ...LOGIN,
      'partition create -slot 104 -force',
      'partition create -slot 104 -force',
      'partition delete -slot 104 -force',
      'partition create -slot 105 -force',
      'partition create -slot 104 -force',
      'partition delete -slot 105',
      'proceed',
      'slot list',
    ])
    const results = transcript.split('\n').filter((line) => line.startsWith('Command Result'))
    const [ok, no] = ['Command Result : No Error', 'Command Result : 0x80000030 (CKR_OPERATION_NOT_ALLOWED)']
    assert.equal(results, [ok, ok, ok, no, ok, ok, ok, ok, ok], transcript)
    assert.match(transcript, 'Slot 104 is in use already.')
    assert.match(transcript, 'You are about to delete the partition with serial number 150518007.')
  })
  assert.equal(
    named(stateDir).filter((line) => line.includes('pcie')),
    ['2 pcie 150518006', '103 pcie admin', '104 pcie 150518008'],
  )
})

test('a view that began in the slot of a deleted partition begins in its lowest one', async () => {
  const stateDir = await newCard()
  const file = readLabFile(stateDir)
  writeLabFile(stateDir, { ...file, views: file.views.map((one) => ({ ...one, firstSlot: 2 })) })
  await useLab(stateDir, OPTIONS, async (lab) => {
    assert.is((await lunacm(lab, [...LOGIN, 'partition delete -slot 2 -force'])).code, 0)
  })
  assert.is(readLabFile(stateDir).views[0]?.firstSlot, undefined)
  assert.not.ok(named(stateDir).some((line) => line.startsWith('2 ')))
})

test('a lab file that cannot be written: the partition is there, the slot is named, and the command fails', async () => {
  const stateDir = await newCard()
  await useLab(stateDir, OPTIONS, async (lab) => {
    const put = async () => {
      throw Object.assign(new Error('lab.json cannot be written: no space'), { code: 'LAB_IO' })
    }
    const source = { slots: () => lab.slots(), places: { ...lab.places, put } }
    const { transcript: lines, code } = await run(source, [...LOGIN, 'partition create -slot 104'])
    const transcript = lines.join('\n')
    assert.is(code, 1)
    assert.match(transcript, 'A partition was created in slot 4, serial number 150518007.')
    assert.match(transcript, 'lab.json cannot be written: no space')
    assert.match(transcript, 'Command Result : 0x30 (CKR_DEVICE_ERROR)')
  })
})

test.run()
