export { type Card, InProcessAppliance, NtlsTransport } from './in-process.js'
export { ClientDoor, type RegisteredClient, Visibility } from './visibility.js'
