// Role commands: log-in and log-out, information, making and changing secrets, challenge and activation.

import { PSK } from '../arena'
import { auditBegin } from '../audit/log'
import { flash_sync } from '../board'
import { wipe } from '../crypto/util'
import { P_LABEL, P_LABEL_LENGTH, partitionRow, superblockCommit } from '../flash/superblock'
import { pedAnswer, pedAsk, pedIsParked } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  CHALLENGE_MAX,
  CMD_ROLE_CHANGE_SECRET,
  CMD_ROLE_CREATE_CHALLENGE,
  CMD_ROLE_DEACTIVATE,
  CMD_ROLE_INFO,
  CMD_ROLE_INIT,
  CMD_ROLE_LOGIN,
  CMD_ROLE_LOGOUT,
  CMD_ROLE_RESET_SECRET,
  HSM_POLICY_SO_RESET_PIN,
  LOGIN_NOW_ACTIVATED,
  LOGIN_WAS_ACTIVATED,
  MAX_PARTITIONS,
  PARTITION_LEGACY,
  PASSWORD_MAX,
  PED_HINT_LIMITED,
  PED_KIND_AUDIT,
  PED_KIND_SO,
  PED_KIND_USER,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  PED_OP_SHOW,
  POLICY_IGNORE_FAILED_CHALLENGE,
  POLICY_MIN_PIN,
  RC_COMMAND_NON_BACKUP,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_PIN_LEN_RANGE,
  RC_RANDOM_NO_RNG,
  RC_TOKEN_NOT_RECOGNIZED,
  RC_USER_ALREADY_LOGGED_IN,
  RC_USER_ANOTHER_ALREADY_LOGGED_IN,
  RC_USER_NOT_LOGGED_IN,
  RC_USER_PIN_NOT_INITIALIZED,
  RC_USER_TYPE_INVALID,
  ROLE_AUDITOR,
  ROLE_AUTH_NONE,
  ROLE_AUTH_PASSWORD,
  ROLE_AUTH_PED,
  ROLE_CHALLENGE_CHANGE,
  ROLE_COUNT,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_NONE,
  ROLE_PARTITION_SO,
  ROLE_PIN_CHANGE,
  ROLE_SO,
  STATE_FUNCTIONAL,
} from '../protocol'
import { clientLogout, partitionGone } from '../token/clients'
import { EVENT_TAMPERED, eventsChange, isLockedDown, lockedDownCode } from '../token/events'
import { commitChange, partitionExists, partitionIs, resetPartition } from '../token/partitions'
import { hsmPolicy, partitionPolicy } from '../token/policies'
import { fresh, random } from '../token/random'
import {
  activate,
  activation,
  attemptBegin,
  attemptGood,
  attemptsAreUsedUp,
  attemptsLeft,
  challengeSet,
  changeDone,
  checkChallenge,
  deactivate,
  forceChange,
  isLocked,
  LIMIT_LOCKS,
  LIMIT_ZEROIZES_HSM,
  limitAction,
  lockedCode,
  lockRole,
  mayActivate,
  openRole,
  releaseIfOver,
  roleFlags,
  roleHasChallenge,
  roleIsInitialized,
  roleSet,
  unlockRole,
  wrongSecretCode,
} from '../token/roles'
import { loginAs, logoutRole, roleIsLoggedIn } from '../token/sessions'
import { isBackup, isPed, profile, state } from '../token/state'
import { zeroize } from '../token/zeroize'
import { access, here, hereIsAdmin, myRole, myStorageKey } from './context'
import { read8, readBytes, readDone, readLength, write8, write32 } from './frame'

export function roleCommand(command: u32): u32 {
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  if (command === CMD_ROLE_LOGIN) return login()
  if (command === CMD_ROLE_LOGOUT) return logout()
  if (command === CMD_ROLE_INFO) return info()
  if (command === CMD_ROLE_INIT) return init()
  if (command === CMD_ROLE_CHANGE_SECRET) return changeSecret()
  if (command === CMD_ROLE_CREATE_CHALLENGE) return createChallenge()
  if (command === CMD_ROLE_DEACTIVATE) return deactivateRole()
  if (command === CMD_ROLE_RESET_SECRET) return resetSecret()
  return RC_FUNCTION_NOT_SUPPORTED
}

