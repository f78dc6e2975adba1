// The command port: one frame in, one frame out. Checks what every command has in common, opens and seals, parks and resumes.

import { wipeScratch } from '../arena'
import { auditBlocks, auditNote } from '../audit/events'
import { load16be, load32be, store16be, store32be, wipe } from '../crypto/util'
import { pedIsParked, pedIsReady, pedOutcome, pedPark, pedRelease, pedResume } from '../ped/prompts'
import {
  ANSWER,
  CMD_AUDIT_SET_DOMAIN,
  CMD_AUDIT_STATUS,
  CMD_CHANNEL_OPEN,
  CMD_FACTORY_BEGIN,
  CMD_FACTORY_FINISH,
  CMD_FLASH_INFO,
  CMD_HSM_FACTORY_RESET,
  CMD_HSM_INFO,
  CMD_HSM_INIT,
  CMD_HSM_POLICIES,
  CMD_MECHANISM_LIST,
  CMD_PARTITION_CREATE,
  CMD_PARTITION_DOMAIN_ADD,
  CMD_PARTITION_INFO,
  CMD_PARTITION_INIT,
  CMD_PARTITION_LIST,
  CMD_PARTITION_POLICIES,
  CMD_PARTITION_SET_DOMAIN,
  CMD_PED_CONNECT,
  CMD_PED_DISCONNECT,
  CMD_PED_GET,
  CMD_PED_VECTOR_ERASE,
  CMD_PED_VECTOR_INIT,
  CMD_ROLE_CHANGE_SECRET,
  CMD_ROLE_CREATE_CHALLENGE,
  CMD_ROLE_INFO,
  CMD_ROLE_INIT,
  CMD_ROLE_LOGIN,
  CMD_ROLE_LOGOUT,
  CMD_ROLE_RESET_SECRET,
  CMD_SESSION_OPEN,
  CMD_SRK_RECOVER,
  CMD_SRK_SHOW,
  CMD_SRK_TRANSPORT,
  CMD_STATUS,
  CMD_TAMPER_SHOW,
  FLAG_SEALED,
  FRAME_HEADER,
  MAX_BODY,
  MAX_FRAME,
  RC_CHANNEL_REQUIRED,
  RC_ERROR_STATE,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_HSM_TAMPERED,
  RC_LOG_FULL,
  RC_NOT_MANUFACTURED,
  RC_OK,
  RC_PARKED,
  RC_PIN_EXPIRED,
  RC_SESSION_HANDLE_INVALID,
  RC_TOKEN_NOT_RECOGNIZED,
  ROLE_NONE,
  STATE_BLANK,
  STATE_ERROR,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
} from '../protocol'
import { isLockedDown, lockedDownCode } from '../token/events'
import { changeIsDue } from '../token/roles'
import { roleOf, sessionAccess, sessionExists, sessionPartition } from '../token/sessions'
import { state } from '../token/state'
import { auditCommand } from './audit'
import { channelOpenCommand, openedLength, openRequest, requestChannel, requestCounter, sealAnswer } from './channel'
import { cloneCommand } from './clone'
import { myRole, setRequest } from './context'
import { cryptCommand } from './crypt'
import { deviceCommand } from './device'
import { readBegin, writeBegin, written } from './frame'
import { hsmCommand } from './hsm'
import { objectCommand } from './object'
import { partitionCommand } from './partition'
import { pedCommand } from './ped'
import { recoveryCommand } from './recovery'
import { roleCommand } from './role'

export const INBOX: usize = memory.data(66576, 16)
export const OUTBOX: usize = memory.data(66704, 16)
/** The opened body of a sealed request, and the answer's body before it is sealed. */
const BODY: usize = memory.data(66560, 16)
const REPLY: usize = memory.data(66576, 16)

/** A command that needs a person is short. */
const PARK_MAX: i32 = 4096
const PARK: usize = memory.data(4096, 16)
const PARK_HEADER: usize = memory.data(16, 16)
let parkLength: i32 = 0
let parkSealed: bool = false
let parkChannel: u32 = 0
let parkCounter: u32 = 0

