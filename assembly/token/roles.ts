// Roles: making a secret, checking one, failure counters and locks, challenge (DESIGN.md "Behaviour").
// A log-in succeeds exactly when KW of the partition storage key authenticates: no password hash is stored.

import { PIN_KEY, PSK, ROLE_KEK, SECRET2 } from '../arena'
import { flash_sync, rtc } from '../board'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { load32be, load64be, store32be, store64be } from '../crypto/util'
import {
  P_EPOCH,
  partitionRow,
  R_AUTH,
  R_CHALLENGE,
  R_CHALLENGE_SALT,
  R_FAILURES,
  R_FLAGS,
  R_LOCKED_UNTIL,
  R_PSK,
  R_SALT,
  ROLE_SIZE,
  roleRow,
  SB,
  SB_SO_FAILURES,
  superblockCommit,
} from '../flash/superblock'
import {
  HSM_POLICY_FORCE_PIN_CHANGE,
  POLICY_MAX_FAILED_LOGINS,
  RC_AUDIT_LOGIN_FAILURE_THRESHOLD,
  RC_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS,
  RC_CHALLENGE_INCORRECT,
  RC_OK,
  RC_PIN_INCORRECT,
  RC_PIN_INCORRECT_LOCKED,
  RC_PIN_INCORRECT_ZEROIZED,
  RC_PIN_LOCKED,
  RC_RANDOM_NO_RNG,
  RC_SO_LOGIN_FAILURE_THRESHOLD,
  ROLE_ACTIVATED,
  ROLE_AUDITOR,
  ROLE_CHALLENGE_CHANGE,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_HAS_CHALLENGE,
  ROLE_INITIALIZED,
  ROLE_LOCKED_OUT,
  ROLE_NONE,
  ROLE_PARTITION_SO,
  ROLE_PIN_CHANGE,
  ROLE_SO,
  SO_LOGIN_ATTEMPTS,
  USER_LOGIN_ATTEMPTS,
} from '../protocol'
import { activation, deactivate } from './activation'
import { roleGone } from './clients'
import { challengeKey, pinKeyOfPassword, pinKeyOfPed, roleKey } from './keys'
import { authKind, hsmPolicy, partitionPolicy } from './policies'
import { LOCK_SECONDS, LOCK_TIMED, LOCK_ZEROIZES } from './profile'
import { fresh, random } from './random'
import { profile, serialBytes } from './state'

/** Where a role's row lies. The auditor has that of the Crypto User on the HSM itself, which has none. */
function rowOf(partition: u32, role: i32): usize {
  return roleRow(partition, role === ROLE_AUDITOR ? ROLE_CRYPTO_USER : role)
}

function epochOf(partition: u32): u32 {
  return load32be(partitionRow(partition) + P_EPOCH)
}

export function roleFlags(partition: u32, role: i32): u32 {
  let flags = load32be(rowOf(partition, role) + R_FLAGS)
  if (lockIsOver(partition, role)) flags &= ~ROLE_LOCKED_OUT
  if (activation(partition, role) !== 0) flags |= ROLE_ACTIVATED
  return flags
}

export function roleIsInitialized(partition: u32, role: i32): bool {
  return (load32be(rowOf(partition, role) + R_FLAGS) & ROLE_INITIALIZED) !== 0
}

export function roleHasChallenge(partition: u32, role: i32): bool {
  return (load32be(rowOf(partition, role) + R_FLAGS) & ROLE_HAS_CHALLENGE) !== 0
}

/** How many wrong secrets in a row a role may have. */
export function attemptLimit(partition: u32, role: i32): u32 {
  if (role === ROLE_SO) return SO_LOGIN_ATTEMPTS
  if (role === ROLE_PARTITION_SO || role === ROLE_AUDITOR) return USER_LOGIN_ATTEMPTS
  const limit = partitionPolicy(partition, POLICY_MAX_FAILED_LOGINS)
  return limit === 0 ? USER_LOGIN_ATTEMPTS : limit
}

export function attemptsLeft(partition: u32, role: i32): u32 {
  const limit = attemptLimit(partition, role)
  if (lockIsOver(partition, role)) return limit
  const failures = <u32>load<u8>(rowOf(partition, role) + R_FAILURES)
  return failures >= limit ? 0 : limit - failures
}

/** Derives PIN_KEY from what was presented: a 48-byte PED secret, or a password. */
export function derivePin(salt: usize, secret: usize, length: i32, fromPed: bool): void {
  if (fromPed) pinKeyOfPed(secret, salt, PIN_KEY)
  else pinKeyOfPassword(secret, length, salt, PIN_KEY)
}