/** Which roles a partition has: the HSM its SO and its auditor; a container of the HSM SO only users; the others a Partition SO and users. */
function roleExists(partition: u32, role: i32): bool {
  if (role === ROLE_AUDITOR) return hereIsAdmin()
  if (role < 0 || role >= ROLE_COUNT) return false
  if (hereIsAdmin()) return role === ROLE_SO
  if (role === ROLE_PARTITION_SO) return !partitionIs(partition, PARTITION_LEGACY)
  return role === ROLE_CRYPTO_OFFICER || role === ROLE_CRYPTO_USER
}

function kindOf(role: i32): i32 {
  if (role === ROLE_AUDITOR) return PED_KIND_AUDIT
  return role === ROLE_SO || role === ROLE_PARTITION_SO ? PED_KIND_SO : PED_KIND_USER
}

function hintOf(role: i32): i32 {
  return role === ROLE_CRYPTO_USER ? PED_HINT_LIMITED : 0
}

function askFor(index: i32, op: i32, role: i32): u32 {
  const p = partitionRow(here())
  return pedAsk(index, op, kindOf(role), hintOf(role), p + P_LABEL, <i32>load<u8>(p + P_LABEL_LENGTH))
}

function minimumPassword(role: i32): i32 {
  if (role === ROLE_SO || role === ROLE_AUDITOR) return <i32>profile().minPassword
  return 255 - <i32>partitionPolicy(here(), POLICY_MIN_PIN)
}

/** The last allowed wrong secret: what has to happen happens before the answer. */
export function wrongSecret(partition: u32, role: i32, challenge: bool): u32 {
  const rc = wrongSecretCode(partition, role, challenge)
  if (!attemptsAreUsedUp(partition, role)) return rc
  const action = limitAction(role)
  if (action === LIMIT_ZEROIZES_HSM) zeroize()
  else if (action === LIMIT_LOCKS) {
    lockRole(partition, role)
    superblockCommit()
    flash_sync()
  } else {
    resetPartition(partition, 0)
    partitionGone(partition)
    commitChange()
  }
  return rc
}

/** Boot: a counter found at its limit is acted on, for the last attempt was made and power was cut before its outcome. */
export function enforceLimits(): void {
  for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
    if (!partitionExists(id)) continue
    for (let slot = 0; slot < ROLE_COUNT; slot++) {
      const role = id === <u32>ADMIN_PARTITION && slot === ROLE_CRYPTO_USER ? ROLE_AUDITOR : slot
      releaseIfOver(id, role)
      if (!roleIsInitialized(id, role) || attemptsLeft(id, role) !== 0 || isLocked(id, role)) continue
      wrongSecret(id, role, false)
      if (state() !== STATE_FUNCTIONAL) return
    }
  }
}

function login(): u32 {
  const role = <i32>read8()
  const password = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const partition = here()
  if (!roleExists(partition, role)) return RC_USER_TYPE_INVALID
  if (!roleIsInitialized(partition, role)) return RC_USER_PIN_NOT_INITIALIZED
  const now = myRole()
  if (now === role) return RC_USER_ALREADY_LOGGED_IN
  if (now !== ROLE_NONE) return RC_USER_ANOTHER_ALREADY_LOGGED_IN
  if (role !== ROLE_SO && isLockedDown()) return lockedDownCode()
  if (isLocked(partition, role)) return lockedCode(role)
  if (length > PASSWORD_MAX) return RC_PIN_LEN_RANGE
  if (!isPed()) return loginByPassword(partition, role, password, length)
  const cached = activation(partition, role)
  if (cached !== 0) return loginActivated(partition, role, cached, password, length)
  return loginByPed(partition, role, password, length)
}

