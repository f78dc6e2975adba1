import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { fakePartition } from './fake-hsm.js'
import { run, seedLab, unplugged } from './fake-lab.js'

const test = suite('lunacm archive')

const LOGIN = 'role login -name co -password userpin'
const data = (handle: number) => ({ handle, objectClass: protocol.CKO_DATA })
const privateKey = (handle: number) => ({ handle, objectClass: protocol.CKO_PRIVATE_KEY })

/** The seed's lab after the log-in, and what a command printed between its line and its result. */
async function archive(lab: ReturnType<typeof seedLab>, ...input: string[]) {
  const { transcript, code, sources } = await run(lab.slots, [LOGIN, ...input])
  const start = transcript.findIndex((line, index) => index > 0 && line.startsWith('lunacm:>'))
  return { lines: transcript.slice(start), sources: sources.slice(start), code }
}

// The page of the seed: source handles in its order, and the new handles with their gaps.
const HANDLES = [99, 33, 108, 134, 83, 117, 126, 65, 140, 131, 94, 109, 66, 123, 74, 50, 43, 52, 124, 115]
const NEW_HANDLES = [19, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31, 35, 36, 39, 40, 44, 45, 46, 47, 48]

test('a backup to a new partition prints the lines of the seed', async () => {
  const lab = seedLab()
  lab.partition.objects = HANDLES.map(data)
  const create = lab.backup.token.handlers.get(protocol.CMD_PARTITION_CREATE)
  lab.backup.token.on(protocol.CMD_PARTITION_CREATE, (request) => {
    const answer = create?.(request) ?? 0
    lab.backup.partition(1).newHandles = [...NEW_HANDLES]
    return answer
  })
  const { lines, code, sources } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1')
  const cloned = HANDLES.map(
    (handle, index) => `        Cloned object ${handle} to partition SAbck1 (new handle ${NEW_HANDLES[index]}).`,
  )
  assert.equal(lines, [
    'lunacm:> partition archive backup -slot 2 -par SAbck1',
    '',
    '        Logging in as the SO on slot 2.',
    '        Please attend to the PED.',
    '',
    '        Creating partition SAbck1 on slot 2.',
    '        Please attend to the PED.',
    '',
    '        Logging into the container SAbck1 on slot 2 as the user.',
    '        Please attend to the PED.',
    '',
    '        Creating Domain for the partition SAbck1 on slot 2.',
    '        Please attend to the PED.',
    '',
    '        Verifying that all objects can be backed up...',
    '        20 objects will be backed up.',
    '',
    '        Backing up objects...',
    ...cloned,
    '        ',
    '        Backup Complete.',
    '',
    '        20 objects have been backed up to partition SAbck1',
    '        on slot 2.',
    '',
    'Command Result : No Error',
    '',
  ])
  assert.equal([...new Set(sources)].sort(), ['S', undefined])
  assert.is(code, 0)
  assert.equal(lab.backup.log, ['login 0 ', 'create SAbck1 ', 'login 2 ', 'domain ', 'logout', 'logout'])
})

test('a restore prints its lines and needs the PED at the Backup HSM only', async () => {
  const lab = seedLab()
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'SAbck1', legacy: true, objects: [data(19), data(20)] }))
  const { lines, code } = await archive(lab, 'partition archive restore -slot 2 -partition SAbck1 -password X -add')
  assert.equal(lines, [
    'lunacm:> partition archive restore -slot 2 -partition SAbck1 -password ******* -add',
    '',
    '        Logging in to partition SAbck1 on slot 2 as the user.',
    '        Please attend to the PED.',
    '',
    '        Verifying that all objects can be restored...',
    '        2 objects will be restored.',
    '',
    '        Restoring objects...',
    '        Cloned object 19 from partition SAbck1 (new handle 19).',
    '        Cloned object 20 from partition SAbck1 (new handle 20).',
    '',
    '        Restore Complete.',
    '',
    '        2 objects have been restored from partition SAbck1 on slot 2.',
    '',
    'Command Result : No Error',
    '',
  ])
  assert.is(code, 0)
  // The password is meaningless on a PED-authenticated HSM and never sent.
  assert.equal(lab.backup.log, ['login 2 ', 'logout'])
})

