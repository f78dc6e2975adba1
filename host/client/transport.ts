/**
 * A cable to one token, seen from the client: command frames go out, answers come back (SPEC.md §2).
 * Implementations: USB driver, NTLS client, in-process PCIe; recorders and fault injectors wrap it.
 */
export interface Transport {
  /** Sends one command frame and resolves with its answer; several may be under way. Rejects with a TransportError once the cable is gone. */
  exchange(frame: Uint8Array): Promise<Uint8Array>
  /** Resolves when the cable is gone, whoever ended it; never rejects. */
  readonly closed: Promise<void>
  close(): Promise<void>
}

/** The cable broke or refused; `code` is stable. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  constructor(
    readonly code: 'TRANSPORT_CLOSED' | 'TRANSPORT_REMOVED' | 'TRANSPORT_FRAME' | 'TRANSPORT_TIMEOUT',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
