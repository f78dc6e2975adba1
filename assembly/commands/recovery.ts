// Commands around tamper, transport mode and the purple key. Much of this runs while no key is there: see dispatch.ts, `admitted`.

import { battery_zeroize, flash_sync } from '../board'
import { wipe } from '../crypto/util'
import { P_LABEL, P_LABEL_LENGTH, partitionRow } from '../flash/superblock'
import { pedAnswer, pedAsk, pedReused } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  BATTERY_MTK,
  CMD_SRK_DISABLE,
  CMD_SRK_ENABLE,
  CMD_SRK_GENERATE,
  CMD_SRK_RECOVER,
  CMD_SRK_SHOW,
  CMD_SRK_TRANSPORT,
  CMD_STM_RECOVER,
  CMD_STM_TRANSPORT,
  CMD_STM_VERIFY,
  CMD_TAMPER_CLEAR,
  CMD_TAMPER_SHOW,
  PED_KIND_MTK,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  RC_ARGUMENTS_BAD,
  RC_FRAME_MALFORMED,
  RC_FUNCTION_NOT_SUPPORTED,
  RC_MTK_STATE_INVALID,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
  RC_PED_ERROR,
  RC_RANDOM_NO_RNG,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
  STM_STRING,
  TRANSPORT_SRK,
  TRANSPORT_STM,
} from '../protocol'
import { activationClear } from '../token/activation'
import {
  EVENT_TAMPERED,
  EVENT_TRANSPORT,
  eventIs,
  eventsChange,
  tamperCause,
  tamperCount,
  tamperTime,
} from '../token/events'
import { sessionsClear } from '../token/sessions'
import { profile, purpleFits, restoreMtk, splitIsExternal, splitMtk, state } from '../token/state'
import { randomString, verificationString } from '../token/transport'
import { lockAway } from '../token/zeroize'
import { hereIsAdmin, needSo } from './context'
import { readDone, readFixed, write8, write32, write64, writeFixed } from './frame'
import { start } from './start'

const RANDOM: usize = memory.data(16, 4)
const VERIFICATION: usize = memory.data(16, 4)

export function recoveryCommand(command: u32): u32 {
  if (command === CMD_TAMPER_SHOW) return tamperShow()
  if (command === CMD_TAMPER_CLEAR) return tamperClear()
  if (command === CMD_STM_TRANSPORT || command === CMD_STM_VERIFY || command === CMD_STM_RECOVER) {
    if (profile().transport !== TRANSPORT_STM) return RC_FUNCTION_NOT_SUPPORTED
    if (command === CMD_STM_TRANSPORT) return stmTransport()
    return command === CMD_STM_VERIFY ? stmVerify() : stmRecover()
  }
  if (profile().transport !== TRANSPORT_SRK) return RC_FUNCTION_NOT_SUPPORTED
  if (command === CMD_SRK_SHOW) return srkShow()
  if (command === CMD_SRK_ENABLE) return srkMake(false)
  if (command === CMD_SRK_GENERATE) return srkMake(true)
  if (command === CMD_SRK_DISABLE) return srkDisable()
  if (command === CMD_SRK_TRANSPORT) return srkTransport()
  if (command === CMD_SRK_RECOVER) return srkRecover()
  return RC_FUNCTION_NOT_SUPPORTED
}

/** The SO, unless there is none. */
function needSoIfAny(): u32 {
  if (!hereIsAdmin()) return RC_ARGUMENTS_BAD
  return state() === STATE_FUNCTIONAL ? needSo() : RC_OK
}

// ---- tamper -----------------------------------------------------------------------------------------------------------

function tamperShow(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  write8(eventIs(EVENT_TAMPERED) ? 1 : 0)
  write32(tamperCause())
  write64(tamperTime())
  write32(tamperCount())
  return RC_OK
}

function tamperClear(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSoIfAny()
  if (rc !== RC_OK) return rc
  if (!eventIs(EVENT_TAMPERED)) return RC_OPERATION_NOT_ALLOWED
  eventsChange(0, EVENT_TAMPERED)
  flash_sync()
  return RC_OK
}

// ---- stm: a verification string ---------------------------------------------------------------------------------------

