export type NtlsErrorCode =
  /** A certificate, a private key or a name in one is not what it has to be. */
  | 'CERTIFICATE_INVALID'
  /** The registry file is damaged, of a newer version, or cannot be read or written. */
  | 'REGISTRY_INVALID'
  | 'REGISTRY_IO'
  /** The name or the certificate is registered already. */
  | 'CLIENT_EXISTS'
  | 'CLIENT_UNKNOWN'
  | 'CLIENT_NAME_INVALID'
  /** The partition is assigned to the client already, or is not. */
  | 'PARTITION_ASSIGNED'
  | 'PARTITION_NOT_ASSIGNED'

export class NtlsError extends Error {
  override readonly name = 'NtlsError'

  constructor(
    readonly code: NtlsErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
