import * as protocol from '../../assembly/protocol.js'
import { commandOf } from '../board/frames.js'
import type { ClientTimeouts } from './client-config.js'

const CLONING: ReadonlySet<number> = new Set([
  protocol.CMD_CLONE_SOURCE_INIT,
  protocol.CMD_CLONE_TARGET_INIT,
  protocol.CMD_CLONE_SOURCE_HELLO,
  protocol.CMD_CLONE_SOURCE_BATCH,
  protocol.CMD_CLONE_TARGET_BATCH,
  protocol.CMD_CLONE_SOURCE_RESULT,
  protocol.CMD_CLONE_SOURCE_CLOSE,
  protocol.CMD_CLONE_TARGET_CLOSE,
])

/** Commands that may wait for a person at a PED. */
const AT_THE_PED: ReadonlySet<number> = new Set([
  protocol.CMD_HSM_INIT,
  protocol.CMD_PARTITION_CREATE,
  protocol.CMD_PARTITION_INIT,
  protocol.CMD_PARTITION_SET_DOMAIN,
  protocol.CMD_PARTITION_DOMAIN_ADD,
  protocol.CMD_PARTITION_DOMAIN_CHANGE,
  protocol.CMD_ROLE_LOGIN,
  protocol.CMD_ROLE_INIT,
  protocol.CMD_ROLE_CHANGE_SECRET,
  protocol.CMD_ROLE_CREATE_CHALLENGE,
  protocol.CMD_ROLE_RESET_SECRET,
  protocol.CMD_PED_CONNECT,
  protocol.CMD_PED_VECTOR_INIT,
  protocol.CMD_PED_VECTOR_ERASE,
])

/** Milliseconds that a client waits for the answer to a command. */
export function patienceFor(frame: Uint8Array, { command, ped, cloning }: ClientTimeouts): number {
  const id = commandOf(frame)
  if (CLONING.has(id)) return cloning
  // What is not listed may take its time in the firmware, and so may these.
  return AT_THE_PED.has(id) ? Math.max(ped, command) : command
}