test('without a log-in nothing is asked and nothing is touched', async () => {
  const lab = seedLab()
  for (const command of ['backup', 'restore']) {
    const { transcript, code } = await run(lab.slots, [`partition archive ${command} -slot 2 -partition P`])
    assert.equal(transcript.slice(1), [
      '',
      '        The Crypto Officer must be logged in on slot 1.',
      '',
      'Error in execution: CKR_USER_NOT_LOGGED_IN.',
      '',
      'Command Result : 0x101 (CKR_USER_NOT_LOGGED_IN)',
      '',
    ])
    assert.is(code, 1)
  }
  assert.equal(lab.backup.log, [])
})

test('a Crypto User is told that the Crypto Officer backs up, before anything is touched', async () => {
  const lab = seedLab()
  for (const command of ['backup', 'restore']) {
    const { transcript } = await run(lab.slots, [
      'role login -name cu -password userpin',
      `par ar ${command} -s 2 -par P`,
    ])
    assert.match(transcript.findLast((line) => line.startsWith('Command Result')) ?? '', 'CKR_USER_NOT_AUTHORIZED')
  }
  assert.equal(lab.backup.log, [])
})

test('an SO who is logged in to the Backup HSM already is not asked again, and stays logged in', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(1)]
  const input = ['slot set -slot 2', 'role login -name so', 'slot set -slot 1', LOGIN, 'par ar backup -s 2 -par P']
  const { transcript, code } = await run(lab.slots, input)
  assert.is(code, 0, transcript.join('\n'))
  assert.is(lab.backup.log.filter((line) => line.startsWith('login 0')).length, 1)
  assert.is(lab.backup.log.filter((line) => line === 'logout').length, 1)
})

test('a partition without a label is found by no name', async () => {
  const lab = seedLab()
  lab.backup.partitions.push(fakePartition({ id: 1, label: '', objects: [data(19)] }))
  const { lines, code } = await archive(lab, 'partition archive restore -slot 2 -partition ""')
  assert.match(lines.find((one) => one.startsWith('Command Result')) ?? '', 'CKR_CONTAINER_HANDLE_INVALID')
  assert.is(code, 1)
  assert.equal(lab.backup.log, [])
})

test('a partition that exists is neither added to nor replaced unless told', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(1)]
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'SAbck1' }))
  const { lines, code } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1')
  assert.ok(lines.includes('        Partition SAbck1 exists on slot 2.'))
  assert.ok(lines.includes('Command Result : 0x80000030 (CKR_OPERATION_NOT_ALLOWED)'))
  assert.is(code, 1)
  assert.equal(lab.backup.log, [])
})

test('append logs in only, and leaves out what is there already', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7), data(8)]
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'SAbck1', objects: [data(7)] }))
  const { lines, code } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1 -append')
  assert.equal(lines.slice(1, 13), [
    '',
    '        Logging in as the SO on slot 2.',
    '        Please attend to the PED.',
    '',
    '        Logging into the container SAbck1 on slot 2 as the user.',
    '        Please attend to the PED.',
    '',
    '        Verifying that all objects can be backed up...',
    '        1 objects will be backed up.',
    '        1 object already there will be skipped.',
    '',
    '        Backing up objects...',
  ])
  assert.is(code, 0)
  assert.equal(lab.backup.log, ['login 0 ', 'login 2 ', 'logout', 'logout'])
})

test('replace asks first, and empties the partition after the log-ins', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7)]
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'SAbck1', objects: [data(30)] }))
  const line = 'partition archive backup -slot 2 -par SAbck1 -replace'
  assert.is((await archive(lab, line, 'quit')).code, 1)
  assert.equal(lab.backup.log, [])
  assert.is((await archive(lab, line, 'proceed')).code, 0)
  assert.equal(lab.backup.log, ['login 0 ', 'login 2 ', 'clear', 'logout', 'logout'])
  assert.is(lab.backup.partition(1).objects.length, 1)
})

