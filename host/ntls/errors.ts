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
  /** Bytes that are no message of SPEC.md §10.1. */
  | 'NTLS_FRAMING'
  /** The address cannot be listened on. */
  | 'LISTEN_FAILED'
  /** Nobody answers there, or not with the certificate that was registered. */
  | 'CONNECT_FAILED'
  /** The appliance has ended the connection and said why. */
  | 'REFUSED'
  /** A file of a certificate or key is there already, or is not. */
  | 'CERTIFICATE_EXISTS'
  | 'CERTIFICATE_MISSING'
  /** A file cannot be written. */
  | 'FILE_IO'

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

/** What the far end could not do; the code is that of its own part. */
export class FarEndError extends Error {
  override readonly name = 'FarEndError'

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** An error's own stable code, if it has one. */
export function stableCodeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
