import type { Command } from '../command.js'
import { changesClients, clientCommands } from './client.js'
import { generalCommands } from './general.js'
import { changesHsm, hsmCommands } from './hsm.js'
import { changesPartitions, partitionCommands } from './partition.js'
import { changesPed, pedCommands } from './ped.js'
import { pedTimeoutCommands } from './ped-timeout.js'
import { serviceCommands } from './service.js'

/** `help` first: it is what groups without their command answer with. */
export const COMMANDS: readonly Command[] = [
  ...generalCommands,
  ...clientCommands,
  ...serviceCommands,
  ...partitionCommands,
  ...hsmCommands,
  ...pedCommands,
  ...pedTimeoutCommands,
]

/** Commands that end with `'name' successful.` */
export function saysSuccessful(command: Command): boolean {
  return [changesClients, changesPartitions, changesHsm, changesPed].some((set) => set.has(command))
}
