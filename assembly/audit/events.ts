// Which commands are events of the audit log, of which category, and what a record says of each. No body is logged as such: bodies
// carry secrets.

import { load16be, load32be, store32be } from '../crypto/util'
import {
  AUDIT_ACCESS,
  AUDIT_EXTERNAL,
  AUDIT_KEY_MANAGE,
  AUDIT_LOG_MANAGE,
  AUDIT_MANAGE,
  AUDIT_POWER_UP,
  AUDIT_USAGE,
  CMD_AEAD_PART,
  CMD_AUDIT_MESSAGE,
  CMD_AUDIT_READ,
  CMD_AUDIT_STATUS,
  CMD_AUDIT_VERIFY,
  CMD_CLONE_SOURCE_BATCH,
  CMD_CLONE_SOURCE_INIT,
  CMD_CLONE_TARGET_BATCH,
  CMD_CLONE_TARGET_INIT,
  CMD_DERIVE,
  CMD_HSM_FACTORY_RESET,
  CMD_HSM_INFO,
  CMD_HSM_POLICIES,
  CMD_HSM_SET_POLICY,
  CMD_HSM_ZEROIZE,
  CMD_MECHANISM_LIST,
  CMD_OBJECT_COPY,
  CMD_OBJECT_COUNT,
  CMD_OBJECT_CREATE,
  CMD_OBJECT_DESTROY,
  CMD_OBJECT_GENERATE,
  CMD_OBJECT_GENERATE_PAIR,
  CMD_OBJECT_GET,
  CMD_OBJECT_LIST,
  CMD_OBJECT_SET,
  CMD_PART,
  CMD_PARTITION_CLEAR,
  CMD_PARTITION_CREATE,
  CMD_PARTITION_DELETE,
  CMD_PARTITION_DOMAIN_LIST,
  CMD_PARTITION_INFO,
  CMD_PARTITION_LIST,
  CMD_PARTITION_POLICIES,
  CMD_PARTITION_RESIZE,
  CMD_PARTITION_SET_POLICY,
  CMD_PED_GET,
  CMD_ROLE_INFO,
  CMD_ROLE_LOGIN,
  CMD_ROLE_LOGOUT,
  CMD_SELF_TEST,
  CMD_SESSION_CLOSE,
  CMD_SESSION_INFO,
  CMD_SESSION_OPEN,
  CMD_SRK_SHOW,
  CMD_TAMPER_SHOW,
  CMD_UNWRAP,
  CMD_WRAP,
  RC_OK,
} from '../protocol'
import { tamperCause, tamperCount } from '../token/events'
import {
  A_ACTOR,
  A_PARTITION,
  A_ROLE,
  A_SUBJECT,
  A_VALUE,
  auditClient,
  auditIsFull,
  auditRecord,
  auditText,
  auditWants,
  auditWrite,
} from './log'

/** AUDIT_… category of a command, 0 = it is no event. */
export function categoryOf(command: u32): u32 {
  const group = command >>> 8
  if (group === 0) return command === CMD_SELF_TEST ? AUDIT_MANAGE : 0
  if (group === 1) return command === CMD_SESSION_INFO ? 0 : AUDIT_ACCESS
  if (group === 2) return command === CMD_HSM_INFO || command === CMD_HSM_POLICIES ? 0 : AUDIT_MANAGE
  if (group === 3) {
    if (command === CMD_PARTITION_LIST || command === CMD_PARTITION_INFO) return 0
    if (command === CMD_PARTITION_POLICIES || command === CMD_PARTITION_DOMAIN_LIST) return 0
    return command === CMD_PARTITION_CLEAR ? AUDIT_KEY_MANAGE : AUDIT_MANAGE
  }
  if (group === 4) {
    if (command === CMD_ROLE_INFO) return 0
    return command === CMD_ROLE_LOGIN || command === CMD_ROLE_LOGOUT ? AUDIT_ACCESS : AUDIT_MANAGE
  }
  if (group === 5) return command === CMD_PED_GET ? 0 : AUDIT_MANAGE
  if (group === 6) return command === CMD_OBJECT_LIST || command === CMD_OBJECT_GET ? 0 : AUDIT_KEY_MANAGE
  if (group === 7) {
    if (command === CMD_MECHANISM_LIST) return 0
    if (command === CMD_WRAP || command === CMD_UNWRAP || command === CMD_DERIVE) return AUDIT_KEY_MANAGE
    return AUDIT_USAGE
  }
  if (group === 8) {
    if (command === CMD_CLONE_SOURCE_INIT || command === CMD_CLONE_TARGET_INIT) return AUDIT_KEY_MANAGE
    return command === CMD_CLONE_SOURCE_BATCH || command === CMD_CLONE_TARGET_BATCH ? AUDIT_KEY_MANAGE : 0
  }
  if (group === 9) {
    if (command === CMD_AUDIT_MESSAGE) return AUDIT_EXTERNAL
    return command === CMD_AUDIT_STATUS || command === CMD_AUDIT_READ || command === CMD_AUDIT_VERIFY
      ? 0
      : AUDIT_LOG_MANAGE
  }
  if (group === 10) return command === CMD_TAMPER_SHOW || command === CMD_SRK_SHOW ? 0 : AUDIT_MANAGE
  return 0
}