function loginByPassword(partition: u32, role: i32, password: usize, length: i32): u32 {
  if (length === 0) return RC_PIN_LEN_RANGE
  const rc = attemptBegin(partition, role)
  if (rc !== RC_OK) return rc
  if (!openRole(partition, role, password, length, false)) return wrongSecret(partition, role, false)
  attemptGood(partition, role)
  welcome(role)
  write8(0)
  return loginAs(access(), partition, role, PSK)
}

/** "User is activated, PED is not required": the challenge alone. */
function loginActivated(partition: u32, role: i32, cached: usize, challenge: usize, length: i32): u32 {
  if (length === 0) return RC_PIN_LEN_RANGE
  const counted = partitionPolicy(partition, POLICY_IGNORE_FAILED_CHALLENGE) === 0
  if (counted) {
    const rc = attemptBegin(partition, role)
    if (rc !== RC_OK) return rc
  }
  if (!checkChallenge(partition, role, challenge, length)) {
    return counted ? wrongSecret(partition, role, true) : wrongSecretCode(partition, role, true)
  }
  if (counted) attemptGood(partition, role)
  write8(LOGIN_WAS_ACTIVATED)
  return loginAs(access(), partition, role, cached)
}

/** The key at the PED, and the challenge where the role has one. Both count as one attempt. */
function loginByPed(partition: u32, role: i32, challenge: usize, length: i32): u32 {
  const needsChallenge = roleHasChallenge(partition, role)
  if (needsChallenge && length === 0) return RC_PIN_LEN_RANGE
  const asked = askFor(0, PED_OP_PRESENT, role)
  if (asked !== RC_OK) return asked
  const rc = attemptBegin(partition, role)
  if (rc !== RC_OK) return rc
  const opened = openRole(partition, role, pedAnswer(0), 48, true)
  const right = !needsChallenge || checkChallenge(partition, role, challenge, length)
  if (!opened || !right) return wrongSecret(partition, role, opened)
  attemptGood(partition, role)
  welcome(role)
  let flags: u32 = 0
  if (mayActivate(partition, role)) {
    activate(partition, role, PSK)
    flags = LOGIN_NOW_ACTIVATED
  }
  write8(flags)
  return loginAs(access(), partition, role, PSK)
}

/** On firmware 6 a tamper counts as seen when the SO next logs in. */
function welcome(role: i32): void {
  if (role === ROLE_SO && profile().loginClearsTamper !== 0) eventsChange(0, EVENT_TAMPERED)
}

function logout(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (myRole() === ROLE_NONE) return RC_USER_NOT_LOGGED_IN
  clientLogout(access(), here())
  return RC_OK
}

function info(): u32 {
  const role = <i32>read8()
  if (!readDone()) return RC_FRAME_MALFORMED
  const partition = here()
  if (!roleExists(partition, role)) return RC_USER_TYPE_INVALID
  write32(roleFlags(partition, role))
  write8(attemptsLeft(partition, role))
  const made = roleIsInitialized(partition, role)
  write8(!made ? ROLE_AUTH_NONE : isPed() ? ROLE_AUTH_PED : ROLE_AUTH_PASSWORD)
  write8(roleHasChallenge(partition, role) ? ROLE_AUTH_PASSWORD : ROLE_AUTH_NONE)
  return RC_OK
}

/** Who makes a role: the Partition SO the Crypto Officer, the Crypto Officer the Crypto User. */
function makerOf(role: i32): i32 {
  return role === ROLE_CRYPTO_OFFICER ? ROLE_PARTITION_SO : ROLE_CRYPTO_OFFICER
}

