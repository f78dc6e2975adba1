// Zeroization and tamper: what goes at once, and what the next power-up finishes.

import { wipeArena, wipeRootKeys } from '../arena'
import { auditStop } from '../audit/log'
import { battery_zeroize, flash_sync } from '../board'
import { directoryClear } from '../flash/directory'
import { superblockFreeze } from '../flash/superblock'
import { BATTERY_KEK, BATTERY_MTK, STATE_TAMPERED } from '../protocol'
import { activationClear, activationForget } from './activation'
import { EVENT_FACTORY, EVENT_KEPT, eventsChange, signalled } from './events'
import { keptWrite } from './kept'
import { sessionObjectsClear } from './session-objects'
import { sessionsClear } from './sessions'
import { fail, finishZeroize, setState } from './state'

/**
 * Destroys the KEK first and durably; everything after that may be cut short. The HSM must be initialized anew. Sessions on the HSM
 * itself end too. Policies, the auditor and its log stay (token/kept.ts).
 */
export function zeroize(): void {
  keptWrite()
  destroyKek()
}

/** The same, and nothing of the configuration stays: the remote PED vector, the auditor and the policies go too. */
export function factoryReset(): void {
  eventsChange(EVENT_FACTORY, EVENT_KEPT)
  destroyKek()
}

function destroyKek(): void {
  battery_zeroize(BATTERY_KEK)
  activationClear()
  flash_sync()
  sessionsClear()
  sessionObjectsClear(0, true)
  directoryClear()
  finishZeroize()
}

/**
 * The tamper line, at any moment: the MTK goes, and with it everything that lies in memory; or the decommission button, which takes
 * the KEK. A restart brings the MTK back from its splits, and finishes what is left to wipe. False = nothing happened.
 */
export function tamperNow(cause: u32): bool {
  if (!signalled(cause)) return false
  goDark()
  return true
}

/** Transport with the purple key: the MTK is destroyed as by a tamper, on purpose. */
export function lockAway(): void {
  battery_zeroize(BATTERY_MTK)
  goDark()
}

/**
 * A self-test has failed while the HSM was at work: error state. What lies in memory goes, and nothing is written any more, not even to
 * the log, whose key is gone; what is stored is there again once the HSM gets through its power-up.
 */
export function failNow(code: u32): void {
  superblockFreeze(true)
  activationForget()
  sessionsClear()
  sessionObjectsClear(0, true)
  directoryClear()
  auditStop()
  fail(code)
}

/**
 * Keys, what a command works on, log-ins and session objects go. The directory, which holds no secret, stays: a command that was
 * interrupted may be walking through it.
 */
export function goDark(): void {
  superblockFreeze(true)
  wipeRootKeys()
  wipeArena()
  sessionsClear()
  sessionObjectsClear(0, true)
  activationClear()
  auditStop()
  flash_sync()
  setState(STATE_TAMPERED)
}
