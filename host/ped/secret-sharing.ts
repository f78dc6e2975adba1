import { randomBytes } from 'node:crypto'
import { combine, split } from 'shamir-secret-sharing'
import type { PedShare } from './ped-key.js'

/** M and N go up to this. */
export const SHARES_MAX = 16
/** Bytes that a keyset is named with, so that shares of two are not mixed up. */
export const SET_ID = 8

/** Splits a secret over `total` shares of which `threshold` (at least 2) make it whole again: Shamir's scheme over GF(2^8). */
export async function splitSecret(
  secret: Uint8Array,
  threshold: number,
  total: number,
): Promise<{ share: PedShare; data: Buffer }[]> {
  const set = randomBytes(SET_ID)
  const parts = await split(Uint8Array.from(secret), total, threshold)
  return parts.map((part, i) => ({ share: { set, index: i + 1, threshold, total }, data: Buffer.from(part) }))
}

/** The secret from `threshold` shares of one set; the shares are overwritten. */
export async function joinShares(shares: readonly Buffer[]): Promise<Buffer> {
  const parts = shares.map((share) => Uint8Array.from(share))
  try {
    return Buffer.from(await combine(parts))
  } finally {
    for (const part of [...parts, ...shares]) part.fill(0)
  }
}
