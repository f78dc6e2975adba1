import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { FakeSlots, lines, run, seedLab } from './fake-lab.js'

const test = suite('lunacm shell')

test('the steps before a backup print what the seed prints', async () => {
  const { slots, source } = seedLab()
  const { transcript, code, sources } = await run(slots, [
    'slot set slot 1',
    'ped get',
    'ped connect ip 192.20.10.190',
    'ped get',
    'role login -name Crypto Officer',
    'userpin',
    'ped connect ip 192.20.10.190 -slot 2',
    'ped get -slot 2',
    'exit',
  ])
  assert.equal(
    transcript,
    lines(`
lunacm:> slot set slot 1

        Current Slot Id: 1     (Luna User Slot 6.27.0 (PED) Signing With Cloning Mode)

Command Result : No Error

lunacm:> ped get

        HSM slot 1 listening to local PED (PED id=0).

Command Result : No Error

lunacm:> ped connect ip 192.20.10.190

Command Result : No Error

lunacm:> ped get

        HSM slot 1 listening to remote PED (PED id=100).

Command Result : No Error

lunacm:> role login -name Crypto Officer

        Option -password was not supplied.  It is required.

        Enter the password: *******

        User is activated, PED is not required.

Command Result : No Error

lunacm:> ped connect ip 192.20.10.190 -slot 2

Command Result : No Error

lunacm:> ped get -slot 2

        HSM slot 2 listening to remote PED (PED id=100).

Command Result : No Error

lunacm:> exit
`),
  )
  assert.equal(source.log, ['login 2 userpin'])
  assert.is(code, 0)
  // Every line of these steps is in the seed: none may be provisional.
  assert.equal([...new Set(sources)].sort(), ['S', undefined])
})

test('a role that is not activated needs the PED, and its challenge if it has one', async () => {
  const { slots, source } = seedLab()
  source.activated = false
  const withChallenge = await run(slots, ['role login -name co -password userpin'])
  assert.equal(withChallenge.transcript.slice(1, 4), ['', '        Please attend to the PED.', ''])
  source.challenge = false
  const without = await run(slots, ['role login -name co -password ignored', 'role login -name po'])
  assert.equal(without.transcript.slice(1, 4), ['', '        Please attend to the PED.', ''])
  assert.equal(
    source.log.filter((line) => line.startsWith('login')),
    ['login 2 userpin', 'login 2 ', 'login 1 '],
  )
})

test('a password-authenticated HSM asks no PED', async () => {
  const { slots, source } = seedLab({ auth: protocol.AUTH_PASSWORD })
  const { transcript } = await run(slots, ['role login -name co', 'userpin', 'slot list'])
  assert.not.ok(transcript.some((line) => line.includes('PED.')))
  assert.ok(transcript.some((line) => line.includes('(PW) Signing With Cloning Mode')))
  assert.equal(source.log, ['login 2 userpin'])
})

test('a refusal of the token is shown in the failure frame and makes the exit code 1', async () => {
  const { slots, source } = seedLab()
  source.refuse.set(protocol.CMD_ROLE_LOGIN, protocol.RC_PIN_INCORRECT)
  const { transcript, code } = await run(slots, ['role login -name co -password wrongpin'])
  assert.equal(
    transcript,
    lines(`
lunacm:> role login -name co -password *******

        User is activated, PED is not required.

Error in execution: CKR_PIN_INCORRECT.

Command Result : 0xa0 (CKR_PIN_INCORRECT)

`),
  )
  assert.is(code, 1)
})

test('a locked role says so', async () => {
  const { slots, source } = seedLab()
  source.refuse.set(protocol.CMD_ROLE_LOGIN, protocol.RC_PIN_INCORRECT_LOCKED)
  const { transcript } = await run(slots, ['role login -name co -password wrongpin'])
  assert.ok(transcript.includes('        The role is locked out.'))
  assert.ok(transcript.includes('Command Result : 0xa0 (CKR_PIN_INCORRECT)'))
})

test('commands after a failed one still run, and the exit code stays 1', async () => {
  const { slots } = seedLab()
  const { transcript, code } = await run(slots, ['slot set slot 9', 'nonsense', '', 'slot set slot 1'])
  assert.ok(transcript.includes('        There is no slot 9.'))
  assert.ok(transcript.includes('Command Result : 0x3 (CKR_SLOT_ID_INVALID)'))
  assert.ok(transcript.includes('Command Result : 0x1 (Unknown command)'))
  assert.is(transcript.filter((line) => line === 'Command Result : No Error').length, 1)
  assert.is(code, 1)
})

