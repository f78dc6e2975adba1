// Partition commands: list, create, delete, initialize, policies, size, domain.

import { PSK } from '../arena'
import { load32be, load64be, wipe } from '../crypto/util'
import { P_LABEL, P_LABEL_LENGTH, P_LIMIT, P_OBJECTS, P_SERIAL, partitionRow } from '../flash/superblock'
import { pedAnswer, pedAsk } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  CMD_PARTITION_CLEAR,
  CMD_PARTITION_CREATE,
  CMD_PARTITION_DELETE,
  CMD_PARTITION_INFO,
  CMD_PARTITION_INIT,
  CMD_PARTITION_LIST,
  CMD_PARTITION_POLICIES,
  CMD_PARTITION_RESIZE,
  CMD_PARTITION_SET_POLICY,
  DOMAIN_TEXT_MAX,
  LABEL_MAX,
  MAX_PARTITIONS,
  PARTITION_INITIALIZED,
  PARTITION_LEGACY,
  PASSWORD_MAX,
  PED_KIND_DOMAIN,
  PED_KIND_SO,
  PED_KIND_USER,
  PED_OP_MAKE,
  POLICY_ACTIVATION,
  POLICY_AUTO_ACTIVATION,
  POLICY_STORAGE,
  RC_ARGUMENTS_BAD,
  RC_COMMAND_NON_BACKUP,
  RC_CONTAINER_HANDLE_INVALID,
  RC_CONTAINER_STORAGE_FULL,
  RC_FRAME_MALFORMED,
  RC_HSM_STORAGE_FULL,
  RC_OBJECT_ALREADY_EXISTS,
  RC_OK,
  RC_PIN_LEN_RANGE,
  RC_RANDOM_NO_RNG,
  RC_USER_NOT_LOGGED_IN,
  ROLE_CRYPTO_OFFICER,
  ROLE_PARTITION_SO,
  STATE_FUNCTIONAL,
} from '../protocol'
import { activationPolicyChanged } from '../token/activation'
import { partitionGone } from '../token/clients'
import { giveDomain, giveHsmDomain, singleDomain } from '../token/domains'
import {
  allocatedBytes,
  commitChange,
  created,
  createPartition,
  deletePartition,
  domainCount,
  dropObjects,
  labelTaken,
  newStorageKey,
  partitionExists,
  partitionFlags,
  partitionIs,
  partitionTotal,
  partitionUsed,
  resetPartition,
  resizePartition,
  setLabel,
} from '../token/partitions'
import {
  changeIsDestructive,
  checkPartitionPolicy,
  partitionCapability,
  partitionHasPolicy,
  partitionPolicy,
  partitionPolicyFlags,
  partitionPolicyId,
  setPartitionPolicy,
} from '../token/policies'
import { partitionPolicyRows } from '../token/policy-table'
import { roleSet } from '../token/roles'
import { isBackup, isPed, profile, state, storage } from '../token/state'
import { here, hereIsAdmin, myRole, needSo, needWritingOfficer } from './context'
import { domainCommand } from './domain'
import {
  read8,
  read16,
  read32,
  read64,
  readBytes,
  readDone,
  readLength,
  write8,
  write16,
  write32,
  write64,
  writeBytes,
} from './frame'

export function partitionCommand(command: u32): u32 {
  if (command === CMD_PARTITION_LIST) return list()
  if (command === CMD_PARTITION_INFO) return info()
  if (command === CMD_PARTITION_CREATE) return create()
  if (command === CMD_PARTITION_DELETE) return remove()
  if (command === CMD_PARTITION_INIT) return init()
  if (command === CMD_PARTITION_POLICIES) return policies()
  if (command === CMD_PARTITION_SET_POLICY) return setPolicy()
  if (command === CMD_PARTITION_RESIZE) return resize()
  if (command === CMD_PARTITION_CLEAR) return clear()
  return domainCommand(command)
}

