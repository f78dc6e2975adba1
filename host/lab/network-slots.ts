import { TokenClient } from '../client/index.js'
import {
  type ClientConfig,
  type ConfiguredServer,
  clientIdentity,
  NtlsClient,
  serverCertificate,
} from '../ntls/index.js'

/** A partition that an appliance shows to this client. */
export interface NetworkSlot {
  readonly serial: bigint
  /** Empty where its SO has given it none yet. */
  readonly label: string
}

/** Connects to one appliance as its client is configured. @throws NtlsError, as NtlsClient.connect */
export function connectServer(
  config: ClientConfig,
  server: ConfiguredServer,
  onReconnect?: () => void,
  onKeys?: (line: Buffer) => void,
): Promise<NtlsClient> {
  return NtlsClient.connect({
    host: server.host,
    port: server.port,
    identity: clientIdentity(config),
    server: serverCertificate(config, server).pem,
    timeouts: config.timeouts(),
    ...(onReconnect ? { onReconnect } : {}),
    ...(onKeys ? { onKeys } : {}),
  })
}

/** The partitions that an appliance shows to this client. @throws NtlsError, TransportError, TokenError */
export async function networkSlots(config: ClientConfig, server: ConfiguredServer): Promise<NetworkSlot[]> {
  const link = await connectServer(config, server)
  try {
    const lists = await Promise.all(
      link.serials.map((_, hsm) => new TokenClient(link.transport(hsm)).partitions.list()),
    )
    return lists.flat().map(({ serial, label }) => ({ serial, label }))
  } finally {
    await link.close()
  }
}
