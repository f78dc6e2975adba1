// The audit log: numbered records, each authenticated together with the MAC of the one before it, under a key that only the HSM has
// (SPEC.md §6.6). The superblock anchors it: what an anchored log has lost, or has otherwise, is a changed image. A log may be ahead
// of its anchor by what was logged since the last superblock.

import { KEY_AUDIT, KEY_GSK } from '../arena'
import { rtc } from '../board'
import { kwUnwrap, kwWrap } from '../crypto/key-wrap'
import { ctEqual, load32be, load64be, store16be, store32be, store64be } from '../crypto/util'
import { SB, SB_AUDIT_CLEARED, SB_AUDIT_KEY, SB_AUDIT_LAST, SB_AUDIT_MAC, SB_AUDIT_MASK } from '../flash/superblock'
import {
  ADMIN_PARTITION,
  AUDIT_FAILURE,
  AUDIT_LOG_MANAGE,
  AUDIT_SUCCESS,
  AUDIT_TEXT,
  RC_OK,
  RC_RANDOM_NO_RNG,
  ROLE_AUDITOR,
  ROLE_NONE,
  STATE_FUNCTIONAL,
} from '../protocol'
import { hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from '../token/digest'
import { random } from '../token/random'
import { roleIsInitialized } from '../token/roles'
import { serialBytes, state } from '../token/state'
import {
  AUDIT_MAGIC,
  storeAppend,
  storeCount,
  storeDrop,
  storeErase,
  storeFree,
  storeMount,
  storeOldest,
  storePrevious,
  storeRead,
  storeSectorStart,
} from './store'

// A record, AUDIT_RECORD bytes.
export const A_SEQUENCE: usize = 4
export const A_TIME: usize = 12
export const A_SERIAL: usize = 20
export const A_COMMAND: usize = 28
export const A_CATEGORY: usize = 30
export const A_RESULT: usize = 32
export const A_PARTITION: usize = 36
export const A_ACTOR: usize = 40
export const A_ROLE: usize = 41
export const A_CLIENT: usize = 44
export const A_SUBJECT: usize = 52
export const A_VALUE: usize = 56
export const A_TEXT: usize = 60
export const A_MAC: usize = 108

/** Slots kept back for events that must not be refused when the log is full. */
const RESERVE: u32 = 32
/** What a new auditor's log holds until it is configured. */
const DEFAULT_MASK: u32 = AUDIT_FAILURE | AUDIT_SUCCESS | AUDIT_LOG_MANAGE

const RECORD: usize = memory.data(160, 16)
const MAC: usize = memory.data(48, 16)
const PREVIOUS: usize = memory.data(48, 16)
/** MAC of the last record. */
const LAST: usize = memory.data(48, 16)
const HASH: usize = memory.data(48, 16)
const NOBODY: usize = memory.data(8, 8)

let active: bool = false
let mask: u32 = 0
let last: u64 = 0
let cleared: u64 = 0

export function auditIsActive(): bool {
  return active
}

export function auditMask(): u32 {
  return mask
}

export function auditLast(): u64 {
  return last
}

export function auditCleared(): u64 {
  return cleared
}

/** Address of the MAC of the last record. */
export function auditLastMac(): usize {
  return LAST
}

/** Number of the oldest record that is there; last + 1 where none is. */
export function auditOldest(): u64 {
  const oldest = storeOldest()
  return oldest === 0 ? last + 1 : oldest
}

/** MAC of a record with the MAC of the one before it, 48 bytes at `out`. */
export function recordMac(key: usize, record: usize, previous: usize, out: usize): void {
  macBegin(key, 48)
  macPart(record, <i32>A_MAC)
  macPart(previous, 48)
  macEnd(out)
}

/** What the superblock has to say about the log. */
export function auditAnchor(): void {
  if (active && state() === STATE_FUNCTIONAL) anchor()
}

function anchor(): void {
  store32be(SB + SB_AUDIT_MASK, mask)
  store64be(SB + SB_AUDIT_CLEARED, cleared)
  store64be(SB + SB_AUDIT_LAST, last)
  memory.copy(SB + SB_AUDIT_MAC, LAST, 48)
}

/** A new auditor: a new key and an empty log. The caller commits. */
export function auditBegin(): u32 {
  if (!random(KEY_AUDIT, 48)) return RC_RANDOM_NO_RNG
  storeErase()
  active = true
  mask = DEFAULT_MASK
  last = 0
  cleared = 0
  memory.fill(LAST, 0, 48)
  kwWrap(KEY_GSK, 32, KEY_AUDIT, 48, SB + SB_AUDIT_KEY)
  auditAnchor()
  return RC_OK
}

/** Tamper, factory reset, power-up: nothing is logged until a log is found. */
export function auditStop(): void {
  active = false
  mask = 0
  last = 0
  cleared = 0
  memory.fill(LAST, 0, 48)
}

/** A new superblock takes a running log over: its key under the new GSK, and the anchor. */
export function auditTakeOver(): void {
  kwWrap(KEY_GSK, 32, KEY_AUDIT, 48, SB + SB_AUDIT_KEY)
  anchor()
}

/** Power-up of an initialized HSM, before its first superblock. False = the log is not the one that the superblock anchors. */
export function auditLoad(): bool {
  auditStop()
  if (!roleIsInitialized(ADMIN_PARTITION, ROLE_AUDITOR)) return true
  if (!kwUnwrap(KEY_GSK, 32, SB + SB_AUDIT_KEY, 56, KEY_AUDIT)) return false
  if (!auditResume(SB + SB_AUDIT_CLEARED, SB + SB_AUDIT_LAST, SB + SB_AUDIT_MAC)) return false
  mask = load32be(SB + SB_AUDIT_MASK)
  auditAnchor()
  return true
}

export function auditSetMask(value: u32): void {
  mask = value
  auditAnchor()
}

/** Takes the log up behind an anchor: number of the last record given up, and number and MAC of the last one anchored. */
export function auditResume(clearedAt: usize, lastAt: usize, mac: usize): bool {
  cleared = load64be(clearedAt)
  const anchored = load64be(lastAt)
  storeMount()
  storeDrop(cleared)
  last = anchored
  memory.copy(LAST, mac, 48)
  let sequence = storeOldest()
  if (sequence === 0) {
    active = anchored === cleared
    return active
  }
  if (sequence > cleared + 1 || !storePrevious(sequence, PREVIOUS)) return false
  // Records that were given up but share a sector with later ones are still there; the chain begins with the oldest.
  let seen = anchored === 0 || anchored === sequence - 1
  while (storeRead(sequence, RECORD)) {
    if (load32be(RECORD) !== AUDIT_MAGIC || load64be(RECORD + A_SEQUENCE) !== sequence) return false
    recordMac(KEY_AUDIT, RECORD, PREVIOUS, MAC)
    if (!ctEqual(MAC, RECORD + A_MAC, 48)) return false
    if (sequence === anchored) {
      if (!ctEqual(MAC, mac, 48)) return false
      seen = true
    }
    memory.copy(PREVIOUS, MAC, 48)
    sequence++
    if (storeSectorStart(sequence) === sequence && (!storePrevious(sequence, MAC) || !ctEqual(MAC, PREVIOUS, 48)))
      return false
  }
  const count = sequence - storeOldest()
  if (!seen || <u64>storeCount() !== count) return false
  last = sequence - 1
  memory.copy(LAST, PREVIOUS, 48)
  active = true
  return true
}

export function auditFree(): u32 {
  return storeFree()
}

export function auditErase(): void {
  storeErase()
  auditStop()
}

/** Gives up all records up to this one; the caller has committed the anchor that says so. */
export function auditDrop(): void {
  storeDrop(cleared)
}

export function auditSetCleared(through: u64): void {
  cleared = through
  auditAnchor()
}

/** Would an event of this category be logged, whatever comes of it? */
export function auditWants(category: u32): bool {
  return active && (mask & category) !== 0 && (mask & (AUDIT_FAILURE | AUDIT_SUCCESS)) !== 0
}

/** True where no ordinary event finds room any more. */
export function auditIsFull(): bool {
  return storeFree() <= RESERVE
}

/** The record that `auditWrite` will log: who did what to whom. Text and numbers are set by the caller afterwards. */
export function auditRecord(): usize {
  memory.fill(RECORD, 0, 160)
  store32be(RECORD, AUDIT_MAGIC)
  store<u8>(RECORD + A_ACTOR, ROLE_NONE)
  store<u8>(RECORD + A_ROLE, ROLE_NONE)
  return RECORD
}

/** Names a client without giving its access id away, which opens its log-ins. */
export function auditClient(access: u64): void {
  store64be(NOBODY, access)
  hashBegin()
  hashPart(NOBODY, 8)
  hashPart(serialBytes(), 8)
  hashEnd(HASH)
  memory.copy(RECORD + A_CLIENT, HASH, 8)
}

export function auditText(text: usize, length: i32): void {
  memory.copy(RECORD + A_TEXT, text, length > AUDIT_TEXT ? AUDIT_TEXT : length)
}

/** Logs the record in hand, where its category and outcome are wanted and there is room. */
export function auditWrite(command: u32, category: u32, result: u32): void {
  const outcome: u32 = result === RC_OK ? AUDIT_SUCCESS : AUDIT_FAILURE
  if (!active || (mask & category) === 0 || (mask & outcome) === 0) return
  store64be(RECORD + A_SEQUENCE, last + 1)
  store64be(RECORD + A_TIME, <u64>rtc())
  memory.copy(RECORD + A_SERIAL, serialBytes(), 8)
  store16be(RECORD + A_COMMAND, command)
  store16be(RECORD + A_CATEGORY, category | outcome)
  store32be(RECORD + A_RESULT, result)
  recordMac(KEY_AUDIT, RECORD, LAST, RECORD + A_MAC)
  if (!storeAppend(RECORD, last + 1, LAST)) return
  last++
  memory.copy(LAST, RECORD + A_MAC, 48)
  auditAnchor()
}
