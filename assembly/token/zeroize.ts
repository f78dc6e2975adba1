// Zeroization and tamper: what goes at once, and what the next power-up finishes.

import { wipeRootKeys, wipeScratch } from '../arena'
import { battery_zeroize, flash_sync } from '../board'
import { directoryClear } from '../flash/directory'
import { superblockFreeze } from '../flash/superblock'
import { BATTERY_KEK, BATTERY_MTK, STATE_TAMPERED } from '../protocol'
import { sessionObjectsClear } from './objects'
import { activationClear } from './roles'
import { sessionsClear } from './sessions'
import { finishZeroize, setState } from './state'

/**
 * Destroys the KEK first and durably; everything after that may be cut short. The HSM must be initialized anew. Sessions on the HSM
 * itself end too.
 */
export function zeroize(): void {
  battery_zeroize(BATTERY_KEK)
  activationClear()
  flash_sync()
  sessionsClear()
  sessionObjectsClear(0, true)
  directoryClear()
  finishZeroize()
}

/** The tamper line: the MTK goes, and with it everything that lies in memory. A restart brings the MTK back from its splits. */
export function tamperNow(): void {
  superblockFreeze(true)
  wipeRootKeys()
  wipeScratch()
  battery_zeroize(BATTERY_MTK)
  activationClear()
  sessionsClear()
  sessionObjectsClear(0, true)
  directoryClear()
  flash_sync()
  setState(STATE_TAMPERED)
}
