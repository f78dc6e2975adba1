import { readFile, writeFile } from 'node:fs/promises'
import { AUDIT_RECORD, RC_DATA_INVALID, RC_FUNCTION_FAILED } from '../../assembly/protocol.js'
import type { AuditBlock } from '../client/index.js'
import { refusal } from './errors.js'
import { literals } from './literals.js'

/** An exported log: one line that names the HSM and what the first record hangs on, then a line per record. */
const HEAD = /^moonlet audit log 1, HSM (\d{1,20}), after ([0-9a-f]{96})$/
const RECORD = new RegExp(`^([0-9a-f]{${2 * AUDIT_RECORD}})(?: .*)?$`)

export interface AuditFile {
  readonly serial: bigint
  readonly block: AuditBlock
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The text of a log file; `tell` puts a record into words. */
export function encodeAuditFile({ serial, block }: AuditFile, tell: (record: Uint8Array) => string): string {
  const lines = block.records.map((record) => `${hex(record)} ${tell(record)}`)
  return `${[`moonlet audit log 1, HSM ${serial}, after ${hex(block.previous)}`, ...lines].join('\n')}\n`
}

/** @throws CommandError CKR_FUNCTION_FAILED, CKR_DATA_INVALID */
export async function readAuditFile(path: string): Promise<AuditFile> {
  const text = (await readHostFile(path)).toString('utf8')
  const [first = '', ...lines] = text.trimEnd().split('\n')
  const head = HEAD.exec(first)
  const records = lines.map((line) => RECORD.exec(line)?.[1])
  if (!head || records.length === 0 || records.includes(undefined))
    throw refusal(RC_DATA_INVALID, literals.notALog, path)
  return {
    serial: BigInt(head[1] ?? 0),
    block: {
      previous: Buffer.from(head[2] ?? '', 'hex'),
      records: records.map((record) => Buffer.from(record ?? '', 'hex')),
    },
  }
}

/** @throws CommandError CKR_FUNCTION_FAILED */
export async function readHostFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch {
    throw refusal(RC_FUNCTION_FAILED, literals.cannotRead, path)
  }
}

/** @throws CommandError CKR_FUNCTION_FAILED, also where the file exists and may not be overwritten */
export async function writeHostFile(path: string, content: string | Uint8Array, overwrite: boolean): Promise<void> {
  try {
    await writeFile(path, content, { flag: overwrite ? 'w' : 'wx', mode: 0o600 })
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    throw refusal(RC_FUNCTION_FAILED, exists ? literals.fileExists : literals.cannotWrite, path)
  }
}
