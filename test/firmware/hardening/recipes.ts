// For every command of SPEC.md §2.2 a request that succeeds, and for those that can fail late requests that do. Each begins in one of
// the fuzzer's postures.
import * as protocol from '../../../assembly/protocol.js'
import { templateBytes, WORDS } from '../../fuzz/firmware/postures.js'
import { SealedChannel } from '../../fuzz/firmware/sealing.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u16, u32, u64 } from '../../oracle/obc1/bytes.js'
import { vector } from '../../oracle/obc1/known-answers.js'
import { sign } from '../../oracle/obc1/p384.js'
import { CRYPTO } from './crypto-recipes.js'
import { AES, handle, LEGACY, OPEN, OWN, PED, plain, type Recipe, role, type Scene, SOON } from './recipe.js'

const { ROLE_SO, ROLE_PARTITION_SO, ROLE_CRYPTO_OFFICER, ROLE_CRYPTO_USER, ROLE_AUDITOR } = protocol

const factory = cat(u64(500409n), u32(protocol.MODEL_PCIE), u32(protocol.PROFILE_6_27_0), u8(protocol.AUTH_PASSWORD))
const factoryBody = cat(factory, u32(8), u64(400_000n), u32(9), u32(1000))

const DEVICE: readonly Recipe[] = [
  plain(protocol.CMD_STATUS, SOON, -1),
  plain(protocol.CMD_CHANNEL_OPEN, SOON, -1, SealedChannel.hello('another client')),
  {
    ...plain(protocol.CMD_CHANNEL_OPEN, SOON, -1, cat(u8(4), Buffer.alloc(96), Buffer.alloc(32))),
    code: protocol.RC_ARGUMENTS_BAD,
  },
  plain(protocol.CMD_SELF_TEST, SOON, -1),
  ...[SOON, 'activated', PED].map((posture) => ({
    ...plain(protocol.CMD_SELF_TEST, posture, -1),
    first: ({ station }: Scene) => station.machine.inject(protocol.RC_SELF_TEST_AES),
    code: protocol.RC_SELF_TEST_AES,
  })),
  plain(protocol.CMD_RANDOM, SOON, -1, u32(64)),
  plain(protocol.CMD_RANDOM_SEED, SOON, -1, field('what a client brings')),
  plain(protocol.CMD_CERTIFICATES, SOON, -1),
  plain(protocol.CMD_FACTORY_BEGIN, 'blank', -1, factoryBody),
  {
    ...{ command: protocol.CMD_FACTORY_FINISH, posture: 'blank', session: -1 },
    body: ({ station }) => sign(vector('root'), station.ask(protocol.CMD_FACTORY_BEGIN, 0, factoryBody)),
  },
  {
    ...{ command: protocol.CMD_FACTORY_FINISH, posture: 'blank', session: -1, code: protocol.RC_ARGUMENTS_BAD },
    body: ({ station }) => sign(vector('not the root'), station.ask(protocol.CMD_FACTORY_BEGIN, 0, factoryBody)),
  },
  plain(protocol.CMD_SESSION_OPEN, SOON, -1, cat(u32(LEGACY), u64(7n), u8(1))),
  plain(protocol.CMD_SESSION_CLOSE, SOON, 1),
  plain(protocol.CMD_SESSION_INFO, SOON, 1),
]

const initBody = cat(field('hsm'), field(WORDS.so), field(WORDS.domain))

