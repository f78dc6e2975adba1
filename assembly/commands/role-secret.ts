// Role commands that change a secret: reset by the Partition SO, change by its owner, the challenge.

import { PSK } from '../arena'
import { PED_KEPT, pedAnswer, pedAsk, pedIsParked } from '../ped/prompts'
import {
  CHALLENGE_MAX,
  HSM_POLICY_SO_RESET_PIN,
  PASSWORD_MAX,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  PED_OP_SHOW,
  RC_COMMAND_NON_BACKUP,
  RC_FRAME_MALFORMED,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_PIN_LEN_RANGE,
  RC_RANDOM_NO_RNG,
  RC_USER_NOT_LOGGED_IN,
  RC_USER_PIN_NOT_INITIALIZED,
  RC_USER_TYPE_INVALID,
  ROLE_AUDITOR,
  ROLE_CHALLENGE_CHANGE,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_PIN_CHANGE,
} from '../protocol'
import { deactivate } from '../token/activation'
import { roleGone } from '../token/clients'
import { commitChange } from '../token/partitions'
import { hsmPolicy } from '../token/policies'
import { random } from '../token/random'
import {
  attemptBegin,
  attemptGood,
  challengeSet,
  changeDone,
  checkChallenge,
  forceChange,
  isLocked,
  lockedCode,
  openRole,
  roleHasChallenge,
  roleIsInitialized,
  roleSet,
  unlockRole,
} from '../token/roles'
import { isBackup, isPed } from '../token/state'
import { here, myRole, myStorageKey } from './context'
import { read8, readBytes, readDone, readLength } from './frame'
import { askFor, hintOf, kindOf, makerOf, minimumPassword, roleExists, wrongSecret } from './role-support'

/** A new secret for a user that is locked out or has lost it, objects kept. The Partition SO's, where HSM policy 15 lets it. */
export function resetSecret(): u32 {
  const role = <i32>read8()
  const password = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (isBackup()) return RC_COMMAND_NON_BACKUP
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
  roleGone(partition, role)
  commitChange()
  return RC_OK
}

/** The challenge where there is one; else the password, or the secret on the PED key. The old one is counted like a log-in. */
export function changeSecret(): u32 {
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
const MADE: usize = PED_KEPT
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

export function createChallenge(): u32 {
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
  }
  if (rc === RC_OK) {
    forceChange(partition, role, ROLE_CHALLENGE_CHANGE)
    deactivate(partition, role)
    commitChange()
  }
  return rc
}