test('a domain mismatch is reported per object, leaves the empty partition and replaces nothing', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7), data(8)]
  lab.source.refuse.set(protocol.CMD_CLONE_SOURCE_HELLO, protocol.RC_NEGOTIATION_NO_PSK)
  const { lines, code } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1')
  const failed = (handle: number) =>
    `        Failed to clone object ${handle}: 0x8000000b (CKR_CERTIFICATE_DATA_INVALID).`
  assert.equal(lines.slice(-8), [
    '        Backing up objects...',
    failed(7),
    failed(8),
    '',
    'Error in execution: CKR_CERTIFICATE_DATA_INVALID.',
    '',
    'Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)',
    '',
  ])
  assert.is(code, 1)
  assert.is(lab.backup.partitions.length, 1)
  lab.backup.partition(1).objects = [data(30)]
  assert.is((await archive(lab, 'partition archive backup -slot 2 -par SAbck1 -replace -force')).code, 1)
  assert.equal(lab.backup.partition(1).objects, [data(30)])
  assert.not.ok(lab.backup.log.includes('clear'))
})

test('firmware 7.7 reports a domain mismatch once', async () => {
  const lab = seedLab({ profile: protocol.PROFILE_7_7_1 })
  lab.partition.objects = [data(7), data(8)]
  lab.source.refuse.set(protocol.CMD_CLONE_SOURCE_HELLO, protocol.RC_NEGOTIATION_NO_PSK)
  const { lines } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1')
  assert.ok(lines.includes('        Failed to clone object 7: 0x8000000b (CKR_CERTIFICATE_DATA_INVALID).'))
  assert.ok(lines.includes('        Failed to clone object 8: 0x80000107 (CKR_CLONE_NOT_ATTEMPTED).'))
})

test('private keys that a policy of either side holds back are skipped, the rest is moved', async () => {
  const source = seedLab()
  source.partition.objects = [{ ...privateKey(7), clone: protocol.RC_OPERATION_NOT_ALLOWED }, data(8)]
  const backup = await archive(source, 'partition archive backup -slot 2 -par SAbck1')
  assert.ok(backup.lines.includes('        1 objects will be backed up.'))
  assert.ok(backup.lines.includes('        1 private key cannot be cloned and will be skipped.'))
  assert.is(backup.code, 0)
  const target = seedLab()
  target.partition.policies = [[protocol.POLICY_PRIVATE_CLONING, 1, 0]]
  target.backup.partitions.push(
    fakePartition({ id: 1, label: 'P', objects: [privateKey(19), privateKey(20), data(21)] }),
  )
  const restore = await archive(target, 'partition archive restore -slot 2 -partition P -replace -force')
  assert.ok(restore.lines.includes('        2 private keys cannot be cloned and will be skipped.'))
  assert.ok(restore.lines.includes('        1 objects have been restored from partition P on slot 2.'))
  assert.is(restore.code, 0)
})

test('an object that fails is named, the others are there, and the command has failed', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7), data(8), data(9)]
  lab.backup.failing.set(8, protocol.RC_CERTIFICATE_DATA_INVALID)
  const { lines, code } = await archive(lab, 'partition archive backup -slot 2 -par SAbck1')
  assert.ok(lines.includes('        Failed to clone object 8: 0x8000000b (CKR_CERTIFICATE_DATA_INVALID).'))
  assert.ok(lines.includes('        2 objects have been backed up to partition SAbck1'))
  assert.ok(lines.includes('Command Result : 0x8000000b (CKR_CERTIFICATE_DATA_INVALID)'))
  assert.is(code, 1)
})

