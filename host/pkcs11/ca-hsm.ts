// The vendor's calls on the HSM itself and its roles: versions, time, audit, self-test, reset, purple key, PED.

import * as protocol from '../../assembly/protocol.js'
import { ckrOf, type RecoveryInfo, type RoleInfo } from '../client/index.js'
import { caCalls } from './ca-calls.js'
import { atHsm, inSession } from './ca-sessions.js'
import { CKR, Pkcs11Error } from './errors.js'
import { firmware } from './general.js'
import { fitted, given, type Handler, on, onSession } from './handlers.js'
import { pinText, roleIn, roleNow } from './session-handlers.js'

const decoder = new TextDecoder()
const USER_NOT_AUTHORIZED = ckrOf(protocol.RC_USER_NOT_AUTHORIZED)

/** CAF_ROLE_STATE_… */
function stateFlags({ initialized, lockedOut, activated, pinChange, challengeChange }: RoleInfo): number {
  return (
    (initialized ? 0x01 : 0) |
    (lockedOut ? 0x02 : 0) |
    (activated ? 0x04 : 0) |
    (pinChange ? 0x10 : 0) |
    (challengeChange ? 0x20 : 0)
  )
}

/** CK_MTK_STATE_FLAG_…: zeroized by a tamper, zeroized on purpose. */
function mtkFlags({ tampered, transport }: RecoveryInfo): number {
  return (tampered ? 0x2 : 0) | (transport ? 0x4 : 0)
}
const STM_TURNED_ON = 0x4

const halves = (value: bigint): [number, number] => [Number(value >> 32n), Number(value & 0xffffffffn)]

