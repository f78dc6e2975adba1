// Prompts: what a parked command wants of the person at the PED, and the wait for it. A handler that needs a secret asks for prompt
// 0, 1, ...; the command parks until the answer is there and the handler runs again from its start with one answer more.

import { ped_line, uptime } from '../board'
import { store32be, wipe } from '../crypto/util'
import {
  PED_ALERT,
  PED_ANSWER,
  PED_ANSWER_REUSED,
  PED_CANCEL,
  PED_CLOSE,
  PED_HEADER,
  PED_ID_LOCAL,
  PED_ID_REMOTE,
  PED_KEY_TIMEOUT,
  PED_LINE_LOCAL,
  PED_LINE_REMOTE,
  PED_MAX_FRAME,
  PED_OP_MAKE,
  PED_OPERATION_TIMEOUT,
  PED_REMOTE_IDLE_TIMEOUT,
  PED_REQUEST,
  PED_SECRET,
  PED_STATUS_CANCELLED,
  PED_STATUS_OK,
  PED_STATUS_TIMEOUT,
  RC_CALLBACK_ERROR,
  RC_FUNCTION_CANCELED,
  RC_OK,
  RC_PARKED,
  RC_PED_BUSY,
  RC_PED_ERROR,
  RC_PED_UNPLUGGED,
  RC_RANDOM_NO_RNG,
  RC_TIMEOUT,
} from '../protocol'
import { random } from '../token/random'
import {
  channelAccept,
  channelClear,
  channelHello,
  channelOpen,
  channelReady,
  channelSeal,
  isHelloAck,
  pedFrameIs,
  pedHeader,
} from './channel'

const MAX_PROMPTS: i32 = 4
const REQUEST_HEAD: i32 = 56
const ANSWER_SIZE: i32 = 52
const TEXT_MAX: i32 = 160

const IDLE: i32 = 0
const HELLO_SENT: i32 = 1
const REQUEST_SENT: i32 = 2

const ANSWERS: usize = memory.data(192, 16)
const FLAGS: usize = memory.data(4, 4)
const PROMPT: usize = memory.data(224, 16)
const PLAIN: usize = memory.data(512, 16)
/** A secret of the handler's own that has to outlive its prompt; it ends with the command, whatever comes of it. */
export const PED_KEPT: usize = memory.data(32, 16)
export const PED_KEPT_SIZE: i32 = 32

/** Frames that wait for the PED port, at most a CLOSE and a HELLO. */
const QUEUE_LENGTH: i32 = 4
const QUEUE: usize = memory.data(2048, 16)
const QUEUE_SIZES: usize = memory.data(16, 4)
let queued: i32 = 0

let currentId: u32 = PED_ID_LOCAL
let parked: bool = false
let connecting: bool = false
let stage: i32 = IDLE
let answers: i32 = 0
let promptLength: i32 = 0
let sequence: u32 = 0
let deadline: i64 = 0
let operationDeadline: i64 = 0
let lastTraffic: i64 = 0
let outcome: u32 = RC_OK
let ready: bool = false
/** The handler that runs now is the parked one. */
let resuming: bool = false

export function pedResume(on: bool): void {
  resuming = on
}

export function pedId(): u32 {
  return currentId
}

export function pedIsParked(): bool {
  return parked
}

/** The parked command may run again. */
export function pedIsReady(): bool {
  return parked && ready
}

/** Why the parked command has to end, RC_OK while it may go on. */
export function pedOutcome(): u32 {
  return outcome
}

function lineIsUp(id: u32): bool {
  return (ped_line() & (id === PED_ID_REMOTE ? PED_LINE_REMOTE : PED_LINE_LOCAL)) !== 0
}

function unplugged(id: u32): u32 {
  return id === PED_ID_REMOTE ? RC_CALLBACK_ERROR : RC_PED_UNPLUGGED
}

// ---- frames out -------------------------------------------------------------------------------------------------------

function push(length: i32): void {
  store<i32>(QUEUE_SIZES + ((<usize>queued) << 2), length)
  queued++
}

function slot(): usize {
  return QUEUE + <usize>queued * PED_MAX_FRAME
}

export function pedQueued(): bool {
  return queued > 0
}

