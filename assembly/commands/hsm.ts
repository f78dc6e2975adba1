// HSM commands: information, initialization, reset, policies.

import { KEY_GSK, KEY_KEK, KEY_RSK, PSK, SECRET } from '../arena'
import { auditIsActive, auditTakeOver } from '../audit/log'
import { flash_sync, rtc, uptime } from '../board'
import { kwWrap } from '../crypto/key-wrap'
import { wipe } from '../crypto/util'
import { logBegin, RESERVE } from '../flash/log'
import { mount } from '../flash/mount'
import { freeSectors, leastErases, mostErases, sectorCount, sectorDead, sectorLive } from '../flash/sectors'
import {
  P_LABEL,
  P_LABEL_LENGTH,
  partitionRow,
  SB,
  SB_GSK,
  sequence,
  superblockCommit,
  superblockNew,
} from '../flash/superblock'
import { pedAnswer, pedAsk } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  AUTH_PASSWORD,
  AUTH_PED,
  BATTERY_KEK,
  CMD_FLASH_INFO,
  CMD_HSM_FACTORY_RESET,
  CMD_HSM_INFO,
  CMD_HSM_INIT,
  CMD_HSM_POLICIES,
  CMD_HSM_SET_POLICY,
  CMD_HSM_ZEROIZE,
  DOMAIN_RED,
  DOMAIN_TEXT,
  DOMAIN_TEXT_MAX,
  FLASH_ENDURANCE,
  FLASH_LOG,
  FLASH_SECTOR,
  LABEL_MAX,
  MAX_PARTITIONS,
  PASSWORD_MAX,
  PED_KIND_DOMAIN,
  PED_KIND_SO,
  PED_OP_MAKE,
  RC_ARGUMENTS_BAD,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_OK,
  RC_PIN_LEN_RANGE,
  RC_RANDOM_NO_RNG,
  RC_USER_NOT_LOGGED_IN,
  ROLE_SO,
  STATE_FUNCTIONAL,
} from '../protocol'
import { partitionGone } from '../token/clients'
import { EVENT_DECOMMISSIONED, EVENT_KEPT, eventPolicies, eventsChange } from '../token/events'
import { keptRestore } from '../token/kept'
import { deriveRootKeys, textDomainVector } from '../token/keys'
import {
  addDomain,
  allocatedBytes,
  applicationPartitions,
  commitChange,
  createAdmin,
  deletePartition,
  hsmUsedBytes,
  partitionExists,
  setLabel,
} from '../token/partitions'
import {
  changeIsDestructive,
  checkHsmPolicy,
  hsmCapability,
  hsmHasPolicy,
  hsmPolicy,
  hsmPolicyDefaults,
  hsmPolicyFlags,
  hsmPolicyId,
  setHsmPolicy,
  tamperPolicies,
} from '../token/policies'
import { hsmPolicyRows } from '../token/policy-table'
import { fresh, random } from '../token/random'
import { attemptsLeft, roleFlags, roleSet } from '../token/roles'
import {
  firmwareVersion,
  isPed,
  maxPartitions,
  model,
  profile,
  serial,
  serialBytes,
  setState,
  state,
  storage,
} from '../token/state'
import { hasVector, vectorMark } from '../token/vector'
import { factoryReset as resetToFactory, zeroize } from '../token/zeroize'
import { battery_write } from '../writes'
import { hereIsAdmin, needSo } from './context'
import { read16, read32, readBytes, readDone, readLength, write8, write16, write32, write64, writeBytes } from './frame'

export function hsmCommand(command: u32): u32 {
  if (command === CMD_HSM_INFO) return info()
  if (command === CMD_HSM_INIT) return init()
  if (command === CMD_HSM_FACTORY_RESET) return factoryReset()
  if (command === CMD_HSM_ZEROIZE) return zeroizeCommand()
  if (command === CMD_HSM_POLICIES) return policies()
  if (command === CMD_HSM_SET_POLICY) return setPolicy()
  if (command === CMD_FLASH_INFO) return flashInfo()
  return RC_FUNCTION_NOT_SUPPORTED
}

function info(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const functional = state() === STATE_FUNCTIONAL
  const admin = partitionRow(ADMIN_PARTITION)
  writeBytes(admin + P_LABEL, functional ? <i32>load<u8>(admin + P_LABEL_LENGTH) : 0)
  write64(serial())
  write32(model())
  write32(firmwareVersion())
  write8(isPed() ? AUTH_PED : AUTH_PASSWORD)
  write8(<u32>state())
  write32(functional ? roleFlags(ADMIN_PARTITION, ROLE_SO) : 0)
  write8(functional ? attemptsLeft(ADMIN_PARTITION, ROLE_SO) : 0)
  write8(hasVector() ? 1 : 0)
  const taken: u64 = functional ? allocatedBytes() : 0
  write64(storage())
  write64(functional ? hsmUsedBytes() : 0)
  write64(taken < storage() ? storage() - taken : 0)
  write32(maxPartitions())
  write32(functional ? applicationPartitions() : 0)
  write64(<u64>uptime())
  write64(<u64>rtc())
  return RC_OK
}

