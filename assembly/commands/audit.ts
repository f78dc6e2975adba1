// Commands of the auditor: what is logged, reading and giving up records, verifying them, and the key for another HSM's log.

import { KEY_AUDIT, KEY_AUDIT_IMPORTED, SECRET, SECRET2 } from '../arena'
import {
  A_MAC,
  A_SEQUENCE,
  A_SERIAL,
  auditCleared,
  auditDrop,
  auditFree,
  auditIsActive,
  auditLast,
  auditLastMac,
  auditMask,
  auditOldest,
  auditSetCleared,
  auditSetMask,
  recordMac,
} from '../audit/log'
import { AUDIT_CAPACITY, AUDIT_MAGIC, storePrevious, storeRead, storeSectorStart } from '../audit/store'
import { flash_sync } from '../board'
import { kdf } from '../crypto/kdf'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { ctEqual, load32be, load64be, wipe } from '../crypto/util'
import { P_LABEL, P_LABEL_LENGTH, partitionRow, superblockCommit } from '../flash/superblock'
import { pedAnswer, pedAsk } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  AUDIT_ALL,
  AUDIT_BATCH,
  AUDIT_RECORD,
  AUDIT_SECRET,
  AUDIT_TEXT,
  CMD_AUDIT_CLEAR,
  CMD_AUDIT_CONFIG,
  CMD_AUDIT_EXPORT,
  CMD_AUDIT_IMPORT,
  CMD_AUDIT_MESSAGE,
  CMD_AUDIT_READ,
  CMD_AUDIT_SET_DOMAIN,
  CMD_AUDIT_STATUS,
  CMD_AUDIT_VERIFY,
  DOMAIN_RED,
  DOMAIN_TEXT,
  DOMAIN_TEXT_MAX,
  PED_KIND_DOMAIN,
  PED_OP_MAKE,
  RC_ARGUMENTS_BAD,
  RC_CLONING_PARAMETER_ALREADY_EXISTS,
  RC_DATA_INVALID,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_GENERAL_ERROR,
  RC_LOG_AUDIT_NOT_INITIALIZED,
  RC_LOG_NO_KCV,
  RC_OK,
  RC_USER_NOT_LOGGED_IN,
  ROLE_AUDITOR,
} from '../protocol'
import { AUDIT_DOMAIN, auditDomainSet, auditDomainType } from '../token/kept'
import { textDomainVector } from '../token/keys'
import { L_AUDIT_WRAP, L_AUDIT_WRAP_LENGTH } from '../token/labels'
import { commitChange, domainVector } from '../token/partitions'
import { isPed, serial, serialBytes } from '../token/state'
import { hereIsAdmin, myRole } from './context'
import {
  read16,
  read32,
  read64,
  readBytes,
  readDone,
  readFixed,
  readLength,
  write8,
  write16,
  write32,
  write64,
  writeFixed,
  writeSkip,
} from './frame'

const SECRET_MAGIC: u32 = 0x4f425831
const MAC: usize = memory.data(48, 16)
const RECORD: usize = memory.data(160, 16)

/** Whose key was imported, 0 = nobody's. */
function importedSerial(): u64 {
  return load<u64>(KEY_AUDIT_IMPORTED + 48)
}

export function auditCommand(command: u32): u32 {
  if (command === CMD_AUDIT_STATUS) return status()
  if (!hereIsAdmin()) return RC_ARGUMENTS_BAD
  if (!auditIsActive()) return RC_LOG_AUDIT_NOT_INITIALIZED
  if (myRole() !== ROLE_AUDITOR) return RC_USER_NOT_LOGGED_IN
  if (command === CMD_AUDIT_CONFIG) return config()
  if (command === CMD_AUDIT_SET_DOMAIN) return setDomain()
  if (command === CMD_AUDIT_READ) return read()
  if (command === CMD_AUDIT_CLEAR) return clear()
  if (command === CMD_AUDIT_VERIFY) return verify()
  if (command === CMD_AUDIT_EXPORT) return exportSecret()
  if (command === CMD_AUDIT_IMPORT) return importSecret()
  if (command === CMD_AUDIT_MESSAGE) return message()
  return RC_FUNCTION_NOT_SUPPORTED
}

function status(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const active = auditIsActive()
  write8(active ? 1 : 0)
  write8(active ? <u32>auditDomainType() : 0)
  write32(auditMask())
  write64(active ? auditOldest() : 0)
  write64(auditLast())
  write32(auditFree())
  write32(AUDIT_CAPACITY)
  write64(importedSerial())
  return RC_OK
}

/** What is logged from now on. Needs the auditor's domain, as exporting does. */
function config(): u32 {
  const mask = read32()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (mask > <u32>AUDIT_ALL) return RC_ARGUMENTS_BAD
  if (auditDomainType() === 0) return RC_LOG_NO_KCV
  auditSetMask(mask)
  superblockCommit()
  flash_sync()
  return RC_OK
}

function setDomain(): u32 {
  const domain = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (auditDomainType() !== 0) return RC_CLONING_PARAMETER_ALREADY_EXISTS
  if (isPed()) {
    if (length !== 0) return RC_ARGUMENTS_BAD
    const p = partitionRow(ADMIN_PARTITION)
    const rc = pedAsk(0, PED_OP_MAKE, PED_KIND_DOMAIN, 0, p + P_LABEL, <i32>load<u8>(p + P_LABEL_LENGTH))
    if (rc !== RC_OK) return rc
    auditDomainSet(DOMAIN_RED, pedAnswer(0))
  } else {
    if (length < 1 || length > DOMAIN_TEXT_MAX) return RC_ARGUMENTS_BAD
    textDomainVector(domain, length, SECRET)
    auditDomainSet(DOMAIN_TEXT, SECRET)
    wipe(SECRET, 48)
  }
  commitChange()
  return RC_OK
}