test('whatever is not answered proceed cancels, and nothing is sent', async () => {
  for (const answer of ['quit', 'no', '', undefined]) {
    const { slots, source } = seedLab()
    const input = ['hsm factoryreset', ...(answer === undefined ? [] : [answer])]
    const { transcript, code } = await run(slots, input)
    assert.equal(
      transcript,
      lines(`
lunacm:> hsm factoryreset

        You are about to factory reset the HSM.
        All contents of the HSM will be destroyed.
        HSM policies will be reset, the remote PED vector and the Auditor role will be erased.

        Are you sure you wish to continue?

        Type 'proceed' to continue, or 'quit' to quit now ->${answer ?? ''}

Error in execution: command cancelled.

Command Result : 0xb (User Cancelled Operation)

`),
    )
    assert.is(code, 1)
    assert.equal(source.log, [])
  }
  const { slots, source } = seedLab()
  assert.is((await run(slots, ['hsm factoryreset', 'proceed'])).code, 0)
  assert.is((await run(slots, ['hsm factoryreset -force'])).code, 0)
  assert.equal(source.log, ['factory reset', 'factory reset'])
})

test('an end of the input at a password question cancels', async () => {
  const { slots, source } = seedLab()
  const { transcript } = await run(slots, ['role login -name co'])
  assert.ok(transcript.includes('Command Result : 0xb (User Cancelled Operation)'))
  assert.equal(source.log, [])
})

test('two new secrets that differ are refused', async () => {
  const { slots, source } = seedLab({ auth: protocol.AUTH_PASSWORD })
  const { transcript, code } = await run(slots, ['role init -name co', 'password1', 'password2'])
  assert.ok(transcript.includes('        The two entries are not the same.'))
  assert.is(code, 1)
  assert.equal(source.log, [])
  await run(slots, ['role init -name co', 'password1', 'password1'])
  assert.equal(source.log, ['role init 2 password1'])
})

test('no secret that is typed is ever printed', async () => {
  const secrets = ['Secret-one1', 'Secret-two2', 'Secret-three3']
  const [one, two, three] = secrets
  const { slots, source } = seedLab({ auth: protocol.AUTH_PASSWORD })
  source.state = protocol.STATE_ZEROIZED
  const { transcript } = await run(slots, [
    `role login -name co -password ${one}`,
    'role changepw -name co',
    `${one}`,
    `${two}`,
    `${two}`,
    `hsm init -label x -password ${three} -domain ${two} -force`,
    `partition init -label x -password "${three} ${one}" -domain ${two} -force`,
    `role login -name co -password ${one} ${two}`,
    `role login -name co -pasword ${three}`,
    `role createchallenge -name co -challengesecret ${three}`,
  ])
  for (const secret of secrets)
    assert.not.ok(
      transcript.some((line) => line.includes(secret)),
      secret,
    )
  assert.ok(source.log.includes(`change 2 ${one} ${two}`))
  assert.ok(source.log.includes(`hsm init x|${three}|${two}`))
  assert.ok(source.log.includes(`partition init x|${three} ${one}|${two}`))
})

test('changing a secret needs a log-in', async () => {
  const { slots } = seedLab()
  const { transcript } = await run(slots, ['role changepw -name co -prompt'])
  assert.equal(
    transcript.slice(1),
    lines(`

        A role must be logged in to change password.

Error in execution: command cancelled.

Command Result : 0xb (User Cancelled Operation)

`),
  )
})

test('role show tells the state of a role', async () => {
  const { slots } = seedLab()
  const { transcript } = await run(slots, ['role show -name Crypto Officer', 'role show -name cu'])
  const heading = transcript.indexOf("        State of role 'Crypto Officer':")
  assert.equal(transcript.slice(heading + 1, heading + 4), [
    '                Primary authentication type:  PED',
    '                Secondary authentication type:  PIN',
    '                Failed login attempts before lockout: 10',
  ])
  const absent = transcript.indexOf("        State of role 'Crypto User':")
  assert.is(transcript[absent + 1]?.trim(), 'Not initialized.')
})

test('an unknown role is refused before anything is sent', async () => {
  const { slots, source } = seedLab()
  const { transcript } = await run(slots, ['role login -name Nobody -password x'])
  assert.ok(transcript.includes("        'Nobody' is not a role."))
  assert.equal(source.log, [])
})

test('a PED server that does not answer leaves the HSM on its local PED', async () => {
  const refused = Object.assign(new Error('nobody answers at host:1503'), { code: 'CKR_PED_CLIENT_NOT_RUNNING' })
  const ped = { connect: async () => Promise.reject(refused), disconnect: async () => {} }
  const { source } = seedLab()
  const slots = new FakeSlots([{ id: 1, hsm: source, partition: 14, ped }])
  const { transcript, code } = await run(slots, ['ped connect -ip host', 'ped get'])
  assert.ok(transcript.includes('        nobody answers at host:1503'))
  assert.ok(transcript.includes('Command Result : 0x8000002d (CKR_PED_CLIENT_NOT_RUNNING)'))
  assert.ok(transcript.includes('        HSM slot 1 listening to local PED (PED id=0).'))
  assert.is(code, 1)
})

test('a PED that the HSM refuses is hung up on', async () => {
  const calls: string[] = []
  const ped = {
    connect: async (host: string, port: number | undefined) => void calls.push(`connect ${host} ${port}`),
    disconnect: async () => void calls.push('disconnect'),
  }
  const { source } = seedLab()
  source.refuse.set(protocol.CMD_PED_CONNECT, protocol.RC_PED_ERROR)
  const slots = new FakeSlots([{ id: 1, hsm: source, partition: 14, ped }])
  const { transcript } = await run(slots, ['ped connect -ip host -port 1504'])
  assert.equal(calls, ['connect host 1504', 'disconnect'])
  assert.ok(transcript.includes('Command Result : 0x8000009e (CKR_PED_ERROR)'))
})

