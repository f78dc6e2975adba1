import type { Policy } from '../client/index.js'
import { literals } from './literals.js'
import type { Output } from './output.js'
import { type PolicyScope, policyName } from './policy-names.js'

/** Both sections of a listing: all capabilities, and the policies whose capability is not zero. */
export function sayPolicies(output: Output, scope: PolicyScope, policies: readonly Policy[]): void {
  const sorted = [...policies].sort((a, b) => a.id - b.id)
  output.paragraph(scope === 'hsm' ? literals.hsmCapabilities : literals.partitionCapabilities)
  for (const { id, capability } of sorted) {
    output.say(literals.policy, id, policyName(scope, id).capability, String(capability))
  }
  output.paragraph(scope === 'hsm' ? literals.hsmPolicies : literals.partitionPolicies)
  for (const { id, value } of sorted.filter((policy) => policy.capability !== 0)) {
    output.say(literals.policy, id, policyName(scope, id).policy, String(value))
  }
}

/** Whether setting a policy to this value destroys what is there. */
export function isDestructive(policy: Policy, value: number): boolean {
  if (policy.numeric || (policy.value !== 0) === (value !== 0)) return false
  return value !== 0 ? policy.offToOnDestructive : policy.onToOffDestructive
}
