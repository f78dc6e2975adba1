import { createHmac } from 'node:crypto'

/** Digits of a PED PIN. */
const PIN = /^[0-9]{4,48}$/

export const isPedPin = (pin: string): boolean => PIN.test(pin)

/** What counts at the HSM: the secret of the key, with the PED PIN mixed in where there is one (SPEC.md §5). */
export function mixPin(secret: Uint8Array, pin: string | undefined): Buffer {
  if (pin === undefined) return Buffer.from(secret)
  return createHmac('sha384', secret).update('MPD1 PIN').update(pin, 'latin1').digest()
}

/**
 * The share of a split secret as it lies on a key with a PIN, and back: its first PED_SECRET bytes are masked, so that a wrong PIN
 * gives another share, and so another secret, which the HSM counts (SPEC.md §5.1).
 */
export function maskShare(share: Uint8Array, set: Uint8Array, index: number, pin: string): Buffer {
  const mask = createHmac('sha384', set)
    .update('MPD1 share')
    .update(Uint8Array.of(index))
    .update(pin, 'latin1')
    .digest()
  return Buffer.from(share.map((byte, i) => byte ^ (mask[i] ?? 0)))
}
