// PED commands: who listens, the remote link, the remote PED vector.

import { KEY_FK, KEY_RPV } from '../arena'
import { ped_line } from '../board'
import { kwWrap } from '../crypto/key-wrap'
import { P_LABEL, P_LABEL_LENGTH, partitionRow } from '../flash/superblock'
import { pedAnswer, pedAsk, pedConnect, pedDisconnect, pedId, pedIsParked } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  CMD_PED_CONNECT,
  CMD_PED_DISCONNECT,
  CMD_PED_GET,
  CMD_PED_VECTOR_ERASE,
  CMD_PED_VECTOR_INIT,
  PED_ID_LOCAL,
  PED_ID_REMOTE,
  PED_KIND_REMOTE,
  PED_OP_MAKE,
  RC_DEVICE_MEMORY,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_PED_BUSY,
  RC_PED_UNSUPPORTED,
  RC_SECURITY_PARAMETER_MISSING,
  STATE_FUNCTIONAL,
} from '../protocol'
import { isPed, state } from '../token/state'
import { eraseVector, hasVector, storeVector } from '../token/vector'
import { hereIsAdmin, needSo } from './context'
import { readDone, write8, write16 } from './frame'

const WRAPPED: usize = memory.data(56, 16)

export function pedCommand(command: u32): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (command === CMD_PED_GET) return get()
  if (!isPed()) return RC_PED_UNSUPPORTED
  if (command === CMD_PED_CONNECT) return connect()
  if (command === CMD_PED_DISCONNECT) return disconnect()
  if (command === CMD_PED_VECTOR_INIT) return vectorInit()
  if (command === CMD_PED_VECTOR_ERASE) return vectorErase()
  return RC_FUNCTION_NOT_SUPPORTED
}

function get(): u32 {
  write16(pedId())
  write8(<u32>ped_line())
  write8(hasVector() ? 1 : 0)
  return RC_OK
}

function connect(): u32 {
  if (!hasVector()) return RC_SECURITY_PARAMETER_MISSING
  return pedConnect()
}

function disconnect(): u32 {
  if (pedIsParked()) return RC_PED_BUSY
  if (pedId() === PED_ID_LOCAL) return RC_OPERATION_NOT_ALLOWED
  pedDisconnect()
  return RC_OK
}

/** With the local PED only: the first vector cannot come over a link that it is to protect. */
function vectorInit(): u32 {
  if (!hereIsAdmin() || pedId() === PED_ID_REMOTE) return RC_OPERATION_NOT_ALLOWED
  if (state() === STATE_FUNCTIONAL) {
    const rc = needSo()
    if (rc !== RC_OK) return rc
  }
  const admin = partitionRow(ADMIN_PARTITION)
  const rc = pedAsk(0, PED_OP_MAKE, PED_KIND_REMOTE, 0, admin + P_LABEL, <i32>load<u8>(admin + P_LABEL_LENGTH))
  if (rc !== RC_OK) return rc
  kwWrap(KEY_FK, 32, pedAnswer(0), 48, WRAPPED)
  if (!storeVector(WRAPPED, state() === STATE_FUNCTIONAL)) return RC_DEVICE_MEMORY
  memory.copy(KEY_RPV, pedAnswer(0), 48)
  return RC_OK
}

function vectorErase(): u32 {
  const rc = needSo()
  if (rc !== RC_OK) return rc
  if (pedId() === PED_ID_REMOTE) {
    // Somebody at the remote PED is in the middle of something.
    if (pedIsParked()) return RC_PED_BUSY
    pedDisconnect()
  }
  eraseVector(true)
  return RC_OK
}
