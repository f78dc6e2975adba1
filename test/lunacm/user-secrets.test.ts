// What firmware 7 wants of secrets that somebody else has made, and how a locked user gets in again.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { run } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm and the secrets of users')

const OK = 'Command Result : No Error'
const EXPIRED = 'Command Result : 0xa3 (CKR_PIN_EXPIRED)'
const LOCKED = 'Command Result : 0xa4 (CKR_PIN_LOCKED)'
const CHANGE_FIRST = "        The role's secret was made by somebody else: change it first, with 'role changepw'."

/** A card of firmware 7.0.3 whose SO may give users new secrets, with one partition in slot 1. */
async function withCard(auth: number, work: (lab: RealLab) => Promise<void>): Promise<void> {
  const lab = await RealLab.make({ auth, profile: protocol.PROFILE_7_0_3 })
  try {
    const secrets = auth === protocol.AUTH_PED ? '' : ' -password so-password'
    const domain = auth === protocol.AUTH_PED ? '' : ' -domain dom'
    const { transcript, code } = await run(lab, [
      `hsm init -label card${secrets}${domain} -force`,
      `role login -name so${secrets}`,
      'hsm changehsmpolicy -policy 15 -value 1 -force',
      'partition create -slot 1',
      'slot set slot 1',
      `partition init -label one${secrets}${domain} -force`,
    ])
    assert.is(code, 0, transcript.join('\n'))
    lab.newClients()
    await work(lab)
  } finally {
    lab.close()
  }
}

/** What became of each line. */
async function results(lab: RealLab, lines: readonly string[]): Promise<{ ends: string[]; transcript: string[] }> {
  lab.newClients()
  const { transcript } = await run(lab, ['slot set slot 1', ...lines])
  const ends = transcript.filter((line) => line.startsWith('Command Result'))
  return { ends: ends.slice(1), transcript }
}

test('a challenge that the Partition SO chose has to be changed first (HSM policy 21)', () =>
  withCard(protocol.AUTH_PED, async (lab) => {
    const made = await results(lab, [
      'role login -name po',
      'partition changepolicy -policy 22 -value 1',
      'role init -name co',
      'role createchallenge -name co -challengesecret challenge1',
    ])
    assert.equal(made.ends, [OK, OK, OK, OK], made.transcript.join('\n'))
    const { ends, transcript } = await results(lab, [
      'role login -name co -password challenge1',
      'role show -name co',
      'partition clear -force',
      'role changepw -name co -force -oldpw challenge1 -newpw challenge2',
      'partition clear -force',
      'role show -name co',
      'role logout',
      'role login -name co -password challenge2',
      'partition clear -force',
    ])
    assert.equal(ends, [OK, OK, EXPIRED, OK, OK, OK, OK, OK, OK], transcript.join('\n'))
    assert.ok(transcript.includes(CHANGE_FIRST))
    assert.is(transcript.filter((line) => line === '                The challenge has to be changed').length, 1)
  }))

test('a Crypto Officer that is locked is let in by role resetpw, and changes the password (HSM policy 15)', () =>
  withCard(protocol.AUTH_PASSWORD, async (lab) => {
    const made = await results(lab, [
      'role login -name po -password so-password',
      'partition changepolicy -policy 20 -value 2',
      'role init -name co -password co-password',
    ])
    assert.equal(made.ends, [OK, OK, OK], made.transcript.join('\n'))
    const wrong = 'role login -name co -password another-one'
    const locked = await results(lab, [wrong, wrong, 'role login -name co -password co-password'])
    assert.is(locked.ends.at(-1), LOCKED, locked.transcript.join('\n'))
    assert.ok(locked.transcript.includes('        The role is locked out.'))
    const { ends, transcript } = await results(lab, [
      'role login -name po -password so-password',
      'role resetpw -name co -password fresh-password',
      'role logout',
      'role login -name co -password fresh-password',
      'partition contents',
      'role show -name co',
      'role changepw -name co -oldpw fresh-password -newpw my-own-password',
      'partition contents',
      'role logout',
      'role login -name co -password my-own-password',
    ])
    assert.equal(ends, [OK, OK, OK, OK, EXPIRED, OK, OK, OK, OK, OK], transcript.join('\n'))
    assert.is(transcript.filter((line) => line === '                The password has to be changed').length, 1)
    const help = await run(lab, ['help role resetpw'])
    assert.ok(help.transcript.some((line) => line.includes('where HSM policy 15 lets the SO')))
  }))

test.run()
