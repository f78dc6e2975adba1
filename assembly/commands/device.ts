// Device and session commands: status, self-test, random bytes, certificates, manufacture, sessions.

import { KEY_FK, KEY_MTK, PSK, SECRET, SECRET2 } from '../arena'
import { auditIsActive } from '../audit/log'
import { flash_sync } from '../board'
import { sourcesClear } from '../cloning/source'
import { targetsClear } from '../cloning/target'
import { kwWrap } from '../crypto/key-wrap'
import { load32be, load64be, store32be, store64be, wipe } from '../crypto/util'
import { P_LABEL, P_LABEL_LENGTH, partitionRow } from '../flash/superblock'
import {
  ADMIN_PARTITION,
  AUTH_PASSWORD,
  AUTH_PED,
  BATTERY_MTK,
  CMD_CERTIFICATES,
  CMD_FACTORY_BEGIN,
  CMD_FACTORY_FINISH,
  CMD_RANDOM,
  CMD_RANDOM_SEED,
  CMD_SELF_TEST,
  CMD_SESSION_CLOSE,
  CMD_SESSION_INFO,
  CMD_SESSION_OPEN,
  CMD_STATUS,
  CURVE_P384,
  FLASH_FACTORY_SECTOR,
  FLASH_SECTOR,
  HSM_POLICY_NON_FIPS,
  MAX_PARTITIONS,
  MODEL_BACKUP,
  MODEL_NETWORK,
  RC_ALREADY_MANUFACTURED,
  RC_ARGUMENTS_BAD,
  RC_CONTAINER_HANDLE_INVALID,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_MTK_ZEROIZED,
  RC_OK,
  RC_RANDOM_NO_RNG,
  RC_SELF_TEST_ECC,
  STATE_BLANK,
  STATE_ERROR,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
  STATE_ZEROIZED,
  STATUS_AUDITOR,
  STATUS_BACKUP,
  STATUS_DECOMMISSIONED,
  STATUS_EXTENDED_DOMAINS,
  STATUS_EXTERNAL_SPLIT,
  STATUS_GENERATION_7,
  STATUS_INITIALIZED,
  STATUS_NON_FIPS,
  STATUS_PARTITION_SO,
  STATUS_PED,
  STATUS_STM,
  STATUS_STOPS_AT_FAILURE,
  STATUS_TAMPERED,
  STATUS_TRANSPORT,
  STATUS_VECTOR,
  TRANSPORT_STM,
} from '../protocol'
import {
  certificateBody,
  certificateIsFrom,
  HOC,
  rootKey,
  signCertificate,
  TWC,
  USAGE_AGREE,
  USAGE_SIGN,
} from '../token/certificate'
import { clientGone } from '../token/clients'
import { EVENT_DECOMMISSIONED, EVENT_TAMPERED, EVENT_TRANSPORT, eventIs } from '../token/events'
import { deriveFactoryKey } from '../token/keys'
import { partitionExists } from '../token/partitions'
import { ecGenerate } from '../token/pka'
import { hsmPolicy } from '../token/policies'
import { profileOf } from '../token/profile'
import { fresh, random, randomTest, stir } from '../token/random'
import { selfTest } from '../token/self-test'
import { openedSession, openSession, roleOf, sessionFlags } from '../token/sessions'
import {
  CERTIFICATES_SIZE,
  certificates,
  F_AUTH,
  F_COMMIT,
  F_HOC,
  F_HOK,
  F_MAX_PARTITIONS,
  F_MODEL,
  F_PARTITION_BASE,
  F_PARTITION_MULTIPLIER,
  F_PROFILE,
  F_SERIAL,
  F_SIZE,
  F_SPLIT_A,
  F_STORAGE,
  F_TUK,
  F_TWC,
  fail,
  firmwareVersion,
  isBackup,
  isPed,
  knowsProfile,
  model,
  powerUp,
  profile,
  seal,
  serial,
  splitIsExternal,
  state,
  stateError,
} from '../token/state'
import { hasVector } from '../token/vector'
import { failNow } from '../token/zeroize'
import { battery_write, flash_erase, flash_program, split_write } from '../writes'
import { channelsClear } from './channel'
import { access, currentSession, here } from './context'
import {
  read8,
  read32,
  read64,
  readBytes,
  readDone,
  readFixed,
  readLength,
  readOk,
  write8,
  write32,
  write64,
  writeBytes,
  writeFixed,
  writeSkip,
} from './frame'

