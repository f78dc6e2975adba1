export type {
  ApplianceDoor,
  ClientRegistry,
  KnownClient,
  NtlsService,
  NtlsSettings,
  PartitionNames,
  PedTimeouts,
} from './door.js'
export { literals as lunashLiterals } from './literals.js'
export { Lunash, type LunashOptions, mayRemember } from './shell.js'