export const caHsmHandlers: readonly Handler[] = [
  on(caCalls.getFirmwareVersion, async (app, id): Promise<[number, number, number]> => {
    const { major, minor, patch } = firmware(await app.clientOf(await app.presentSlot(id)).status())
    return [major, minor, patch]
  }),
  onSession(caCalls.getSessionInfo, async (session): Promise<[number, number, number, number]> => {
    const [high, low] = halves(session.client.access)
    return [high, low, session.slot.partition, (await roleNow(session)) === undefined ? 0 : 1]
  }),
  onSession(caCalls.getTime, async ({ client }) => Number((await client.hsm.info()).rtc)),
  onSession(caCalls.timeSync, async (session) => {
    if ((await roleNow(session)) !== protocol.ROLE_AUDITOR) throw new Pkcs11Error(USER_NOT_AUTHORIZED)
    // The board's clock is the computer's: there is no command to set it.
    throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  }),
  on(caCalls.initAudit, (app, [id, pin]) =>
    atHsm(app, id, ({ client, session }) => client.roles.init(session, protocol.ROLE_AUDITOR, pinText(pin))),
  ),
  on(caCalls.logExternal, (app, [, handle, message]) => {
    const session = app.session(handle)
    return session.client.audit.message(session.token, decoder.decode(given(message)))
  }),

  on(caCalls.factoryReset, (app, [id]) => atHsm(app, id, ({ client, session }) => client.hsm.factoryReset(session))),
  on(caCalls.zeroize, (app, [id]) => atHsm(app, id, ({ client, session }) => client.hsm.zeroize(session))),
  on(caCalls.performSelfTest, async (app, [id, , , room]) => {
    // Whichever test is asked for: the token has one, of all its algorithms, and gives no data back.
    await app.clientOf(await app.presentSlot(id)).selfTest()
    return fitted(new Uint8Array(0), room)
  }),
  onSession(caCalls.setTokenCertificateSignature, () => {
    // No template is that of a token's certificate: this token has the maker's alone.
    throw new Pkcs11Error(CKR.ATTRIBUTE_VALUE_INVALID)
  }),
  on(caCalls.mtkRestore, async (app, id) => app.clientOf(await app.presentSlot(id)).recovery.srkRecover()),
  on(caCalls.mtkResplit, (app, id) => atHsm(app, id, ({ client, session }) => client.recovery.srkGenerate(session))),
  on(caCalls.mtkZeroize, (app, id) => atHsm(app, id, ({ client, session }) => client.recovery.srkTransport(session))),
  on(caCalls.mtkGetState, async (app, id) => mtkFlags(await app.clientOf(await app.presentSlot(id)).recovery.srk())),
  on(caCalls.stmGetState, async (app, id) => {
    const { stm, transport } = await app.clientOf(await app.presentSlot(id)).status()
    return stm && transport ? STM_TURNED_ON : 0
  }),

  onSession(caCalls.initializeRemotePedVector, ({ client, token }) => client.ped.initVector(token)),
  onSession(caCalls.deleteRemotePedVector, ({ client, token }) => client.ped.eraseVector(token)),
  on(caCalls.getRemotePedVectorStatus, async (app, id) => {
    return (await app.clientOf(await app.presentSlot(id)).ped.get()).vector ? 1 : 0
  }),
  on(caCalls.getPedId, async (app, id) => (await app.clientOf(await app.presentSlot(id)).ped.get()).id),
  on(caCalls.configureRemotePed, async (app, [id, host, port]) => {
    const slot = await app.presentSlot(id)
    await slot.ped.connect(host, port === 0 ? undefined : port)
    try {
      await app.clientOf(slot).ped.connect()
    } catch (error) {
      await slot.ped.disconnect().catch(() => undefined)
      throw error
    }
    return protocol.PED_ID_REMOTE
  }),
  on(caCalls.dismantleRemotePed, async (app, [id]) => {
    const slot = await app.presentSlot(id)
    await app.clientOf(slot).ped.disconnect()
    await slot.ped.disconnect()
  }),

  on(caCalls.roleStateGet, async (app, [id, user]): Promise<[number, number, number, number]> => {
    const slot = await app.presentSlot(id)
    const role = roleIn(slot, user)
    const state = await inSession(app, slot, ({ client, session }) => client.roles.info(session, role))
    return [stateFlags(state), state.attempts, state.primary, state.secondary]
  }),
  onSession(caCalls.initRolePin, (session, [, user, pin]) =>
    session.client.roles.init(session.token, roleIn(session.slot, user), pinText(pin)),
  ),
  onSession(caCalls.resetPin, (session, [, pin]) =>
    session.client.roles.resetSecret(session.token, protocol.ROLE_CRYPTO_OFFICER, pinText(pin)),
  ),
  on(caCalls.deactivate, async (app, [id, user]) => {
    const slot = await app.presentSlot(id)
    await inSession(app, slot, ({ client, session }) => client.roles.deactivate(session, roleIn(slot, user)))
  }),

  on(caCalls.setPedId, async (app, [id, ped]) => {
    const { ped: line } = app.clientOf(await app.presentSlot(id))
    if (ped !== protocol.PED_ID_LOCAL && ped !== protocol.PED_ID_REMOTE) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
    if ((await line.get()).id === ped) return
    await (ped === protocol.PED_ID_REMOTE ? line.connect() : line.disconnect())
  }),
  onSession(caCalls.createLoginChallenge, async (session, [, user, challenge, room]) => {
    const wanted = given(challenge)
    // One that the HSM makes is shown by the PED, and by nothing else.
    if (room.query && wanted.length > 0) return { missing: wanted.length }
    if (room.capacity < wanted.length) return { missing: wanted.length }
    await session.client.roles.createChallenge(session.token, roleIn(session.slot, user), pinText(wanted))
    return wanted.slice()
  }),

  // M of N belongs to the PED here, as since the vendor's own move away from it: the calls check what they are given, and no more.
  on(caCalls.cloneMofN, (app, [session, primary]) => {
    app.session(session)
    app.session(primary)
    throw new Pkcs11Error(CKR.FUNCTION_NOT_SUPPORTED)
  }),
  onSession(caCalls.duplicateMofN, async (session) => {
    const isSo = (await roleNow(session)) === protocol.ROLE_SO
    throw new Pkcs11Error(isSo ? CKR.FUNCTION_NOT_SUPPORTED : USER_NOT_AUTHORIZED)
  }),
]
