export { type AeadKey, AeadSealing, aeadTakesParts, openAead } from './aead.js'
export { type AuditBlock, type AuditRecord, type AuditStatus, decodeAuditRecord } from './audit.js'
export { type ChainOptions, TEST_ROOT, type TokenIdentity, verifyChain } from './certificate.js'
export {
  type CloneEnd,
  type CloneOptions,
  type CloneResult,
  clone,
  shareDomain,
  stopsAtFirstFailure,
} from './clone-job.js'
export { cloneResults, type SourceBatch, type SourceResult } from './cloning.js'
export {
  type Attribute,
  attribute,
  boolValue,
  concat,
  decode,
  decodeAttributes,
  decodeFrame,
  encodeAttributes,
  encodeFrame,
  type Frame,
  Reader,
  textValue,
  ulongValue,
  Writer,
} from './codec.js'
export type { CommandPortOptions } from './command-port.js'
export { type AeadPart, type Mechanism, type MechanismInfo, type Message, messageMechanism } from './crypto.js'
export { ChannelError, ClientError, ckrByName, ckrName, ckrOf, FrameError, reasonOf, TokenError } from './errors.js'
export { DEFAULT_DOMAIN, type FlashInfo, type HsmInfo, type InitSecrets, type Policy } from './hsm.js'
export type { AttributeAnswer, KeyPair, ObjectRow } from './objects.js'
export type { DomainInfo, DomainRequest, PartitionInfo, PartitionRequest } from './partitions.js'
export type { PedInfo } from './ped.js'
export { type RandomBytes, seededRandom, systemRandom } from './random.js'
export type { RecoveryInfo, TamperInfo, TransportStrings } from './recovery.js'
export type { LoginResult, RoleInfo } from './roles.js'
export type { PedConnector, Slot, SlotPlaces, SlotSource } from './slots.js'
export { type FactoryRecord, type SessionInfo, TokenClient, type TokenStatus } from './token-client.js'
export { type Transport, TransportError } from './transport.js'