function writeInfo(id: u32): void {
  const p = partitionRow(id)
  write32(id)
  write64(load64be(p + P_SERIAL))
  write32(partitionFlags(id))
  writeBytes(p + P_LABEL, <i32>load<u8>(p + P_LABEL_LENGTH))
  write64(partitionTotal(id))
  write64(partitionUsed(id))
  write32(load32be(p + P_OBJECTS))
  write8(<u32>domainCount(id))
}

function list(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  let n: u32 = 0
  if (state() === STATE_FUNCTIONAL) {
    for (let id: u32 = 1; id <= <u32>MAX_PARTITIONS; id++) if (partitionExists(id)) n++
  }
  write16(n)
  for (let id: u32 = 1; n > 0 && id <= <u32>MAX_PARTITIONS; id++) if (partitionExists(id)) writeInfo(id)
  return RC_OK
}

function info(): u32 {
  const id = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!partitionExists(id)) return RC_CONTAINER_HANDLE_INVALID
  writeInfo(id)
  return RC_OK
}

function passwordFits(length: i32): bool {
  return length >= <i32>profile().minPassword && length <= PASSWORD_MAX
}

/** A container of the HSM SO (legacy, with its user at once) or an empty partition for a Partition SO to come. */
function create(): u32 {
  const legacy = read8()
  const label = readBytes()
  const labelLength = readLength()
  const size = read64()
  const password = readBytes()
  const passwordLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const so = needSo()
  if (so !== RC_OK) return so
  if (legacy > 1 || labelLength > LABEL_MAX || (legacy === 1 && labelLength === 0)) return RC_ARGUMENTS_BAD
  if (isBackup() && legacy === 0) return RC_COMMAND_NON_BACKUP
  if (labelTaken(label, labelLength)) return RC_OBJECT_ALREADY_EXISTS
  if (size > storage()) return RC_HSM_STORAGE_FULL
  const ped = isPed()
  if (legacy === 1 && ped) {
    const rc = pedAsk(0, PED_OP_MAKE, PED_KIND_USER, 0, label, labelLength)
    if (rc !== RC_OK) return rc
  } else if (legacy === 1 && !passwordFits(passwordLength)) return RC_PIN_LEN_RANGE

  const rc = createPartition(legacy === 1 ? PARTITION_LEGACY | PARTITION_INITIALIZED : 0, label, labelLength, size)
  if (rc !== RC_OK) return rc
  const id = created()
  if (legacy === 1) {
    let made = newStorageKey() ? RC_OK : RC_RANDOM_NO_RNG
    if (made === RC_OK) {
      made = roleSet(id, ROLE_CRYPTO_OFFICER, ped ? pedAnswer(0) : password, ped ? 48 : passwordLength, ped)
    }
    if (made !== RC_OK) {
      deletePartition(id)
      return made
    }
  }
  commitChange()
  write32(id)
  write64(load64be(partitionRow(id) + P_SERIAL))
  return RC_OK
}

function remove(): u32 {
  const id = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  const so = needSo()
  if (so !== RC_OK) return so
  if (id === ADMIN_PARTITION || !partitionExists(id)) return RC_CONTAINER_HANDLE_INVALID
  deletePartition(id)
  partitionGone(id)
  commitChange()
  return RC_OK
}

