// What zeroization leaves: HSM policies, the auditor and its log. They hang on the factory key, which survives it, and are written
// when the KEK is about to go, for nothing of the superblock can be read afterwards (SPEC.md §6.5).

import { KEY_AUDIT, KEY_FK, KEY_GSK, SECRET, SECRET2 } from '../arena'
import {
  auditCleared,
  auditIsActive,
  auditLast,
  auditLastMac,
  auditMask,
  auditResume,
  auditSetMask,
} from '../audit/log'
import { flash_read } from '../board'
import { kdf } from '../crypto/kdf'
import { kwWrap } from '../crypto/key-wrap'
import { gcmOpen, gcmSeal } from '../crypto/modes'
import { ctEqual, load32be, store32be, store64be, wipe } from '../crypto/util'
import { D_TYPE, D_WRAPPED, domainSlot, ROLE_SIZE, roleRow, SB, SB_POLICIES } from '../flash/superblock'
import { ADMIN_PARTITION, FLASH_KEPT, FLASH_SECTOR, ROLE_CRYPTO_USER, STATE_FUNCTIONAL } from '../protocol'
import { flash_erase, flash_program } from '../writes'
import { hash384 } from './digest'
import { EVENT_KEPT, eventIs, keptHash, keptIsWritten } from './events'
import { L_KEPT, L_KEPT_LENGTH } from './labels'
import { domainVector } from './partitions'
import { restorePolicies } from './policies'
import { fresh } from './random'
import { serialBytes, state } from './state'

/** Slot of the auditor's domain among those of the HSM itself; slot 0 is the HSM's own. */
export const AUDIT_DOMAIN: i32 = 1

const MAGIC: u32 = 0x4f424b31
const HEAD: usize = 32
const PLAIN_SIZE: i32 = 592
const RECORD_SIZE: i32 = 640

// Plaintext.
const POLICIES: usize = 0
const MASK: usize = 256
const CLEARED: usize = 260
const LAST: usize = 268
const MAC: usize = 276
const KEY: usize = 324
const AUDITOR: usize = 372
const DOMAIN_TYPE: usize = 373
const ROLE: usize = 376
const DOMAIN: usize = 536

/** "OBK1", zero 4, nonce 12, zero 12, ciphertext 592, tag 16. */
const RECORD: usize = memory.data(640, 16)
const PLAIN: usize = memory.data(592, 16)
const HASH: usize = memory.data(48, 16)

function auditorRow(): usize {
  return roleRow(ADMIN_PARTITION, ROLE_CRYPTO_USER)
}

function keptKey(): void {
  kdf(KEY_FK, 32, L_KEPT, L_KEPT_LENGTH, serialBytes(), 8, SECRET2, 32)
}

function isBlank(): bool {
  flash_read(<u32>FLASH_KEPT * <u32>FLASH_SECTOR, RECORD, RECORD_SIZE)
  for (let i: usize = 0; i < <usize>RECORD_SIZE; i += 8) if (load<u64>(RECORD + i) !== 0xffffffffffffffff) return false
  return true
}

export function keptErase(): void {
  if (!isBlank()) flash_erase(FLASH_KEPT)
}