test('a cable that goes in the middle: how many are there is said, and Ctrl-C is called what it is', async () => {
  for (const interrupted of [false, true]) {
    const lab = seedLab()
    lab.partition.objects = Array.from({ length: 1000 }, (_, index) => data(7 + index))
    const controller = new AbortController()
    let results = 0
    const handler = lab.source.token.handlers.get(protocol.CMD_CLONE_SOURCE_RESULT)
    lab.source.token.on(protocol.CMD_CLONE_SOURCE_RESULT, (request) => {
      if (results++ === 0 && handler) return handler(request)
      if (interrupted) controller.abort()
      return unplugged()
    })
    const { signal } = controller
    const input = [LOGIN, 'partition archive backup -slot 2 -par SAbck1']
    const { transcript, code } = await run(lab.slots, input, 'A', { signal })
    assert.is(code, 1)
    const cloned = transcript.filter((line) => line.includes('Cloned object ')).length
    assert.ok(cloned > 0 && cloned < 1000, String(cloned))
    const end = interrupted
      ? ['Error in execution: command cancelled.', '', 'Command Result : 0xb (User Cancelled Operation)', '']
      : [
          '        the device was unplugged',
          '',
          'Error in execution: CKR_TOKEN_NOT_PRESENT.',
          '',
          'Command Result : 0xe0 (CKR_TOKEN_NOT_PRESENT)',
          '',
        ]
    const said = `        At least ${cloned} objects had been cloned by then, each of them whole.`
    assert.equal(transcript.slice(-end.length - 2), [said, '', ...end])
  }
})

test('too little room, unknown objects, wrong slots and unknown partitions are refused before anything changes', async () => {
  const table: [string, (lab: ReturnType<typeof seedLab>) => void, RegExp][] = [
    [
      'partition archive backup -slot 2 -par P',
      (lab) => Object.assign(lab.backup, { free: 100n }),
      /0x8000002a \(CKR_HSM_STORAGE_FULL\)/,
    ],
    ['partition archive backup -slot 2 -par P -objects 7,99', () => {}, /0x82 \(CKR_OBJECT_HANDLE_INVALID\)/],
    ['partition archive backup -slot 1 -par P', () => {}, /0xc0000411 \(RC_NOT_HSM_BACKUP_TOKEN\)/],
    ['partition archive backup -slot 5 -par P', () => {}, /0x3 \(CKR_SLOT_ID_INVALID\)/],
    ['partition archive backup -slot 2 -par P -append -replace', () => {}, /0x7 \(CKR_ARGUMENTS_BAD\)/],
    ['partition archive restore -slot 2 -partition P', () => {}, /0x80000005 \(CKR_CONTAINER_HANDLE_INVALID\)/],
    ['partition archive restore -slot 1 -partition P', () => {}, /0xc0000411 \(RC_NOT_HSM_BACKUP_TOKEN\)/],
    ['partition archive delete -slot 2 -partition P -force', () => {}, /0x80000005 \(CKR_CONTAINER_HANDLE_INVALID\)/],
    ['partition archive contents -slot 2 -partition P', () => {}, /0x80000005 \(CKR_CONTAINER_HANDLE_INVALID\)/],
    ['partition archive list -slot 1', () => {}, /0xc0000411 \(RC_NOT_HSM_BACKUP_TOKEN\)/],
  ]
  for (const [line, prepare, result] of table) {
    const lab = seedLab()
    lab.partition.objects = [data(7)]
    prepare(lab)
    const { lines, code } = await archive(lab, line)
    assert.match(lines.find((one) => one.startsWith('Command Result')) ?? '', result, line)
    assert.is(code, 1)
    assert.equal(lab.backup.log, [], line)
  }
})

test('a restore that does not fit is refused before the target is emptied', async () => {
  const lab = seedLab()
  lab.partition.total = 500n
  lab.partition.objects = [data(1)]
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'P', objects: [data(19), data(20)] }))
  const { lines, code } = await archive(lab, 'partition archive restore -slot 2 -partition P -replace -force')
  assert.ok(lines.includes('        The objects take 600 bytes, 500 bytes are free.'))
  assert.ok(lines.includes('Command Result : 0x8000002c (CKR_CONTAINER_OBJECT_STORAGE_FULL)'))
  assert.is(code, 1)
  assert.is(lab.partition.objects.length, 1)
})

