// What the token is, and in which state: the manufacturing record in memory, the state word, and power-up (OBC-1 §6, §7).

import { KEY_FK, KEY_GSK, KEY_KEK, KEY_MTK, KEY_RSK, KEY_TUK, SECRET, wipeRootKeys, wipeScratch } from '../arena'
import { auditErase, auditLoad, auditStop } from '../audit/log'
import { battery_read, flash_read, flash_sync, split_read, tamper_line } from '../board'
import { hmac } from '../crypto/hmac'
import { kwUnwrap } from '../crypto/key-wrap'
import { HASH_SHA384 } from '../crypto/sha2'
import { ctEqual, load32be, load64be, store32be, wipe, xorBytes } from '../crypto/util'
import { logBegin, logErase } from '../flash/log'
import { mount } from '../flash/mount'
import { SB, SB_GSK, superblockErase, superblockLoad } from '../flash/superblock'
import {
  AUTH_PED,
  BATTERY_KEK,
  BATTERY_MTK,
  FLASH_FACTORY_SECTOR,
  FLASH_SECTOR,
  MODEL_BACKUP,
  OBC_CERTIFICATE,
  RC_HSM_TAMPERED,
  RC_MTK_ZEROIZED,
  RC_OK,
  RC_SELF_TEST_ECC,
  RC_STORAGE_INTEGRITY,
  RC_STORAGE_VERSION,
  STATE_BLANK,
  STATE_ERROR,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
  STATE_ZEROIZED,
} from '../protocol'
import { battery_write, mono_inc, split_write } from '../writes'
import {
  EVENT_DECOMMISSIONED,
  EVENT_FACTORY,
  EVENT_KEPT,
  eventIs,
  eventPolicies,
  eventsChange,
  eventsLoad,
  signalled,
} from './events'
import { keptErase, keptLog } from './kept'
import { deriveFactoryKey, deriveRootKeys } from './keys'
import { ecPublic } from './pka'
import { tamperPolicies } from './policies'
import { Profile, profileOf } from './profile'
import { eraseVector, loadVector, vectorIsListed } from './vector'

// Factory record, 1,028 bytes at the start of its sector.
export const F_MAGIC: usize = 0
export const F_LAYOUT: usize = 4
export const F_SERIAL: usize = 8
export const F_MODEL: usize = 16
export const F_PROFILE: usize = 20
export const F_AUTH: usize = 24
export const F_MAX_PARTITIONS: usize = 28
export const F_STORAGE: usize = 32
export const F_PARTITION_BASE: usize = 40
export const F_PARTITION_MULTIPLIER: usize = 44
export const F_SPLIT_A: usize = 48
export const F_HOC: usize = 80
export const F_TWC: usize = 336
export const F_HOK: usize = 592
export const F_TUK: usize = 648
export const F_MAC: usize = 976
export const F_COMMIT: usize = 1024
export const F_SIZE: i32 = 1028
export const FACTORY_MAGIC: u32 = 0x4f424d31
const FACTORY_LAYOUT: u32 = 1
const COMMITTED: u32 = 0x5aa5c0de

export const FACTORY: usize = memory.data(1040, 16)
const CHECK: usize = memory.data(128, 16)

let tokenState: i32 = STATE_BLANK
let errorCode: u32 = RC_OK
let profileRow: usize = 0

export function state(): i32 {
  return tokenState
}

export function stateError(): u32 {
  return errorCode
}

export function setState(value: i32): void {
  tokenState = value
}

/** Error state: keys are wiped, from now on status only. */
export function fail(code: u32): void {
  tokenState = STATE_ERROR
  errorCode = code
  wipeRootKeys()
  wipeScratch()
}

export function profile(): Profile {
  return changetype<Profile>(profileRow)
}

/** False where the board is blank, or its profile none that this firmware knows. */
export function knowsProfile(): bool {
  return profileRow !== 0
}

export function serialBytes(): usize {
  return FACTORY + F_SERIAL
}

