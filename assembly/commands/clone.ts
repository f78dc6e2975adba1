// Cloning commands: the courier hands messages from one token to the other (OBC-1 §5).

import { M1_SIZE } from '../cloning/handshake'
import {
  batchConsumed,
  batchLength,
  CLOSE_SIZE,
  resultHandle,
  resultRow,
  resultsCount,
  sourceBatch,
  sourceClose,
  sourceHello,
  sourceInit,
  sourceResult,
} from '../cloning/source'
import { targetAnswer, targetAnswerLength, targetBatch, targetClose, targetInit, targetLength } from '../cloning/target'
import { load32be } from '../crypto/util'
import {
  CMD_CLONE_SOURCE_BATCH,
  CMD_CLONE_SOURCE_CLOSE,
  CMD_CLONE_SOURCE_HELLO,
  CMD_CLONE_SOURCE_INIT,
  CMD_CLONE_SOURCE_RESULT,
  CMD_CLONE_TARGET_BATCH,
  CMD_CLONE_TARGET_CLOSE,
  CMD_CLONE_TARGET_INIT,
  OBC_MAX_BATCH,
  RC_ARGUMENTS_BAD,
  RC_CONTAINER_HANDLE_INVALID,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_OK,
  RC_TOKEN_NOT_RECOGNIZED,
  STATE_FUNCTIONAL,
} from '../protocol'
import { state } from '../token/state'
import { access, here, hereIsAdmin, needOfficer } from './context'
import {
  read8,
  read16,
  readBytes,
  readDone,
  readFixed,
  readLength,
  write16,
  write32,
  writeBytes,
  writeFixed,
  writeSkip,
} from './frame'

/** The message that is being made. */
const MESSAGE: usize = memory.data(65536, 16)
const CODES: usize = memory.data(4096, 16)

export function cloneCommand(command: u32): u32 {
  if (state() !== STATE_FUNCTIONAL) return RC_TOKEN_NOT_RECOGNIZED
  if (hereIsAdmin()) return RC_CONTAINER_HANDLE_INVALID
  const officer = needOfficer()
  if (officer !== RC_OK) return officer
  if (command === CMD_CLONE_SOURCE_INIT) return start()
  if (command === CMD_CLONE_TARGET_INIT) return reply()
  if (command === CMD_CLONE_SOURCE_HELLO) return hello()
  if (command === CMD_CLONE_SOURCE_BATCH) return batch()
  if (command === CMD_CLONE_TARGET_BATCH) return take()
  if (command === CMD_CLONE_SOURCE_RESULT) return result()
  if (command === CMD_CLONE_SOURCE_CLOSE) return closeSource()
  if (command === CMD_CLONE_TARGET_CLOSE) return closeTarget()
  return RC_FUNCTION_NOT_SUPPORTED
}

function start(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = sourceInit(access(), here(), MESSAGE)
  if (rc === RC_OK) writeBytes(MESSAGE, M1_SIZE)
  return rc
}

function reply(): u32 {
  const m1 = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = targetInit(access(), here(), m1, length, MESSAGE)
  if (rc === RC_OK) writeBytes(MESSAGE, targetLength())
  return rc
}

function hello(): u32 {
  const m2 = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  return sourceHello(access(), here(), m2, length)
}

function batch(): u32 {
  const flags = read8()
  const n = read16()
  const handles = readFixed(<i32>n * 4)
  if (!readDone()) return RC_FRAME_MALFORMED
  if (n > <u32>OBC_MAX_BATCH) return RC_ARGUMENTS_BAD
  const rc = sourceBatch(access(), here(), flags, handles, n, CODES, MESSAGE)
  if (rc !== RC_OK) return rc
  write16(batchConsumed())
  writeFixed(CODES, <i32>batchConsumed() * 4)
  writeBytes(MESSAGE, batchLength())
  return RC_OK
}

function take(): u32 {
  const flags = read8()
  const m3 = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = targetBatch(access(), here(), flags, m3, length)
  if (rc === RC_OK) writeBytes(targetAnswer(here()), targetAnswerLength(here()))
  return rc
}

function result(): u32 {
  const m4 = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = sourceResult(access(), here(), m4, length)
  if (rc !== RC_OK) return rc
  write16(resultsCount())
  for (let i: u32 = 0; i < resultsCount(); i++) {
    write32(resultHandle(i))
    write32(load32be(resultRow(i) + 4))
    write32(load32be(resultRow(i) + 8))
  }
  return RC_OK
}

function closeSource(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  write32(<u32>CLOSE_SIZE)
  return sourceClose(access(), here(), writeSkip(CLOSE_SIZE))
}

function closeTarget(): u32 {
  const m5 = readBytes()
  const length = readLength()
  if (!readDone()) return RC_FRAME_MALFORMED
  return targetClose(access(), here(), m5, length)
}
