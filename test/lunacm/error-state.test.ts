// An HSM in its error state answers for its status only. What the shell makes of that.
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { useLab } from '../../host/lab/index.js'
import { CHALLENGE, lunacm, newLab } from '../lab/support.js'
import { run, seedLab } from './fake-lab.js'

const test = suite('lunacm and an HSM in its error state')

const LOGIN = 'role login -name co -password userpin'
const CODE = 'Command Result : 0x30 (CKR_DEVICE_ERROR)'

for (const [error, name, sentence] of [
  [
    protocol.RC_STORAGE_INTEGRITY,
    'STORAGE_INTEGRITY',
    'The HSM refuses its flash: it was changed or put back from an older copy.',
  ],
  [protocol.RC_STORAGE_VERSION, 'STORAGE_VERSION', 'The flash of the HSM was written by a newer version.'],
  [protocol.RC_SELF_TEST_AES, 'SELF_TEST_AES', 'The HSM has failed a self-test.'],
] as const) {
  test(`${name} is said wherever the HSM is needed`, async () => {
    const { slots, backup } = seedLab()
    backup.state = protocol.STATE_ERROR
    backup.error = error
    const input = [
      'ped get -slot 2',
      'partition archive list -slot 2',
      'slot set slot 2',
      'hsm showinfo',
      'role show -name so',
    ]
    const { greeting, transcript, code } = await run(slots, input)
    assert.ok(greeting.includes(`        HSM Status ->           Error (0x${(error >>> 0).toString(16)}, ${name})`))
    assert.is(code, 1)
    const count = (line: string) => transcript.filter((one) => one === line).length
    assert.is(count(`        The HSM of slot 2 is in its error state: ${name}.`), 4, transcript.join('\n'))
    assert.is(count(`        ${sentence}`), 4)
    assert.is(count(CODE), 4)
  })
}

test('the HSM that works is not blamed', async () => {
  const { slots, backup } = seedLab()
  backup.state = protocol.STATE_ERROR
  backup.error = protocol.RC_STORAGE_INTEGRITY
  const { transcript, code } = await run(slots, [LOGIN, 'partition contents', 'slot set slot 9'])
  assert.is(code, 1)
  assert.not.match(transcript.join('\n'), 'error state')
})

test('a Backup HSM that cannot read what it was made as is one all the same', async () => {
  const { slots, backup } = seedLab()
  backup.state = protocol.STATE_ERROR
  backup.error = protocol.RC_STORAGE_INTEGRITY
  backup.damaged = true
  const { greeting, transcript } = await run(slots, [LOGIN, 'partition archive backup -slot 2 -partition P'])
  assert.ok(greeting.includes('        HSM Model ->            G5Backup'), greeting.join('\n'))
  assert.ok(greeting.includes('        HSM Configuration ->    Luna HSM Undefined Mode'))
  assert.ok(transcript.includes('        The HSM of slot 2 is in its error state: STORAGE_INTEGRITY.'))
  assert.ok(transcript.includes(CODE))
  assert.not.match(transcript.join('\n'), 'is not a Backup HSM')
})

test('a damaged factory record on a real board', async () => {
  const stateDir = await newLab()
  const fd = openSync(join(stateDir, 'hsm-backup', 'flash.img'), 'r+')
  const noise = Buffer.alloc(1024, 0x5a)
  writeSync(fd, noise, 0, noise.length, protocol.FLASH_FACTORY_SECTOR * protocol.FLASH_SECTOR)
  closeSync(fd)
  await useLab(stateDir, {}, async (lab) => {
    const { transcript, code } = await lunacm(lab, [
      'partition archive list -slot 2',
      'role login -name co',
      CHALLENGE,
      'partition contents',
    ])
    assert.is(code, 1)
    assert.match(transcript, /HSM Model -> {12}G5Backup/)
    assert.match(transcript, /HSM Status -> {11}Error \(0x300030, STORAGE_INTEGRITY\)/)
    assert.match(transcript, 'The HSM of slot 2 is in its error state: STORAGE_INTEGRITY.')
    assert.match(transcript, 'The HSM refuses its flash: it was changed or put back from an older copy.')
    assert.match(transcript, /partition contents[\s\S]*Command Result : No Error/)
  })
})

test.run()
