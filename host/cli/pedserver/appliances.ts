import {
  deletePedAppliance,
  PED_CALL_PORT,
  pedAppliances,
  regeneratePedServer,
  registerPedAppliance,
} from '../../lab/index.js'
import { UsageError } from '../command-line.js'
import type { PedServerArguments } from './arguments.js'
import { literals } from './literals.js'

/** `-regen` and `-appliance`: what a pedserver needs that calls appliances. Answers the lines to print. */
export async function knownAppliances(stateDir: string, given: PedServerArguments): Promise<readonly string[]> {
  if (given.regen) {
    const { fingerprint, path } = await regeneratePedServer(
      stateDir,
      needed(given.commonName, '-commonname'),
      given.force,
    )
    return [...literals.regenerated(path), `Certificate SHA-256: ${fingerprint}`]
  }
  switch (given.appliance) {
    case 'register': {
      const [name, host] = [needed(given.name, '-name'), needed(given.ip, '-ip')]
      const path = needed(given.certificate, '-certificate')
      const port = given.port || PED_CALL_PORT
      await registerPedAppliance(stateDir, { name, host, port, path })
      return [literals.registered(name)]
    }
    case 'delete':
      deletePedAppliance(stateDir, needed(given.name, '-name'))
      return [literals.deleted(given.name ?? '')]
    default: {
      const known = pedAppliances(stateDir)
      if (known.length === 0) return [literals.noAppliances]
      return known.map(({ name, host, port }) => `   ${name.padEnd(32)} ${host}, port ${port}`)
    }
  }
}

/** @throws UsageError */
export function needed(value: string | undefined, option: string): string {
  if (value === undefined || value === '') throw new UsageError(`Option '${option}' is missing`)
  return value
}
