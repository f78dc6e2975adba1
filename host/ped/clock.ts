import { setTimeout as sleep } from 'node:timers/promises'

/** Time as the PED and its person need it. */
export interface PedClock {
  /** Resolves after so many milliseconds; rejects once the signal is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>
}

/** The longest time a Node timer takes. */
const LONGEST = 2 ** 31 - 1

export const realPedClock: PedClock = {
  sleep: (milliseconds, signal) => sleep(Math.min(milliseconds, LONGEST), undefined, { signal }),
}