/** Goes on when the log is full: who cannot log in cannot empty it, and wiping must not wait for an auditor. */
function mustGoOn(command: u32): bool {
  if (command === CMD_ROLE_LOGIN || command === CMD_ROLE_LOGOUT) return true
  if (command === CMD_SESSION_OPEN || command === CMD_SESSION_CLOSE || command >>> 8 === 9) return true
  return command === CMD_HSM_ZEROIZE || command === CMD_HSM_FACTORY_RESET
}

/** True where the command is an event that finds no room, and so must not happen. */
export function auditBlocks(command: u32): bool {
  const category = categoryOf(command)
  return category !== 0 && auditWants(category) && !mustGoOn(command) && auditIsFull()
}

/** The number at `at` of the body, 0 where the body ends before it. */
function number(body: usize, length: i32, at: i32): u32 {
  return at >= 0 && at + 4 <= length ? load32be(body + <usize>at) : 0
}

/** Behind a `bytes` field that begins at `at`. */
function behind(body: usize, length: i32, at: i32): i32 {
  const n = number(body, length, at)
  return n <= <u32>length ? at + 4 + <i32>n : -1
}

function firstIsId(command: u32): bool {
  if (command === CMD_PARTITION_DELETE || command === CMD_PARTITION_SET_POLICY) return true
  if (command === CMD_OBJECT_SET || command === CMD_OBJECT_COUNT) return true
  return command === CMD_PARTITION_RESIZE || command === CMD_SESSION_OPEN
}

function answersId(command: u32): bool {
  if (command === CMD_PARTITION_CREATE || command === CMD_OBJECT_CREATE || command === CMD_UNWRAP) return true
  if (command === CMD_DERIVE) return true
  return command === CMD_OBJECT_GENERATE || command === CMD_OBJECT_GENERATE_PAIR || command === CMD_OBJECT_COPY
}

/**
 * Logs what a command did. `body` and `reply` are its bodies, read for ids, handles and policies alone; `role` and `access` are those
 * from before the command, for it may have been a log-out.
 */
export function auditNote(
  command: u32,
  rc: u32,
  partition: u32,
  role: i32,
  access: u64,
  body: usize,
  length: i32,
  reply: usize,
  replyLength: i32,
): void {
  const category = categoryOf(command)
  if (category === 0 || !auditWants(category)) return
  const r = auditRecord()
  store32be(r + A_PARTITION, partition)
  store<u8>(r + A_ACTOR, <u8>role)
  if (access !== 0) auditClient(access)
  const group = command >>> 8
  let subject: u32 = 0
  let value: u32 = 0
  if (group === 4 && length > 0) store<u8>(r + A_ROLE, load<u8>(body))
  else if (command === CMD_HSM_SET_POLICY && length >= 6) {
    subject = load16be(body)
    value = number(body, length, 2)
  } else if (firstIsId(command)) {
    subject = number(body, length, 0)
    if (command === CMD_PARTITION_SET_POLICY && length >= 10)
      value = (load16be(body + 4) << 16) | number(body, length, 6)
  } else if (command === CMD_OBJECT_DESTROY) subject = number(body, length, 2)
  else if (group === 7) {
    // mechanism 4, parameter bytes, key 4; PART and AEAD_PART have two bytes before them
    const at = command === CMD_PART || command === CMD_AEAD_PART ? 2 : 0
    value = number(body, length, at)
    subject = number(body, length, behind(body, length, at + 4))
  } else if (command === CMD_AUDIT_MESSAGE && length > 4) auditText(body + 4, length - 4)
  if (rc === RC_OK && answersId(command)) subject = number(reply, replyLength, 0)
  store32be(r + A_SUBJECT, subject)
  store32be(r + A_VALUE, value)
  auditWrite(command, category, rc)
}

/** Logs a power-up, and what tamper line and battery have seen so far: a gap in time is seen in the log. */
export function auditPowerUp(): void {
  if (!auditWants(AUDIT_MANAGE) || auditIsFull()) return
  const r = auditRecord()
  store32be(r + A_SUBJECT, tamperCount())
  store32be(r + A_VALUE, tamperCause())
  auditWrite(AUDIT_POWER_UP, AUDIT_MANAGE, RC_OK)
}