/** The manufacturing record being made, between FACTORY_BEGIN and FACTORY_FINISH. */
const RECORD: usize = memory.data(1040, 16)
const HOK: usize = memory.data(48, 16)
let begun: bool = false

const RANDOM_MAX: u32 = 4096

export function deviceCommand(command: u32): u32 {
  if (command === CMD_STATUS) return status()
  if (command === CMD_SELF_TEST) return test()
  if (command === CMD_RANDOM) return randomBytes()
  if (command === CMD_RANDOM_SEED) return randomSeed()
  if (command === CMD_CERTIFICATES) return identity()
  if (command === CMD_FACTORY_BEGIN) return factoryBegin()
  if (command === CMD_FACTORY_FINISH) return factoryFinish()
  if (command === CMD_SESSION_OPEN) return open()
  if (command === CMD_SESSION_CLOSE) return close()
  if (command === CMD_SESSION_INFO) return info()
  return RC_FUNCTION_NOT_SUPPORTED
}

function status(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const functional = state() === STATE_FUNCTIONAL
  const made = state() !== STATE_BLANK
  let flags: u32 = 0
  if (isBackup()) flags |= STATUS_BACKUP
  else flags |= STATUS_PARTITION_SO
  if (isPed()) flags |= STATUS_PED
  if (functional) flags |= STATUS_INITIALIZED
  if (hasVector()) flags |= STATUS_VECTOR
  if (functional && hsmPolicy(HSM_POLICY_NON_FIPS) !== 0) flags |= STATUS_NON_FIPS
  if (made && knowsProfile()) {
    if (profile().generation >= 7) flags |= STATUS_GENERATION_7
    if (profile().maxDomains > 1) flags |= STATUS_EXTENDED_DOMAINS
    if (profile().stopsAtFailure !== 0) flags |= STATUS_STOPS_AT_FAILURE
    if (profile().transport === TRANSPORT_STM) flags |= STATUS_STM
  }
  if (eventIs(EVENT_TAMPERED)) flags |= STATUS_TAMPERED
  if (eventIs(EVENT_TRANSPORT)) flags |= STATUS_TRANSPORT
  if (eventIs(EVENT_DECOMMISSIONED)) flags |= STATUS_DECOMMISSIONED
  if (made && state() !== STATE_ERROR && splitIsOut()) flags |= STATUS_EXTERNAL_SPLIT
  if (auditIsActive()) flags |= STATUS_AUDITOR
  write8(<u32>state())
  write32(stateError())
  write32(flags)
  write64(serial())
  write32(model())
  write32(firmwareVersion())
  write8(isPed() ? AUTH_PED : model() === 0 ? 0 : AUTH_PASSWORD)
  const admin = partitionRow(ADMIN_PARTITION)
  writeBytes(admin + P_LABEL, functional ? <i32>load<u8>(admin + P_LABEL_LENGTH) : 0)
  return RC_OK
}

/** Where the MTK is gone, that it was not put together again tells. */
function splitIsOut(): bool {
  return state() === STATE_TAMPERED ? stateError() === RC_MTK_ZEROIZED : splitIsExternal()
}

function test(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = randomTest()
  if (rc === RC_OK) rc = selfTest()
  if (rc !== RC_OK) {
    failNow(rc)
    sourcesClear()
    targetsClear()
    channelsClear()
  }
  return rc
}

function randomBytes(): u32 {
  const n = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (n === 0 || n > RANDOM_MAX) return RC_ARGUMENTS_BAD
  write32(n)
  return random(writeSkip(<i32>n), <i32>n) ? RC_OK : RC_RANDOM_NO_RNG
}

/** Whatever a client gives, any number of bytes that fits. */
function randomSeed(): u32 {
  const seed = readBytes()
  const n = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  return stir(seed, n) ? RC_OK : RC_RANDOM_NO_RNG
}

function identity(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  writeFixed(certificates(), CERTIFICATES_SIZE)
  return RC_OK
}

// ---- manufacture ------------------------------------------------------------------------------------------------------