function init(): u32 {
  const label = readBytes()
  const labelLength = readLength()
  const password = readBytes()
  const passwordLength = readLength()
  const domain = readBytes()
  const domainLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!hereIsAdmin() || labelLength < 1 || labelLength > LABEL_MAX) return RC_ARGUMENTS_BAD
  if (state() === STATE_FUNCTIONAL) return softInit(label, labelLength)

  // From nothing: a new SO, a new domain, new keys.
  const ped = isPed()
  if (ped) {
    if (passwordLength !== 0 || domainLength !== 0) return RC_ARGUMENTS_BAD
    let rc = pedAsk(0, PED_OP_MAKE, PED_KIND_SO, 0, label, labelLength)
    if (rc === RC_OK) rc = pedAsk(1, PED_OP_MAKE, PED_KIND_DOMAIN, 0, label, labelLength)
    if (rc !== RC_OK) return rc
  } else {
    if (passwordLength < <i32>profile().minPassword || passwordLength > PASSWORD_MAX) return RC_PIN_LEN_RANGE
    if (domainLength < 1 || domainLength > DOMAIN_TEXT_MAX) return RC_ARGUMENTS_BAD
  }
  if (!random(KEY_KEK, 32) || !random(KEY_GSK, 32) || !fresh(PSK, 32)) return withoutKeys(RC_RANDOM_NO_RNG)
  deriveRootKeys(serialBytes())
  superblockNew(serial())
  kwWrap(KEY_RSK, 32, KEY_GSK, 32, SB + SB_GSK)
  hsmPolicyDefaults()
  createAdmin()
  keptRestore()
  setLabel(ADMIN_PARTITION, label, labelLength)
  const secret = ped ? pedAnswer(0) : password
  let rc = roleSet(ADMIN_PARTITION, ROLE_SO, secret, ped ? 48 : passwordLength, ped)
  if (rc === RC_OK) {
    if (ped) memory.copy(SECRET, pedAnswer(1), 48)
    else textDomainVector(domain, domainLength, SECRET)
    rc = addDomain(ADMIN_PARTITION, ped ? DOMAIN_RED : DOMAIN_TEXT, SECRET)
    wipe(SECRET, 48)
  }
  if (rc !== RC_OK) return withoutKeys(rc)
  // The KEK last: until it is there the HSM is zeroized, whatever a cut leaves behind.
  if (auditIsActive()) auditTakeOver()
  vectorMark()
  superblockCommit()
  battery_write(BATTERY_KEK, KEY_KEK, 32)
  flash_sync()
  logBegin()
  rc = mount()
  if (rc !== RC_OK) return rc
  setState(STATE_FUNCTIONAL)
  eventsChange(0, EVENT_KEPT | EVENT_DECOMMISSIONED)
  eventPolicies(tamperPolicies())
  return RC_OK
}

/** An initialization that came to nothing: its keys go. */
function withoutKeys(rc: u32): u32 {
  wipe(KEY_KEK, 32)
  wipe(KEY_RSK, 80)
  wipe(KEY_GSK, 32)
  return rc
}

/** An initialized HSM: the SO must be logged in; SO identity, domain and policies stay, partitions and objects go. */
function softInit(label: usize, labelLength: i32): u32 {
  const rc = needSo()
  if (rc !== RC_OK) return rc
  deleteAllPartitions()
  setLabel(ADMIN_PARTITION, label, labelLength)
  commitChange()
  return RC_OK
}

function deleteAllPartitions(): void {
  for (let id: u32 = 1; id <= <u32>MAX_PARTITIONS; id++) {
    if (!partitionExists(id)) continue
    deletePartition(id)
    partitionGone(id)
  }
}

/** From firmware 6.22 on the remote PED vector, the auditor and the policies go too. */
function factoryReset(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!hereIsAdmin()) return RC_ARGUMENTS_BAD
  resetToFactory()
  return RC_OK
}

function zeroizeCommand(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!hereIsAdmin()) return RC_ARGUMENTS_BAD
  const rc = needSo()
  if (rc !== RC_OK) return RC_USER_NOT_LOGGED_IN
  zeroize()
  return RC_OK
}

function policies(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  let n: u32 = 0
  for (let i = 0; i < hsmPolicyRows(); i++) if (hsmHasPolicy(i)) n++
  write16(n)
  for (let i = 0; i < hsmPolicyRows(); i++) {
    if (!hsmHasPolicy(i)) continue
    write16(hsmPolicyId(i))
    write8(hsmPolicyFlags(i))
    write32(hsmCapability(i))
    write32(hsmPolicy(hsmPolicyId(i)))
  }
  return RC_OK
}

function setPolicy(): u32 {
  const id = read16()
  const value = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  let rc = needSo()
  if (rc === RC_OK) rc = checkHsmPolicy(id, value)
  if (rc !== RC_OK) return rc
  if (hsmPolicy(id) === value) return RC_OK
  // "The User and all User objects will be deleted": partitions go, the SO stays.
  if (changeIsDestructive()) deleteAllPartitions()
  setHsmPolicy(id, value)
  commitChange()
  eventPolicies(tamperPolicies())
  return RC_OK
}

/** How full and how worn the log is. */
function flashInfo(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  let live: u64 = 0
  let dead: u64 = 0
  for (let s = FLASH_LOG; s < sectorCount(); s++) {
    live += sectorLive(s)
    dead += sectorDead(s)
  }
  write32(<u32>FLASH_SECTOR)
  write32(<u32>(sectorCount() - FLASH_LOG))
  write32(<u32>freeSectors())
  write32(<u32>RESERVE)
  write64(live)
  write64(dead)
  write32(leastErases())
  write32(mostErases())
  write32(<u32>FLASH_ENDURANCE)
  write64(sequence())
  return RC_OK
}