let sessionInHand: u32 = 0

/** Commands whose request or answer always carries a secret. */
function mustBeSealed(command: u32): bool {
  if (command === CMD_HSM_INIT || command === CMD_PARTITION_CREATE || command === CMD_PARTITION_INIT) return true
  if (command === CMD_PARTITION_SET_DOMAIN || command === CMD_PARTITION_DOMAIN_ADD) return true
  if (command === CMD_ROLE_LOGIN || command === CMD_ROLE_INIT) return true
  if (command === CMD_ROLE_RESET_SECRET || command === CMD_AUDIT_SET_DOMAIN) return true
  return command === CMD_ROLE_CHANGE_SECRET || command === CMD_ROLE_CREATE_CHALLENGE
}

function needsSession(command: u32): bool {
  const group = command >>> 8
  if (group === 0) return false
  if (group === 1) return command !== CMD_SESSION_OPEN
  if (group === 2) return command !== CMD_HSM_INFO && command !== CMD_HSM_POLICIES && command !== CMD_FLASH_INFO
  if (group === 3)
    return command !== CMD_PARTITION_LIST && command !== CMD_PARTITION_INFO && command !== CMD_PARTITION_POLICIES
  if (group === 5) return command === CMD_PED_VECTOR_INIT || command === CMD_PED_VECTOR_ERASE
  if (group === 9) return command !== CMD_AUDIT_STATUS
  if (group === 10) return command !== CMD_TAMPER_SHOW && command !== CMD_SRK_SHOW && command !== CMD_SRK_RECOVER
  return command !== CMD_MECHANISM_LIST
}

/** Without the MTK: what tells the state, and what brings the MTK back. */
function worksTampered(command: u32): bool {
  if (command === CMD_STATUS || command === CMD_TAMPER_SHOW || command === CMD_PED_GET) return true
  return command === CMD_SRK_SHOW || command === CMD_SRK_RECOVER
}

function mayEndTampered(command: u32): bool {
  return worksTampered(command) || command === CMD_SRK_TRANSPORT
}

/** In transport mode, or after a tamper that nobody has cleared: information, the SO's log-in, and the way back. */
function worksLockedDown(command: u32): bool {
  const group = command >>> 8
  if (group <= 1 || group === 10) return true
  if (command === CMD_HSM_INFO || command === CMD_HSM_POLICIES || command === CMD_HSM_FACTORY_RESET) return true
  if (command === CMD_PARTITION_LIST || command === CMD_PARTITION_INFO || command === CMD_PARTITION_POLICIES)
    return true
  if (command === CMD_ROLE_LOGIN || command === CMD_ROLE_LOGOUT || command === CMD_ROLE_INFO) return true
  if (command === CMD_PED_GET || command === CMD_PED_CONNECT || command === CMD_PED_DISCONNECT) return true
  return command === CMD_MECHANISM_LIST || command === CMD_AUDIT_STATUS
}

/** May the command run in the token's state at all? */
function admitted(command: u32): u32 {
  if (command === CMD_STATUS) return RC_OK
  const s = state()
  if (s === STATE_ERROR) return RC_ERROR_STATE
  if (s === STATE_TAMPERED) return worksTampered(command) ? RC_OK : lockedDownCode()
  if (s === STATE_BLANK) {
    return command === CMD_FACTORY_BEGIN || command === CMD_FACTORY_FINISH ? RC_OK : RC_NOT_MANUFACTURED
  }
  if (isLockedDown() && !worksLockedDown(command)) return lockedDownCode()
  if (s === STATE_FUNCTIONAL) return RC_OK
  // Zeroized: information, a session on the HSM, the PED, recovery and initialization.
  const group = command >>> 8
  if (group === 0 || group === 1 || group === 5 || group === 10 || command === CMD_AUDIT_STATUS) return RC_OK
  if (
    command === CMD_HSM_INFO ||
    command === CMD_HSM_INIT ||
    command === CMD_HSM_FACTORY_RESET ||
    command === CMD_PARTITION_LIST
  )
    return RC_OK
  return RC_TOKEN_NOT_RECOGNIZED
}

