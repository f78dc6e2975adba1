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

/** By the vendor's published numbers. */
const HSM: ReadonlyMap<number, PolicyName> = new Map([
  [0, plain('Enable PIN-based authentication', 'PIN-based authentication')],
  [1, plain('Enable PED-based authentication', 'PED-based authentication')],
  [2, plain('Performance level')],
  [4, both('domestic mechanisms & key sizes')],
  [6, both('masking')],
  [7, both('cloning')],
  [9, both('full (non-backup) functionality')],
  [12, both('non-FIPS algorithms')],
  [15, plain('Enable SO reset of partition PIN', 'SO can reset partition PIN')],
  [16, both('network replication')],
  [17, both('Korean Algorithms')],
  [18, plain('FIPS evaluated')],
  [19, plain('Manufacturing Token')],
  [20, both('remote authentication')],
  [21, plain('Enable forcing user PIN change', 'Force user PIN change after set/reset')],
  [22, both('offboard storage')],
  [23, both('partition groups')],
  [25, both('remote PED usage')],
  [26, plain('Store MTK Split Externally')],
  [27, plain('HSM non-volatile storage space')],
  [29, both('acceleration')],
  [30, both('unmasking')],
  [33, plain('Maximum number of partitions', 'Current maximum number of partitions')],
  [35, plain('Enable Single Domain', 'Force Single Domain')],
  [36, both('Unified PED Key')],
  [37, both('MofN')],
  [38, both('small form factor backup/restore')],
  [39, both('Secure Trusted Channel')],
  [40, plain('Enable decommission on tamper', 'Decommission on tamper')],
  [41, both('Per-Partition SO')],
  [42, both('partition re-initialize')],
  [43, both('low level math acceleration')],
  [46, plain('Allow Disabling Decommission', 'Disable Decommission')],
  [47, both('Tunnel Slot')],
  [48, plain('Enable Controlled Tamper Recovery', 'Do Controlled Tamper Recovery')],
  [49, both('Partition Utilization Metrics')],
  [50, both('Functionality Modules')],
  [51, both('SMFS Auto Activation')],
  [55, both('Restricted Restore')],
  [57, both('Sync with Host Time')],
])

const PARTITION: ReadonlyMap<number, PolicyName> = new Map([
  [0, both('private key cloning')],
  [1, both('private key wrapping')],
  [2, both('private key unwrapping')],
  [3, both('private key masking')],
  [4, both('secret key cloning')],
  [5, both('secret key wrapping')],
  [6, both('secret key unwrapping')],
  [7, both('secret key masking')],
  [10, both('multipurpose keys')],
  [11, both('changing key attributes')],
  [15, plain('Allow failed challenge responses', 'Ignore failed challenge responses')],
  [16, plain('Enable operation without RSA blinding', 'Operate without RSA blinding')],
  [17, both('signing with non-local keys')],
  [18, both('raw RSA operations')],
  [19, plain('Partition non-volatile storage space')],
  [20, plain('Max failed user logins allowed')],
  [21, both('high availability recovery')],
  [22, both('activation')],
  [23, both('auto-activation')],
  [24, both('indirect login')],
  [25, plain('Minimum pin length (inverted: 255 - min)')],
  [26, plain('Maximum pin length')],
  [28, both('Key Management Functions')],
  [29, plain('Enable RSA signing without confirmation', 'Perform RSA signing without confirmation')],
  [30, both('remote authentication')],
  [31, both('private key unmasking')],
  [32, both('secret key unmasking')],
  [33, both('RSA PKCS mechanism')],
  [34, both('CBC-PAD (un)wrap keys of any size')],
  [35, both('private key SFF backup/restore')],
  [36, both('secret key SFF backup/restore')],
  [37, plain('Enable Secure Trusted Channel', 'Force Secure Trusted Channel')],
  [39, both('Start/End Date Attributes')],
  [40, plain('Enable Per-Key Authorization Data', 'Require Per-Key Authorization Data')],
  [41, plain('Enable Partition Version', 'Partition Version')],
  [42, both('CPv1')],
  [43, both('non-FIPS algorithms')],
  [44, both('Extended Domain Management')],
  [45, both('pre-hashed signing')],
])

const TABLES = { hsm: HSM, partition: PARTITION } as const

export type PolicyScope = keyof typeof TABLES

export function policyName(scope: PolicyScope, id: number): PolicyName {
  return TABLES[scope].get(id) ?? plain('Unnamed')
}
