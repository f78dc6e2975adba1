// What a token holds as its users see it: everything that commands answer, in a form that can be compared.
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import { codeOf } from './expect.js'
import { SECRETS } from './officer.js'

const ATTRIBUTES = [protocol.CKA_LABEL, protocol.CKA_CHECK_VALUE, protocol.CKA_ID]
const ROLES = [protocol.ROLE_SO, protocol.ROLE_PARTITION_SO, protocol.ROLE_CRYPTO_OFFICER, protocol.ROLE_CRYPTO_USER]

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** The objects that the session sees, with their values where those may be read. */
export async function objectsOf(client: TokenClient, session: number): Promise<string[]> {
  const rows = await client.objects.list(session)
  const objects: string[] = []
  for (const { handle, ouid, objectClass, bits } of rows) {
    const types = objectClass === protocol.CKO_DATA ? [...ATTRIBUTES, protocol.CKA_VALUE] : ATTRIBUTES
    const answers = await client.objects.get(session, handle, types)
    const values = answers.map(({ code, value }) => (code === protocol.RC_OK ? hex(value) : `0x${code.toString(16)}`))
    objects.push([handle, hex(ouid), objectClass, bits, ...values].join(' '))
  }
  return objects.sort()
}

/** Roles of a session's partition, their attempts left out where only what is stored for good counts. */
async function rolesOf(client: TokenClient, session: number): Promise<unknown[]> {
  const roles: unknown[] = []
  for (const role of ROLES) {
    const known = (await codeOf(client.roles.info(session, role))) === protocol.RC_OK
    if (known) roles.push({ role, ...(await client.roles.info(session, role)) })
  }
  return roles
}

/**
 * Everything, in JSON. The Crypto Officer of every partition is logged in with each of the passwords in turn until one is right; the
 * failure counters are read before that.
 */
export async function viewOf(client: TokenClient, passwords: readonly string[] = [SECRETS.officer]): Promise<string> {
  const { state, error, initialized, label, vector } = await client.status()
  if (state !== protocol.STATE_FUNCTIONAL) return JSON.stringify({ state, error, initialized, label, vector })
  const admin = await client.openSession(protocol.ADMIN_PARTITION)
  const so = await rolesOf(client, admin)
  await client.closeSession(admin)
  const policies = (await client.hsm.policies()).map(({ id, value }) => `${id}=${value}`)
  const partitions: unknown[] = []
  for (const info of await client.partitions.list()) {
    const session = await client.openSession(info.id)
    const roles = await rolesOf(client, session)
    let login = protocol.RC_OK
    for (const password of passwords) {
      login = await codeOf(client.roles.login(session, protocol.ROLE_CRYPTO_OFFICER, password))
      if (login === protocol.RC_OK) break
    }
    const { role } = await client.sessionInfo(session)
    const due = role !== undefined && (await client.roles.info(session, role)).pinChange
    const objects = due ? 'the password has to be changed first' : await objectsOf(client, session)
    await client.closeSession(session)
    const own = (await client.partitions.policies(info.id)).map(({ id, value }) => `${id}=${value}`)
    partitions.push({ ...info, roles, login, objects, policies: own })
  }
  const numbers = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)
  return JSON.stringify({ state, label, vector, so, policies, partitions }, numbers)
}