/** Records from a number on, and the MAC of the one before the first: with it they can be verified. */
function read(): u32 {
  const from = read64()
  const limit = read16()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (limit === 0 || limit > <u32>AUDIT_BATCH) return RC_ARGUMENTS_BAD
  let start = from
  if (start <= auditCleared()) start = auditCleared() + 1
  if (start < auditOldest()) start = auditOldest()
  const end = auditLast() + 1
  if (start > end) return RC_ARGUMENTS_BAD
  if (!macBefore(start, writeSkip(48))) return RC_GENERAL_ERROR
  const left = end - start
  const n: u32 = left < <u64>limit ? <u32>left : limit
  write16(n)
  for (let i: u32 = 0; i < n; i++) {
    if (!storeRead(start + <u64>i, RECORD)) return RC_GENERAL_ERROR
    writeFixed(RECORD, AUDIT_RECORD)
  }
  return RC_OK
}

/** MAC of the record before `sequence`, into `out`. */
function macBefore(sequence: u64, out: usize): bool {
  if (sequence === auditLast() + 1) {
    memory.copy(out, auditLastMac(), 48)
    return true
  }
  if (storeSectorStart(sequence) === sequence) return storePrevious(sequence, out)
  if (!storeRead(sequence - 1, RECORD)) return false
  memory.copy(out, RECORD + A_MAC, 48)
  return true
}

/** Gives up the records up to a number: from then on the log does without them, and their room is used again. */
function clear(): u32 {
  const through = read64()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (through <= auditCleared() || through > auditLast()) return RC_ARGUMENTS_BAD
  auditSetCleared(through)
  superblockCommit()
  flash_sync()
  auditDrop()
  flash_sync()
  return RC_OK
}

/**
 * Are these records, behind the MAC of the one before the first, as this HSM logged them, or as another did whose key was imported?
 * Answers how many hold, counted from the first: all, or up to the first that does not.
 */
function verify(): u32 {
  const origin = read64()
  const previous = readFixed(48)
  const n = read16()
  const records = readFixed(<i32>n * AUDIT_RECORD)
  if (!readDone()) return RC_FRAME_MALFORMED
  if (n === 0 || n > <u32>AUDIT_BATCH) return RC_ARGUMENTS_BAD
  const own = origin === serial()
  if (!own && (origin === 0 || origin !== importedSerial())) return RC_LOG_NO_KCV
  const key = own ? KEY_AUDIT : KEY_AUDIT_IMPORTED
  let before = previous
  let good: u32 = 0
  let sequence: u64 = 0
  while (good < n) {
    const r = records + <usize>good * <usize>AUDIT_RECORD
    recordMac(key, r, before, MAC)
    const follows = good === 0 || load64be(r + A_SEQUENCE) === sequence + 1
    if (!follows || load32be(r) !== AUDIT_MAGIC || load64be(r + A_SERIAL) !== origin) break
    if (!ctEqual(MAC, r + A_MAC, 48)) break
    sequence = load64be(r + A_SEQUENCE)
    before = r + A_MAC
    good++
  }
  write16(good)
  return RC_OK
}

/** KDF(domain vector, "OBC1 auditwrap", serial, 32) at SECRET2. False = the auditor has no domain. */
function wrapKey(serialAt: usize): bool {
  if (auditDomainType() === 0 || !domainVector(ADMIN_PARTITION, AUDIT_DOMAIN, SECRET)) return false
  kdf(SECRET, 48, L_AUDIT_WRAP, L_AUDIT_WRAP_LENGTH, serialAt, 8, SECRET2, 32)
  wipe(SECRET, 48)
  return true
}

/** "OBX1", serial 8, domain type 1, zero 3, KW(wrap key, audit key) 56. */
function exportSecret(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (!wrapKey(serialBytes())) return RC_LOG_NO_KCV
  write32(<u32>AUDIT_SECRET)
  write32(SECRET_MAGIC)
  write64(serial())
  write32((<u32>auditDomainType()) << 24)
  kwWrap(SECRET2, 32, KEY_AUDIT, 48, writeSkip(56))
  wipe(SECRET2, 32)
  return RC_OK
}

function importSecret(): u32 {
  const blob = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  if (length !== AUDIT_SECRET || load32be(blob) !== SECRET_MAGIC) return RC_ARGUMENTS_BAD
  if (!wrapKey(blob + 4)) return RC_LOG_NO_KCV
  const ours = load32be(blob + 12) === (<u32>auditDomainType()) << 24
  const good = ours && kwUnwrap(SECRET2, 32, blob + 16, 56, SECRET)
  wipe(SECRET2, 32)
  if (!good) return RC_DATA_INVALID
  memory.copy(KEY_AUDIT_IMPORTED, SECRET, 48)
  wipe(SECRET, 48)
  store<u64>(KEY_AUDIT_IMPORTED + 48, load64be(blob + 4))
  return RC_OK
}

/** The text is logged by the hook that logs every command (audit/events.ts). */
function message(): u32 {
  readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  return length < 1 || length > AUDIT_TEXT ? RC_ARGUMENTS_BAD : RC_OK
}
