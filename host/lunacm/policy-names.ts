import * as protocol from '../../assembly/protocol.js'

/** How a listing calls a capability and the policy under it (DESIGN.md "Behaviour", mostly from memory). */
export interface PolicyName {
  readonly capability: string
  readonly policy: string
}

/** `Enable X` and `Allow X`. */
function both(text: string): PolicyName {
  return { capability: `Enable ${text}`, policy: `Allow ${text}` }
}

/** The same words for both. */
function plain(capability: string, policy = capability): PolicyName {
  return { capability, policy }
}

/** Published numbers of policies that only a listing knows: the firmware reports them, nothing here acts on them. */
const LISTED = {
  privateMasking: 3,
  secretMasking: 7,
  noBlinding: 16,
  highAvailability: 21,
  unconfirmedRsa: 29,
  cbcPad: 34,
} as const

const HSM: ReadonlyMap<number, PolicyName> = new Map([
  [protocol.HSM_POLICY_PIN_AUTH, plain('Enable PIN-based authentication', 'PIN-based authentication')],
  [protocol.HSM_POLICY_PED_AUTH, plain('Enable PED-based authentication', 'PED-based authentication')],
  [protocol.HSM_POLICY_MASKING, both('masking')],
  [protocol.HSM_POLICY_CLONING, both('cloning')],
  [protocol.HSM_POLICY_FULL_FUNCTION, both('full (non-backup) functionality')],
  [protocol.HSM_POLICY_NON_FIPS, both('non-FIPS algorithms')],
  [protocol.HSM_POLICY_SO_RESET_PIN, plain('Enable SO reset of partition PIN', 'SO can reset partition PIN')],
  [protocol.HSM_POLICY_NETWORK_REPLICATION, both('network replication')],
  [
    protocol.HSM_POLICY_FORCE_PIN_CHANGE,
    plain('Enable forcing user PIN change', 'Force user PIN change after set/reset'),
  ],
  [protocol.HSM_POLICY_OFFBOARD_STORAGE, both('offboard storage')],
  [protocol.HSM_POLICY_REMOTE_PED, both('remote PED usage')],
  [protocol.HSM_POLICY_STORAGE, plain('HSM non-volatile storage space')],
  [protocol.HSM_POLICY_MAX_PARTITIONS, plain('Maximum number of partitions', 'Current maximum number of partitions')],
])

const PARTITION: ReadonlyMap<number, PolicyName> = new Map([
  [protocol.POLICY_PRIVATE_CLONING, both('private key cloning')],
  [protocol.POLICY_PRIVATE_WRAPPING, both('private key wrapping')],
  [protocol.POLICY_PRIVATE_UNWRAPPING, both('private key unwrapping')],
  [LISTED.privateMasking, both('private key masking')],
  [protocol.POLICY_SECRET_CLONING, both('secret key cloning')],
  [protocol.POLICY_SECRET_WRAPPING, both('secret key wrapping')],
  [protocol.POLICY_SECRET_UNWRAPPING, both('secret key unwrapping')],
  [LISTED.secretMasking, both('secret key masking')],
  [protocol.POLICY_MULTIPURPOSE, both('multipurpose keys')],
  [protocol.POLICY_CHANGE_ATTRIBUTES, both('changing key attributes')],
  [
    protocol.POLICY_IGNORE_FAILED_CHALLENGE,
    plain('Allow failed challenge responses', 'Ignore failed challenge responses'),
  ],
  [LISTED.noBlinding, plain('Enable operation without RSA blinding', 'Operate without RSA blinding')],
  [protocol.POLICY_NON_LOCAL_SIGNING, both('signing with non-local keys')],
  [protocol.POLICY_RAW_RSA, both('raw RSA operations')],
  [protocol.POLICY_STORAGE, plain('Partition non-volatile storage space')],
  [protocol.POLICY_MAX_FAILED_LOGINS, plain('Max failed user logins allowed')],
  [LISTED.highAvailability, both('high availability recovery')],
  [protocol.POLICY_ACTIVATION, both('activation')],
  [protocol.POLICY_AUTO_ACTIVATION, both('auto-activation')],
  [protocol.POLICY_MIN_PIN, plain('Minimum pin length (inverted: 255 - min)')],
  [protocol.POLICY_MAX_PIN, plain('Maximum pin length')],
  [protocol.POLICY_KEY_MANAGEMENT, both('Key Management Functions')],
  [LISTED.unconfirmedRsa, plain('Enable RSA signing without confirmation', 'Perform RSA signing without confirmation')],
  [protocol.POLICY_RSA_PKCS, both('RSA PKCS mechanism')],
  [LISTED.cbcPad, both('CBC-PAD (un)wrap keys of any size')],
])

const TABLES = { hsm: HSM, partition: PARTITION } as const

export type PolicyScope = keyof typeof TABLES

export function policyName(scope: PolicyScope, id: number): PolicyName {
  return TABLES[scope].get(id) ?? plain('Unnamed')
}
