import {
  ADMIN_PARTITION,
  AUTH_PED,
  HSM_POLICY_CLONING,
  MODEL_BACKUP,
  MODEL_NETWORK,
  MODEL_PCIE,
  POLICY_PRIVATE_CLONING,
  POLICY_PRIVATE_WRAPPING,
  STATE_ERROR,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
  STATE_ZEROIZED,
} from '../../assembly/protocol.js'
import { type Policy, reasonOf, type Slot, type TokenStatus, TransportError } from '../client/index.js'
import { phrases } from './phrases.js'

/** Which client generation the shell looks like: A = 6.3, B = 7.0. */
export type Persona = 'A' | 'B'

export type Field = readonly [name: string, value: string]

const MODELS: Readonly<Record<Slot['kind'], number>> = {
  network: MODEL_NETWORK,
  pcie: MODEL_PCIE,
  backup: MODEL_BACKUP,
}

interface Facts {
  readonly label: string
  readonly serial: bigint
  readonly model: string
  readonly firmware: string
  readonly configuration: string
  readonly description: string
  readonly status: string
  readonly healthy: boolean
  readonly backup: boolean
  readonly admin: boolean
}

/** `6.27.0` for a PROFILE_… value. */
export function firmwareVersion(profile: number): string {
  return [profile >>> 24, (profile >>> 16) & 0xff, (profile >>> 8) & 0xff].join('.')
}

/** The fields of one slot of the listing, in the persona's words (DESIGN.md "Behaviour"). */
export async function slotRecord(slot: Slot, persona: Persona): Promise<Field[]> {
  const id: Field = [phrases.slotId.text(), String(slot.id)]
  try {
    const facts = await slotFacts(slot, persona)
    return [id, ...(persona === 'A' ? fieldsA(facts) : fieldsB(facts))]
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    return [id, [phrases.hsmStatus.text(), phrases.statusNotPresent.text()]]
  }
}

/** The words in the parentheses of `slot set`. */
export async function slotDescription(slot: Slot): Promise<string> {
  const status = await slot.client.status()
  const version = firmwareVersion(status.profile)
  const auth = authentication(status)
  if (status.backup) return phrases.backupSlot.text(version, auth)
  const kind = slot.partition === ADMIN_PARTITION ? phrases.adminSlot : phrases.userSlot
  return kind.text(version, auth, await mode(slot, status))
}

/** Its record of what it was made as may be damaged, or never have been written. */
function knowsItself({ model }: TokenStatus): boolean {
  return Object.values(MODELS).includes(model)
}

/** Where the HSM cannot read what it was made as, the cable tells. */
export function modelName(status: TokenStatus, kind: Slot['kind'], persona: Persona): string {
  const recent = status.generation7
  const model = knowsItself(status) ? status.model : MODELS[kind]
  if (model === MODEL_BACKUP) return phrases.backupModel.text()
  if (model !== MODEL_NETWORK) return (recent ? phrases.pcieModel7 : phrases.pcieModel6).text()
  if (persona === 'A') return phrases.networkModelA.text()
  return (recent ? phrases.networkModel7 : phrases.networkModel6).text()
}

/** `OK`, or what is wrong with the HSM. */
export function hsmStatus(status: TokenStatus): string {
  if (status.state === STATE_ERROR) return phrases.statusError.text(status.error, reasonOf(status.error))
  const { decommissioned, transport, tampered } = status
  const zeroized = status.state === STATE_ZEROIZED
  const rest = decommissioned ? 'Decommissioned' : zeroized ? 'Zeroized' : undefined
  if (transport) return phrases.statusTransport.text(rest)
  if (tampered || status.state === STATE_TAMPERED) return phrases.statusTampered.text(rest)
  if (decommissioned) return phrases.statusDecommissioned.text()
  const ok = status.generation7 ? phrases.statusOk7 : phrases.statusOk
  return (zeroized ? phrases.statusZeroized : ok).text()
}

