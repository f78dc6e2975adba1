import {
  ADMIN_PARTITION,
  AUTH_PED,
  PED_ID_REMOTE,
  PED_LINE_REMOTE,
  ROLE_CRYPTO_OFFICER,
} from '../../assembly/protocol.js'
import type { CloneEnd, PedConnector, TokenClient } from '../client/index.js'
import { LabError } from './errors.js'
import type { Lab } from './lab.js'

/**
 * Works on a slot's partition as its Crypto Officer, who is logged out again. Where the role is not activated its black
 * key is needed as well: the lab's PED is plugged into the HSM for the time of the log-in.
 * @param secret the challenge, or on password-authenticated HSMs the password
 * @throws LabError LAB_SLOT_UNKNOWN, LAB_SLOT_NO_PARTITION, PED_IN_USE; TokenError, such as CKR_PIN_INCORRECT
 */
export async function asOfficer<Result>(
  lab: Lab,
  slotId: number,
  secret: string,
  work: (end: CloneEnd) => Promise<Result>,
): Promise<Result> {
  const slot = await lab.slot(slotId)
  const { client, partition } = slot
  if (partition === ADMIN_PARTITION) {
    const what = slot.kind === 'backup' ? 'a Backup HSM' : 'the HSM itself'
    const known = (await lab.slots()).filter((one) => one.partition !== ADMIN_PARTITION).map(({ id }) => id)
    throw new LabError(
      'LAB_SLOT_NO_PARTITION',
      `slot ${slotId} is ${what}: keys go to a partition, here in slot ${known.join(' or ')}`,
    )
  }
  return officerAt(lab, { client, partition, hsm: lab.hsmOf(slot).name, ped: slot.ped }, secret, work)
}

/** A partition, and the HSM that it is on. */
interface Place {
  readonly client: TokenClient
  readonly partition: number
  readonly hsm: string
  /** The HSM's remote PED connector: needed where another process has switched it on. */
  readonly ped?: PedConnector | undefined
}

/** The same at a partition, whatever shows it. @throws LabError PED_IN_USE, CKR_UNABLE_TO_CONNECT; TokenError */
export async function officerAt<Result>(
  lab: Lab,
  { client, partition, hsm, ped }: Place,
  secret: string,
  work: (end: CloneEnd) => Promise<Result>,
): Promise<Result> {
  const session = await client.openSession(partition)
  try {
    const { auth } = await client.status()
    const { activated } = await client.roles.info(session, ROLE_CRYPTO_OFFICER)
    const login = () => client.roles.login(session, ROLE_CRYPTO_OFFICER, secret)
    if (auth === AUTH_PED && !activated)
      await (ped && !lab.isOn(hsm) ? withFarPed(lab, client, ped, login) : withPed(lab, hsm, login))
    else await login()
    return await work({ client, session })
  } finally {
    // The log-in ends with the last session of this client on the partition.
    await client.closeSession(session).catch(() => undefined)
  }
}

async function withPed(lab: Lab, name: string, work: () => Promise<unknown>): Promise<void> {
  const { token } = lab.hsm(name)
  lab.desk.plugLocal(name, token)
  try {
    await work()
  } finally {
    lab.desk.unplug(name, token, 'local')
  }
}

/** At an HSM that another process has switched on: its remote PED, which is left as it was. */
async function withFarPed(
  lab: Lab,
  client: TokenClient,
  connector: PedConnector,
  work: () => Promise<unknown>,
): Promise<void> {
  const { id, line } = await client.ped.get()
  if (id === PED_ID_REMOTE && (line & PED_LINE_REMOTE) !== 0) {
    await work()
    return
  }
  const [host = 'localhost'] = lab.file.ped.addresses
  await connector.connect(host, undefined)
  try {
    await client.ped.connect()
    try {
      await work()
    } finally {
      await client.ped.disconnect()
    }
  } finally {
    await connector.disconnect().catch(() => undefined)
  }
}