/** Moves the oldest waiting frame to `out`; its length. */
export function pedTake(out: usize): i32 {
  if (queued === 0) return 0
  const n = load<i32>(QUEUE_SIZES)
  memory.copy(out, QUEUE, n)
  queued--
  memory.copy(QUEUE, QUEUE + PED_MAX_FRAME, <usize>queued * PED_MAX_FRAME)
  memory.copy(QUEUE_SIZES, QUEUE_SIZES + 4, (<usize>queued) << 2)
  return n
}

function sendPlain(type: i32, id: u32): void {
  if (queued >= QUEUE_LENGTH || !lineIsUp(id)) return
  pedHeader(slot(), type, id, sequence, 0)
  push(PED_HEADER)
}

function sendHello(id: u32): void {
  if (queued >= QUEUE_LENGTH) {
    finish(RC_PED_ERROR)
    return
  }
  const n = channelHello(slot(), id)
  if (n === 0) {
    finish(RC_RANDOM_NO_RNG)
    return
  }
  push(n)
  stage = HELLO_SENT
}

function sendRequest(): void {
  if (queued >= QUEUE_LENGTH) {
    finish(RC_PED_ERROR)
    return
  }
  sequence++
  const frame = slot()
  pedHeader(frame, PED_REQUEST, currentId, sequence, promptLength + 16)
  push(channelSeal(frame, PROMPT, promptLength))
  stage = REQUEST_SENT
  deadline = uptime() + PED_KEY_TIMEOUT
  lastTraffic = uptime()
}

// ---- for command handlers ---------------------------------------------------------------------------------------------

/** Answer of prompt `index`: the 48-byte secret. Only after `pedAsk` said RC_OK. */
export function pedAnswer(index: i32): usize {
  return ANSWERS + <usize>index * PED_SECRET
}

export function pedReused(index: i32): bool {
  return (load<u8>(FLAGS + <usize>index) & PED_ANSWER_REUSED) !== 0
}

/**
 * Prompt number `index` of the command in hand. RC_OK: the answer is there. RC_PARKED: the handler returns that and is run again.
 * Anything else ends the command.
 */
export function pedAsk(index: i32, op: i32, kind: i32, hint: i32, text: usize, textLength: i32): u32 {
  if (parked && !resuming) return RC_PED_BUSY
  if (parked && index < answers) return RC_OK
  if (!parked) {
    if (!lineIsUp(currentId)) return unplugged(currentId)
    answers = 0
  }
  const n = textLength > TEXT_MAX ? TEXT_MAX : textLength
  memory.fill(PROMPT, 0, REQUEST_HEAD)
  store<u8>(PROMPT, <u8>op)
  store<u8>(PROMPT + 1, <u8>kind)
  store<u8>(PROMPT + 2, <u8>hint)
  store<u8>(PROMPT + 3, <u8>n)
  store32be(PROMPT + 4, PED_KEY_TIMEOUT / 1000)
  if (op === PED_OP_MAKE && !random(PROMPT + 8, PED_SECRET)) return RC_RANDOM_NO_RNG
  memory.copy(PROMPT + REQUEST_HEAD, text, n)
  promptLength = REQUEST_HEAD + n
  connecting = false
  return RC_PARKED
}

/** PED_CONNECT: agrees keys with the PED behind the remote link; no secret is asked for. */
export function pedConnect(): u32 {
  if (parked && !resuming) return RC_PED_BUSY
  if (parked && answers > 0) return RC_OK
  if (!lineIsUp(PED_ID_REMOTE)) return unplugged(PED_ID_REMOTE)
  answers = 0
  connecting = true
  promptLength = 0
  return RC_PARKED
}

/** The handler in hand has to wait: starts or goes on with the conversation. */
export function pedPark(): void {
  const first = !parked
  parked = true
  ready = false
  outcome = RC_OK
  const now = uptime()
  if (first) operationDeadline = now + PED_OPERATION_TIMEOUT
  deadline = now + PED_KEY_TIMEOUT
  // A local PED may have been exchanged since, so each command begins with a handshake; a remote one keeps the keys of PED_CONNECT.
  if (connecting) {
    currentId = PED_ID_REMOTE
    sequence = 0
    sendHello(PED_ID_REMOTE)
  } else if (first && currentId === PED_ID_LOCAL) {
    sequence = 0
    sendHello(PED_ID_LOCAL)
  } else if (!channelReady()) finish(RC_PED_ERROR)
  else sendRequest()
}

