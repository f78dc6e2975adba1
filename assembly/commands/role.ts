// Role commands: log-in and log-out, information, making a role.

import { PSK } from '../arena'
import { auditBegin } from '../audit/log'
import { pedAnswer } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  CMD_ROLE_CHANGE_SECRET,
  CMD_ROLE_CREATE_CHALLENGE,
  CMD_ROLE_DEACTIVATE,
  CMD_ROLE_INFO,
  CMD_ROLE_INIT,
  CMD_ROLE_LOGIN,
  CMD_ROLE_LOGOUT,
  CMD_ROLE_RESET_SECRET,
  LOGIN_NOW_ACTIVATED,
  LOGIN_WAS_ACTIVATED,
  PASSWORD_MAX,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  POLICY_IGNORE_FAILED_CHALLENGE,
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
  ROLE_CRYPTO_OFFICER,
  ROLE_NONE,
  ROLE_PIN_CHANGE,
  ROLE_SO,
  STATE_FUNCTIONAL,
} from '../protocol'
import { activate, activation, deactivate, mayActivate } from '../token/activation'
import { clientLogout } from '../token/clients'
import { EVENT_TAMPERED, eventsChange, isLockedDown, lockedDownCode } from '../token/events'
import { commitChange } from '../token/partitions'
import { partitionPolicy } from '../token/policies'
import { fresh } from '../token/random'
import {
  attemptBegin,
  attemptGood,
  attemptsLeft,
  checkChallenge,
  forceChange,
  isLocked,
  lockedCode,
  openRole,
  roleFlags,
  roleHasChallenge,
  roleIsInitialized,
  roleSet,
  wrongSecretCode,
} from '../token/roles'
import { loginAs, roleIsLoggedIn } from '../token/sessions'
import { isBackup, isPed, profile, state } from '../token/state'
import { access, here, myRole, myStorageKey } from './context'
import { read8, readBytes, readDone, readLength, write8, write32 } from './frame'
import { changeSecret, createChallenge, resetSecret } from './role-secret'
import { askFor, makerOf, minimumPassword, roleExists, wrongSecret } from './role-support'

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

function deactivateRole(): u32 {
  const role = <i32>read8()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (isBackup()) return RC_COMMAND_NON_BACKUP
  const partition = here()
  if (!roleExists(partition, role)) return RC_USER_TYPE_INVALID
  if (myRole() !== role) return RC_USER_NOT_LOGGED_IN
  deactivate(partition, role)
  return RC_OK
}