const HSM: readonly Recipe[] = [
  plain(protocol.CMD_HSM_INFO, SOON, -1),
  plain(protocol.CMD_FLASH_INFO, SOON, -1),
  plain(protocol.CMD_HSM_INIT, SOON, 0, initBody),
  plain(protocol.CMD_HSM_INIT, 'zeroized', 0, cat(field('hsm'), field(''), field(''))),
  {
    ...plain(protocol.CMD_HSM_INIT, SOON, 0, initBody),
    first: ({ station, sessions: [admin = 0] }) => void station.ask(protocol.CMD_HSM_ZEROIZE, admin),
    code: protocol.RC_SESSION_HANDLE_INVALID,
  },
  plain(protocol.CMD_HSM_FACTORY_RESET, SOON, 0),
  plain(protocol.CMD_HSM_FACTORY_RESET, 'activated', 0),
  plain(protocol.CMD_HSM_ZEROIZE, SOON, 0),
  plain(protocol.CMD_HSM_POLICIES, SOON, -1),
  plain(protocol.CMD_HSM_SET_POLICY, SOON, 0, cat(u16(protocol.HSM_POLICY_SO_RESET_PIN), u32(1))),
  plain(protocol.CMD_PARTITION_LIST, SOON, -1),
  plain(protocol.CMD_PARTITION_INFO, SOON, -1, u32(LEGACY)),
  plain(protocol.CMD_PARTITION_CREATE, SOON, 0, cat(u8(1), field('another'), u64(0n), field(WORDS.officer))),
  plain(protocol.CMD_PARTITION_CREATE, PED, 0, cat(u8(1), field('another'), u64(0n), field(''))),
  plain(protocol.CMD_PARTITION_DELETE, SOON, 0, u32(LEGACY)),
  plain(
    protocol.CMD_PARTITION_INIT,
    'partition so',
    1,
    cat(field('own'), field(WORDS.partitionSo), field(WORDS.domain)),
  ),
  plain(protocol.CMD_PARTITION_INIT, PED, 2, cat(field('own'), field(''), field(''))),
  plain(protocol.CMD_PARTITION_POLICIES, SOON, -1, u32(LEGACY)),
  plain(
    protocol.CMD_PARTITION_SET_POLICY,
    'partition so',
    1,
    cat(u32(OWN), u16(protocol.POLICY_MAX_FAILED_LOGINS), u32(5)),
  ),
  plain(protocol.CMD_PARTITION_RESIZE, SOON, 0, cat(u32(LEGACY), u64(100_000n))),
  plain(protocol.CMD_PARTITION_CLEAR, SOON, 1),
  {
    ...plain(protocol.CMD_PARTITION_SET_DOMAIN, SOON, 1, field(WORDS.domain)),
    code: protocol.RC_CLONING_PARAMETER_ALREADY_EXISTS,
  },
  {
    ...{ command: protocol.CMD_PARTITION_SET_DOMAIN, posture: SOON, session: 3, body: () => field(WORDS.domain) },
    first: newContainer,
  },
  plain(
    protocol.CMD_PARTITION_DOMAIN_ADD,
    'several domains',
    0,
    cat(u8(2), u8(1), field('third'), field(WORDS.domain.slice(3))),
  ),
  plain(protocol.CMD_PARTITION_DOMAIN_LIST, 'several domains', 0),
  plain(protocol.CMD_PARTITION_DOMAIN_REMOVE, 'several domains', 0, u8(1)),
  plain(protocol.CMD_PARTITION_DOMAIN_CHANGE, 'several domains', 0, cat(u8(1), u8(1), field('renamed'))),
]

/** One more container of the HSM SO, without a domain, its Crypto Officer on the last session. */
function newContainer(scene: Scene): void {
  const { station, sessions } = scene
  const made = cat(u8(1), field('another'), u64(0n), field(WORDS.officer))
  const id = station.ask(protocol.CMD_PARTITION_CREATE, sessions[0], made, true).readUInt32BE()
  const session = station.session(id)
  station.login(session, ROLE_CRYPTO_OFFICER, WORDS.officer)
  Object.assign(scene, { sessions: [...sessions, session] })
}

const loggedOut =
  (...places: readonly number[]) =>
  ({ station, sessions }: Scene) => {
    for (const place of places) station.ask(protocol.CMD_ROLE_LOGOUT, sessions[place])
  }

