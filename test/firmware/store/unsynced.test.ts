// A log-in attempt is durable before anything is derived from what was presented: superblock, counter, sync, and only then the secret.
// Cuts here lose all that was not synced, so whoever takes the power away on seeing the outcome has paid for the attempt.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { State } from '../../../host/board/index.js'
import type { TokenClient } from '../../../host/client/index.js'
import { pinKeyOfPassword, pinKeyOfPed } from '../../oracle/obc1/at-rest.js'
import { codeOf } from '../support/expect.js'
import { newestSuperblock, PARTITION_ROW, rowOffset } from '../support/flash-image.js'
import { initHsm, ownPartition, SECRETS } from '../support/officer.js'
import { insert, PedDesk, ScriptedOperator } from '../support/ped-desk.js'
import { QUICK_ROUNDS } from '../support/quick-firmware.js'
import { copyState, TestToken } from '../support/test-token.js'
import { type Moment, syncRecordedToken } from '../support/unsynced.js'

const test = suite('store: log-ins, and cuts that lose what was not synced')

const { ADMIN_PARTITION: ADMIN, ROLE_SO: SO, ROLE_PARTITION_SO: PSO, ROLE_CRYPTO_OFFICER: CO } = protocol
const WRONG = 'not the password'
const CHALLENGE = 'challenge-of-co'
const quickPinKey = (password: string, salt: Buffer): Buffer => pinKeyOfPassword(password, salt, QUICK_ROUNDS)

/** Attempts of the Crypto Officer where the log-in is by password. */
const LIMIT = 4
/** In a role row: the salt of the secret, and of the challenge. */
const [SALT, CHALLENGE_SALT] = [16, 88]

function saltOf(state: State, partition: number, role: number, at: number): Buffer {
  const row = rowOffset(partition) + PARTITION_ROW.role + role * PARTITION_ROW.roleSize
  return Buffer.from(newestSuperblock(state.flash.image).bytes.subarray(row + at, row + at + 32))
}

/** Attempts that a role has on a token that boots from this state; −1 where the HSM, or what the role belongs to, was wiped. */
async function attemptsIn(state: State, partition: number, role: number): Promise<number> {
  const token = TestToken.on(copyState(state))
  try {
    if ((await token.client.status()).state !== protocol.STATE_FUNCTIONAL) return -1
    const info = await token.client.roles.info(await token.client.openSession(partition), role)
    return info.initialized ? info.attempts : -1
  } finally {
    token.board.powerOff()
  }
}

/** A command that presents a secret of a role. */
interface Attempt {
  /** The state that the token boots from. */
  readonly from: State
  readonly partition: number
  readonly role: number
  readonly attempts: number
  /** What is derived first from what was presented. */
  readonly derived: Buffer
  readonly expected: number
  readonly work: (client: TokenClient, session: number) => Promise<unknown>
  readonly prepare?: (token: TestToken) => Promise<void>
}

/** Operations in their order, erases left out: which sectors are blank already is the store's matter. */
const inOrder = (moments: readonly Moment[]): string =>
  moments
    .map(({ operation }) => operation)
    .filter((operation) => operation !== 'erase')
    .join(' ')

/** @returns the operations after the attempt was counted, and the attempts that each cut there leaves */
async function countedFirst(attempt: Attempt): Promise<{ rest: Moment[]; left: number[] }> {
  const { from, partition, role, attempts, derived, expected, work, prepare } = attempt
  const { token, recorder } = syncRecordedToken(copyState(from))
  await prepare?.(token)
  const { client } = token
  const session = await client.openSession(partition)
  let code = -1
  const isDerived = () => Buffer.from(token.board.memoryImage() ?? new Uint8Array(0)).includes(derived)
  const { moments, after } = await recorder.record(async () => {
    code = await codeOf(work(client, session))
  }, isDerived)
  token.board.powerOff()
  assert.is(code, expected)
  const known = new Map<State, number>()
  const attemptsAt = async (state: State): Promise<number> => {
    const count = known.get(state) ?? (await attemptsIn(state, partition, role))
    known.set(state, count)
    return count
  }
  for (const { operation, seen, left } of moments) {
    if (seen)
      assert.ok((await attemptsAt(left)) < attempts, `cut before ${operation}: known is the secret, lost the attempt`)
  }
  const first = moments.findIndex(({ operation }) => operation === 'sync')
  const counting = moments.slice(0, first + 1)
  assert.is(inOrder(counting), 'program counter sync')
  assert.ok(
    counting.every(({ byFirmware }) => byFirmware),
    'the firmware itself makes it durable',
  )
  assert.not.ok(
    counting.some(({ seen }) => seen),
    'nothing is derived before it is durable',
  )
  assert.is(await attemptsAt(counting[0]?.left ?? from), attempts, 'a cut before it gives nothing away')
  const rest = moments.slice(first + 1)
  const left: number[] = []
  for (const { left: state } of [...rest, { left: after }]) left.push(await attemptsAt(state))
  return { rest, left }
}

