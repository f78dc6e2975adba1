import { MODEL_BACKUP } from '../../assembly/protocol.js'
import { type PartitionInfo, TokenClient, TokenError, TransportError } from '../client/index.js'
import { ClientConfig, type ConfiguredServer, type NtlsClient } from '../ntls/index.js'
import type { Chance } from './chance.js'
import { messageOf } from './errors.js'
import type { LabHsm, LabView } from './lab-file.js'
import { connectServer } from './network-slots.js'
import { type Recorder, recordTransport } from './recorder.js'
import type { Line } from './workstation.js'

export interface NetworkOptions {
  /** Folder of Chrystoki.conf. */
  readonly config: string
  readonly chance: Chance
  readonly recorder?: Recorder | undefined
  /** Hears of servers that cannot be reached, and of links that were lost and are there again. */
  readonly onLink?: ((line: string) => void) | undefined
  /** Hears the lines of a TLS key log. */
  readonly onKeys?: ((line: Buffer) => void) | undefined
  /** Names of HSMs by their serial numbers, where they are known. */
  readonly names?: ReadonlyMap<bigint, string> | undefined
}

/** Cables to the HSMs that the servers of a client's configuration show it. */
export interface NetworkLines {
  readonly lines: readonly Line[]
  close(): Promise<void>
}

/**
 * Connects to all servers of a client's configuration, as far as they can be reached. An HSM that has a partition of the
 * view's slots, or a name that is known, is that of the lab; others are named by their serial numbers.
 * @throws ClientConfigError; no connection stays open then
 */
export async function networkLines(
  hsms: readonly LabHsm[],
  view: LabView,
  options: NetworkOptions,
): Promise<NetworkLines> {
  const config = ClientConfig.load(options.config)
  const links: NtlsClient[] = []
  const close = async (): Promise<void> => {
    await Promise.all(links.map((link) => link.close()))
  }
  try {
    const lines: Line[] = []
    const reached = await Promise.all(config.servers().map((server) => reach(config, server, options)))
    links.push(...reached.flatMap((link) => (link ? [link] : [])))
    for (const link of links) {
      for (const [number, serial] of link.serials.entries()) {
        try {
          lines.push(await plugIn(link, { number, serial }, { hsms, view }, options))
        } catch (error) {
          if (!(error instanceof TokenError || error instanceof TransportError)) throw error
          options.onLink?.(`NTLS: HSM ${serial} does not answer: ${messageOf(error)}`)
        }
      }
    }
    return { lines, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Undefined where the server cannot be reached, or does not let this client in. */
async function reach(
  config: ClientConfig,
  server: ConfiguredServer,
  { onLink, onKeys }: NetworkOptions,
): Promise<NtlsClient | undefined> {
  const where = `${server.host}, port ${server.port}`
  const again = (): void => onLink?.(`NTLS: connected to ${where} again; sessions and log-ins of before are gone`)
  try {
    return await connectServer(config, server, again, onKeys)
  } catch (error) {
    onLink?.(`NTLS: ${messageOf(error)}`)
    return undefined
  }
}

async function plugIn(
  link: NtlsClient,
  { number, serial }: { readonly number: number; readonly serial: bigint },
  { hsms, view }: { readonly hsms: readonly LabHsm[]; readonly view: LabView },
  { chance, recorder, names }: NetworkOptions,
): Promise<Line> {
  const cable = link.transport(number)
  const shown = recorder ? recordTransport(cable, `ntls:${serial}`, recorder) : cable
  const client = new TokenClient(shown, { random: chance.source(`ntls:${serial} ${view.name}`) })
  const { model } = await client.status()
  const partitions = await client.partitions.list()
  const name = names?.get(serial) ?? ownerOf(partitions, view) ?? String(serial)
  const kind = hsms.find((hsm) => hsm.name === name)?.kind ?? (model === MODEL_BACKUP ? 'backup' : 'network')
  return { hsm: { name, kind }, client, partitions, ped: link.ped(number), found: true }
}

/** The HSM that a view says one of these partitions to be on. */
function ownerOf(partitions: readonly PartitionInfo[], { slots }: LabView): string | undefined {
  const serials = new Set(partitions.map(({ serial }) => String(serial)))
  return slots.find(({ partition }) => serials.has(partition))?.hsm
}
