// Tamper, transport mode, the purple key and the audit log, as a person at lunacm meets them on the real firmware.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { run } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm: recovery and audit')

const [SO, AU, DOMAIN] = ['so-password', 'auditor-password', 'the domain']
const LOGIN = `role login -name so -password ${SO}`
const PASSWORD = protocol.AUTH_PASSWORD

/** An initialized card in slot 0, nobody logged in. */
async function withCard(
  options: { profile: number; auth?: number },
  work: (lab: RealLab, folder: string) => Promise<void>,
): Promise<void> {
  const auth = options.auth ?? PASSWORD
  const lab = await RealLab.make({ auth, profile: options.profile })
  const folder = mkdtempSync(join(tmpdir(), 'lunacm-audit-'))
  try {
    const secrets = auth === PASSWORD ? ` -password ${SO} -domain "${DOMAIN}"` : ''
    const { code, transcript } = await run(lab, [`hsm init -label card${secrets} -force`])
    assert.is(code, 0, transcript.join('\n'))
    lab.newClients()
    await work(lab, folder)
  } finally {
    lab.close()
    rmSync(folder, { recursive: true })
  }
}

function restart(lab: RealLab): void {
  lab.card.board.powerOff()
  lab.card.board.powerOn()
}

const has = (transcript: readonly string[], line: string) =>
  assert.ok(transcript.includes(line), `${line}\nis not in\n${transcript.join('\n')}`)
const statusOf = async (lab: RealLab) =>
  (await run(lab, ['slot list'])).transcript.find((line) => line.includes('HSM Status ->'))?.trim()

test('7.x: a tamper is shown, cleared by the SO, and only then does the HSM work', () =>
  withCard({ profile: protocol.PROFILE_7_0_3 }, async (lab) => {
    const quiet = await run(lab, ['hsm tampershow'])
    has(quiet.transcript, '        No active tampers.')
    lab.card.board.tamper(protocol.TAMPER_CHASSIS)
    lab.card.board.tamper(0)
    restart(lab)
    assert.is(await statusOf(lab), 'HSM Status ->           Hardware Tamper')
    const refused = await run(lab, [LOGIN, 'partition create -slot 1'])
    has(refused.transcript, 'Command Result : 0x80000076 (CKR_HSM_TAMPERED)')
    lab.newClients()
    const cleared = await run(lab, ['hsm tampershow', LOGIN, 'hsm tamperclear', 'hsm ts', 'partition create -slot 1'])
    has(cleared.transcript, '        Tamper(s) detected')
    has(cleared.transcript, '                Chassis intrusion, 2026-01-01T00:00:00.000Z, tamper 1')
    has(cleared.transcript, '        Tampers have been cleared.')
    assert.is(cleared.code, 0, cleared.transcript.join('\n'))
    assert.is(await statusOf(lab), 'HSM Status ->           L3 Device')
  }))

test('7.x: stm transport and recover, with the strings grouped as they are documented', () =>
  withCard({ profile: protocol.PROFILE_7_0_3 }, async (lab) => {
    const { transcript, code } = await run(lab, [LOGIN, 'stm transport', 'proceed'])
    assert.is(code, 0, transcript.join('\n'))
    has(transcript, '        You are about to configure the HSM in STM.')
    has(transcript, '        Configuring the HSM for transport (may take a few seconds)...')
    const stringIn = (lines: readonly string[], name: string) =>
      lines.map((line) => new RegExp(`${name}: (\\S+)$`).exec(line)?.[1]).find((text) => text !== undefined)
    const verification = stringIn(transcript, 'Verification String')
    const random = stringIn(transcript, 'Random User {2}String')
    assert.match(verification ?? '', /^[A-Za-z0-9+/]{4}(-[A-Za-z0-9+/]{4}){3}$/)
    assert.is(await statusOf(lab), 'HSM Status ->           Transport Mode')
    restart(lab)
    lab.newClients()
    const away = await run(lab, ['stm show', LOGIN, 'partition create -slot 1', 'stm recover -r nonsense'])
    has(away.transcript, '        Secure Transport Mode: yes')
    has(away.transcript, 'Command Result : 0x8000006e (CKR_STM_CMD_NON_TRANSPORT)')
    has(away.transcript, '        A random user string has four groups of four characters.')
    const stays = await run(lab, [LOGIN, `stm recover -randomuserstring ${random}`, 'quit'])
    assert.is(stringIn(stays.transcript, 'Verification String'), verification)
    has(stays.transcript, 'Command Result : 0xb (User Cancelled Operation)')
    const back = await run(lab, [LOGIN, `stm recover -randomuserstring ${random} -force`, 'stm show'])
    assert.is(back.code, 0, back.transcript.join('\n'))
    has(back.transcript, '        Secure Transport Mode: no')
  }))

test('6.x: the purple key is made, needed after a tamper, and taken back', () =>
  withCard({ profile: protocol.PROFILE_6_27_0, auth: protocol.AUTH_PED }, async (lab) => {
    const made = await run(lab, ['role login -name so', 'srk show', 'srk enable', 'srk show', 'srk transport -force'])
    assert.is(made.code, 0, made.transcript.join('\n'))
    has(made.transcript, '        External split enabled:  no')
    has(made.transcript, '        External split enabled:  yes')
    assert.is((await lab.desk.box.read('purple')).content?.kind, protocol.PED_KIND_MTK)
    restart(lab)
    assert.is(await statusOf(lab), 'HSM Status ->           Transport Mode')
    lab.newClients()
    const back = await run(lab, ['srk recover', 'role login -name so', 'srk disable', 'srk show'])
    assert.is(back.code, 0, back.transcript.join('\n'))
    has(back.transcript, '        Please attend to the PED.')
    const unknown = await run(lab, ['stm transport -force'])
    has(unknown.transcript, 'Command Result : 0x54 (CKR_FUNCTION_NOT_SUPPORTED)')
  }))