/** Locks the HSM, as if it had been tampered with and restarted: nobody is logged in or activated any more. */
function stmTransport(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSoIfAny()
  if (rc !== RC_OK) return rc
  if (eventIs(EVENT_TRANSPORT)) return RC_OPERATION_NOT_ALLOWED
  if (profile().transportDeactivates !== 0) activationClear()
  if (!randomString(RANDOM)) return RC_RANDOM_NO_RNG
  verificationString(RANDOM, VERIFICATION)
  eventsChange(EVENT_TRANSPORT, 0)
  battery_zeroize(BATTERY_MTK)
  activationClear()
  sessionsClear()
  flash_sync()
  const up = start()
  if (up !== RC_OK) return up
  writeFixed(RANDOM, STM_STRING)
  writeFixed(VERIFICATION, STM_STRING)
  wipe(RANDOM, STM_STRING)
  return RC_OK
}

/** The verification string as the HSM is now: a person compares it with the one from before the journey. */
function stmVerify(): u32 {
  const random = readFixed(STM_STRING)
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSoIfAny()
  if (rc !== RC_OK) return rc
  if (!eventIs(EVENT_TRANSPORT)) return RC_OPERATION_NOT_ALLOWED
  verificationString(random, VERIFICATION)
  writeFixed(VERIFICATION, STM_STRING)
  return RC_OK
}

/** Whether the strings are the same is for the person to judge. */
function stmRecover(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSoIfAny()
  if (rc !== RC_OK) return rc
  if (!eventIs(EVENT_TRANSPORT)) return RC_OPERATION_NOT_ALLOWED
  eventsChange(0, EVENT_TRANSPORT)
  flash_sync()
  return RC_OK
}

// ---- srk: a part of the MTK on a purple key ---------------------------------------------------------------------------

function ask(op: i32): u32 {
  const admin = partitionRow(ADMIN_PARTITION)
  const named = state() === STATE_FUNCTIONAL
  return pedAsk(0, op, PED_KIND_MTK, 0, admin + P_LABEL, named ? <i32>load<u8>(admin + P_LABEL_LENGTH) : 0)
}

function srkShow(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  // Without an MTK the splits cannot be held against it, but then one of them is not here.
  write8(state() === STATE_TAMPERED || splitIsExternal() ? 1 : 0)
  write8(eventIs(EVENT_TAMPERED) ? 1 : 0)
  write8(eventIs(EVENT_TRANSPORT) ? 1 : 0)
  return RC_OK
}

/** Moves a part of splitB to a purple key, or, `again`, to another one: those made before then open nothing. */
function srkMake(again: bool): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSo()
  if (rc !== RC_OK) return rc
  if (splitIsExternal() !== again) return RC_OPERATION_NOT_ALLOWED
  const asked = ask(PED_OP_MAKE)
  if (asked !== RC_OK) return asked
  // A recovery vector is made for one HSM and never read from a key that has one.
  if (pedReused(0)) return RC_PED_ERROR
  splitMtk(pedAnswer(0))
  return RC_OK
}

/** Brings the part back; the key must be the right one, or it would be lost. */
function srkDisable(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSo()
  if (rc !== RC_OK) return rc
  if (!splitIsExternal()) return RC_OPERATION_NOT_ALLOWED
  const asked = ask(PED_OP_PRESENT)
  if (asked !== RC_OK) return asked
  if (!purpleFits(pedAnswer(0))) return RC_MTK_STATE_INVALID
  splitMtk(0)
  return RC_OK
}

function srkTransport(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  const rc = needSo()
  if (rc !== RC_OK) return rc
  if (!splitIsExternal()) return RC_OPERATION_NOT_ALLOWED
  eventsChange(EVENT_TRANSPORT, 0)
  lockAway()
  return RC_OK
}

function srkRecover(): u32 {
  if (!readDone()) return RC_FRAME_MALFORMED
  if (state() !== STATE_TAMPERED) return RC_OPERATION_NOT_ALLOWED
  const asked = ask(PED_OP_PRESENT)
  if (asked !== RC_OK) return asked
  if (!restoreMtk(pedAnswer(0))) return RC_MTK_STATE_INVALID
  eventsChange(0, EVENT_TRANSPORT)
  flash_sync()
  return start()
}
