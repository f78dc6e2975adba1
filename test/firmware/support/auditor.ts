// The auditor of a test token: role, domain, and the whole log as it can be read and verified.
import * as assert from 'uvu/assert'
import { ADMIN_PARTITION, ROLE_AUDITOR } from '../../../assembly/protocol.js'
import { type AuditBlock, type AuditRecord, decodeAuditRecord, type TokenClient } from '../../../host/client/index.js'

export const AUDITOR = 'auditor-password'
export const AUDIT_DOMAIN = 'the domain of the auditors'

/** Makes the role, with its domain; nobody may be logged in as SO. Answers the auditor's session. */
export async function makeAuditor(client: TokenClient, mask: number): Promise<number> {
  const session = await client.openSession(ADMIN_PARTITION)
  await client.roles.init(session, ROLE_AUDITOR, AUDITOR)
  await client.roles.login(session, ROLE_AUDITOR, AUDITOR)
  await client.audit.setDomain(session, AUDIT_DOMAIN)
  await client.audit.configure(session, mask)
  return session
}

export async function auditorOn(client: TokenClient): Promise<number> {
  const session = await client.openSession(ADMIN_PARTITION)
  await client.roles.login(session, ROLE_AUDITOR, AUDITOR)
  return session
}

/** Everything that the log has, in blocks. */
export async function blocksOf(client: TokenClient, session: number): Promise<AuditBlock[]> {
  const blocks: AuditBlock[] = []
  for (let next = 1n; ; ) {
    const block = await client.audit.read(session, next)
    const last = block.records.at(-1)
    if (!last) return blocks
    blocks.push(block)
    next = decodeAuditRecord(last).sequence + 1n
  }
}

/** The whole log, every record verified by the token and numbered without a gap. */
export async function logOf(client: TokenClient, session: number, what?: string): Promise<AuditRecord[]> {
  const { serial } = await client.status()
  const records: AuditRecord[] = []
  for (const block of await blocksOf(client, session)) {
    assert.is(await client.audit.verify(session, serial, block), block.records.length, what)
    records.push(...block.records.map(decodeAuditRecord))
  }
  for (const [i, record] of records.entries()) {
    assert.is(record.sequence, (records[0]?.sequence ?? 0n) + BigInt(i), what)
  }
  return records
}
