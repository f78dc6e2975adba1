// The shortest way to a partition that can be worked with: HSM, partition, domain, Crypto Officer logged in.
import {
  ADMIN_PARTITION,
  AUTH_PED,
  ROLE_CRYPTO_OFFICER,
  ROLE_CRYPTO_USER,
  ROLE_PARTITION_SO,
  ROLE_SO,
} from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import type { TestToken } from './test-token.js'

/** Passwords of password-authenticated test tokens. PED-authenticated ones take no text: their PED must be plugged in. */
export const SECRETS = {
  so: 'so-password',
  partitionSo: 'partition-so-password',
  officer: 'officer-password',
  user: 'crypto-user-password',
  domain: 'a common domain',
} as const

/** A token of any kind, and who works on it. */
export interface OfficerOf<Token> {
  readonly token: Token
  readonly client: TokenClient
  /** Read-write session on the HSM; the SO is logged in. */
  readonly admin: number
  readonly partition: number
  /** Read-write session on the partition; the Crypto Officer is logged in. */
  readonly session: number
}

export type Officer = OfficerOf<TestToken>

async function text(client: TokenClient, secret: string): Promise<string> {
  return (await client.status()).auth === AUTH_PED ? '' : secret
}

/** Initializes the HSM and logs its SO in; answers the session. */
export async function initHsm(token: { readonly client: TokenClient }, label = 'test hsm'): Promise<number> {
  const { client } = token
  const admin = await client.openSession(ADMIN_PARTITION)
  const [password, domain] = [await text(client, SECRETS.so), await text(client, SECRETS.domain)]
  await client.hsm.init(admin, { label, password, domain })
  await client.roles.login(admin, ROLE_SO, password)
  return admin
}

/** A log-in of the SO on a new session. */
export async function soOn(client: TokenClient): Promise<number> {
  const admin = await client.openSession(ADMIN_PARTITION)
  await client.roles.login(admin, ROLE_SO, await text(client, SECRETS.so))
  return admin
}

/** A log-in of the Crypto Officer on a new session. */
export async function officerOn(client: TokenClient, partition: number): Promise<number> {
  const session = await client.openSession(partition)
  await client.roles.login(session, ROLE_CRYPTO_OFFICER, await text(client, SECRETS.officer))
  return session
}

/** Logs a user in whose secret somebody else made: where the profile forces it, the owner changes it, to the same again. */
async function firstLogin(client: TokenClient, session: number, role: number, secret: string): Promise<void> {
  await client.roles.login(session, role, secret)
  const { pinChange } = await client.roles.info(session, role)
  if (pinChange) await client.roles.changeSecret(session, role, secret, secret)
}

/** A container of the HSM SO with its domain; `admin` is the SO's session, the one answered the Crypto Officer's. */
export async function legacyPartition(
  client: TokenClient,
  admin: number,
  request: { readonly label?: string; readonly size?: bigint; readonly domain?: string } = {},
): Promise<{ partition: number; session: number }> {
  const { label = 'partition', size, domain = SECRETS.domain } = request
  const password = await text(client, SECRETS.officer)
  const made = { legacy: true, label, password, ...(size === undefined ? {} : { size }) }
  const { id: partition } = await client.partitions.create(admin, made)
  const session = await officerOn(client, partition)
  await client.partitions.setDomain(session, await text(client, domain))
  return { partition, session }
}

/** A partition with a Partition SO, a Crypto Officer and, where wanted, a Crypto User; nobody is logged in. */
export async function ownPartition(
  client: TokenClient,
  admin: number,
  request: { readonly label?: string; readonly size?: bigint; readonly domain?: string; readonly user?: boolean } = {},
): Promise<number> {
  const { label = 'partition', size, domain = SECRETS.domain, user = false } = request
  const { id } = await client.partitions.create(admin, {
    legacy: false,
    label,
    ...(size === undefined ? {} : { size }),
  })
  const session = await client.openSession(id)
  const partitionSo = await text(client, SECRETS.partitionSo)
  await client.partitions.init(session, { label, password: partitionSo, domain: await text(client, domain) })
  // Making a partition new ends its sessions.
  const again = await client.openSession(id)
  await client.roles.login(again, ROLE_PARTITION_SO, partitionSo)
  await client.roles.init(again, ROLE_CRYPTO_OFFICER, await text(client, SECRETS.officer))
  await client.roles.logout(again)
  await firstLogin(client, again, ROLE_CRYPTO_OFFICER, await text(client, SECRETS.officer))
  if (user) await client.roles.init(again, ROLE_CRYPTO_USER, await text(client, SECRETS.user))
  await client.roles.logout(again)
  if (user) {
    await firstLogin(client, again, ROLE_CRYPTO_USER, await text(client, SECRETS.user))
    await client.roles.logout(again)
  }
  await client.closeSession(again)
  return id
}

/** From a token as the factory delivers it to a Crypto Officer on a partition of the HSM SO. */
export async function prepare<Token extends { readonly client: TokenClient }>(
  token: Token,
  request: { readonly label?: string; readonly size?: bigint; readonly domain?: string } = {},
): Promise<OfficerOf<Token>> {
  const { client } = token
  const admin = await initHsm(token)
  return { token, client, admin, ...(await legacyPartition(client, admin, request)) }
}