function init(): u32 {
  const role = <i32>read8()
  const password = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (isBackup() && role !== ROLE_AUDITOR) return RC_COMMAND_NON_BACKUP
  const partition = here()
  if (!roleExists(partition, role) || role < ROLE_CRYPTO_OFFICER) return RC_USER_TYPE_INVALID
  if (role === ROLE_AUDITOR) {
    // The auditor watches the SO, who must have no part in making the role.
    if (roleIsLoggedIn(ADMIN_PARTITION, ROLE_SO)) return RC_USER_ANOTHER_ALREADY_LOGGED_IN
  } else if (myRole() !== makerOf(role)) return RC_USER_NOT_LOGGED_IN
  if (roleIsInitialized(partition, role)) return RC_OPERATION_NOT_ALLOWED
  const ped = isPed()
  if (ped) {
    const rc = askFor(0, PED_OP_MAKE, role)
    if (rc !== RC_OK) return rc
  } else if (length < minimumPassword(role) || length > PASSWORD_MAX) return RC_PIN_LEN_RANGE
  if (role === ROLE_AUDITOR) {
    // A storage key of its own, which opens nothing but proves the secret.
    let rc = fresh(PSK, 32) ? auditBegin() : RC_RANDOM_NO_RNG
    if (rc === RC_OK) rc = roleSet(partition, role, ped ? pedAnswer(0) : password, ped ? 48 : length, ped)
    if (rc === RC_OK) commitChange()
    return rc
  }
  memory.copy(PSK, myStorageKey(), 32)
  const rc = roleSet(partition, role, ped ? pedAnswer(0) : password, ped ? 48 : length, ped)
  if (rc === RC_OK && !ped) forceChange(partition, role, ROLE_PIN_CHANGE)
  if (rc === RC_OK) commitChange()
  return rc
}

/** A new secret for a user that is locked out or has lost it, objects kept. The Partition SO's, where HSM policy 15 lets it. */
function resetSecret(): u32 {
  const role = <i32>read8()
  const password = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const partition = here()
  if (!roleExists(partition, role) || role < ROLE_CRYPTO_OFFICER || role === ROLE_AUDITOR) return RC_USER_TYPE_INVALID
  if (myRole() !== ROLE_PARTITION_SO) return RC_USER_NOT_LOGGED_IN
  if (hsmPolicy(HSM_POLICY_SO_RESET_PIN) === 0) return RC_OPERATION_NOT_ALLOWED
  if (!roleIsInitialized(partition, role)) return RC_USER_PIN_NOT_INITIALIZED
  const ped = isPed()
  if (ped) {
    const rc = askFor(0, PED_OP_MAKE, role)
    if (rc !== RC_OK) return rc
  } else if (length < minimumPassword(role) || length > PASSWORD_MAX) return RC_PIN_LEN_RANGE
  memory.copy(PSK, myStorageKey(), 32)
  const rc = roleSet(partition, role, ped ? pedAnswer(0) : password, ped ? 48 : length, ped)
  if (rc !== RC_OK) return rc
  if (!ped) forceChange(partition, role, ROLE_PIN_CHANGE)
  // The Crypto User was locked with the Crypto Officer.
  if (role === ROLE_CRYPTO_OFFICER) unlockRole(partition, ROLE_CRYPTO_USER)
  deactivate(partition, role)
  logoutRole(partition, role)
  commitChange()
  return RC_OK
}

