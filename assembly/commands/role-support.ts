// What the role commands share: which roles there are, who makes them, what the PED is asked, and what the last wrong secret does.

import { flash_sync } from '../board'
import { P_LABEL, P_LABEL_LENGTH, partitionRow, superblockCommit } from '../flash/superblock'
import { pedAsk } from '../ped/prompts'
import {
  ADMIN_PARTITION,
  MAX_PARTITIONS,
  PARTITION_LEGACY,
  PED_HINT_LIMITED,
  PED_KIND_AUDIT,
  PED_KIND_SO,
  PED_KIND_USER,
  POLICY_MIN_PIN,
  ROLE_AUDITOR,
  ROLE_COUNT,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_SO,
  STATE_FUNCTIONAL,
} from '../protocol'
import { partitionGone } from '../token/clients'
import { commitChange, partitionExists, partitionIs, resetPartition } from '../token/partitions'
import { partitionPolicy } from '../token/policies'
import {
  attemptsAreUsedUp,
  attemptsLeft,
  isLocked,
  LIMIT_LOCKS,
  LIMIT_ZEROIZES_HSM,
  limitAction,
  lockRole,
  releaseIfOver,
  roleIsInitialized,
  wrongSecretCode,
} from '../token/roles'
import { profile, state } from '../token/state'
import { zeroize } from '../token/zeroize'
import { here, hereIsAdmin } from './context'

/** Which roles a partition has: the HSM its SO and its auditor; a container of the HSM SO only users; the others a Partition SO and users. */
export function roleExists(partition: u32, role: i32): bool {
  if (role === ROLE_AUDITOR) return hereIsAdmin()
  if (role < 0 || role >= ROLE_COUNT) return false
  if (hereIsAdmin()) return role === ROLE_SO
  if (role === ROLE_PARTITION_SO) return !partitionIs(partition, PARTITION_LEGACY)
  return role === ROLE_CRYPTO_OFFICER || role === ROLE_CRYPTO_USER
}

export function kindOf(role: i32): i32 {
  if (role === ROLE_AUDITOR) return PED_KIND_AUDIT
  return role === ROLE_SO || role === ROLE_PARTITION_SO ? PED_KIND_SO : PED_KIND_USER
}

export function hintOf(role: i32): i32 {
  return role === ROLE_CRYPTO_USER ? PED_HINT_LIMITED : 0
}

export function askFor(index: i32, op: i32, role: i32): u32 {
  const p = partitionRow(here())
  return pedAsk(index, op, kindOf(role), hintOf(role), p + P_LABEL, <i32>load<u8>(p + P_LABEL_LENGTH))
}

export function minimumPassword(role: i32): i32 {
  if (role === ROLE_SO || role === ROLE_AUDITOR) return <i32>profile().minPassword
  return 255 - <i32>partitionPolicy(here(), POLICY_MIN_PIN)
}

/** Who makes a role: the Partition SO the Crypto Officer, the Crypto Officer the Crypto User. */
export function makerOf(role: i32): i32 {
  return role === ROLE_CRYPTO_OFFICER ? ROLE_PARTITION_SO : ROLE_CRYPTO_OFFICER
}

/** The last allowed wrong secret: what has to happen happens before the answer. */
export function wrongSecret(partition: u32, role: i32, challenge: bool): u32 {
  const rc = wrongSecretCode(partition, role, challenge)
  if (!attemptsAreUsedUp(partition, role)) return rc
  const action = limitAction(role)
  if (action === LIMIT_ZEROIZES_HSM) zeroize()
  else if (action === LIMIT_LOCKS) {
    lockRole(partition, role)
    superblockCommit()
    flash_sync()
  } else {
    resetPartition(partition, 0)
    partitionGone(partition)
    commitChange()
  }
  return rc
}

/** Boot: a counter found at its limit is acted on, for the last attempt was made and power was cut before its outcome. */
export function enforceLimits(): void {
  for (let id: u32 = 0; id <= <u32>MAX_PARTITIONS; id++) {
    if (!partitionExists(id)) continue
    for (let slot = 0; slot < ROLE_COUNT; slot++) {
      const role = id === <u32>ADMIN_PARTITION && slot === ROLE_CRYPTO_USER ? ROLE_AUDITOR : slot
      releaseIfOver(id, role)
      if (!roleIsInitialized(id, role) || attemptsLeft(id, role) !== 0 || isLocked(id, role)) continue
      wrongSecret(id, role, false)
      if (state() !== STATE_FUNCTIONAL) return
    }
  }
}
