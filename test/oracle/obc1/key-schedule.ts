// From the two hellos to the session's keys: OBC-1 §4.
import { cat, u32, u64 } from './bytes.js'
import { H, HM, KDF } from './crypto.js'

export interface SessionKeys {
  macKey: Buffer
  kek: Buffer
  hkS: Buffer
  hkT: Buffer
}

/** Where a session ends: a partition of a token, with its ephemeral key. */
export interface Party {
  serial: bigint
  partition: number
  eph: Buffer
}

export interface Parties {
  s: Party
  t: Party
  th: Buffer
}

/** @param m2core header of M2 with its final length ∥ body without the tags */
export const transcript = (m1: Buffer, m2core: Buffer): Buffer => H(m1, m2core)
export const extract = ({ th, ze, zs, dk }: { th: Buffer; ze: Buffer; zs: Buffer; dk: Buffer }): Buffer =>
  HM(th, ze, zs, dk)

export function expand(prk: Buffer, th: Buffer): SessionKeys {
  const km = KDF(prk, 'OBC1 session', th, 176)
  return { macKey: km.subarray(0, 48), kek: km.subarray(48, 80), hkS: km.subarray(80, 128), hkT: km.subarray(128) }
}

export const copyKeys = ({ macKey, kek, hkS, hkT }: SessionKeys): SessionKeys => ({
  macKey: Buffer.from(macKey),
  kek: Buffer.from(kek),
  hkS: Buffer.from(hkS),
  hkT: Buffer.from(hkT),
})

export function wipeKeys(...sets: SessionKeys[]): void {
  for (const { macKey, kek, hkS, hkT } of sets) for (const key of [macKey, kek, hkS, hkT]) key.fill(0)
}

const id = ({ serial, partition }: Party) => cat(u64(serial), u32(partition))

export const tagT = (keys: SessionKeys, { s, t, th }: Parties): Buffer =>
  HM(keys.macKey, 'KC_2_V', id(t), id(s), t.eph, s.eph, th).subarray(0, 32)

/** @param tags all tags of M2, as it carried them */
export const tagS = (keys: SessionKeys, { s, t, th }: Parties, tags: readonly Buffer[]): Buffer =>
  HM(keys.macKey, 'KC_2_U', id(s), id(t), s.eph, t.eph, th, ...tags).subarray(0, 32)