async function slotFacts(slot: Slot, persona: Persona): Promise<Facts> {
  const status = await slot.client.status()
  const admin = slot.partition === ADMIN_PARTITION
  const usable = status.state === STATE_FUNCTIONAL
  const partition = usable && !admin ? await slot.client.partitions.info(slot.partition) : undefined
  const initialized = partition?.initialized ?? status.initialized
  const label = partition?.label ?? status.label
  return {
    label: initialized || persona === 'B' ? label : phrases.noLabel.text(),
    serial: partition?.serial ?? status.serial,
    model: modelName(status, slot.kind, persona),
    firmware: firmwareVersion(status.profile),
    configuration: await configuration(slot, status, partition?.legacy ?? false),
    description: description(slot),
    status: hsmStatus(status),
    healthy: usable && !status.transport && !status.tampered,
    backup: status.backup,
    admin,
  }
}

function fieldsA(facts: Facts): Field[] {
  return [
    [phrases.labelA.text(), facts.label],
    [phrases.serialA.text(), String(facts.serial)],
    [phrases.modelA.text(), facts.model],
    [phrases.firmwareA.text(), facts.firmware],
    [phrases.hsmConfiguration.text(), facts.configuration],
    [phrases.hsmStatus.text(), facts.status],
  ]
}

function fieldsB(facts: Facts): Field[] {
  const { backup, admin } = facts
  const fields: Field[] = [
    [phrases.labelB.text(), facts.label],
    [phrases.serialB.text(), String(facts.serial)],
    [phrases.modelB.text(), facts.model],
    [phrases.firmwareB.text(), facts.firmware],
  ]
  if (!backup) fields.push([phrases.configurationB.text(), facts.configuration])
  if (!backup) fields.push([phrases.slotDescription.text(), facts.description])
  if (backup || admin) fields.push([phrases.hsmConfiguration.text(), facts.configuration])
  if (backup || admin || !facts.healthy) fields.push([phrases.hsmStatus.text(), facts.status])
  return fields
}

function description(slot: Slot): string {
  if (slot.kind === 'network') return phrases.netTokenSlot.text()
  return (slot.partition === ADMIN_PARTITION ? phrases.adminTokenSlot : phrases.userTokenSlot).text()
}

function authentication(status: TokenStatus): 'PED' | 'PW' {
  return status.auth === AUTH_PED ? 'PED' : 'PW'
}

async function configuration(slot: Slot, status: TokenStatus, legacy: boolean): Promise<string> {
  const auth = authentication(status)
  if (status.backup) return phrases.backupConfiguration.text(auth)
  if (!knowsItself(status)) return phrases.nothingKnown.text()
  if (status.state !== STATE_FUNCTIONAL) {
    const broken = status.state === STATE_ERROR || status.state === STATE_TAMPERED
    return (broken ? phrases.outOfOrder : phrases.uninitialized).text(auth)
  }
  const words = await mode(slot, status)
  if (slot.partition === ADMIN_PARTITION) return phrases.adminPartition.text(auth, words)
  return (legacy ? phrases.userNoSo : phrases.userWithSo).text(auth, words)
}

/** The mode words follow the policies for private keys: cloning, else wrapping. */
async function mode(slot: Slot, status: TokenStatus): Promise<string> {
  if (status.state !== STATE_FUNCTIONAL) return phrases.signingOnly.text()
  const { client, partition } = slot
  const on = (list: readonly Policy[], id: number) => list.some((policy) => policy.id === id && policy.value !== 0)
  if (partition === ADMIN_PARTITION) {
    const cloning = on(await client.hsm.policies(), HSM_POLICY_CLONING)
    return (cloning ? phrases.withCloning : phrases.signingOnly).text()
  }
  const policies = await client.partitions.policies(partition)
  if (on(policies, POLICY_PRIVATE_CLONING)) return phrases.withCloning.text()
  return (on(policies, POLICY_PRIVATE_WRAPPING) ? phrases.keyExport : phrases.signingOnly).text()
}
