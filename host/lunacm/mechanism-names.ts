import * as protocol from '../../assembly/protocol.js'

const PREFIX = 'CKM_'
/** The vendor's mechanism numbers that have the names of standard ones. */
const VENDOR_PREFIX = 'CKM_LUNA_'

const names = new Map(
  Object.entries(protocol)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, value]) => [value, key.replace(VENDOR_PREFIX, PREFIX)]),
)

/** `CKM_RSA_PKCS_KEY_PAIR_GEN` for 0. */
export function mechanismName(mechanism: number): string {
  return names.get(mechanism) ?? `${PREFIX}0x${mechanism.toString(16)}`
}
