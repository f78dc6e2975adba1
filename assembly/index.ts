// The firmware's exports (SPEC.md §1): an event loop that the board pumps. WebAssembly cannot wait, so a command that needs a person
// parks and goes on when the PED answers or the clock says that the time is over.

import { wipeScratch } from './arena'
import { sourcesClear, sourcesSweep } from './cloning/source'
import { targetsClear, targetsSweep } from './cloning/target'
import { channelsClear } from './commands/channel'
import { frameIsWhole, INBOX, OUTBOX, parkClear, refuse, resume, serve } from './commands/dispatch'
import { start } from './commands/start'
import { selfTestCorrupt } from './crypto/self-test'
import { cleanIdle } from './flash/cleaning'
import { pedFrame, pedIsReady, pedQueued, pedReset, pedTake, pedTick } from './ped/prompts'
import {
  FRAME_HEADER,
  MAX_FRAME,
  PED_MAX_FRAME,
  PORT_COMMAND,
  PORT_PED,
  RC_ARGUMENTS_BAD,
  RC_FUNCTION_FAILED,
  RC_OK,
  SERVICE_AGAIN,
  SERVICE_COMMAND,
  SERVICE_PED,
  STATE_FUNCTIONAL,
} from './protocol'
import { mechanismTableBegin } from './token/mechanism-rows'
import { policyTableBegin } from './token/policy-table'
import { profileTableBegin } from './token/profile'
import { randomBegin } from './token/random'
import { selfTest } from './token/self-test'
import { sessionObjectsClear } from './token/session-objects'
import { sessionsClear } from './token/sessions'
import { fail, serialBytes, state } from './token/state'
import { goDark, tamperNow } from './token/zeroize'
import { holdWrites } from './writes'

const PED_INBOX: usize = memory.data(512, 16)
const PED_OUTBOX: usize = memory.data(512, 16)

let commandLength: i32 = 0
let pedLength: i32 = 0
let answerLength: i32 = 0
let pedAnswerLength: i32 = 0

/** The board waits for the firmware: a tamper that comes now interrupts work. */
let busy: bool = false
let interrupted: bool = false

/** Work that a tamper interrupted has come to its end: what it made since then goes too, were it a power-up with new keys. */
function restAfterTamper(): void {
  busy = false
  if (!interrupted) return
  interrupted = false
  holdWrites(false)
  goDark()
  wipeTables()
}

/** Secrets that lie outside of the arena and the log-ins. */
function wipeTables(): void {
  sourcesClear()
  targetsClear()
  channelsClear()
  pedReset()
  parkClear()
}

/** Power-up. RC_OK in every state but the error state, whose code STATUS shows too. */
export function boot(): u32 {
  busy = true
  const rc = powerOn()
  restAfterTamper()
  return rc
}

function powerOn(): u32 {
  commandLength = 0
  pedLength = 0
  answerLength = 0
  pedAnswerLength = 0
  profileTableBegin()
  policyTableBegin()
  mechanismTableBegin()
  sessionsClear()
  sessionObjectsClear(0, true)
  wipeTables()
  let rc = randomBegin(serialBytes())
  if (rc === RC_OK) rc = selfTest()
  if (rc !== RC_OK) {
    fail(rc)
    return rc
  }
  rc = start()
  if (rc !== RC_OK) return rc
  wipeScratch()
  return RC_OK
}

export function inbox(port: i32): usize {
  return port === PORT_PED ? PED_INBOX : INBOX
}

export function outbox(port: i32): usize {
  return port === PORT_PED ? PED_OUTBOX : OUTBOX
}

/** A frame lies in the inbox. A code where it is refused unread. */
export function deliver(port: i32, length: i32): u32 {
  if (port === PORT_COMMAND) {
    if (length < FRAME_HEADER || length > MAX_FRAME) return RC_ARGUMENTS_BAD
    if (commandLength !== 0) return RC_FUNCTION_FAILED
    commandLength = length
    return RC_OK
  }
  if (port !== PORT_PED || length < 1 || length > PED_MAX_FRAME) return RC_ARGUMENTS_BAD
  if (pedLength !== 0) return RC_FUNCTION_FAILED
  pedLength = length
  return RC_OK
}

/** One step of work; a set of SERVICE flags. */
export function service(): u32 {
  busy = true
  if (pedLength !== 0) {
    pedFrame(PED_INBOX, pedLength)
    memory.fill(PED_INBOX, 0, PED_MAX_FRAME)
    pedLength = 0
  }
  if (answerLength === 0 && pedIsReady()) answerLength = resume()
  else if (answerLength === 0 && commandLength !== 0) {
    answerLength = frameIsWhole(commandLength) ? serve(commandLength) : refuse()
    memory.fill(INBOX, 0, commandLength)
    commandLength = 0
    sourcesSweep()
    targetsSweep()
  }
  restAfterTamper()
  if (pedAnswerLength === 0 && pedQueued()) pedAnswerLength = pedTake(PED_OUTBOX)
  let flags: u32 = 0
  if (answerLength !== 0) flags |= SERVICE_COMMAND
  if (pedAnswerLength !== 0) flags |= SERVICE_PED
  const more = answerLength === 0 && (pedIsReady() || commandLength !== 0)
  if (more || (pedAnswerLength === 0 && pedQueued())) flags |= SERVICE_AGAIN
  return flags
}

/** Length of the frame that waits on a port; the port is free once more is served. 0 = none. */
export function take(port: i32): i32 {
  if (port === PORT_PED) {
    const n = pedAnswerLength
    pedAnswerLength = 0
    return n
  }
  const n = answerLength
  answerLength = 0
  return n
}

/** Time has passed: time-outs of the PED and of cloning sessions are looked at, and the log is cleaned a little. */
export function tick(): void {
  busy = true
  pedTick()
  sourcesSweep()
  targetsSweep()
  if (state() === STATE_FUNCTIONAL) cleanIdle()
  restAfterTamper()
}

/** Error injection: the self-test with this RC_SELF_TEST_ code fails until the next power-up; 0 undoes it. */
export function inject(fault: u32): void {
  selfTestCorrupt(<i32>fault)
}

/** Tamper line: may come at any moment, also while a command runs. A button that is out of use does nothing. */
export function tamper(cause: i32): void {
  if (cause === 0 || !tamperNow(<u32>cause)) return
  wipeTables()
  interrupted = busy
  holdWrites(busy)
}