/**
 * Gives a role its secret: new salt, the partition storage key in PSK wrapped under it. Counters start again. Only memory changes:
 * the caller commits.
 */
export function roleSet(partition: u32, role: i32, secret: usize, length: i32, fromPed: bool): u32 {
  const r = rowOf(partition, role)
  if (!fresh(SECRET2, 32)) return RC_RANDOM_NO_RNG
  memory.copy(r + R_SALT, SECRET2, 32)
  derivePin(r + R_SALT, secret, length, fromPed)
  roleKey(serialBytes(), partition, role, epochOf(partition), PIN_KEY, ROLE_KEK)
  kwWrap(ROLE_KEK, 32, PSK, 32, r + R_PSK)
  store32be(r + R_FLAGS, (load32be(r + R_FLAGS) & ~ROLE_LOCKED_OUT) | ROLE_INITIALIZED)
  store<u8>(r + R_FAILURES, 0)
  store<u8>(r + R_AUTH, <u8>authKind())
  store64be(r + R_LOCKED_UNTIL, 0)
  return RC_OK
}

export function roleClear(partition: u32, role: i32): void {
  memory.fill(rowOf(partition, role), 0, ROLE_SIZE)
}

/** Gives a role its challenge secret: KW over a random value, checked by unwrapping. */
export function challengeSet(partition: u32, role: i32, challenge: usize, length: i32): u32 {
  const r = rowOf(partition, role)
  if (!fresh(SECRET2, 32)) return RC_RANDOM_NO_RNG
  memory.copy(r + R_CHALLENGE_SALT, SECRET2, 32)
  pinKeyOfPassword(challenge, length, r + R_CHALLENGE_SALT, PIN_KEY)
  challengeKey(serialBytes(), partition, role, epochOf(partition), PIN_KEY, ROLE_KEK)
  if (!random(SECRET2, 32)) return RC_RANDOM_NO_RNG
  kwWrap(ROLE_KEK, 32, SECRET2, 32, r + R_CHALLENGE)
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) | ROLE_HAS_CHALLENGE)
  return RC_OK
}

function challengeIsRight(partition: u32, role: i32, challenge: usize, length: i32): bool {
  const r = rowOf(partition, role)
  pinKeyOfPassword(challenge, length, r + R_CHALLENGE_SALT, PIN_KEY)
  challengeKey(serialBytes(), partition, role, epochOf(partition), PIN_KEY, ROLE_KEK)
  return kwUnwrap(ROLE_KEK, 32, r + R_CHALLENGE, 40, SECRET2)
}

// ---- counters and locks -----------------------------------------------------------------------------------------------

/** True while a role is locked out. A timed lock that has run out gives the attempts back. */
export function isLocked(partition: u32, role: i32): bool {
  const r = rowOf(partition, role)
  if ((load32be(r + R_FLAGS) & ROLE_LOCKED_OUT) === 0) return false
  const until = load64be(r + R_LOCKED_UNTIL)
  return until === 0 || <u64>rtc() < until
}

/** True where a timed lock has run out and nobody has tried since: the row says so only after the next attempt. */
function lockIsOver(partition: u32, role: i32): bool {
  return (load32be(rowOf(partition, role) + R_FLAGS) & ROLE_LOCKED_OUT) !== 0 && !isLocked(partition, role)
}

/** What a role that is locked out is told. */
export function lockedCode(role: i32): u32 {
  return role === ROLE_AUDITOR ? RC_AUDIT_LOGIN_TIMEOUT_IN_PROGRESS : RC_PIN_LOCKED
}

/** Ends a lock that waits for a reset. */
export function unlockRole(partition: u32, role: i32): void {
  const r = rowOf(partition, role)
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) & ~ROLE_LOCKED_OUT)
  store<u8>(r + R_FAILURES, 0)
  store64be(r + R_LOCKED_UNTIL, 0)
}

// ---- forced change (HSM policy 21) ------------------------------------------------------------------------------------

/** Somebody else made this secret: its owner has to change it first. `which` is ROLE_PIN_CHANGE or ROLE_CHALLENGE_CHANGE. */
export function forceChange(partition: u32, role: i32, which: u32): void {
  if (hsmPolicy(HSM_POLICY_FORCE_PIN_CHANGE) === 0) return
  const r = rowOf(partition, role)
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) | which)
}

/** The owner has changed it. */
export function changeDone(partition: u32, role: i32, which: u32): void {
  const r = rowOf(partition, role)
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) & ~which)
}

