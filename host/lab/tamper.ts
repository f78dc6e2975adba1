import {
  TAMPER_BATTERY,
  TAMPER_CHASSIS,
  TAMPER_DECOMMISSION,
  TAMPER_REMOVAL,
  TAMPER_TEMPERATURE,
  TAMPER_VOLTAGE,
} from '../../assembly/protocol.js'
import type { TokenStatus } from '../client/index.js'
import { Hsm } from './hsm.js'
import { inLab } from './in-lab.js'

/** What can happen to the box an HSM is in. */
export const TAMPER_CAUSES = {
  chassis: TAMPER_CHASSIS,
  removal: TAMPER_REMOVAL,
  temperature: TAMPER_TEMPERATURE,
  voltage: TAMPER_VOLTAGE,
  battery: TAMPER_BATTERY,
  decommission: TAMPER_DECOMMISSION,
} as const

export type TamperCause = keyof typeof TAMPER_CAUSES

/**
 * Switches one HSM of a lab on, raises its tamper line and lets it go again, switches it off.
 * @returns what it says of itself afterwards
 * @throws LabError LAB_MISSING, LAB_HSM_UNKNOWN; BoardError as Hsm.start
 */
export function tamperHsm(stateDir: string, name: string, cause: TamperCause): Promise<TokenStatus> {
  return inLab(stateDir, name, async ({ kind }, dir) => {
    const hsm = await Hsm.start({ name, kind, dir })
    try {
      await hsm.token.tamper(TAMPER_CAUSES[cause])
      await hsm.token.tamper(0)
      // What is rebuilt is rebuilt at power-up.
      await hsm.token.powerCycle()
      return await hsm.console.status()
    } finally {
      await hsm.close()
    }
  })
}
