import {
  AUTH_PED,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_SO,
  STATE_FUNCTIONAL,
} from '../../assembly/protocol.js'
import { type HsmInfo, type PartitionInfo, type Slot, TokenError, type TokenStatus } from '../client/index.js'
import type { Context } from './context.js'
import { type Literal, literals } from './literals.js'
import type { Output } from './output.js'
import { type Phrase, phrases } from './phrases.js'
import { roleName } from './roles.js'
import { firmwareVersion, hsmStatus, modelName } from './slot-record.js'

const SESSION_STATES: ReadonlyMap<number, Phrase> = new Map([
  [ROLE_SO, phrases.soSession],
  [ROLE_PARTITION_SO, phrases.soSession],
  [ROLE_CRYPTO_OFFICER, phrases.userSession],
  [ROLE_CRYPTO_USER, phrases.userSession],
])

/** `hsm showinfo`: the HSM as a whole (DESIGN.md "Behaviour", as far as the token reports it). */
export async function hsmInformation(context: Context, slot: Slot): Promise<void> {
  const { output } = context
  const status = await slot.client.status()
  const info = await slot.client.hsm.info()
  sayDevice(context, slot, status, info)
  sayFlags(output, literals.tokenFlags, [
    'CKF_RNG',
    'CKF_RESTORE_KEY_NOT_NEEDED',
    ...(status.initialized ? ['CKF_TOKEN_INITIALIZED'] : []),
  ])
  output.say(literals.showVector, yesNo(info.vector))
  await saySession(context, slot)
  output.paragraph(literals.hsmStorageHeading)
  sayHsmStorage(output, info)
  sayFips(output, 'HSM', status)
  output.paragraph(literals.showFirmware, firmwareVersion(status.profile))
}

/** `partition showinfo`: the current slot's partition. */
export async function partitionInformation(context: Context, slot: Slot): Promise<void> {
  const { output } = context
  const status = await slot.client.status()
  const info = await slot.client.partitions.info(slot.partition)
  sayDevice(context, slot, status, info)
  if (slot.kind !== 'network') output.say(literals.showHsmSerial, status.serial)
  const officer = await stateOf(context, slot, ROLE_CRYPTO_OFFICER)
  sayFlags(output, literals.tokenFlags, [
    ...(slot.kind === 'network' ? [] : ['CKF_RNG']),
    'CKF_LOGIN_REQUIRED',
    ...(officer?.initialized ? ['CKF_USER_PIN_INITIALIZED'] : []),
    'CKF_RESTORE_KEY_NOT_NEEDED',
    ...(info.initialized ? ['CKF_TOKEN_INITIALIZED'] : []),
  ])
  output.say(literals.showVector, slot.kind === 'network' ? phrases.notSupported.text() : yesNo(status.vector))
  await saySession(context, slot)
  await sayContainer(context, slot, info, status)
  output.paragraph(literals.partitionStorageHeading)
  output.say(literals.totalStorage, info.total)
  output.say(literals.usedStorage, info.used)
  output.say(literals.freeStorage, info.total - info.used)
  output.say(literals.objectCount, info.objects)
  sayFips(output, 'partition', status)
  output.paragraph(literals.showFirmware, firmwareVersion(status.profile))
}

interface Named {
  readonly label: string
  readonly serial: bigint
}

function sayDevice(context: Context, slot: Slot, status: TokenStatus, { label, serial }: Named): void {
  const { output, persona } = context
  output.gap()
  output.say(literals.showLabel, label)
  output.say(literals.showManufacturer, phrases.manufacturer.text())
  output.say(literals.showModel, modelName(status, slot.kind, persona))
  output.say(literals.showSerial, serial)
  output.say(literals.showStatus, hsmStatus(status))
}

function sayFlags(output: Output, heading: Literal, flags: readonly string[]): void {
  output.say(heading)
  for (const flag of flags) output.say(literals.showFlag, flag)
}

async function saySession(context: Context, slot: Slot): Promise<void> {
  const { output } = context
  const { role } = await context.session(slot)
  const state = role === undefined ? undefined : SESSION_STATES.get(role)
  output.say(literals.showSlot, slot.id)
  output.say(literals.showSession, (state ?? phrases.publicSession).text())
  output.say(
    literals.showRole,
    role === undefined ? phrases.noneLoggedIn.text() : phrases.roleLoggedIn.text(roleName(role)),
  )
}

/** Container flags of firmware 6, which scripts in the field look for; extended token flags of firmware 7. */
async function sayContainer(context: Context, slot: Slot, info: PartitionInfo, status: TokenStatus): Promise<void> {
  const domain = (name: string) => (info.hasDomain ? [name] : [])
  if (status.generation7) {
    sayFlags(context.output, literals.extendedFlags, domain('TOKEN_KCV_CREATED'))
    return
  }
  const officer = await stateOf(context, slot, ROLE_CRYPTO_OFFICER)
  const user = await stateOf(context, slot, ROLE_CRYPTO_USER)
  sayFlags(context.output, literals.containerFlags, [
    ...(status.auth === AUTH_PED && officer?.activated ? ['CONTAINER_ACTIVATED'] : []),
    ...(status.auth === AUTH_PED && user?.activated ? ['CONTAINER_LUSR_ACTIVATED'] : []),
    ...(info.initialized ? ['PARTITION_INITIALIZED'] : []),
    ...(officer?.initialized ? ['USER_PIN_INITIALIZED'] : []),
    ...(officer?.lockedOut ? ['USER_PIN_LOCKED'] : []),
    ...(user?.initialized ? ['LIMITED_USER_CREATED'] : []),
    ...domain('KCV_CREATED'),
  ])
}

/** A role's state, undefined where the partition does not have that role. */
async function stateOf(context: Context, slot: Slot, role: number) {
  const { handle } = await context.session(slot)
  try {
    return await slot.client.roles.info(handle, role)
  } catch (error) {
    if (error instanceof TokenError) return undefined
    throw error
  }
}

/**
 * What of an HSM's storage is not free: the sizes that partitions were given, whether they fill them or not, and the
 * contents of those that have no size of their own. The HSM also tells what all objects take; no listing shows that.
 */
export function givenAway({ total, free }: HsmInfo): bigint {
  return total - free
}

function sayHsmStorage(output: Output, info: HsmInfo): void {
  output.say(literals.totalStorage, info.total)
  output.say(literals.usedStorage, givenAway(info))
  output.say(literals.freeStorage, info.free)
  output.say(literals.allowedPartitions, info.maxPartitions)
  output.say(literals.partitionsInUse, info.partitions)
}

/** An HSM without its keys is in no mode of operation. */
function sayFips(output: Output, what: string, status: TokenStatus): void {
  if (status.state !== STATE_FUNCTIONAL) return
  output.paragraph(status.nonFips ? literals.notFips : literals.fips, what)
}

function yesNo(value: boolean): string {
  return (value ? phrases.yes : phrases.no).text()
}
