// Sessions and log-ins. A session belongs to one partition and one access id; a log-in holds for all sessions of the same access id
// on that partition, and ends with the last of them. The log-in holds the partition storage key.

import { KEY_AUDIT_IMPORTED } from '../arena'
import { load64be, wipe } from '../crypto/util'
import { RC_OK, RC_SESSION_COUNT, ROLE_AUDITOR, ROLE_NONE, SESSION_RW } from '../protocol'
import { random } from './random'

const SESSIONS: i32 = 2048
const SESSION_SIZE: usize = 24
const LOGINS: i32 = 1024
const LOGIN_SIZE: usize = 56

@unmanaged
class Session {
  id: u32
  partition: u32
  access: u64
  flags: u32
  unused: u32
}

@unmanaged
class Login {
  access: u64
  partition: u32
  role: u32
  used: u32
  unused: u32
  psk0: u64
  psk1: u64
  psk2: u64
  psk3: u64
}

const TABLE: usize = memory.data(49152, 16)
/** In the secret arena in all but place: wiped row by row when a log-in ends, as a whole by `logoutAll`. */
const LOGIN_TABLE: usize = memory.data(57344, 16)
const NUMBER: usize = memory.data(4, 4)

function session(i: i32): Session {
  return changetype<Session>(TABLE + <usize>i * SESSION_SIZE)
}

function login(i: i32): Login {
  return changetype<Login>(LOGIN_TABLE + <usize>i * LOGIN_SIZE)
}

// A session id carries its row in the low 11 bits, and 20 random bits so that it is not guessed.
function find(id: u32): Session {
  const s = session(sessionRow(id))
  return id !== 0 && s.id === id ? s : changetype<Session>(0)
}

/** Row of a session, below SESSIONS: what else is kept for each stands in such a row. */
export function sessionRow(id: u32): i32 {
  return <i32>(id & <u32>(SESSIONS - 1))
}

let opened: u32 = 0

/** Id of the session that `openSession` made. */
export function openedSession(): u32 {
  return opened
}

export function openSession(partition: u32, access: usize, flags: u32): u32 {
  for (let i = 0; i < SESSIONS; i++) {
    const s = session(i)
    if (s.id !== 0) continue
    if (!random(NUMBER, 4)) return RC_SESSION_COUNT
    opened = ((load<u32>(NUMBER) | 1) << 11) | <u32>i
    s.id = opened
    s.partition = partition
    s.access = load64be(access)
    s.flags = flags & SESSION_RW
    return RC_OK
  }
  return RC_SESSION_COUNT
}

export function sessionExists(id: u32): bool {
  return changetype<usize>(find(id)) !== 0
}

export function sessionPartition(id: u32): u32 {
  return find(id).partition
}

export function sessionAccess(id: u32): u64 {
  return find(id).access
}

export function sessionWritable(id: u32): bool {
  return (find(id).flags & SESSION_RW) !== 0
}

export function sessionFlags(id: u32): u32 {
  return find(id).flags
}

export function sessionCountOf(partition: u32): i32 {
  let n = 0
  for (let i = 0; i < SESSIONS; i++) if (session(i).id !== 0 && session(i).partition === partition) n++
  return n
}

function accessHasSession(access: u64, partition: u32): bool {
  for (let i = 0; i < SESSIONS; i++) {
    const s = session(i)
    if (s.id !== 0 && s.partition === partition && s.access === access) return true
  }
  return false
}

/** Closes a session; true where it was the last of its access id on the partition, which logs that client out. */
export function closeSession(id: u32): bool {
  const s = find(id)
  const access = s.access
  const partition = s.partition
  memory.fill(changetype<usize>(s), 0, SESSION_SIZE)
  if (accessHasSession(access, partition)) return false
  logout(access, partition)
  return true
}

/** A partition is gone or made new: its sessions end. */
export function closePartition(partition: u32): void {
  for (let i = 0; i < SESSIONS; i++) {
    if (session(i).id !== 0 && session(i).partition === partition) {
      memory.fill(changetype<usize>(session(i)), 0, SESSION_SIZE)
    }
  }
  logoutPartition(partition)
}

function findLogin(access: u64, partition: u32): Login {
  for (let i = 0; i < LOGINS; i++) {
    const l = login(i)
    if (l.used !== 0 && l.access === access && l.partition === partition) return l
  }
  return changetype<Login>(0)
}

/** Role of an access id on a partition, ROLE_NONE = not logged in. */
export function roleOf(access: u64, partition: u32): i32 {
  const l = findLogin(access, partition)
  return changetype<usize>(l) === 0 ? ROLE_NONE : <i32>l.role
}

/** Address of the partition storage key that the log-in opened, 0 = not logged in. */
export function storageKeyOf(access: u64, partition: u32): usize {
  const l = findLogin(access, partition)
  return changetype<usize>(l) === 0 ? 0 : changetype<usize>(l) + offsetof<Login>('psk0')
}

export function loginAs(access: u64, partition: u32, role: i32, psk: usize): u32 {
  for (let i = 0; i < LOGINS; i++) {
    const l = login(i)
    if (l.used !== 0) continue
    l.used = 1
    l.access = access
    l.partition = partition
    l.role = <u32>role
    memory.copy(changetype<usize>(l) + offsetof<Login>('psk0'), psk, 32)
    return RC_OK
  }
  return RC_SESSION_COUNT
}

/** Rows of the table of log-ins. */
export function loginCount(): i32 {
  return LOGINS
}

/** True where row i is a log-in of this role on this partition; `loginAccess` tells whose. */
export function loginIs(i: i32, partition: u32, role: i32): bool {
  const l = login(i)
  return l.used !== 0 && l.partition === partition && <i32>l.role === role
}

export function loginAccess(i: i32): u64 {
  return login(i).access
}

/** True where anybody is logged in as this role. */
export function roleIsLoggedIn(partition: u32, role: i32): bool {
  for (let i = 0; i < LOGINS; i++) if (loginIs(i, partition, role)) return true
  return false
}

export function logout(access: u64, partition: u32): void {
  const l = findLogin(access, partition)
  if (changetype<usize>(l) !== 0) end(l)
}

/** What a log-in has opened goes with it. */
function end(l: Login): void {
  if (l.role === <u32>ROLE_AUDITOR) wipe(KEY_AUDIT_IMPORTED, 56)
  wipe(changetype<usize>(l), <i32>LOGIN_SIZE)
}

/** Ends every log-in on a partition. */
export function logoutPartition(partition: u32): void {
  for (let i = 0; i < LOGINS; i++) if (login(i).used !== 0 && login(i).partition === partition) end(login(i))
}

/** Power-up, zeroize, tamper. */
export function sessionsClear(): void {
  memory.fill(TABLE, 0, <usize>SESSIONS * SESSION_SIZE)
  wipe(LOGIN_TABLE, LOGINS * <i32>LOGIN_SIZE)
  wipe(KEY_AUDIT_IMPORTED, 56)
}
