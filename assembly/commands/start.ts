// What an HSM does when it has come up with its keys, at power-up or after a recovery.

import { auditPowerUp } from '../audit/events'
import { flash_sync } from '../board'
import { superblockCommit, superblockFreeze } from '../flash/superblock'
import { RC_OK, STATE_FUNCTIONAL } from '../protocol'
import { activationLoad } from '../token/activation'
import { fail, powerUp, state } from '../token/state'
import { enforceLimits } from './role-support'

/** RC_OK in every state but the error state. */
export function start(): u32 {
  superblockFreeze(false)
  const rc = powerUp()
  if (rc !== RC_OK) {
    fail(rc)
    return rc
  }
  if (state() === STATE_FUNCTIONAL) {
    activationLoad()
    auditPowerUp()
    // One superblock and one step of the counter per boot, so that a superblock left unfinished by a cut can never come back.
    superblockCommit()
    flash_sync()
    enforceLimits()
  }
  return RC_OK
}