function run(command: u32): u32 {
  if (command === CMD_CHANNEL_OPEN) return channelOpenCommand()
  const group = command >>> 8
  if (group <= 1) return deviceCommand(command)
  if (group === 2) return hsmCommand(command)
  if (group === 3) return partitionCommand(command)
  if (group === 4) return roleCommand(command)
  if (group === 5) return pedCommand(command)
  if (group === 6) return objectCommand(command)
  if (group === 7) return cryptCommand(command)
  if (group === 8) return cloneCommand(command)
  if (group === 9) return auditCommand(command)
  if (group === 10) return recoveryCommand(command)
  return RC_FUNCTION_NOT_SUPPORTED
}

/** Writes the answer to OUTBOX; its length. The body, if any, stands at REPLY. */
function answer(header: usize, rc: u32, sealed: bool, channel: u32, counter: u32): i32 {
  store16be(OUTBOX, load16be(header) | ANSWER)
  store16be(OUTBOX + 2, sealed && rc === RC_OK ? FLAG_SEALED : 0)
  store32be(OUTBOX + 4, rc)
  memory.copy(OUTBOX + 8, header + 8, 4)
  let n = 0
  if (rc === RC_OK) {
    n = written()
    if (sealed) n = sealAnswer(OUTBOX, REPLY, n, channel, counter)
    else memory.copy(OUTBOX + FRAME_HEADER, REPLY, n)
    if (n < 0) {
      // Sixteen newer channels have pushed this one out while the command waited for the PED.
      store16be(OUTBOX + 2, 0)
      store32be(OUTBOX + 4, RC_CHANNEL_REQUIRED)
      n = 0
    }
  }
  store32be(OUTBOX + 12, <u32>n)
  wipe(REPLY, written())
  return FRAME_HEADER + n
}

/** Serves the frame in INBOX. Length of the answer in OUTBOX, 0 where the command parked. */
export function serve(length: i32): i32 {
  const command = load16be(INBOX)
  const flags = load16be(INBOX + 2)
  const sealed = flags === FLAG_SEALED
  let body = INBOX + FRAME_HEADER
  let bodyLength = length - FRAME_HEADER
  /** Bytes that were opened to BODY. */
  let opened = 0
  let rc: u32 = RC_OK
  sessionInHand = load32be(INBOX + 4)
  setRequest(sessionInHand, sealed)
  writeBegin(REPLY)

  if (flags > <u32>FLAG_SEALED) rc = RC_FRAME_MALFORMED
  if (rc === RC_OK) rc = admitted(command)
  if (rc === RC_OK && sealed) {
    rc = openRequest(INBOX, length, BODY)
    if (rc === RC_OK) opened = openedLength
    body = BODY
    bodyLength = opened
  } else if (rc === RC_OK && mustBeSealed(command)) rc = RC_CHANNEL_REQUIRED
  if (rc === RC_OK) rc = sessionFits(command)
  if (rc === RC_OK) rc = changeFirst(command)
  const channel = sealed ? requestChannel() : 0
  const counter = sealed ? requestCounter() : 0
  if (rc === RC_OK && auditBlocks(command)) rc = RC_LOG_FULL
  noteWho()
  if (rc === RC_OK) {
    readBegin(body, bodyLength)
    rc = run(command)
    // A tamper may come while a command runs: whatever it found out was made with keys that are gone.
    if (state() === STATE_TAMPERED && !mayEndTampered(command)) rc = RC_HSM_TAMPERED
  }
  if (rc === RC_PARKED) {
    rc = park(body, bodyLength, sealed, channel, counter)
    if (rc === RC_OK) {
      wipeScratch()
      wipe(BODY, opened)
      return 0
    }
  }
  // A prompt that was prepared and never asked goes, and the secret in it.
  if (!pedIsParked()) pedRelease()
  note(command, rc, body, bodyLength)
  const n = answer(INBOX, rc, sealed, channel, counter)
  wipe(BODY, opened)
  wipeScratch()
  return n
}

