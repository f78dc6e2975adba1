// Which objects a partition gives and takes: HSM policy 7, partition policies 0 and 4 (DESIGN.md "Behaviour").

import {
  CKO_PRIVATE_KEY,
  CKO_SECRET_KEY,
  HSM_POLICY_CLONING,
  POLICY_PRIVATE_CLONING,
  POLICY_SECRET_CLONING,
  RC_OK,
  RC_OPERATION_NOT_ALLOWED,
} from '../protocol'
import { hsmPolicy, partitionPolicy } from '../token/policies'

/** The same rule on the giving and on the taking side. */
export function cloneVerdict(partition: u32, objectClass: u32): u32 {
  if (hsmPolicy(HSM_POLICY_CLONING) === 0) return RC_OPERATION_NOT_ALLOWED
  if (objectClass === CKO_PRIVATE_KEY && partitionPolicy(partition, POLICY_PRIVATE_CLONING) === 0) {
    return RC_OPERATION_NOT_ALLOWED
  }
  if (objectClass === CKO_SECRET_KEY && partitionPolicy(partition, POLICY_SECRET_CLONING) === 0) {
    return RC_OPERATION_NOT_ALLOWED
  }
  return RC_OK
}