/** The partition gets a Partition SO and a domain; whatever it held is destroyed. */
function init(): u32 {
  const label = readBytes()
  const labelLength = readLength()
  const password = readBytes()
  const passwordLength = readLength()
  const domain = readBytes()
  const domainLength = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const id = here()
  if (isBackup()) return RC_COMMAND_NON_BACKUP
  if (hereIsAdmin() || partitionIs(id, PARTITION_LEGACY)) return RC_CONTAINER_HANDLE_INVALID
  if (labelLength < 1 || labelLength > LABEL_MAX) return RC_ARGUMENTS_BAD
  // An initialized partition is only made new by its own SO.
  if (partitionIs(id, PARTITION_INITIALIZED) && myRole() !== ROLE_PARTITION_SO) return RC_USER_NOT_LOGGED_IN
  const ped = isPed()
  const given = singleDomain()
  if (ped) {
    if (passwordLength !== 0 || domainLength !== 0) return RC_ARGUMENTS_BAD
    let rc = pedAsk(0, PED_OP_MAKE, PED_KIND_SO, 0, label, labelLength)
    if (rc === RC_OK && !given) rc = pedAsk(1, PED_OP_MAKE, PED_KIND_DOMAIN, 0, label, labelLength)
    if (rc !== RC_OK) return rc
  } else {
    if (!passwordFits(passwordLength)) return RC_PIN_LEN_RANGE
    if (!given && (domainLength < 1 || domainLength > DOMAIN_TEXT_MAX)) return RC_ARGUMENTS_BAD
  }
  if (!newStorageKey()) return RC_RANDOM_NO_RNG
  resetPartition(id, PARTITION_INITIALIZED)
  partitionGone(id)
  setLabel(id, label, labelLength)
  let rc = roleSet(id, ROLE_PARTITION_SO, ped ? pedAnswer(0) : password, ped ? 48 : passwordLength, ped)
  if (rc === RC_OK) rc = given ? giveHsmDomain(id) : giveDomain(id, ped, ped ? pedAnswer(1) : domain, domainLength)
  commitChange()
  wipe(PSK, 32)
  return rc
}

function policies(): u32 {
  const id = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!partitionExists(id)) return RC_CONTAINER_HANDLE_INVALID
  let n: u32 = 0
  for (let i = 0; i < partitionPolicyRows(); i++) if (partitionHasPolicy(i)) n++
  write16(n)
  const total = partitionTotal(id)
  const size: u32 = total > 0xffffffff ? 0xffffffff : <u32>total
  for (let i = 0; i < partitionPolicyRows(); i++) {
    if (!partitionHasPolicy(i)) continue
    const policy = partitionPolicyId(i)
    write16(policy)
    write8(partitionPolicyFlags(i))
    write32(policy === POLICY_STORAGE ? size : partitionCapability(i))
    write32(policy === POLICY_STORAGE ? size : partitionPolicy(id, policy))
  }
  return RC_OK
}

function setPolicy(): u32 {
  const id = read32()
  const policy = read16()
  const value = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (id === ADMIN_PARTITION || !partitionExists(id)) return RC_CONTAINER_HANDLE_INVALID
  if (partitionIs(id, PARTITION_LEGACY)) {
    const so = needSo()
    if (so !== RC_OK) return so
  } else {
    if (here() !== id) return RC_CONTAINER_HANDLE_INVALID
    if (myRole() !== ROLE_PARTITION_SO) return RC_USER_NOT_LOGGED_IN
  }
  const rc = checkPartitionPolicy(id, policy, value)
  if (rc !== RC_OK) return rc
  if (partitionPolicy(id, policy) === value) return RC_OK
  if (changeIsDestructive()) dropObjects(id)
  setPartitionPolicy(id, policy, value)
  commitChange()
  if (policy === POLICY_ACTIVATION || policy === POLICY_AUTO_ACTIVATION) activationPolicyChanged(id)
  return RC_OK
}

function resize(): u32 {
  const id = read32()
  const size = read64()
  if (!readDone()) return RC_FRAME_MALFORMED
  const so = needSo()
  if (so !== RC_OK) return so
  if (id === ADMIN_PARTITION || !partitionExists(id)) return RC_CONTAINER_HANDLE_INVALID
  if (size === 0) return RC_ARGUMENTS_BAD
  if (size < partitionUsed(id)) return RC_CONTAINER_STORAGE_FULL
  const own = load64be(partitionRow(id) + P_LIMIT)
  const others = allocatedBytes() - (own !== 0 ? own : partitionUsed(id))
  if (size > storage() || others > storage() - size) return RC_HSM_STORAGE_FULL
  resizePartition(id, size)
  commitChange()
  return RC_OK
}

function clear(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const officer = needWritingOfficer()
  if (officer !== RC_OK) return officer
  const id = here()
  const count = load32be(partitionRow(id) + P_OBJECTS)
  dropObjects(id)
  commitChange()
  write32(count)
  return RC_OK
}
