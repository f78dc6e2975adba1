// What happened to the HSM, in battery-backed memory: readable while the keys are gone, and so the one thing that tells a tampered
// HSM, one in transport mode and a decommissioned one from each other (SPEC.md §6.4).

import { battery_read, battery_zeroize, rtc } from '../board'
import { load32be, load64be, store32be, store64be } from '../crypto/util'
import {
  BATTERY_KEK,
  BATTERY_MTK,
  BATTERY_STATE,
  RC_HSM_TAMPERED,
  RC_STM_CMD_NON_TRANSPORT,
  TAMPER_DECOMMISSION,
} from '../protocol'
import { battery_write } from '../writes'

/** Nobody has cleared it. */
export const EVENT_TAMPERED: u32 = 1
export const EVENT_TRANSPORT: u32 = 2
export const EVENT_DECOMMISSIONED: u32 = 4
/** Zeroization goes on to the state that the HSM left the factory in. */
export const EVENT_FACTORY: u32 = 8
/** The kept record (token/kept.ts) with this hash holds. */
export const EVENT_KEPT: u32 = 16
/** Copies of the HSM policies 40 and 46, which a tamper has to know when no superblock can be read. */
export const EVENT_TAMPER_DECOMMISSIONS: u32 = 32
export const EVENT_NO_DECOMMISSION: u32 = 64
/** And of policy 48: a tamper has to be cleared before the HSM works again. */
export const EVENT_CONTROLLED: u32 = 128
const POLICIES: u32 = EVENT_TAMPER_DECOMMISSIONS | EVENT_NO_DECOMMISSION | EVENT_CONTROLLED

const MAGIC: u32 = 0x4f425431
const SIZE: i32 = 72
const FLAGS: usize = 4
const CAUSE: usize = 8
const TIME: usize = 12
const COUNT: usize = 20
const KEPT: usize = 24

/** "OBT1", flags 4, cause 4, time 8, tampers so far 4, hash of the kept record 48. */
const EVENTS: usize = memory.data(72, 16)

/** Power-up. */
export function eventsLoad(): void {
  if (battery_read(BATTERY_STATE, EVENTS, SIZE) === SIZE && load32be(EVENTS) === MAGIC) return
  memory.fill(EVENTS, 0, SIZE)
  store32be(EVENTS, MAGIC)
}

function save(): void {
  battery_write(BATTERY_STATE, EVENTS, SIZE)
}

export function eventFlags(): u32 {
  return load32be(EVENTS + FLAGS)
}

export function eventIs(flag: u32): bool {
  return (eventFlags() & flag) !== 0
}

/** One write, so a cut leaves all of the change or nothing. Nothing is written where nothing changes. */
export function eventsChange(set: u32, clear: u32): void {
  const old = eventFlags()
  const now = (old & ~clear) | set
  if (now === old) return
  store32be(EVENTS + FLAGS, now)
  save()
}

/** The HSM does nothing but tell its state, and let its SO bring it back. */
export function isLockedDown(): bool {
  return eventIs(EVENT_TRANSPORT) || (eventIs(EVENT_TAMPERED) && eventIs(EVENT_CONTROLLED))
}

/** What a locked-down HSM answers. */
export function lockedDownCode(): u32 {
  return eventIs(EVENT_TRANSPORT) ? RC_STM_CMD_NON_TRANSPORT : RC_HSM_TAMPERED
}

export function tamperCause(): u32 {
  return load32be(EVENTS + CAUSE)
}

/** Seconds since 1970, 0 = the clock was not set. */
export function tamperTime(): u64 {
  return load64be(EVENTS + TIME)
}

export function tamperCount(): u32 {
  return load32be(EVENTS + COUNT)
}

/** The policies that decide what a tamper does are set so. */
export function eventPolicies(set: u32): void {
  eventsChange(set, POLICIES & ~set)
}

/** Address of the hash of the kept record. */
export function keptHash(): usize {
  return EVENTS + KEPT
}

/** Takes the hash that stands at `keptHash()`. */
export function keptIsWritten(): void {
  store32be(EVENTS + FLAGS, eventFlags() | EVENT_KEPT)
  save()
}

/**
 * The tamper line is up. A tamper destroys the MTK, with policy 40 the KEK too; the decommission button destroys the KEK alone, unless
 * policy 46 has taken it out of use. False = nothing happened. The caller makes it durable.
 */
export function signalled(cause: u32): bool {
  const button = cause === TAMPER_DECOMMISSION
  if (button && eventIs(EVENT_NO_DECOMMISSION)) return false
  let flags = eventFlags()
  if (!button) {
    battery_zeroize(BATTERY_MTK)
    // The line is seen when it rises and at every power-up until it is released: that is one tamper.
    const again = (flags & EVENT_TAMPERED) !== 0 && tamperCause() === cause
    flags |= EVENT_TAMPERED
    store32be(EVENTS + CAUSE, cause)
    if (!again) {
      store64be(EVENTS + TIME, <u64>rtc())
      store32be(EVENTS + COUNT, tamperCount() + 1)
    }
  }
  if (button || (flags & EVENT_TAMPER_DECOMMISSIONS) !== 0) {
    battery_zeroize(BATTERY_KEK)
    flags = (flags & ~EVENT_KEPT) | EVENT_DECOMMISSIONED | EVENT_FACTORY
  }
  store32be(EVENTS + FLAGS, flags)
  save()
  return true
}