/** The challenge where there is one; else the password, or the secret on the PED key. The old one is counted like a log-in. */
function changeSecret(): u32 {
  const role = <i32>read8()
  const old = readBytes()
  const oldLength = readLength()
  const renewed = readBytes()
  const renewedLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const partition = here()
  if (!roleExists(partition, role)) return RC_USER_TYPE_INVALID
  if (myRole() !== role) return RC_USER_NOT_LOGGED_IN
  if (isLocked(partition, role)) return lockedCode(role)
  const ped = isPed()
  const challenge = ped && roleHasChallenge(partition, role)
  if (!ped || challenge) {
    const most = challenge ? CHALLENGE_MAX : PASSWORD_MAX
    if (oldLength === 0 || renewedLength < minimumPassword(role) || renewedLength > most) return RC_PIN_LEN_RANGE
  } else {
    let rc = askFor(0, PED_OP_PRESENT, role)
    if (rc === RC_OK) rc = askFor(1, PED_OP_MAKE, role)
    if (rc !== RC_OK) return rc
  }
  let rc = attemptBegin(partition, role)
  if (rc !== RC_OK) return rc
  if (challenge) {
    if (!checkChallenge(partition, role, old, oldLength)) return wrongSecret(partition, role, true)
    rc = challengeSet(partition, role, renewed, renewedLength)
    if (rc === RC_OK) changeDone(partition, role, ROLE_CHALLENGE_CHANGE)
  } else {
    const right = openRole(partition, role, ped ? pedAnswer(0) : old, ped ? 48 : oldLength, ped)
    if (!right) return wrongSecret(partition, role, false)
    rc = roleSet(partition, role, ped ? pedAnswer(1) : renewed, ped ? 48 : renewedLength, ped)
    if (rc === RC_OK) changeDone(partition, role, ROLE_PIN_CHANGE)
  }
  attemptGood(partition, role)
  return rc
}

/** The challenge that the HSM makes: four groups of four, shown by the PED. Kept until the person has read it. */
const MADE: usize = memory.data(20, 4)
const MADE_LENGTH: i32 = 19
const ALPHABET: usize = memory.data<u8>([
  0x33, 0x34, 0x36, 0x37, 0x39, 0x41, 0x43, 0x45, 0x46, 0x47, 0x48, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x50, 0x51, 0x52,
  0x54, 0x55, 0x57, 0x58, 0x59, 0x62, 0x64, 0x67, 0x68, 0x6b, 0x70, 0x73, 0x78,
])
const DASH: u8 = 0x2d

function makeChallenge(): bool {
  if (!random(MADE, MADE_LENGTH)) return false
  for (let i: usize = 0; i < <usize>MADE_LENGTH; i++) {
    // The alphabet has 32 letters, so five bits are unbiased. It is read for a person's eyes, not constant in time.
    store<u8>(MADE + i, i % 5 === 4 ? DASH : load<u8>(ALPHABET + <usize>(load<u8>(MADE + i) & 31)))
  }
  return true
}

function createChallenge(): u32 {
  const role = <i32>read8()
  const challenge = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (isBackup()) return RC_COMMAND_NON_BACKUP
  const partition = here()
  if (!roleExists(partition, role) || role < ROLE_CRYPTO_OFFICER || role === ROLE_AUDITOR) return RC_USER_TYPE_INVALID
  if (!isPed()) return RC_OPERATION_NOT_ALLOWED
  if (myRole() !== makerOf(role)) return RC_USER_NOT_LOGGED_IN
  if (!roleIsInitialized(partition, role)) return RC_USER_PIN_NOT_INITIALIZED
  let rc: u32 = RC_OK
  if (length !== 0) {
    if (length < minimumPassword(role) || length > CHALLENGE_MAX) return RC_PIN_LEN_RANGE
    rc = challengeSet(partition, role, challenge, length)
  } else {
    if (!pedIsParked() && !makeChallenge()) return RC_RANDOM_NO_RNG
    rc = pedAsk(0, PED_OP_SHOW, kindOf(role), hintOf(role), MADE, MADE_LENGTH)
    if (rc !== RC_OK) return rc
    rc = challengeSet(partition, role, MADE, MADE_LENGTH)
    wipe(MADE, 20)
  }
  if (rc === RC_OK) {
    forceChange(partition, role, ROLE_CHALLENGE_CHANGE)
    deactivate(partition, role)
    commitChange()
  }
  return rc
}

function deactivateRole(): u32 {
  const role = <i32>read8()
  if (!readDone()) return RC_FRAME_MALFORMED
  const partition = here()
  if (!roleExists(partition, role)) return RC_USER_TYPE_INVALID
  if (myRole() !== role) return RC_USER_NOT_LOGGED_IN
  deactivate(partition, role)
  return RC_OK
}