test('only the objects asked for are moved, 0 stands for all', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7), data(8), data(9)]
  const some = await archive(lab, 'partition archive backup -slot 2 -par P -objects 9,7')
  const cloned = some.lines.filter((line) => line.includes('Cloned object'))
  assert.equal(
    cloned.map((line) => line.trim().split(' ')[2]),
    ['9', '7'],
  )
  const twice = await archive(lab, 'partition archive backup -slot 2 -par R -objects 7,8,7')
  assert.ok(twice.lines.includes('        2 objects have been backed up to partition R'))
  const all = await archive(lab, 'partition archive backup -slot 2 -par Q -objects 0')
  assert.ok(all.lines.includes('        3 objects have been backed up to partition Q'))
})

test('a password-authenticated Backup HSM is asked for its secrets before anything changes', async () => {
  const lab = seedLab({ auth: protocol.AUTH_PASSWORD })
  lab.partition.objects = [data(7)]
  const line = 'partition archive backup -slot 2 -par P'
  const full = await archive(lab, line, 'sopass1', 'userpass1', 'userpass1', 'my-domain', 'my-domain')
  assert.is(full.code, 0)
  assert.not.ok(full.lines.some((text) => text.includes('PED') || text.includes('pass1') || text.includes('my-domain')))
  assert.equal(lab.backup.log.slice(0, 4), [
    'login 0 sopass1',
    'create P userpass1',
    'login 2 userpass1',
    'domain my-domain',
  ])
  const cut = seedLab({ auth: protocol.AUTH_PASSWORD })
  assert.is((await archive(cut, line, 'sopass1', 'userpass1')).code, 1)
  assert.equal(cut.backup.log, [])
})

test('a failed stage leaves what the stages before it have made, and logs out', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7)]
  lab.backup.refuse.set(protocol.CMD_PARTITION_SET_DOMAIN, protocol.RC_TIMEOUT)
  const { lines, code } = await archive(lab, 'partition archive backup -slot 2 -par P')
  assert.ok(lines.includes('Command Result : 0x80000024 (CKR_TIMEOUT)'))
  assert.is(code, 1)
  assert.is(lab.backup.partitions.length, 1)
  assert.is(lab.backup.role(protocol.ADMIN_PARTITION), undefined)
  assert.is(lab.backup.role(1), undefined)
  // The next try finds the partition; its domain is still to be made.
  lab.backup.refuse.clear()
  const again = await archive(lab, 'partition archive backup -slot 2 -par P -append')
  assert.ok(again.lines.includes('        Creating Domain for the partition P on slot 2.'))
  assert.is(again.code, 0)
})

test('a container that is too small is made larger first', async () => {
  const lab = seedLab()
  lab.partition.objects = [data(7), data(8)]
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'P', total: 400n, objects: [data(30)] }))
  assert.is((await archive(lab, 'partition archive backup -slot 2 -par P -append')).code, 0)
  assert.ok(lab.backup.log.includes('resize 1 900'))
})

test('list, contents and delete', async () => {
  const lab = seedLab()
  lab.backup.partitions.push(fakePartition({ id: 1, label: 'SAbck1', objects: [{ ...data(19), label: 'one' }] }))
  const list = await archive(lab, 'partition archive list -slot 2')
  assert.ok(list.lines.includes('        Name:                      SAbck1'))
  assert.ok(list.lines.includes('        Number Of Objects:         1'))
  const contents = await archive(lab, 'partition archive contents -slot 2 -partition SAbck1')
  assert.ok(contents.lines.includes('        Label:         one'))
  const kept = await archive(lab, 'partition archive delete -slot 2 -partition SAbck1', 'quit')
  assert.is(kept.code, 1)
  assert.not.ok(lab.backup.log.includes('delete 1'))
  const gone = await archive(lab, 'partition archive delete -slot 2 -partition SAbck1', 'proceed')
  assert.is(gone.code, 0)
  assert.ok(lab.backup.log.includes('delete 1'))
  assert.is(lab.backup.role(protocol.ADMIN_PARTITION), undefined)
})

test.run()