const ROLES: readonly Recipe[] = [
  { ...plain(protocol.CMD_ROLE_LOGIN, SOON, 1, role(ROLE_CRYPTO_OFFICER, WORDS.officer)), first: loggedOut(1) },
  {
    ...plain(protocol.CMD_ROLE_LOGIN, SOON, 1, role(ROLE_CRYPTO_OFFICER, WORDS.user)),
    ...{ first: loggedOut(1), code: protocol.RC_PIN_INCORRECT },
  },
  {
    ...plain(protocol.CMD_ROLE_LOGIN, SOON, 1, role(ROLE_CRYPTO_OFFICER, WORDS.officer)),
    code: protocol.RC_USER_ALREADY_LOGGED_IN,
  },
  { ...plain(protocol.CMD_ROLE_LOGIN, PED, 1, role(ROLE_CRYPTO_OFFICER, '')), first: loggedOut(1) },
  plain(protocol.CMD_ROLE_LOGIN, 'activated', 1, role(ROLE_CRYPTO_OFFICER, WORDS.officer)),
  {
    ...plain(protocol.CMD_ROLE_LOGIN, 'activated', 1, role(ROLE_CRYPTO_OFFICER, WORDS.user)),
    code: protocol.RC_CHALLENGE_INCORRECT,
  },
  plain(protocol.CMD_ROLE_LOGOUT, SOON, 1),
  plain(protocol.CMD_ROLE_INFO, SOON, 1, u8(ROLE_CRYPTO_OFFICER)),
  { ...plain(protocol.CMD_ROLE_INIT, SOON, 0, role(ROLE_AUDITOR, WORDS.auditor)), first: loggedOut(0) },
  {
    ...plain(protocol.CMD_ROLE_INIT, 'activated', 1, role(ROLE_CRYPTO_OFFICER, '')),
    ...{ first: partitionSoOn, code: protocol.RC_OPERATION_NOT_ALLOWED },
  },
  plain(protocol.CMD_ROLE_CHANGE_SECRET, SOON, 1, role(ROLE_CRYPTO_OFFICER, WORDS.officer, WORDS.user)),
  {
    ...plain(protocol.CMD_ROLE_CHANGE_SECRET, SOON, 1, role(ROLE_CRYPTO_OFFICER, WORDS.user, WORDS.officer)),
    code: protocol.RC_PIN_INCORRECT,
  },
  plain(protocol.CMD_ROLE_CHANGE_SECRET, PED, 1, role(ROLE_CRYPTO_OFFICER, '', '')),
  {
    ...plain(protocol.CMD_ROLE_CREATE_CHALLENGE, 'activated', 1, role(ROLE_CRYPTO_OFFICER, '')),
    first: partitionSoOn,
  },
  {
    ...plain(protocol.CMD_ROLE_CREATE_CHALLENGE, 'activated', 1, role(ROLE_CRYPTO_OFFICER, WORDS.user)),
    first: partitionSoOn,
  },
  {
    ...plain(protocol.CMD_ROLE_DEACTIVATE, 'activated', 1, u8(ROLE_CRYPTO_OFFICER)),
    first: ({ station, sessions }) => station.login(sessions[1] ?? 0, ROLE_CRYPTO_OFFICER, WORDS.officer),
  },
  {
    ...plain(protocol.CMD_ROLE_RESET_SECRET, 'partition so', 1, role(ROLE_CRYPTO_USER, WORDS.user)),
    first: ({ station, sessions }) => {
      station.ask(protocol.CMD_HSM_SET_POLICY, sessions[0], cat(u16(protocol.HSM_POLICY_SO_RESET_PIN), u32(1)))
    },
  },
]

function partitionSoOn({ station, sessions }: Scene): void {
  station.login(sessions[1] ?? 0, ROLE_PARTITION_SO)
}

const PEDS: readonly Recipe[] = [
  plain(protocol.CMD_PED_GET, PED, -1),
  plain(protocol.CMD_PED_CONNECT, PED, -1),
  {
    ...plain(protocol.CMD_PED_DISCONNECT, PED, -1),
    first: ({ station }) => void station.ask(protocol.CMD_PED_CONNECT),
  },
  plain(protocol.CMD_PED_VECTOR_INIT, PED, 0),
  plain(protocol.CMD_PED_VECTOR_ERASE, PED, 0),
  // Over the remote link, whose keys stay.
  {
    ...plain(protocol.CMD_ROLE_LOGIN, PED, 1, role(ROLE_CRYPTO_OFFICER, '')),
    first: (scene) => {
      loggedOut(1)(scene)
      scene.station.ask(protocol.CMD_PED_CONNECT)
    },
  },
]

const OBJECTS: readonly Recipe[] = [
  plain(protocol.CMD_OBJECT_LIST, SOON, 1, cat(u32(0), u16(100), field(templateBytes('nothing')))),
  { ...plain(protocol.CMD_OBJECT_CREATE, SOON, 1, field(templateBytes('aes'))), sealed: true },
  { ...plain(protocol.CMD_OBJECT_CREATE, SOON, 1, field(templateBytes('open'))), sealed: true },
  {
    ...plain(protocol.CMD_OBJECT_CREATE, SOON, 1, field(templateBytes('aes'))),
    sealed: false,
    code: protocol.RC_CHANNEL_REQUIRED,
  },
  plain(protocol.CMD_OBJECT_GENERATE, SOON, 1, cat(u32(protocol.CKM_AES_KEY_GEN), field(templateBytes('generated')))),
  plain(
    protocol.CMD_OBJECT_GENERATE_PAIR,
    ...([
      SOON,
      1,
      cat(u32(protocol.CKM_EC_KEY_PAIR_GEN), field(templateBytes('ecPublic')), field(templateBytes('private'))),
    ] as const),
  ),
  plain(
    protocol.CMD_OBJECT_GENERATE_PAIR,
    ...([
      SOON,
      1,
      cat(u32(protocol.CKM_RSA_PKCS_KEY_PAIR_GEN), field(templateBytes('rsaPublic')), field(templateBytes('private'))),
    ] as const),
  ),
  {
    ...{ command: protocol.CMD_OBJECT_GET, posture: SOON, session: 1, sealed: true },
    body: (scene) => cat(u32(handle(scene, OPEN)), u16(2), u32(protocol.CKA_VALUE), u32(protocol.CKA_CHECK_VALUE)),
  },
  {
    ...{ command: protocol.CMD_OBJECT_SET, posture: SOON, session: 1 },
    body: (scene) => cat(u32(handle(scene, AES)), field(cat(u32(protocol.CKA_LABEL), u32(4), 'new!'))),
  },
  {
    ...{ command: protocol.CMD_OBJECT_COPY, posture: SOON, session: 1 },
    body: (scene) => cat(u32(handle(scene, AES)), field(cat(u32(protocol.CKA_LABEL), u32(4), 'copy'))),
  },
  {
    ...{ command: protocol.CMD_OBJECT_COUNT, posture: SOON, session: 1 },
    body: (scene) => cat(u32(handle(scene, AES)), Buffer.of(protocol.COUNT_SET), u32(3)),
  },
  {
    ...{ command: protocol.CMD_OBJECT_DESTROY, posture: SOON, session: 1 },
    body: (scene) => cat(u16(2), u32(handle(scene, AES)), u32(handle(scene, OPEN))),
  },
  plain(protocol.CMD_MECHANISM_LIST, SOON, -1),
]

