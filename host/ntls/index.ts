export {
  Appliance,
  type ApplianceOptions,
  type Clients,
  type NtlsEvent,
  type ServedHsm,
} from './appliance.js'
export { type ApplianceSettings, NTLS_PORT, readSettings, SettingsError, writeSettings } from './appliance-settings.js'
export {
  type CertificateFacts,
  type CertificateOptions,
  checkIdentity,
  createIdentity,
  type Identity,
  readCertificate,
} from './certificates.js'
export { ChrystokiConf, ChrystokiError } from './chrystoki-conf.js'
export { NtlsClient, type NtlsClientOptions } from './client.js'
export {
  ClientConfig,
  ClientConfigError,
  type ClientTimeouts,
  CONFIG_FILE,
  type ConfiguredServer,
} from './client-config.js'
export {
  addServer,
  clientIdentity,
  createClientCertificate,
  deleteServer,
  type IdentityFiles,
  serverCertificate,
} from './client-files.js'
export { ControlClient, ControlError } from './control-client.js'
export type { ControlState } from './control-messages.js'
export { type ControlHandlers, ControlServer } from './control-server.js'
export { FarEndError, NtlsError, type NtlsErrorCode } from './errors.js'
export { type Card, InProcessAppliance, NtlsTransport } from './in-process.js'
export { DEFAULT_LIMITS, type NtlsLimits } from './limits.js'
export { type Client, mayComeFrom, Registry } from './registry.js'
export { regenerateServer, SERVER_CERTIFICATE, SERVER_KEY, serverIdentity } from './server-identity.js'
export { ClientDoor, type RegisteredClient, Visibility } from './visibility.js'
export { writeWhole } from './whole-file.js'
