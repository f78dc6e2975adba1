import {
  CKO_CERTIFICATE,
  CKO_DATA,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKO_SECRET_KEY,
  POLICY_PRIVATE_CLONING,
  POLICY_SECRET_CLONING,
  RC_CONTAINER_STORAGE_FULL,
  RC_OBJECT_HANDLE_INVALID,
  RC_OK,
} from '../../assembly/protocol.js'
import type { CloneEnd, ObjectRow, Policy } from '../client/index.js'
import { refusal } from './errors.js'
import { literals } from './literals.js'

/** Which objects a backup, restore or clone is going to move. */
export interface ClonePlan {
  readonly rows: readonly ObjectRow[]
  /** Objects that a policy holds back, counted by kind. */
  readonly skipped: ReadonlyMap<string, number>
  /** Objects that the target has already, by their OUID. */
  readonly already: number
  /** Bytes on the source. */
  readonly bytes: bigint
}

export interface PlanOptions {
  /** Handles asked for; undefined, or the one handle 0, = all. */
  readonly handles?: readonly number[] | undefined
  /** Policies of the partition that will receive them. */
  readonly targetPolicies?: readonly Policy[]
  /** OUIDs (hexadecimal) that are there already. */
  readonly known?: ReadonlySet<string>
}

const ALL = 0

const KINDS: ReadonlyMap<number, string> = new Map([
  [CKO_DATA, 'data object'],
  [CKO_CERTIFICATE, 'certificate'],
  [CKO_PUBLIC_KEY, 'public key'],
  [CKO_PRIVATE_KEY, 'private key'],
  [CKO_SECRET_KEY, 'secret key'],
])

/** Partition policy that must be on for a class to be cloned; the others are free. */
const CLASS_POLICY: ReadonlyMap<number, number> = new Map([
  [CKO_PRIVATE_KEY, POLICY_PRIVATE_CLONING],
  [CKO_SECRET_KEY, POLICY_SECRET_CLONING],
])

/** Lists the source. @throws CommandError CKR_OBJECT_HANDLE_INVALID where a handle asked for is not there */
export async function planClone(source: CloneEnd, options: PlanOptions = {}): Promise<ClonePlan> {
  const chosen = choose(await source.client.objects.list(source.session), options.handles)
  const skipped = new Map<string, number>()
  const rows: ObjectRow[] = []
  let already = 0
  for (const row of chosen) {
    if (row.clone !== RC_OK || !accepts(options.targetPolicies ?? [], row)) {
      const kind = kindOf(row.objectClass)
      skipped.set(kind, (skipped.get(kind) ?? 0) + 1)
    } else if (options.known?.has(ouidOf(row))) already++
    else rows.push(row)
  }
  return { rows, skipped, already, bytes: rows.reduce((sum, row) => sum + BigInt(row.size), 0n) }
}

/** OUIDs of everything on a partition. */
export async function ouidsOf(end: CloneEnd): Promise<Set<string>> {
  return new Set((await end.client.objects.list(end.session)).map(ouidOf))
}

export function ouidOf(row: ObjectRow): string {
  return Buffer.from(row.ouid).toString('hex')
}

/** `private key` for CKO_PRIVATE_KEY. */
export function kindOf(objectClass: number): string {
  return KINDS.get(objectClass) ?? 'object'
}

/** @throws CommandError CKR_CONTAINER_OBJECT_STORAGE_FULL, or `full` */
export function checkRoom(plan: ClonePlan, free: bigint, full = RC_CONTAINER_STORAGE_FULL): void {
  if (plan.bytes > free) throw refusal(full, literals.noRoom, plan.bytes, free)
}

function choose(rows: readonly ObjectRow[], handles: readonly number[] | undefined): readonly ObjectRow[] {
  if (!handles || (handles.length === 1 && handles[0] === ALL)) return rows
  const byHandle = new Map(rows.map((row) => [row.handle, row]))
  return [...new Set(handles)].map((handle) => {
    const row = byHandle.get(handle)
    if (!row) throw refusal(RC_OBJECT_HANDLE_INVALID, literals.noSuchObject, handle)
    return row
  })
}

function accepts(policies: readonly Policy[], row: ObjectRow): boolean {
  const needed = CLASS_POLICY.get(row.objectClass)
  return policies.every((policy) => policy.id !== needed || policy.value !== 0)
}