export function serial(): u64 {
  return load64be(FACTORY + F_SERIAL)
}

export function model(): u32 {
  return load32be(FACTORY + F_MODEL)
}

export function firmwareVersion(): u32 {
  return load32be(FACTORY + F_PROFILE)
}

export function isPed(): bool {
  return load<u8>(FACTORY + F_AUTH) === AUTH_PED
}

export function isBackup(): bool {
  return model() === MODEL_BACKUP
}

export function maxPartitions(): u32 {
  return load32be(FACTORY + F_MAX_PARTITIONS)
}

export function storage(): u64 {
  return load64be(FACTORY + F_STORAGE)
}

export function hoc(): usize {
  return FACTORY + F_HOC
}

export function twc(): usize {
  return FACTORY + F_TWC
}

/** splitA xor what the split peripheral holds, at SECRET: the MTK, unless a part of splitB is on a purple key. */
function joinSplits(): bool {
  if (split_read(SECRET) !== 1) return false
  xorBytes(SECRET, FACTORY + F_SPLIT_A, SECRET, 32)
  return true
}

/** True where FK, just derived from an MTK that was put together, is the one that sealed the factory record. */
function factoryIsOurs(): bool {
  deriveFactoryKey(serialBytes())
  hmac(HASH_SHA384, KEY_FK, 32, FACTORY, <i32>F_MAC, CHECK)
  return ctEqual(CHECK, FACTORY + F_MAC, 48)
}

/** Puts the MTK together, with the 32 bytes of a purple key or none (0). False where the splits are not those of this HSM. */
export function restoreMtk(purple: usize): bool {
  const joined = joinSplits()
  if (joined) {
    memory.copy(KEY_MTK, SECRET, 32)
    if (purple !== 0) xorBytes(KEY_MTK, purple, KEY_MTK, 32)
  }
  wipe(SECRET, 32)
  if (joined && factoryIsOurs()) {
    battery_write(BATTERY_MTK, KEY_MTK, 32)
    return true
  }
  wipeRootKeys()
  return false
}

/** True where the splits inside do not give the MTK: a part of splitB is on a purple key. */
export function splitIsExternal(): bool {
  const external = joinSplits() && !ctEqual(SECRET, KEY_MTK, 32)
  wipe(SECRET, 32)
  return external
}

/** True where this purple key completes the splits inside. */
export function purpleFits(purple: usize): bool {
  const joined = joinSplits()
  if (joined) xorBytes(SECRET, purple, SECRET, 32)
  const fits = joined && ctEqual(SECRET, KEY_MTK, 32)
  wipe(SECRET, 32)
  return fits
}

/**
 * Splits the MTK anew. `purple` (32 bytes, 0 = none) is what a purple key will hold; the split peripheral gets the rest, by one write.
 * Without the purple key the rest says nothing of the MTK.
 */
export function splitMtk(purple: usize): void {
  xorBytes(KEY_MTK, FACTORY + F_SPLIT_A, SECRET, 32)
  if (purple !== 0) xorBytes(SECRET, purple, SECRET, 32)
  split_write(SECRET)
  wipe(SECRET, 32)
  flash_sync()
}

/** The key pairs under FK survive zeroization and no superblock covers them: each must give the key its certificate names (OBC-1 §16, 6). */
function checkPair(wrapped: usize, certificate: usize, out: usize): bool {
  if (!kwUnwrap(KEY_FK, 32, wrapped, 56, out)) return false
  return ecPublic(out, CHECK) && ctEqual(CHECK, certificate + 48, 97)
}

/** Reads the manufacturing record. False = the board is blank. */
function readFactory(): bool {
  flash_read(<u32>FLASH_FACTORY_SECTOR * <u32>FLASH_SECTOR, FACTORY, F_SIZE)
  return load32be(FACTORY + F_COMMIT) === COMMITTED
}

/**
 * Power-up after the self-tests: factory record, MTK, identity, then the store. Answers RC_OK in every state that is not an error.
 */