function factoryBegin(): u32 {
  const number = read64()
  const kind = read32()
  const version = read32()
  const auth = read8()
  const partitions = read32()
  const storage = read64()
  const base = read32()
  const multiplier = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (state() !== STATE_BLANK) return RC_ALREADY_MANUFACTURED
  if (number === 0 || kind < <u32>MODEL_NETWORK || kind > <u32>MODEL_BACKUP || profileOf(version) === 0)
    return RC_ARGUMENTS_BAD
  if (auth !== AUTH_PASSWORD && auth !== AUTH_PED) return RC_ARGUMENTS_BAD
  if (partitions === 0 || partitions > <u32>MAX_PARTITIONS || storage === 0) return RC_ARGUMENTS_BAD

  memory.fill(RECORD, 0, F_SIZE)
  store64be(RECORD + F_SERIAL, number)
  store32be(RECORD + F_MODEL, kind)
  store32be(RECORD + F_PROFILE, version)
  store<u8>(RECORD + F_AUTH, <u8>auth)
  store32be(RECORD + F_MAX_PARTITIONS, partitions)
  store64be(RECORD + F_STORAGE, storage)
  store32be(RECORD + F_PARTITION_BASE, base)
  store32be(RECORD + F_PARTITION_MULTIPLIER, multiplier)
  const point = SECRET2
  if (!ecGenerate(CURVE_P384, HOK, point)) return RC_RANDOM_NO_RNG
  certificateBody(RECORD + F_HOC, HOC, USAGE_SIGN, rootKey(), number, kind, version, point)
  begun = true
  writeFixed(RECORD + F_HOC, 160)
  return RC_OK
}

/** The signature makes the HOC; TUK, MTK and splits are made here; everything is durable before the answer. */
function factoryFinish(): u32 {
  const signature = readFixed(96)
  if (!readDone() || !readOk()) return RC_FRAME_MALFORMED
  if (state() !== STATE_BLANK) return RC_ALREADY_MANUFACTURED
  if (!begun) return RC_ARGUMENTS_BAD
  memory.copy(RECORD + F_HOC + 160, signature, 96)
  if (!certificateIsFrom(RECORD + F_HOC, rootKey())) return RC_ARGUMENTS_BAD

  const scalar = SECRET
  const point = SECRET2
  if (!ecGenerate(CURVE_P384, scalar, point)) return RC_RANDOM_NO_RNG
  const hokPoint = RECORD + F_HOC + 48
  certificateBody(
    RECORD + F_TWC,
    TWC,
    USAGE_AGREE,
    hokPoint,
    load64be(RECORD + F_SERIAL),
    load32be(RECORD + F_MODEL),
    load32be(RECORD + F_PROFILE),
    point,
  )
  if (!signCertificate(RECORD + F_TWC, HOK)) return RC_SELF_TEST_ECC
  if (!fresh(KEY_MTK, 32) || !fresh(PSK, 32)) {
    wipe(KEY_MTK, 32)
    return RC_RANDOM_NO_RNG
  }
  for (let i: usize = 0; i < 32; i++) store<u8>(RECORD + F_SPLIT_A + i, load<u8>(KEY_MTK + i) ^ load<u8>(PSK + i))
  deriveFactoryKey(RECORD + F_SERIAL)
  kwWrap(KEY_FK, 32, HOK, 48, RECORD + F_HOK)
  kwWrap(KEY_FK, 32, scalar, 48, RECORD + F_TUK)
  seal(RECORD)
  wipe(HOK, 48)
  battery_write(BATTERY_MTK, KEY_MTK, 32)
  split_write(PSK)
  const at = <u32>FLASH_FACTORY_SECTOR * <u32>FLASH_SECTOR
  flash_erase(FLASH_FACTORY_SECTOR)
  flash_program(at, RECORD, <i32>F_COMMIT)
  flash_program(at + <u32>F_COMMIT, RECORD + F_COMMIT, 4)
  flash_sync()
  memory.fill(RECORD, 0, F_SIZE)
  begun = false
  const rc = powerUp()
  if (rc !== RC_OK) fail(rc)
  return rc
}

// ---- sessions ---------------------------------------------------------------------------------------------------------

function open(): u32 {
  const partition = read32()
  const client = readFixed(8)
  const flags = read8()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (flags > 1) return RC_ARGUMENTS_BAD
  const zeroized = state() === STATE_ZEROIZED
  if (zeroized ? partition !== ADMIN_PARTITION : !partitionExists(partition)) return RC_CONTAINER_HANDLE_INVALID
  const rc = openSession(partition, client, flags)
  if (rc === RC_OK) write32(openedSession())
  return rc
}

function close(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  clientGone(currentSession())
  return RC_OK
}

function info(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  write32(here())
  write8(sessionFlags(currentSession()))
  write8(<u32>roleOf(access(), here()))
  return RC_OK
}
