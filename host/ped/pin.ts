import { createHmac } from 'node:crypto'

/** Digits of a PED PIN. */
const PIN = /^[0-9]{4,48}$/

export const isPedPin = (pin: string): boolean => PIN.test(pin)

/** What counts at the HSM: the secret of the key, with the PED PIN mixed in where there is one (SPEC.md §5). */
export function mixPin(secret: Uint8Array, pin: string | undefined): Buffer {
  if (pin === undefined) return Buffer.from(secret)
  return createHmac('sha384', secret).update('MPD1 PIN').update(pin, 'latin1').digest()
}