/** The parked command has ended: its secrets go. */
export function pedRelease(): void {
  parked = false
  ready = false
  connecting = false
  stage = IDLE
  answers = 0
  wipe(ANSWERS, 192)
  wipe(PROMPT, 224)
  wipe(PLAIN, 512)
  wipe(PED_KEPT, PED_KEPT_SIZE)
  if (currentId === PED_ID_LOCAL) channelClear()
}

/** Back to the local PED; a remote link is told. */
export function pedDisconnect(): void {
  if (currentId === PED_ID_REMOTE) sendPlain(PED_CLOSE, PED_ID_REMOTE)
  currentId = PED_ID_LOCAL
  channelClear()
}

/** Power-up, tamper, zeroize. */
export function pedReset(): void {
  queued = 0
  currentId = PED_ID_LOCAL
  channelClear()
  pedRelease()
}

// ---- what comes back --------------------------------------------------------------------------------------------------

function finish(code: u32): void {
  outcome = code
  ready = true
  stage = IDLE
  if (connecting && code !== RC_OK) {
    currentId = PED_ID_LOCAL
    channelClear()
  }
}

/** A frame from the PED. What does not fit is dropped: anybody can put noise on a line. */
export function pedFrame(frame: usize, length: i32): void {
  if (!parked || ready) return
  if (stage === HELLO_SENT && isHelloAck(frame, length, currentId)) {
    if (!channelAccept(frame, currentId)) {
      finish(RC_PED_ERROR)
      return
    }
    lastTraffic = uptime()
    if (connecting) {
      answers = 1
      finish(RC_OK)
      return
    }
    sendRequest()
    return
  }
  if (pedFrameIs(frame, length, PED_ALERT, currentId, stage === HELLO_SENT ? 0 : sequence)) {
    finish(length === PED_HEADER + 1 ? statusCode(<i32>load<u8>(frame + PED_HEADER)) : RC_PED_ERROR)
    return
  }
  if (stage !== REQUEST_SENT || !pedFrameIs(frame, length, PED_ANSWER, currentId, sequence)) return
  if (length !== PED_HEADER + ANSWER_SIZE + 16 || channelOpen(frame, length, PLAIN) !== ANSWER_SIZE) return
  lastTraffic = uptime()
  const status = <i32>load<u8>(PLAIN)
  if (status !== PED_STATUS_OK) {
    finish(statusCode(status))
    return
  }
  if (answers >= MAX_PROMPTS) {
    finish(RC_PED_ERROR)
    return
  }
  memory.copy(pedAnswer(answers), PLAIN + 4, PED_SECRET)
  store<u8>(FLAGS + <usize>answers, load<u8>(PLAIN + 1))
  answers++
  wipe(PLAIN, ANSWER_SIZE)
  wipe(PROMPT, 224)
  finish(RC_OK)
}

function statusCode(status: i32): u32 {
  if (status === PED_STATUS_CANCELLED) return RC_FUNCTION_CANCELED
  return status === PED_STATUS_TIMEOUT ? RC_TIMEOUT : RC_PED_ERROR
}

/** Time has passed, or a plug was pulled. */
export function pedTick(): void {
  const now = uptime()
  if (parked && !ready) {
    if (!lineIsUp(currentId)) {
      const code = unplugged(currentId)
      finish(code)
      dropLink()
    } else if (now >= deadline || now >= operationDeadline) {
      sendPlain(PED_CANCEL, currentId)
      finish(RC_TIMEOUT)
    }
  } else if (!parked && currentId === PED_ID_REMOTE) {
    if (!lineIsUp(PED_ID_REMOTE)) dropLink()
    else if (now - lastTraffic >= PED_REMOTE_IDLE_TIMEOUT) pedDisconnect()
  }
}

function dropLink(): void {
  currentId = PED_ID_LOCAL
  channelClear()
}
