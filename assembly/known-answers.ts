// The firmware's own functions for the known answers of OBC-1 §13, which need inputs that the product draws itself: KEK, MTK, salt,
// content keys, handles. Entry of a test-only build; nothing of the product imports it.

import { load32be, store32be, store64be } from './crypto/util'
import { insertRow, row, tagOf } from './flash/directory'
import { AUTH_PED, HSM_POLICY_NON_FIPS } from './protocol'
import { setHsmPolicy } from './token/policies'
import { RECORD, recordTag } from './token/record'
import { F_AUTH, F_HOC, F_MODEL, F_PROFILE, F_SERIAL, FACTORY } from './token/state'

export { CEK, KEY_FK, KEY_KEK, KEY_MTK, KEY_RAK, KEY_RSK, KEY_TUK, PLAIN, SHARED } from './arena'
export { batchMac, envelopeSealWith } from './cloning/envelope'
export { agree, m1Write, m2Write, sessionKeysOf, tagOfSource, tagOfTarget } from './cloning/handshake'
export { closeWrite } from './cloning/source'
export { kwWrap } from './crypto/key-wrap'
export { directoryHash } from './flash/directory-hash'
export { logAppend, logBegin, logCommit, logErase } from './flash/log'
export { plainBegin, plainPut, plainSize } from './token/attributes'
export { certificateBody, chainIsGood, rootKey, signCertificate } from './token/certificate'
export { hash384, hashBegin, hashEnd, hashPart, macBegin, macEnd, macPart } from './token/digest'
export {
  deriveFactoryKey,
  deriveRootKeys,
  domainKey,
  pinKeyOfPassword,
  pinKeyOfPed,
  roleKey,
  textDomainVector,
} from './token/keys'
export { OBJECT_OUID, setObject } from './token/objects'
export { RECORD, recordHead, recordSealWith } from './token/record'
export { serialBytes } from './token/state'

/** Makes this instance a PED-authenticated token with non-FIPS algorithms; HOC and TWC lie behind each other. */
export function becomeToken(serial: u64, model: u32, profile: u32, certificates: usize): void {
  store64be(FACTORY + F_SERIAL, serial)
  store32be(FACTORY + F_MODEL, model)
  store32be(FACTORY + F_PROFILE, profile)
  store<u8>(FACTORY + F_AUTH, <u8>AUTH_PED)
  memory.copy(FACTORY + F_HOC, certificates, 512)
  setHsmPolicy(HSM_POLICY_NON_FIPS, 1)
}

/** Lists the record just sealed, whose plaintext has `n` bytes. */
export function listRecord(partition: u32, handle: u32, generation: u32, n: i32): void {
  const r = row(insertRow(partition, handle, RECORD + 24, load32be(RECORD + 36), load32be(RECORD + 44)))
  r.generation = generation
  memory.copy(tagOf(r), recordTag(n), 16)
}

/** Memory free for whoever drives this module. */
export function scratch(): usize {
  return (__heap_base + 255) & ~255
}
