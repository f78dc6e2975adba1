export {
  Appliance,
  type ApplianceOptions,
  type Clients,
  NTLS_PORT,
  type NtlsEvent,
  type ServedHsm,
} from './appliance.js'
export {
  type CertificateFacts,
  type CertificateOptions,
  checkIdentity,
  createIdentity,
  type Identity,
  readCertificate,
} from './certificates.js'
export { NtlsClient, type NtlsClientOptions } from './client.js'
export { NtlsError, type NtlsErrorCode } from './errors.js'
export { type Card, InProcessAppliance, NtlsTransport } from './in-process.js'
export { DEFAULT_LIMITS, type NtlsLimits } from './limits.js'
export { type Client, Registry } from './registry.js'
export { ClientDoor, type RegisteredClient, Visibility } from './visibility.js'
