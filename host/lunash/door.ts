import type { PedConnector, TokenClient } from '../client/index.js'

/** A client as the appliance knows it. */
export interface KnownClient {
  readonly name: string
  /** SHA-256 of the certificate. */
  readonly fingerprint: string
  /** Host name or address that the client is registered with, where it is checked. */
  readonly host?: string | undefined
  /** Serial numbers of the partitions assigned to it. */
  readonly partitions: readonly string[]
}

/** The appliance's registry of clients. Its methods throw errors with a stable `code`; nothing has changed then. */
export interface ClientRegistry {
  list(): readonly KnownClient[]
  /** @param certificate path of a PEM file; `HOST.pem` in the appliance's folder unless given */
  register(client: { readonly name: string; readonly host: string; readonly certificate?: string | undefined }): void
  delete(name: string): void
  assign(name: string, serial: string): void
  revoke(name: string, serial: string): void
}

/** PED servers that may call the appliance. Its methods throw errors with a stable `code`; nothing has changed then. */
export interface PedServers {
  list(): readonly { readonly name: string; readonly fingerprint: string }[]
  /** @param path of a PEM file; its common name is the server's name */
  register(path: string): { readonly name: string }
  delete(name: string): void
}

/** Names of partitions on the appliance, which are none of the HSM's: a partition with its own SO has no label before that SO gives one. */
export interface PartitionNames {
  nameOf(serial: string): string | undefined
  put(serial: string, name: string): void
  drop(serial: string): void
}

/** How the NTLS service is set up; it follows at its next start. */
export interface NtlsSettings {
  readonly host: string
  readonly port: number
  /** Whether a client has to come from the address that it is registered with. */
  readonly ipCheck: boolean
}

/** The service as it runs; undefined = it does not. */
export interface NtlsService {
  readonly process: number
  readonly host: string
  readonly port: number
  /** Connections at this moment. */
  readonly connections: number
}

/** Seconds that connections to PEDs may take. */
export interface PedTimeouts {
  /** A remote PED connection without a frame; the HSM's own limit counts where it is shorter. */
  idle(): number
  setIdle(seconds: number): void
}

/** What the appliance's shell works with. Its methods throw errors with a stable `code`. */
export interface ApplianceDoor {
  /** Of the HSM, for the prompt. */
  readonly name: string
  readonly registry: ClientRegistry
  readonly pedServers: PedServers
  readonly pedTimeouts: PedTimeouts
  readonly names: PartitionNames
  /** The HSM's own console, nothing filtered; switched on, or reached through the service, when it is first asked for. */
  hsm(): Promise<{ readonly client: TokenClient; readonly ped: PedConnector }>
  service(): Promise<NtlsService | undefined>
  /** Ends all connections and begins anew, with what settings and certificate are now. */
  restart(): Promise<void>
  settings(): NtlsSettings
  change(settings: Partial<NtlsSettings>): void
  /** A new key and certificate, used from the next start of the service; answers the certificate's SHA-256. */
  regenerate(): Promise<{ readonly fingerprint: string }>
  close(): Promise<void>
}