export function changeIsDue(partition: u32, role: i32): bool {
  if (role === ROLE_NONE) return false
  return (load32be(rowOf(partition, role) + R_FLAGS) & (ROLE_PIN_CHANGE | ROLE_CHALLENGE_CHANGE)) !== 0
}

export function releaseIfOver(partition: u32, role: i32): void {
  const r = rowOf(partition, role)
  if (!lockIsOver(partition, role)) return
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) & ~ROLE_LOCKED_OUT)
  store<u8>(r + R_FAILURES, 0)
}

/** What the last allowed wrong secret does. */
export const LIMIT_ZEROIZES_HSM: i32 = 1
export const LIMIT_ZEROIZES_PARTITION: i32 = 2
export const LIMIT_LOCKS: i32 = 3

export function limitAction(role: i32): i32 {
  if (role === ROLE_SO) return LIMIT_ZEROIZES_HSM
  if (role === ROLE_PARTITION_SO && profile().partitionSoLock === LOCK_ZEROIZES) return LIMIT_ZEROIZES_PARTITION
  return LIMIT_LOCKS
}

/** Locks a role whose counter ran out; only memory changes. On 7.x the Crypto User is locked with the Crypto Officer. */
export function lockRole(partition: u32, role: i32): void {
  const timed = role === ROLE_PARTITION_SO || role === ROLE_AUDITOR || profile().officerLock === LOCK_TIMED
  const until: u64 = timed ? <u64>rtc() + LOCK_SECONDS : 0
  lockOne(partition, role, until)
  if (!timed && role === ROLE_CRYPTO_OFFICER) lockOne(partition, ROLE_CRYPTO_USER, 0)
}

function lockOne(partition: u32, role: i32, until: u64): void {
  const r = rowOf(partition, role)
  store32be(r + R_FLAGS, load32be(r + R_FLAGS) | ROLE_LOCKED_OUT)
  store64be(r + R_LOCKED_UNTIL, until)
  roleGone(partition, role)
  deactivate(partition, role)
}

/**
 * Counts an attempt before it is checked: superblock, counter, durable. After this a power cut has cost the attempt.
 * RC_PIN_LOCKED where none is left.
 */
export function attemptBegin(partition: u32, role: i32): u32 {
  releaseIfOver(partition, role)
  if (isLocked(partition, role)) return lockedCode(role)
  const r = rowOf(partition, role)
  store<u8>(r + R_FAILURES, load<u8>(r + R_FAILURES) + 1)
  if (role === ROLE_SO) store32be(SB + SB_SO_FAILURES, load32be(SB + SB_SO_FAILURES) + 1)
  superblockCommit()
  flash_sync()
  return RC_OK
}

/** The secret was right: the counter starts again. */
export function attemptGood(partition: u32, role: i32): void {
  store<u8>(rowOf(partition, role) + R_FAILURES, 0)
  if (role === ROLE_SO) store32be(SB + SB_SO_FAILURES, load32be(SB + SB_SO_FAILURES) - 1)
  superblockCommit()
  flash_sync()
}

/** A code for the caller: the secret was wrong; `limitAction` says what to do where this was the last attempt. */
export function attemptsAreUsedUp(partition: u32, role: i32): bool {
  return attemptsLeft(partition, role) === 0
}

export function wrongSecretCode(partition: u32, role: i32, challenge: bool): u32 {
  if (!attemptsAreUsedUp(partition, role)) return challenge ? RC_CHALLENGE_INCORRECT : RC_PIN_INCORRECT
  if (role === ROLE_AUDITOR) return RC_AUDIT_LOGIN_FAILURE_THRESHOLD
  const action = limitAction(role)
  if (action === LIMIT_ZEROIZES_HSM) return RC_SO_LOGIN_FAILURE_THRESHOLD
  return action === LIMIT_ZEROIZES_PARTITION ? RC_PIN_INCORRECT_ZEROIZED : RC_PIN_INCORRECT_LOCKED
}

/** Opens the role's layer into PSK. The attempt is counted already. */
export function openRole(partition: u32, role: i32, secret: usize, length: i32, fromPed: bool): bool {
  const r = rowOf(partition, role)
  derivePin(r + R_SALT, secret, length, fromPed)
  roleKey(serialBytes(), partition, role, epochOf(partition), PIN_KEY, ROLE_KEK)
  return kwUnwrap(ROLE_KEK, 32, r + R_PSK, 40, PSK)
}

/** The challenge is counted like the secret it belongs to. */
export function checkChallenge(partition: u32, role: i32, challenge: usize, length: i32): bool {
  return challengeIsRight(partition, role, challenge, length)
}
