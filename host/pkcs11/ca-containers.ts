// The vendor's calls on policies, partitions ("containers") and their storage.

import * as protocol from '../../assembly/protocol.js'
import type { Policy } from '../client/index.js'
import type { Application } from './application.js'
import { caCalls } from './ca-calls.js'
import { containerOf } from './ca-sessions.js'
import type { Missing, Room } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'
import { numbers } from './general.js'
import { fitted, type Handler, on, onSession } from './handlers.js'
import { open } from './session-handlers.js'

type Column = 'capability' | 'value'
type Numbers = readonly number[] | Missing

const hsmPolicies = async (app: Application, id: number): Promise<Policy[]> =>
  app.clientOf(await app.presentSlot(id)).hsm.policies()

async function containerPolicies(app: Application, id: number, container: number): Promise<Policy[]> {
  const { client, partition } = await containerOf(app, id, container)
  return client.partitions.policies(partition)
}

function columns(
  policies: readonly Policy[],
  column: Column,
  [ids, values]: readonly [Room, Room],
): [Numbers, Numbers] {
  return [
    numbers(
      policies.map(({ id }) => id),
      ids,
    ),
    numbers(
      policies.map((one) => one[column]),
      values,
    ),
  ]
}

function setting(policies: readonly Policy[], wanted: number, column: Column): number {
  const policy = policies.find(({ id }) => id === wanted)
  if (!policy) throw new Pkcs11Error(CKR.ARGUMENTS_BAD)
  return policy[column]
}

interface Storage {
  readonly overhead: number
  readonly total: number
  readonly used: number
  readonly free: number
  readonly objects: number
}

async function hsmStorage(app: Application, id: number): Promise<Storage> {
  const slot = await app.presentSlot(id)
  const { total, used, free } = await app.clientOf(slot).hsm.info()
  return { overhead: 0, total: Number(total), used: Number(used), free: Number(free), objects: 0 }
}

async function containerStorage(app: Application, id: number, container: number): Promise<Storage> {
  const { client, partition } = await containerOf(app, id, container)
  const { total, used, objects } = await client.partitions.info(partition)
  return { overhead: 0, total: Number(total), used: Number(used), free: Number(total - used), objects }
}

const four = ({ overhead, total, used, free }: Storage): [number, number, number, number] => [
  overhead,
  total,
  used,
  free,
]
const five = (one: Storage): [number, number, number, number, number] => [...four(one), one.objects]

async function ofSlot(app: Application, id: number): Promise<Storage> {
  const { partition } = await app.presentSlot(id)
  return partition === protocol.ADMIN_PARTITION ? hsmStorage(app, id) : containerStorage(app, id, partition)
}

async function containers(app: Application, id: number): Promise<number[]> {
  const slot = await app.presentSlot(id)
  if (slot.partition !== protocol.ADMIN_PARTITION) return [slot.partition]
  return (await app.clientOf(slot).partitions.list()).map((one) => one.id)
}

export const caContainerHandlers: readonly Handler[] = [
  on(caCalls.openSession, (app, [id, container, flags]) =>
    open(app, [id, flags], async () => (await containerOf(app, id, container)).partition),
  ),
  on(caCalls.getHsmCapabilitySet, async (app, [id, ...rooms]) =>
    columns(await hsmPolicies(app, id), 'capability', rooms),
  ),
  on(caCalls.getHsmPolicySet, async (app, [id, ...rooms]) => columns(await hsmPolicies(app, id), 'value', rooms)),
  on(caCalls.getHsmCapabilitySetting, async (app, [id, policy]) =>
    setting(await hsmPolicies(app, id), policy, 'capability'),
  ),
  on(caCalls.getHsmPolicySetting, async (app, [id, policy]) => setting(await hsmPolicies(app, id), policy, 'value')),
  on(caCalls.getContainerCapabilitySet, async (app, [id, container, ...rooms]) =>
    columns(await containerPolicies(app, id, container), 'capability', rooms),
  ),
  on(caCalls.getContainerPolicySet, async (app, [id, container, ...rooms]) =>
    columns(await containerPolicies(app, id, container), 'value', rooms),
  ),
  on(caCalls.getContainerCapabilitySetting, async (app, [id, container, policy]) =>
    setting(await containerPolicies(app, id, container), policy, 'capability'),
  ),
  on(caCalls.getContainerPolicySetting, async (app, [id, container, policy]) =>
    setting(await containerPolicies(app, id, container), policy, 'value'),
  ),
  // The token keeps a destructive change from nobody who is its SO: the two calls are one.
  ...[caCalls.setHsmPolicy, caCalls.setDestructiveHsmPolicy].map((one) =>
    onSession(one, (session, [, policy, value]) => session.client.hsm.setPolicy(session.token, policy, value)),
  ),
  onSession(caCalls.setContainerPolicy, (session, [, container, policy, value]) =>
    session.client.partitions.setPolicy(session.token, container, policy, value),
  ),
  on(caCalls.getUserContainerNumber, async (app, id) => (await app.presentSlot(id)).partition),
  on(caCalls.getContainerList, async (app, [id, , , room]) => numbers(await containers(app, id), room)),
  on(caCalls.getContainerName, async (app, [id, container, room]) => {
    const { client, partition } = await containerOf(app, id, container)
    return fitted(new TextEncoder().encode((await client.partitions.info(partition)).label), room)
  }),
  on(caCalls.getNumberOfAllowedContainers, async (app, id) => {
    return (await app.clientOf(await app.presentSlot(id)).hsm.info()).maxPartitions
  }),
  on(caCalls.getHsmStorageInformation, async (app, id) => four(await hsmStorage(app, id))),
  on(caCalls.getTokenStorageInformation, async (app, id) => five(await ofSlot(app, id))),
  on(caCalls.getContainerStorageInformation, async (app, [id, container]) =>
    five(await containerStorage(app, id, container)),
  ),
]
