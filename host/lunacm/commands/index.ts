import type { Command } from '../command.js'
import { archiveCommands } from './archive.js'
import { auditCommands } from './audit.js'
import { generalCommands } from './general.js'
import { hsmCommands } from './hsm.js'
import { partitionCommands } from './partition.js'
import { partitionClone } from './partition-clone.js'
import { partitionDomainCommands } from './partition-domain.js'
import { partitionShowCommands } from './partition-show.js'
import { pedCommands } from './ped.js'
import { recoveryCommands } from './recovery.js'
import { partitionLogin, roleCommands } from './role.js'
import { partitionChallenge, roleSecretCommands } from './role-secrets.js'
import { slotCommands } from './slot.js'

/** All commands, in the order the help lists them. */
export const COMMANDS: readonly Command[] = [
  ...slotCommands,
  ...pedCommands,
  ...roleCommands,
  ...roleSecretCommands,
  ...hsmCommands,
  ...recoveryCommands,
  ...auditCommands,
  ...partitionCommands,
  partitionLogin,
  partitionChallenge,
  ...partitionShowCommands,
  ...partitionDomainCommands,
  partitionClone,
  ...archiveCommands,
  ...generalCommands,
]