const AUDIT: readonly Recipe[] = [
  plain(protocol.CMD_AUDIT_STATUS, 'auditor', -1),
  plain(protocol.CMD_AUDIT_CONFIG, 'auditor', 0, u32(1)),
  {
    ...plain(protocol.CMD_AUDIT_SET_DOMAIN, 'auditor', 0, field(WORDS.auditDomain)),
    code: protocol.RC_CLONING_PARAMETER_ALREADY_EXISTS,
  },
  {
    ...plain(protocol.CMD_AUDIT_SET_DOMAIN, SOON, 0, field(WORDS.auditDomain)),
    first: (scene) => {
      loggedOut(0)(scene)
      const [admin = 0] = scene.sessions
      scene.station.ask(protocol.CMD_ROLE_INIT, admin, role(ROLE_AUDITOR, WORDS.auditor), true)
      scene.station.login(admin, ROLE_AUDITOR, WORDS.auditor)
    },
  },
  plain(protocol.CMD_AUDIT_READ, 'auditor', 0, cat(u64(1n), u16(2))),
  plain(protocol.CMD_AUDIT_CLEAR, 'auditor', 0, u64(1n)),
  {
    ...{ command: protocol.CMD_AUDIT_VERIFY, posture: 'auditor', session: 0 },
    body: ({ station, sessions }) =>
      cat(u64(500409n), station.ask(protocol.CMD_AUDIT_READ, sessions[0], cat(u64(1n), u16(1)))),
  },
  plain(protocol.CMD_AUDIT_EXPORT, 'auditor', 0),
  {
    ...{ command: protocol.CMD_AUDIT_IMPORT, posture: 'auditor', session: 0 },
    body: ({ station, sessions }) => station.ask(protocol.CMD_AUDIT_EXPORT, sessions[0]),
  },
  plain(protocol.CMD_AUDIT_MESSAGE, 'auditor', 0, field('a message')),
]

const RECOVERY: readonly Recipe[] = [
  plain(protocol.CMD_TAMPER_SHOW, SOON, -1),
  { ...plain(protocol.CMD_TAMPER_CLEAR, SOON, 0), code: protocol.RC_OPERATION_NOT_ALLOWED },
  { ...plain(protocol.CMD_TAMPER_CLEAR, 'several domains', 0), first: tamperedAndRestarted },
  plain(protocol.CMD_STM_TRANSPORT, 'several domains', 1),
  plain(protocol.CMD_STM_VERIFY, 'in transport', 0, Buffer.alloc(16, 0x41)),
  plain(protocol.CMD_STM_RECOVER, 'in transport', 0),
  plain(protocol.CMD_SRK_SHOW, 'purple key', -1),
  plain(protocol.CMD_SRK_ENABLE, PED, 0),
  plain(protocol.CMD_SRK_GENERATE, 'purple key', 0),
  plain(protocol.CMD_SRK_DISABLE, 'purple key', 0),
  plain(protocol.CMD_SRK_TRANSPORT, 'purple key', 0),
  plain(protocol.CMD_SRK_RECOVER, 'locked away', -1),
]

function tamperedAndRestarted(scene: Scene): void {
  const { station } = scene
  station.machine.tamper(protocol.TAMPER_CHASSIS)
  station.boot().openChannel('after the tamper')
  const admin = station.session(protocol.ADMIN_PARTITION)
  station.login(admin, ROLE_SO, WORDS.so)
  Object.assign(scene, { sessions: [admin] })
}

/** Recipes by what they are about; those of cloning need somebody at the other end (cloning-recipes.ts). */
export const RECIPES = { DEVICE, HSM, ROLES, PEDS, OBJECTS, CRYPTO, AUDIT, RECOVERY } as const