function sessionFits(command: u32): u32 {
  const has = sessionInHand !== 0
  if (needsSession(command)) return has && sessionExists(sessionInHand) ? RC_OK : RC_SESSION_HANDLE_INVALID
  return has ? RC_FRAME_MALFORMED : RC_OK
}

/** HSM policy 21: whose secret somebody else made can change it, log out and look around, and nothing else. */
function changeFirst(command: u32): u32 {
  const group = command >>> 8
  if (sessionInHand === 0 || group < 3 || group === 4 || group === 5) return RC_OK
  return changeIsDue(sessionPartition(sessionInHand), myRole()) ? RC_PIN_EXPIRED : RC_OK
}

// ---- audit log --------------------------------------------------------------------------------------------------------

let whoRole: i32 = ROLE_NONE
let whoAccess: u64 = 0
let whoPartition: u32 = 0

/** Who asks: looked at before the command, which may log out or end the session. */
function noteWho(): void {
  const known = sessionInHand !== 0 && sessionExists(sessionInHand)
  whoPartition = known ? sessionPartition(sessionInHand) : 0
  whoAccess = known ? sessionAccess(sessionInHand) : 0
  whoRole = known ? roleOf(whoAccess, whoPartition) : ROLE_NONE
}

/** Logs what came of a command. */
function note(command: u32, rc: u32, body: usize, length: i32): void {
  auditNote(command, rc, whoPartition, whoRole, whoAccess, body, length, REPLY, written())
}

function park(body: usize, length: i32, sealed: bool, channel: u32, counter: u32): u32 {
  if (length > PARK_MAX) return RC_FRAME_MALFORMED
  memory.copy(PARK_HEADER, INBOX, 16)
  memory.copy(PARK, body, length)
  parkLength = length
  parkSealed = sealed
  parkChannel = channel
  parkCounter = counter
  pedPark()
  return RC_OK
}

/** Tamper: the request that waits for the PED goes too; the board answers it. */
export function parkClear(): void {
  wipe(PARK, PARK_MAX)
}

/** Runs the parked command again, or ends it. Length of the answer in OUTBOX, 0 where it waits on or nothing is parked. */
export function resume(): i32 {
  if (!pedIsReady()) return 0
  const command = load16be(PARK_HEADER)
  sessionInHand = load32be(PARK_HEADER + 4)
  setRequest(sessionInHand, parkSealed)
  writeBegin(REPLY)
  let rc = pedOutcome()
  if (rc === RC_OK) rc = admitted(command)
  // The session may have ended while the person looked for the key.
  if (rc === RC_OK) rc = sessionFits(command)
  if (rc === RC_OK) {
    noteWho()
    readBegin(PARK, parkLength)
    pedResume(true)
    rc = run(command)
    pedResume(false)
    if (state() === STATE_TAMPERED && !mayEndTampered(command)) rc = RC_HSM_TAMPERED
  }
  if (rc === RC_PARKED) {
    wipeScratch()
    pedPark()
    return 0
  }
  note(command, rc, PARK, parkLength)
  const n = answer(PARK_HEADER, rc, parkSealed, parkChannel, parkCounter)
  pedRelease()
  wipe(PARK, parkLength)
  wipeScratch()
  return n
}

/** A frame that fits the port: whole header, body as long as it says. */
export function frameIsWhole(length: i32): bool {
  if (length < FRAME_HEADER || length > MAX_FRAME) return false
  const n = load32be(INBOX + 12)
  return n <= <u32>MAX_BODY && n === <u32>(length - FRAME_HEADER)
}

/** The answer to a frame that does not fit. */
export function refuse(): i32 {
  writeBegin(REPLY)
  return answer(INBOX, RC_FRAME_MALFORMED, false, 0, 0)
}
