/** What an appliance allows its clients. Times in milliseconds. */
export interface NtlsLimits {
  /** Connections of registered clients, in all. */
  readonly connections: number
  /** Peers that have not shown a registered certificate yet. One more, and the oldest of the address with most of them goes. */
  readonly pending: number
  /** Of these from one address: one more, and its oldest goes. */
  readonly pendingPerAddress: number
  /** Connections of one client. */
  readonly perClient: number
  /** Commands of one connection that its HSMs have not answered; the next one waits in the client's own socket. */
  readonly underWay: number
  /** Bytes of answers that a client has not fetched before no more of its commands are read. */
  readonly unsent: number
  /** From the first byte to the end of the hello. */
  readonly greeting: number
  /** From the first byte of a message to its last (the vendor's ReceiveTimeout). */
  readonly message: number
  /** Without a message, and without a command under way. */
  readonly idle: number
  /** For commands under way when the service ends. */
  readonly drain: number
}

export const DEFAULT_LIMITS: NtlsLimits = {
  connections: 800,
  pending: 256,
  pendingPerAddress: 128,
  perClient: 64,
  underWay: 16,
  unsent: 1024 * 1024,
  greeting: 10_000,
  message: 20_000,
  idle: 7_200_000,
  drain: 5_000,
}