test('a session that the token has dropped is opened again', async () => {
  const { slots, source } = seedLab()
  const answer = source.token.handlers.get(protocol.CMD_SESSION_INFO)
  let asked = 0
  source.token.on(protocol.CMD_SESSION_INFO, (request) =>
    ++asked === 2 ? protocol.RC_SESSION_HANDLE_INVALID : (answer?.(request) ?? 0),
  )
  const { code } = await run(slots, ['partition contents', 'partition contents'])
  assert.is(code, 0)
  assert.is(asked, 3)
})

test('destructive policies ask first, others do not', async () => {
  const { slots, source, partition } = seedLab()
  partition.policies = [
    [protocol.POLICY_PRIVATE_CLONING, 1, 0],
    [protocol.POLICY_ACTIVATION, 1, 1],
  ]
  const asked = await run(slots, ['partition changepolicy -policy 0 -value 1', 'quit'])
  assert.is(asked.code, 1)
  assert.equal(source.log, [])
  const both = await run(slots, ['partition changepolicy -policy 0,22 -value 1,0', 'proceed'])
  assert.is(both.code, 0)
  assert.equal(source.log, ['partition 14 policy 0=1', 'partition 14 policy 22=0'])
  const unknown = await run(slots, [
    'partition changepolicy -policy 99 -value 1',
    'hsm changehsmpolicy -policy 99 -value 1',
  ])
  assert.is(unknown.transcript.filter((line) => line === '        There is no policy 99 to change.').length, 2)
  assert.is((await run(slots, ['partition changepolicy -policy 0,22 -value 1'])).code, 1)
  const fips = await run(slots, ['hsm changehsmpolicy -policy 12 -value 1', 'proceed'])
  assert.ok(fips.transcript.includes('        *** WARNING ***'))
  assert.is(source.log.at(-1), 'hsm policy 12=1')
})

test('listings of policies, mechanisms, contents and information', async () => {
  const { slots, partition } = seedLab()
  partition.objects = [{ handle: 19, objectClass: protocol.CKO_PRIVATE_KEY, label: 'CMU Unwrapped RSA Private Key' }]
  const { transcript, code } = await run(slots, [
    'role login -name co -password userpin',
    'partition contents',
    'par showpolicies',
    'hsm showpolicies',
    'par showmechanism',
    'par si',
    'hsm showinfo',
    'role list',
  ])
  assert.is(code, 0)
  for (const line of [
    "        The 'Crypto Officer' is currently logged in. Looking for objects",
    '        Label:         CMU Unwrapped RSA Private Key',
    '        Handle:        19',
    '        Object Type:   Private Key',
    '        Object UID:    414141414141414100000013',
    '        Number of objects:  1',
    '                  0: Enable private key cloning : 1',
    '                  0: Allow private key cloning : 1',
    '                 22: Enable activation : 0',
    '                  7: Allow cloning : 1',
    '        0x00000000 - CKM_RSA_PKCS_KEY_PAIR_GEN',
    '        0x80000171 - CKM_AES_KWP',
    '        Partition Label ->         SA52_P1',
    '        Partition Serial Number -> 500409014',
    '        Role Status ->             Crypto Officer logged in',
    '                CONTAINER_ACTIVATED',
    '        *** The partition is NOT in FIPS 140-2 approved operation mode. ***',
  ]) {
    assert.ok(transcript.includes(line), line)
  }
  assert.not.ok(transcript.includes('                 22: Allow activation : 0'), 'a policy without its capability')
})

test('an answer whose question did not come is not shown', async () => {
  const { slots } = seedLab()
  const { transcript, code } = await run(slots, ['role login -name nobody', 'hunter22', 'slot list', 'hunter23'])
  assert.is(code, 1)
  assert.not.match(transcript.join('\n'), 'hunter22')
  // What follows a command that asked nothing is a mistyped command.
  assert.match(transcript.join('\n'), "'hunter23' is not a command.")
})

test('once its signal is aborted the shell runs nothing more', async () => {
  const { slots, source } = seedLab()
  const controller = new AbortController()
  source.token.on(protocol.CMD_PED_GET, () => {
    controller.abort()
    return protocol.RC_DEVICE_ERROR
  })
  const { transcript } = await run(slots, ['ped get', 'slot list'], 'A', { signal: controller.signal })
  assert.ok(transcript.some((line) => line.includes('CKR_DEVICE_ERROR')))
  assert.not.ok(transcript.some((line) => line.includes('slot list')))
})

test('a fault of the program itself is not hidden in a frame', async () => {
  const { slots, source } = seedLab()
  source.token.on(protocol.CMD_PED_GET, () => {
    throw new RangeError('a bug')
  })
  await run(slots, ['ped get']).then(
    () => assert.unreachable(),
    (error) => assert.is(error.message, 'a bug'),
  )
})

test.run()