/** Writes the record of an initialized HSM. Without randomness nothing is kept, and zeroization goes on. */
export function keptWrite(): void {
  if (state() !== STATE_FUNCTIONAL) return
  memory.fill(RECORD, 0, RECORD_SIZE)
  if (!fresh(RECORD + 8, 12)) return
  memory.fill(PLAIN, 0, PLAIN_SIZE)
  memory.copy(PLAIN + POLICIES, SB + SB_POLICIES, 256)
  if (auditIsActive()) {
    store<u8>(PLAIN + AUDITOR, 1)
    store32be(PLAIN + MASK, auditMask())
    store64be(PLAIN + CLEARED, auditCleared())
    store64be(PLAIN + LAST, auditLast())
    memory.copy(PLAIN + MAC, auditLastMac(), 48)
    memory.copy(PLAIN + KEY, KEY_AUDIT, 48)
    memory.copy(PLAIN + ROLE, auditorRow(), ROLE_SIZE)
    const type = load<u8>(domainSlot(ADMIN_PARTITION, AUDIT_DOMAIN) + D_TYPE)
    if (type !== 0 && domainVector(ADMIN_PARTITION, AUDIT_DOMAIN, PLAIN + DOMAIN)) store<u8>(PLAIN + DOMAIN_TYPE, type)
  }
  store32be(RECORD, MAGIC)
  keptKey()
  const body = RECORD + HEAD
  const tag = body + <usize>PLAIN_SIZE
  gcmSeal(SECRET2, 32, RECORD + 8, 12, RECORD, <i32>HEAD, PLAIN, PLAIN_SIZE, body, tag, 16)
  wipe(SECRET2, 32)
  wipe(PLAIN, PLAIN_SIZE)
  hash384(RECORD, RECORD_SIZE, keptHash())
  flash_erase(FLASH_KEPT)
  flash_program(<u32>FLASH_KEPT * <u32>FLASH_SECTOR, RECORD, RECORD_SIZE)
  keptIsWritten()
}

/** Reads the record into PLAIN; the caller wipes it. False = there is none, or not the one that the battery remembers. */
function open(): bool {
  if (!eventIs(EVENT_KEPT)) return false
  flash_read(<u32>FLASH_KEPT * <u32>FLASH_SECTOR, RECORD, RECORD_SIZE)
  hash384(RECORD, RECORD_SIZE, HASH)
  if (load32be(RECORD) !== MAGIC || !ctEqual(HASH, keptHash(), 48)) return false
  keptKey()
  const body = RECORD + HEAD
  const tag = body + <usize>PLAIN_SIZE
  const good = gcmOpen(SECRET2, 32, RECORD + 8, 12, RECORD, <i32>HEAD, body, PLAIN_SIZE, PLAIN, tag, 16)
  wipe(SECRET2, 32)
  return good
}

function hasAuditor(): bool {
  return load<u8>(PLAIN + AUDITOR) === 1
}

/** A zeroized HSM goes on with its audit log: what is done to it meanwhile is logged. */
export function keptLog(): void {
  if (open() && hasAuditor()) {
    memory.copy(KEY_AUDIT, PLAIN + KEY, 48)
    if (auditResume(PLAIN + CLEARED, PLAIN + LAST, PLAIN + MAC)) auditSetMask(load32be(PLAIN + MASK))
  }
  wipe(PLAIN, PLAIN_SIZE)
}

/** Initialization of a zeroized HSM: a new superblock takes over what was kept. The caller commits. */
export function keptRestore(): void {
  if (open()) {
    restorePolicies(PLAIN + POLICIES)
    if (hasAuditor() && auditIsActive()) {
      memory.copy(auditorRow(), PLAIN + ROLE, ROLE_SIZE)
      const type = load<u8>(PLAIN + DOMAIN_TYPE)
      if (type !== 0) {
        memory.copy(SECRET, PLAIN + DOMAIN, 48)
        auditDomainSet(type, SECRET)
        wipe(SECRET, 48)
      }
    }
  }
  wipe(PLAIN, PLAIN_SIZE)
}

/** Gives the auditor its domain, which exports the key of the log and imports another HSM's. */
export function auditDomainSet(type: i32, vector: usize): void {
  const slot = domainSlot(ADMIN_PARTITION, AUDIT_DOMAIN)
  store<u8>(slot + D_TYPE, <u8>type)
  kwWrap(KEY_GSK, 32, vector, 48, slot + D_WRAPPED)
}

export function auditDomainType(): i32 {
  return <i32>load<u8>(domainSlot(ADMIN_PARTITION, AUDIT_DOMAIN) + D_TYPE)
}