test('hsm zeroize asks, and keeps the policies', () =>
  withCard({ profile: protocol.PROFILE_7_0_3 }, async (lab) => {
    const change = 'hsm changehsmpolicy -policy 16 -value 0'
    const no = await run(lab, [LOGIN, change, 'hsm zeroize', 'quit'])
    has(no.transcript, 'Command Result : 0xb (User Cancelled Operation)')
    const again = await run(lab, [LOGIN, 'hsm zeroize -force'])
    assert.is(again.code, 0, again.transcript.join('\n'))
    assert.is(await statusOf(lab), 'HSM Status ->           L3 Device, Zeroized')
    const init = `hsm init -label anew -password ${SO} -domain "${DOMAIN}" -force`
    const { transcript } = await run(lab, [init, 'hsm showpolicies'])
    has(transcript, '                 16: Allow network replication : 0')
  }))

test('the auditor: role, domain, configuration, list, export, verify, clear', () =>
  withCard({ profile: protocol.PROFILE_7_0_3 }, async (lab, folder) => {
    const [log, secret] = [join(folder, 'audit.log'), join(folder, 'secret.lws')]
    const auditor = `role login -name au -password ${AU}`
    const setUp = await run(lab, [
      `role init -name au -password ${AU}`,
      auditor,
      `role setdomain -name au -domain "${DOMAIN}"`,
      'audit config -evmask a,m,x,g,s,f',
      'audit logmsg -message the log begins',
      'role logout',
      LOGIN,
      'hsm changehsmpolicy -policy 16 -value 0',
      'role logout',
      auditor,
      'audit status',
      'audit log list',
      `audit log export -file ${log}`,
      `audit verify -file ${log}`,
      `audit export -file ${secret}`,
      'role show -name au',
    ])
    assert.is(setUp.code, 0, setUp.transcript.join('\n'))
    has(setUp.transcript, '        Logged: f,s,a,m,x,g (failure, success, access, manage, external, logmanage)')
    has(setUp.transcript, `        Successfully exported wrapped log secret to file '${secret}'`)
    assert.ok(setUp.transcript.some((line) => /HSM_SET_POLICY, OK, .* by SO, 16\/0/.test(line)))
    assert.ok(setUp.transcript.some((line) => line.includes('"the log begins"')))
    assert.ok(setUp.transcript.some((line) => /Verified messages 1 to \d+$/.test(line)))
    for (const text of [SO, AU, DOMAIN]) {
      assert.not.ok(readFileSync(log, 'utf8').includes(text))
      assert.not.ok(
        setUp.transcript.some((line) => line.includes(text)),
        text,
      )
    }
    // One digit of one record.
    const text = readFileSync(log, 'utf8')
    const at = text.indexOf('\n') + 300
    writeFileSync(
      join(folder, 'forged.log'),
      `${text.slice(0, at)}${text[at] === '0' ? '1' : '0'}${text.slice(at + 1)}`,
    )
    writeFileSync(join(folder, 'none.log'), 'nothing of the kind\n')
    const checks = await run(lab, [
      auditor,
      `audit verify -file ${join(folder, 'forged.log')}`,
      `audit verify -file ${join(folder, 'none.log')}`,
      `audit verify -file ${join(folder, 'missing.log')}`,
      `audit log export -file ${log}`,
      'audit config -evmask q',
      'audit log clear -force',
    ])
    has(checks.transcript, '        Record 1 is not as the HSM logged it.')
    has(checks.transcript, 'Command Result : 0x80000037 (CKR_LOG_BAD_RECORD_HMAC)')
    has(checks.transcript, `        ${join(folder, 'none.log')} is not an audit log.`)
    has(checks.transcript, `        ${join(folder, 'missing.log')} cannot be read.`)
    has(checks.transcript, `        ${log} exists; use -overwrite.`)
    has(checks.transcript, "        'q' is not an event to log.")
    const old = await run(lab, [auditor, 'audit log list', `audit verify -file ${log}`])
    assert.not.ok(old.transcript.some((line) => line.includes('"the log begins"')))
    assert.ok(
      old.transcript.some((line) => /Verified messages 1 to \d+$/.test(line)),
      'what was exported still verifies',
    )
  }))

test('the SO does not make the auditor, and the auditor does nothing else', () =>
  withCard({ profile: protocol.PROFILE_6_27_0 }, async (lab) => {
    const { transcript } = await run(lab, [LOGIN, `role init -name Auditor -password ${AU}`, 'audit config -get'])
    has(transcript, 'Command Result : 0x104 (CKR_USER_ANOTHER_ALREADY_LOGGED_IN)')
    const other = await run(lab, [
      'role logout',
      `role init -name au -password ${AU}`,
      `role login -name au -password ${AU}`,
      'hsm changehsmpolicy -policy 16 -value 0',
      'audit config -evmask f',
    ])
    has(other.transcript, 'Command Result : 0x101 (CKR_USER_NOT_LOGGED_IN)')
    has(other.transcript, 'Command Result : 0x80000036 (CKR_LOG_NO_KCV)')
  }))

test.run()
