import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  addServer,
  ClientConfig,
  createClientCertificate,
  deleteServer,
  NtlsError,
  Registry,
  SERVER_CERTIFICATE,
} from '../ntls/index.js'
import { LabError } from './errors.js'
import { makeFolders } from './folders.js'
import { ADMIN_SLOT, type LabView } from './lab-file.js'
import { labClientFolder, lentFolder, type RunningServer } from './running.js'

const LOOPBACK = ['127.0.0.1', 'localhost'] as const
const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::', ''])

/**
 * Does for a workstation of the lab what 'vtl' does at it, and what its servers' administrators do: certificate, servers,
 * registration, partitions. What is done already stays.
 * @throws NtlsError, ClientConfigError; LabError LAB_FILE_INVALID where two servers cannot be told apart
 */
export async function enrol(stateDir: string, view: LabView, servers: readonly RunningServer[]): Promise<void> {
  const dir = labClientFolder(stateDir, view.name)
  await makeFolders(dir, { mode: 0o700 })
  const config = ClientConfig.load(dir)
  if (!config.identity()) {
    // The lab's Crypto Officers have challenges, which programs are to ask for.
    config.setChallengeStatus(1)
    await createClientCertificate(config, 'localhost')
  }
  const identity = config.identity()
  if (!identity) throw new NtlsError('CERTIFICATE_MISSING', `the client in ${dir} has no certificate`)
  for (const { host } of config.servers()) deleteServer(config, host)
  const hosts = new Set<string>()
  for (const { folder, host: at, port } of servers) {
    const host = nameFor(at, hosts)
    hosts.add(host)
    addServer(config, { host, port }, join(folder, SERVER_CERTIFICATE))
  }
  const pem = readFileSync(identity.certificate, 'utf8')
  const partitions = view.slots.flatMap(({ partition }) => (partition === ADMIN_SLOT ? [] : [partition]))
  for (const { folder } of servers) {
    const registry = new Registry(folder)
    const known = registry.list().find(({ name }) => name === view.name) ?? registry.register(view.name, pem)
    if (folder === lentFolder(stateDir)) continue
    for (const serial of partitions) {
      if (!known.partitions.includes(serial)) registry.assign(view.name, serial)
    }
  }
}

/** A client tells servers apart by their hosts: on one computer they need two names. */
function nameFor(address: string, taken: ReadonlySet<string>): string {
  const names = EVERYWHERE.has(address) || address === '127.0.0.1' ? LOOPBACK : [address]
  const name = names.find((one) => !taken.has(one))
  if (name !== undefined) return name
  throw new LabError('LAB_FILE_INVALID', `two servers listen at ${address}: a client tells them apart by their hosts`)
}
