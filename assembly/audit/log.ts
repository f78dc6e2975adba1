import { RC_FUNCTION_NOT_SUPPORTED } from '../protocol'
export function auditBegin(): u32 {
  return RC_FUNCTION_NOT_SUPPORTED
}
