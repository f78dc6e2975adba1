// Domain commands of a partition: its first domain, and from firmware 7.8 on two more.

import { SECRET } from '../arena'
import { wipe } from '../crypto/util'
import { domainLabel, P_LABEL, P_LABEL_LENGTH, partitionRow } from '../flash/superblock'
import { pedAnswer, pedAsk } from '../ped/prompts'
import {
  CMD_PARTITION_DOMAIN_ADD,
  CMD_PARTITION_DOMAIN_CHANGE,
  CMD_PARTITION_DOMAIN_LIST,
  CMD_PARTITION_DOMAIN_REMOVE,
  CMD_PARTITION_SET_DOMAIN,
  DOMAIN_PRIMARY,
  DOMAIN_RED,
  DOMAIN_TEXT,
  DOMAIN_TEXT_MAX,
  LABEL_MAX,
  PARTITION_LEGACY,
  PED_KIND_DOMAIN,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  POLICY_EXTENDED_DOMAINS,
  RC_ARGUMENTS_BAD,
  RC_CLONING_PARAMETER_ALREADY_EXISTS,
  RC_CLONING_PARAMETER_MISSING,
  RC_CONTAINER_HANDLE_INVALID,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_LICENSE_CAPACITY_EXCEEDED,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
} from '../protocol'
import {
  domainLabelLength,
  domainLabelTaken,
  giveDomain,
  giveHsmDomain,
  hasDomain,
  makePrimary,
  removeDomain,
  setDomainLabel,
  singleDomain,
} from '../token/domains'
import { textDomainVector } from '../token/keys'
import { addDomain, commitChange, domainCount, domainType, partitionIs } from '../token/partitions'
import { partitionPolicy } from '../token/policies'
import { isPed, profile } from '../token/state'
import { here, hereIsAdmin, needPartitionSo, needWritingOfficer } from './context'
import { read8, readBytes, readDone, readLength, write8, write16, writeBytes } from './frame'

export function domainCommand(command: u32): u32 {
  if (command === CMD_PARTITION_SET_DOMAIN) return setDomain()
  if (hereIsAdmin()) return RC_CONTAINER_HANDLE_INVALID
  if (command === CMD_PARTITION_DOMAIN_ADD) return add()
  if (command === CMD_PARTITION_DOMAIN_LIST) return list()
  if (command === CMD_PARTITION_DOMAIN_REMOVE) return remove()
  if (command === CMD_PARTITION_DOMAIN_CHANGE) return change()
  return RC_FUNCTION_NOT_SUPPORTED
}

function ask(op: i32): u32 {
  const p = partitionRow(here())
  return pedAsk(0, op, PED_KIND_DOMAIN, 0, p + P_LABEL, <i32>load<u8>(p + P_LABEL_LENGTH))
}

/** A container that the HSM SO created gets its domain from its user. */
function setDomain(): u32 {
  const domain = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const id = here()
  const officer = needWritingOfficer()
  if (officer !== RC_OK) return officer
  if (domainCount(id) !== 0) return RC_CLONING_PARAMETER_ALREADY_EXISTS
  const ped = isPed()
  const given = singleDomain()
  if (ped) {
    if (length !== 0) return RC_ARGUMENTS_BAD
    const rc = given ? RC_OK : ask(PED_OP_MAKE)
    if (rc !== RC_OK) return rc
  } else if (!given && (length < 1 || length > DOMAIN_TEXT_MAX)) return RC_ARGUMENTS_BAD
  const rc = given ? giveHsmDomain(id) : giveDomain(id, ped, ped ? pedAnswer(0) : domain, length)
  if (rc === RC_OK) commitChange()
  return rc
}

/** Who manages the domains: the Partition SO, or the user of a container that has none. */
function needManager(): u32 {
  return partitionIs(here(), PARTITION_LEGACY) ? needWritingOfficer() : needPartitionSo()
}

/** May this partition's domains be changed at all? */
function mayExtend(): u32 {
  if (profile().maxDomains < 2) return RC_FUNCTION_NOT_SUPPORTED
  const rc = needManager()
  if (rc !== RC_OK) return rc
  if (partitionPolicy(here(), POLICY_EXTENDED_DOMAINS) === 0 || singleDomain()) return RC_OPERATION_NOT_ALLOWED
  return domainCount(here()) === 0 ? RC_CLONING_PARAMETER_MISSING : RC_OK
}

function add(): u32 {
  const type = <i32>read8()
  const flags = read8()
  const label = readBytes()
  const labelLength = readLength()
  const domain = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const id = here()
  let rc = mayExtend()
  if (rc !== RC_OK) return rc
  if (type !== DOMAIN_RED && type !== DOMAIN_TEXT) return RC_ARGUMENTS_BAD
  if (flags > <u32>DOMAIN_PRIMARY || labelLength < 1 || labelLength > LABEL_MAX) return RC_ARGUMENTS_BAD
  if (domainLabelTaken(id, label, labelLength, -1)) return RC_CLONING_PARAMETER_ALREADY_EXISTS
  if (domainCount(id) >= <i32>profile().maxDomains) return RC_LICENSE_CAPACITY_EXCEEDED
  // Either kind, whatever the partition's own authentication: the red key of another HSM is read, never made.
  if (type === DOMAIN_RED) {
    if (length !== 0) return RC_ARGUMENTS_BAD
    rc = ask(PED_OP_PRESENT)
    if (rc !== RC_OK) return rc
    memory.copy(SECRET, pedAnswer(0), 48)
  } else {
    if (length < 1 || length > DOMAIN_TEXT_MAX) return RC_ARGUMENTS_BAD
    textDomainVector(domain, length, SECRET)
  }
  rc = hasDomain(id, type, SECRET) ? RC_CLONING_PARAMETER_ALREADY_EXISTS : addDomain(id, type, SECRET)
  wipe(SECRET, 48)
  if (rc !== RC_OK) return rc
  const slot = domainCount(id) - 1
  setDomainLabel(id, slot, label, labelLength)
  if (flags === DOMAIN_PRIMARY) makePrimary(id, slot)
  commitChange()
  return RC_OK
}

function list(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const n = domainCount(here())
  write16(<u32>n)
  for (let slot = 0; slot < n; slot++) {
    write8(<u32>domainType(here(), slot))
    writeBytes(domainLabel(here(), slot) + 1, domainLabelLength(here(), slot))
  }
  return RC_OK
}

/** No object goes with a domain. The primary one stays: another has to be made primary first. */
function remove(): u32 {
  const slot = <i32>read8()
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = mayExtend()
  if (rc !== RC_OK) return rc
  if (slot >= domainCount(here())) return RC_ARGUMENTS_BAD
  if (slot === 0) return RC_OPERATION_NOT_ALLOWED
  removeDomain(here(), slot)
  commitChange()
  return RC_OK
}

function change(): u32 {
  const slot = <i32>read8()
  const flags = read8()
  const label = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = mayExtend()
  if (rc !== RC_OK) return rc
  if (slot >= domainCount(here()) || flags > <u32>DOMAIN_PRIMARY || length > LABEL_MAX) return RC_ARGUMENTS_BAD
  if (length === 0 && flags === 0) return RC_ARGUMENTS_BAD
  if (length !== 0 && domainLabelTaken(here(), label, length, slot)) return RC_CLONING_PARAMETER_ALREADY_EXISTS
  if (length !== 0) setDomainLabel(here(), slot, label, length)
  if (flags === DOMAIN_PRIMARY) makePrimary(here(), slot)
  commitChange()
  return RC_OK
}
