// What a person at lunacm meets on the real firmware of each generation: listings, domains, resets, wrong domains.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { attribute } from '../../host/client/index.js'
import { run } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm over firmware of each generation')

const [SO, PSO, CO, DOMAIN] = ['so-password', 'pso-password', 'co-password', 'the domain']

/** A password card with two partitions in the slots 1 and 2, their Crypto Officers ready to work. */
async function withPartitions(profile: number, work: (lab: RealLab) => Promise<void>, domain2 = DOMAIN): Promise<void> {
  const lab = await RealLab.make({ auth: protocol.AUTH_PASSWORD, profile })
  try {
    const partition = (slot: number, domain: string) => [
      `slot set slot ${slot}`,
      `partition init -label P${slot} -password ${PSO} -domain "${domain}" -force`,
      `role login -name po -password ${PSO}`,
      `role init -name co -password ${CO}`,
      'role logout',
      ...(profile >= protocol.PROFILE_7_0_3
        ? [`role login -name co -password ${CO}`, `role changepw -name co -oldpw ${CO} -newpw ${CO}`, 'role logout']
        : []),
    ]
    const { transcript, code } = await run(lab, [
      `hsm init -label card -password ${SO} -domain "${DOMAIN}" -force`,
      `role login -name so -password ${SO}`,
      'partition create -slot 1',
      'partition create -slot 2',
      ...partition(1, DOMAIN),
      ...partition(2, domain2),
    ])
    assert.is(code, 0, transcript.join('\n'))
    lab.newClients()
    await work(lab)
  } finally {
    lab.close()
  }
}

const lineOf = (transcript: readonly string[], text: string) => transcript.filter((line) => line.includes(text))

test('policies are listed as the generation has them', async () => {
  await withPartitions(protocol.PROFILE_6_27_0, async (lab) => {
    const { transcript } = await run(lab, ['hsm showpolicies', 'slot set slot 1', 'partition showpolicies'])
    assert.equal(lineOf(transcript, 'remote authentication : 1').length, 4)
    assert.equal(lineOf(transcript, '  6: Allow masking : 1').length, 1)
    assert.equal(lineOf(transcript, 'Tamper Recovery'), [])
    assert.equal(lineOf(transcript, 'Unnamed'), [])
  })
  await withPartitions(protocol.PROFILE_7_8_0, async (lab) => {
    const { transcript } = await run(lab, ['hsm showpolicies', 'slot set slot 1', 'partition showpolicies'])
    assert.equal(lineOf(transcript, ' 48: Do Controlled Tamper Recovery : 1').length, 1)
    assert.equal(lineOf(transcript, ' 44: Allow Extended Domain Management : 1').length, 1)
    assert.equal(lineOf(transcript, ' 41: Enable Partition Version : 0').length, 1)
    assert.equal(lineOf(transcript, 'Unnamed'), [])
  })
})

test('7.8: domains are added, listed, relabelled and taken away', () =>
  withPartitions(protocol.PROFILE_7_8_0, async (lab) => {
    const { transcript, code } = await run(lab, [
      'slot set slot 1',
      `role login -name po -password ${PSO}`,
      'partition domainadd -domainlabel second -domain "another domain"',
      'partition domainlist',
      'par domainchangelabel -newlabel own',
      'par domainchangelabel -domainlabel second -primary',
      'par domaindelete -domainlabel own',
      'par domainlist',
    ])
    assert.is(code, 0, transcript.join('\n'))
    assert.equal(
      transcript.filter((line) => /Domains of|, primary|text$/.test(line)),
      [
        '        Domains of the partition: 2',
        `                ${'(no label)'.padEnd(34)}text, primary`,
        `                ${'second'.padEnd(34)}text`,
        '        Domains of the partition: 1',
        `                ${'second'.padEnd(34)}text, primary`,
      ],
    )
    assert.not.ok(transcript.some((line) => line.includes('another domain')))
    const wrong = await run(lab, ['slot set slot 1', 'par domaindelete -domainlabel none'])
    assert.is(wrong.code, 1)
    assert.ok(wrong.transcript.includes('        The partition has no domain none.'))
  }))

test('7.x: a locked Crypto Officer is reset by the Partition SO once policy 15 lets it', () =>
  withPartitions(protocol.PROFILE_7_0_3, async (lab) => {
    const wrong = Array.from({ length: 10 }, () => 'role login -name co -password not-this-one')
    const locked = await run(lab, ['slot set slot 1', ...wrong, 'role show -name co'])
    assert.ok(locked.transcript.includes('                Locked out'), locked.transcript.join('\n'))
    const reset = `role resetpw -name co -password fresh-password`
    const refused = await run(lab, ['slot set slot 1', `role login -name po -password ${PSO}`, reset])
    assert.ok(refused.transcript.includes('Command Result : 0x80000030 (CKR_OPERATION_NOT_ALLOWED)'))
  }))

async function fill(lab: RealLab): Promise<void> {
  const { card } = lab.clients
  const session = await card.openSession(1)
  await card.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, CO)
  for (const name of ['one', 'two', 'three']) {
    await card.objects.create(session, [
      attribute.ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
      attribute.bool(protocol.CKA_TOKEN, true),
      attribute.bool(protocol.CKA_PRIVATE, false),
      attribute.text(protocol.CKA_LABEL, name),
      attribute.text(protocol.CKA_VALUE, name),
    ])
  }
  await card.closeSession(session)
}

for (const [profile, codes] of [
  [protocol.PROFILE_6_27_0, ['0x8000000b', '0x8000000b', '0x8000000b']],
  [protocol.PROFILE_7_0_3, ['0x8000000b', '0x8000000b', '0x8000000b']],
  [protocol.PROFILE_7_7_1, ['0x8000000b', '0x80000107', '0x80000107']],
  [protocol.PROFILE_7_8_0, ['0x8000000b', '0x80000107', '0x80000107']],
] as const) {
  test(`${profile.toString(16)}: a wrong domain shows as this firmware shows it`, () =>
    withPartitions(
      profile,
      async (lab) => {
        await fill(lab)
        const { transcript, code } = await run(lab, [
          'slot set slot 1',
          `role login -name co -password ${CO}`,
          `partition clone -objects 0 -slot 2 -password ${CO} -force`,
        ])
        assert.is(code, 1)
        const seen = lineOf(transcript, 'Failed to clone object').map((line) => /: (0x[0-9a-f]+) /.exec(line)?.[1])
        assert.equal(seen, codes, transcript.join('\n'))
        assert.is((await lab.clients.card.partitions.info(2)).objects, 0)
      },
      'a domain of its own',
    ))
}

test.run()
