import { RC_CONTAINER_HANDLE_INVALID } from '../../assembly/protocol.js'
import type { CloneEnd, PartitionInfo, Slot } from '../client/index.js'
import type { Context } from './context.js'
import { refuseErrorState } from './error-state.js'
import { CommandError, HOST_RESULTS, refusal } from './errors.js'
import { type Literal, literals, rendered } from './literals.js'
import { secretOption } from './login.js'
import type { Visit } from './visit.js'

/** The slot of an archive command. @throws CommandError where it is no Backup HSM; TokenError in its error state */
export async function backupSlot(context: Context, id: number): Promise<Slot> {
  const slot = await context.slot(id)
  const status = await slot.client.status()
  refuseErrorState(status)
  if (!status.backup) {
    throw new CommandError(HOST_RESULTS.notBackupToken, rendered(literals.notBackupSlot, id))
  }
  return slot
}

/** Partitions without a label have no name to be found by. */
export async function findContainer(slot: Slot, name: string): Promise<PartitionInfo | undefined> {
  if (name === '') return undefined
  return (await slot.client.partitions.list()).find((partition) => partition.label === name)
}

/** @throws CommandError CKR_CONTAINER_HANDLE_INVALID where there is no partition of that name */
export async function requireContainer(slot: Slot, name: string): Promise<PartitionInfo> {
  const found = await findContainer(slot, name)
  if (!found) throw refusal(RC_CONTAINER_HANDLE_INVALID, literals.noSuchPartition, name, slot.id)
  return found
}

/** Log-in to an existing container for restore and contents: the password where one is needed, the stage line, the PED. */
export async function enterContainer(
  context: Context,
  visit: Visit,
  container: PartitionInfo,
  given: string | undefined,
  stage: Literal<readonly [name: string, slot: number]>,
): Promise<CloneEnd> {
  const password = (await visit.needsPassword(container)) ? await secretOption(context, 'password', given) : ''
  context.output.paragraph(stage, container.label, visit.slot.id)
  return visit.loginUser(container.id, password)
}