// ---- passwords --------------------------------------------------------------------------------------------------------

const bases = new Map<number, { readonly state: State; readonly partition: number }>()

test.before(async () => {
  for (const profile of [protocol.PROFILE_6_27_0, protocol.PROFILE_7_0_3]) {
    const token = await TestToken.make({ sectors: 12, profile })
    const { client } = token
    const partition = await ownPartition(client, await initHsm(token))
    const session = await client.openSession(partition)
    await client.roles.login(session, PSO, SECRETS.partitionSo)
    await client.partitions.setPolicy(session, partition, protocol.POLICY_MAX_FAILED_LOGINS, LIMIT)
    token.board.powerOff()
    bases.set(profile, { state: token.state, partition })
  }
})

function base(profile: number): { readonly state: State; readonly partition: number } {
  const found = bases.get(profile)
  if (!found) throw new Error('no such base')
  return found
}

/** The base after so many wrong passwords of a role. */
async function afterWrong(profile: number, partition: number, role: number, count: number): Promise<State> {
  const token = TestToken.on(copyState(base(profile).state))
  const session = await token.client.openSession(partition)
  for (let i = 0; i < count; i++) await codeOf(token.client.roles.login(session, role, WRONG))
  token.board.powerOff()
  return token.state
}

interface PasswordCase {
  readonly what: string
  readonly profile?: number
  readonly role: number
  readonly password: string
  /** Wrong ones before, of so many allowed. */
  readonly wrong?: number
  readonly limit?: number
  readonly expected: number
  /** Operations after the attempt was counted. */
  readonly afterwards: string
  /** Attempts in the states that cuts leave, from the moment that it was counted. */
  readonly leaves: readonly number[]
}

const COMMIT = 'program counter sync'
const PASSWORDS: readonly PasswordCase[] = [
  {
    what: 'the right one',
    role: CO,
    password: SECRETS.officer,
    expected: protocol.RC_OK,
    afterwards: COMMIT,
    leaves: [LIMIT - 1, LIMIT],
  },
  {
    what: 'the right one after two wrong ones',
    role: CO,
    password: SECRETS.officer,
    wrong: 2,
    expected: protocol.RC_OK,
    afterwards: COMMIT,
    leaves: [1, LIMIT],
  },
  {
    what: 'a wrong one',
    role: CO,
    password: WRONG,
    expected: protocol.RC_PIN_INCORRECT,
    afterwards: '',
    leaves: [LIMIT - 1],
  },
  {
    what: '6.x: the last wrong one, which locks',
    profile: protocol.PROFILE_6_27_0,
    role: CO,
    password: WRONG,
    wrong: LIMIT - 1,
    expected: protocol.RC_PIN_INCORRECT_LOCKED,
    afterwards: COMMIT,
    leaves: [0],
  },
  {
    what: '7.x: the last wrong one of the Partition SO, which empties the partition',
    role: PSO,
    password: WRONG,
    wrong: 9,
    limit: 10,
    expected: protocol.RC_PIN_INCORRECT_ZEROIZED,
    afterwards: COMMIT,
    leaves: [-1],
  },
  {
    what: 'the HSM SO',
    role: SO,
    password: SECRETS.so,
    limit: 3,
    expected: protocol.RC_OK,
    afterwards: COMMIT,
    leaves: [2, 3],
  },
  {
    what: 'the right one of the HSM SO at the last attempt',
    role: SO,
    password: SECRETS.so,
    wrong: 2,
    limit: 3,
    expected: protocol.RC_OK,
    afterwards: COMMIT,
    // The attempt that was cut was the last one.
    leaves: [-1, 3],
  },
]

for (const one of PASSWORDS) {
  const {
    what,
    profile = protocol.PROFILE_7_0_3,
    role,
    password,
    wrong = 0,
    limit = LIMIT,
    expected,
    afterwards,
    leaves,
  } = one
  test(`log-in by password: ${what}`, async () => {
    const partition = role === SO ? ADMIN : base(profile).partition
    const from = await afterWrong(profile, partition, role, wrong)
    const { rest, left } = await countedFirst({
      from,
      partition,
      role,
      attempts: limit - wrong,
      derived: quickPinKey(password, saltOf(from, partition, role, SALT)),
      expected,
      work: (client, session) => client.roles.login(session, role, password),
    })
    assert.is(inOrder(rest), afterwards)
    assert.equal([...new Set(left)], leaves)
    assert.is(rest.filter(({ seen }) => seen).length > 0, afterwards !== '', 'the probe sees the derived key')
  })
}

