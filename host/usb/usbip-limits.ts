/** What a USB/IP server allows its peers. Times in milliseconds. */
export interface UsbipLimits {
  /** Connections in all. */
  readonly connections: number
  /** Transfers of one importer that are under way; one more is refused (-ENOMEM). */
  readonly urbs: number
  /** Bytes of one OUT transfer; a larger one is refused, and its data skipped as it comes. */
  readonly urb: number
  /** Bytes of OUT transfers that the device has not taken; what would make it more is refused. */
  readonly held: number
  /** Bytes of answers that an importer has not fetched before no more of its transfers are read. */
  readonly unsent: number
  /** From the connection to the end of its first request. */
  readonly greeting: number
  /** From the first byte of a message to its last, and for an importer that fetches no answers. */
  readonly message: number
}

const MIB = 1024 * 1024

export const DEFAULT_USBIP_LIMITS: UsbipLimits = {
  connections: 64,
  urbs: 1024,
  urb: MIB,
  held: 16 * MIB,
  unsent: 4 * MIB,
  greeting: 10_000,
  message: 30_000,
}