export function powerUp(): u32 {
  wipeRootKeys()
  auditStop()
  errorCode = RC_OK
  if (!readFactory()) {
    memory.fill(FACTORY, 0, F_SIZE)
    tokenState = STATE_BLANK
    return RC_OK
  }
  if (load32be(FACTORY + F_MAGIC) !== FACTORY_MAGIC) return RC_STORAGE_INTEGRITY
  if (load32be(FACTORY + F_LAYOUT) > FACTORY_LAYOUT) return RC_STORAGE_VERSION
  profileRow = profileOf(firmwareVersion())
  if (profileRow === 0) return RC_STORAGE_VERSION

  eventsLoad()
  const line = <u32>tamper_line()
  if (line !== 0 && signalled(line)) {
    // Nothing is rebuilt while the cause is still there.
    flash_sync()
    tokenState = STATE_TAMPERED
    errorCode = RC_HSM_TAMPERED
    return RC_OK
  }
  if (battery_read(BATTERY_MTK, KEY_MTK, 32) !== 32) {
    // A tamper destroyed it; both splits inside means that a restart brings it back (DESIGN.md "Behaviour").
    if (!restoreMtk(0)) {
      tokenState = STATE_TAMPERED
      errorCode = RC_MTK_ZEROIZED
      return RC_OK
    }
    flash_sync()
  } else if (!factoryIsOurs()) return RC_STORAGE_INTEGRITY
  const hokGood = checkPair(FACTORY + F_HOK, hoc(), KEY_TUK)
  const tukGood = checkPair(FACTORY + F_TUK, twc(), KEY_TUK)
  if (!hokGood || !tukGood) return RC_SELF_TEST_ECC
  loadVector()

  if (battery_read(BATTERY_KEK, KEY_KEK, 32) !== 32) {
    // Zeroization destroyed the KEK; the ciphertext that is left goes now.
    finishZeroize()
    keptLog()
    return RC_OK
  }
  deriveRootKeys(serialBytes())
  const verdict = superblockLoad(serial())
  if (verdict !== RC_OK) return verdict
  if (!kwUnwrap(KEY_RSK, 32, SB + SB_GSK, 40, KEY_GSK)) return RC_STORAGE_INTEGRITY
  const mounted = mount()
  if (mounted !== RC_OK) return mounted
  if (!vectorIsListed()) return RC_STORAGE_INTEGRITY
  tokenState = STATE_FUNCTIONAL
  if (!auditLoad()) return RC_STORAGE_INTEGRITY
  // A wipe that was announced but never begun, and what an initialization has taken over.
  eventsChange(0, EVENT_FACTORY | EVENT_KEPT | EVENT_DECOMMISSIONED)
  eventPolicies(tamperPolicies())
  return RC_OK
}

/** The part of zeroization that may be cut short and is then finished at the next power-up. */
export function finishZeroize(): void {
  wipe(KEY_KEK, 32)
  wipe(KEY_RSK, 80)
  wipe(KEY_GSK, 32)
  superblockErase()
  if (logBegin()) logErase()
  if (eventIs(EVENT_FACTORY)) {
    eraseVector(false)
    keptErase()
    auditErase()
    eventsChange(0, EVENT_FACTORY)
  }
  mono_inc()
  flash_sync()
  tokenState = STATE_ZEROIZED
}

export function seal(record: usize): void {
  store32be(record + F_MAGIC, FACTORY_MAGIC)
  store32be(record + F_LAYOUT, FACTORY_LAYOUT)
  hmac(HASH_SHA384, KEY_FK, 32, record, <i32>F_MAC, record + F_MAC)
  store32be(record + F_COMMIT, COMMITTED)
}

/** The certificates lie one behind the other. */
export function certificates(): usize {
  return FACTORY + F_HOC
}

export const CERTIFICATES_SIZE: i32 = 2 * OBC_CERTIFICATE