test('the third wrong password of the HSM SO: whatever the cut, the HSM is zeroized', async () => {
  const from = await afterWrong(protocol.PROFILE_7_0_3, ADMIN, SO, 2)
  const { left } = await countedFirst({
    from,
    partition: ADMIN,
    role: SO,
    attempts: 1,
    derived: quickPinKey(WRONG, saltOf(from, ADMIN, SO, SALT)),
    expected: protocol.RC_SO_LOGIN_FAILURE_THRESHOLD,
    work: (client, session) => client.roles.login(session, SO, WRONG),
  })
  assert.equal([...new Set(left)], [-1])
})

for (const [what, old, expected, leaves] of [
  ['the right old one', SECRETS.officer, protocol.RC_OK, [LIMIT - 1, LIMIT]],
  ['a wrong old one', WRONG, protocol.RC_PIN_INCORRECT, [LIMIT - 1]],
] as const) {
  test(`change of a password: ${what}`, async () => {
    const { state: from, partition } = base(protocol.PROFILE_7_0_3)
    const { left } = await countedFirst({
      from,
      partition,
      role: CO,
      attempts: LIMIT,
      derived: quickPinKey(old, saltOf(from, partition, CO, SALT)),
      expected,
      work: (client, session) => client.roles.changeSecret(session, CO, old, 'a new password'),
      prepare: async (token) => {
        const session = await token.client.openSession(partition)
        await token.client.roles.login(session, CO, SECRETS.officer)
      },
    })
    assert.equal([...new Set(left)], leaves)
  })
}

// ---- PED --------------------------------------------------------------------------------------------------------------

interface PedCase {
  readonly what: string
  /** The officer has a challenge, and was activated before. */
  readonly challenge?: string
  readonly activated?: true
  readonly otherKey?: true
  readonly expected: number
  readonly leaves: readonly number[]
}

const PEDS: readonly PedCase[] = [
  { what: 'the black key', expected: protocol.RC_OK, leaves: [9, 10] },
  { what: 'another black key', otherKey: true, expected: protocol.RC_PIN_INCORRECT, leaves: [9] },
  { what: 'the black key and the challenge', challenge: CHALLENGE, expected: protocol.RC_OK, leaves: [9, 10] },
  {
    what: 'the black key and a wrong challenge',
    challenge: WRONG,
    expected: protocol.RC_CHALLENGE_INCORRECT,
    leaves: [9],
  },
  {
    what: 'activated, the challenge',
    challenge: CHALLENGE,
    activated: true,
    expected: protocol.RC_OK,
    leaves: [9, 10],
  },
  {
    what: 'activated, a wrong challenge',
    challenge: WRONG,
    activated: true,
    expected: protocol.RC_CHALLENGE_INCORRECT,
    leaves: [9],
  },
]

for (const { what, challenge = '', activated = false, otherKey = false, expected, leaves } of PEDS) {
  test(`log-in with a PED: ${what}`, async () => {
    const desk = await PedDesk.lay()
    try {
      const token = await TestToken.make({ auth: protocol.AUTH_PED, sectors: 12 })
      desk.plug(token)
      const { client } = token
      const partition = await ownPartition(client, await initHsm(token))
      const so = await client.openSession(partition)
      await client.roles.login(so, PSO)
      if (activated) await client.partitions.setPolicy(so, partition, protocol.POLICY_ACTIVATION, 1)
      if (challenge !== '') await client.roles.createChallenge(so, CO, CHALLENGE)
      token.board.powerOff()
      const black = await desk.box.read('black')
      const secret = Buffer.from(black.content?.secret ?? [])
      const other = Buffer.alloc(48, 5)
      await desk.box.write('other-black', {
        ...black,
        content: { kind: protocol.PED_KIND_USER, secret: other, pin: false },
      })
      const byKey = pinKeyOfPed(otherKey ? other : secret, saltOf(token.state, partition, CO, SALT))
      const byChallenge = () => quickPinKey(challenge, saltOf(token.state, partition, CO, CHALLENGE_SALT))
      const person = new ScriptedOperator(desk.byTheBook())
      const { left } = await countedFirst({
        from: token.state,
        partition,
        role: CO,
        attempts: 10,
        derived: challenge === '' ? byKey : byChallenge(),
        expected,
        work: (it, session) => it.roles.login(session, CO, challenge),
        prepare: async (it) => {
          desk.plug(it, person)
          if (activated) await it.client.roles.login(await it.client.openSession(partition), CO, CHALLENGE)
          if (activated) await it.client.roles.logout(await it.client.openSession(partition))
          if (otherKey) person.next(insert('other-black'))
        },
      })
      assert.equal([...new Set(left)], leaves)
    } finally {
      desk.clear()
    }
  })
}

test.run()
