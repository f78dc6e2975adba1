// Where a client keeps certificates, beside its configuration: its own with the key, and those of the servers it trusts.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type CertificateFacts, checkIdentity, createIdentity, type Identity, readCertificate } from './certificates.js'
import { type ClientConfig, ClientConfigError, type ConfiguredServer } from './client-config.js'
import { messageOf, NtlsError } from './errors.js'
import { writeWhole } from './whole-file.js'

/** What may be part of a file's name: host names and addresses. */
const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,63}$/

export interface IdentityFiles {
  readonly certificate: string
  readonly key: string
}

/**
 * Makes the client's key and certificate and writes them into its configuration.
 * @throws ClientConfigError CONFIG_HOST_INVALID; NtlsError CERTIFICATE_EXISTS unless `force`, FILE_IO
 */
export async function createClientCertificate(
  config: ClientConfig,
  name: string,
  force = false,
): Promise<IdentityFiles> {
  checkHost(name)
  const folder = join(config.dir, 'cert', 'client')
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}Key.pem`) }
  const existing = Object.values(files).find((path) => existsSync(path))
  if (existing !== undefined && !force) {
    throw new NtlsError('CERTIFICATE_EXISTS', `${existing} is there already: -f replaces it`)
  }
  const identity = await createIdentity({ commonName: name, hosts: [name] })
  config.setIdentity(files)
  writeWhole(files.key, identity.privateKey, 0o600)
  writeWhole(files.certificate, identity.certificate, 0o644)
  config.save()
  return files
}

/** The client's certificate and key. @throws NtlsError CERTIFICATE_MISSING, CERTIFICATE_INVALID */
export function clientIdentity(config: ClientConfig): Identity {
  const files = config.identity()
  if (!files) {
    throw new NtlsError(
      'CERTIFICATE_MISSING',
      `${config.path} names no certificate of this client: 'vtl createCert -n NAME' makes one`,
    )
  }
  const identity = { certificate: readPem(files.certificate), privateKey: readPem(files.key) }
  checkIdentity(identity)
  return identity
}

/** Trusts a server by its certificate. @throws ClientConfigError; NtlsError CERTIFICATE_MISSING, CERTIFICATE_INVALID, FILE_IO */
export function addServer(config: ClientConfig, server: ConfiguredServer, certificate: string): CertificateFacts {
  checkHost(server.host)
  const facts = readCertificate(readPem(certificate))
  if (facts.until < new Date()) {
    throw new NtlsError(
      'CERTIFICATE_INVALID',
      `the certificate ${certificate} has expired, on ${facts.until.toISOString()}`,
    )
  }
  config.addServer(server)
  writeWhole(fileOf(config, server.host), facts.pem, 0o644)
  writeAll(config)
  return facts
}

/** @throws ClientConfigError CONFIG_SERVER_UNKNOWN; NtlsError */
export function deleteServer(config: ClientConfig, host: string): void {
  checkHost(host)
  config.deleteServer(host)
  rmSync(fileOf(config, host), { force: true })
  writeAll(config)
}

/** The one certificate that a server has to show. @throws NtlsError CERTIFICATE_MISSING, CERTIFICATE_INVALID */
export function serverCertificate(config: ClientConfig, { host }: ConfiguredServer): CertificateFacts {
  const path = fileOf(config, host)
  if (!existsSync(path)) {
    throw new NtlsError('CERTIFICATE_MISSING', `there is no certificate of server ${host}: ${path} is not there`)
  }
  return readCertificate(readPem(path))
}

/** The vendor's file of all servers' certificates, and the configuration that names it. */
function writeAll(config: ClientConfig): void {
  const path = join(config.dir, 'cert', 'server', 'CAFile.pem')
  const all = config.servers().flatMap(({ host }) => {
    const file = fileOf(config, host)
    return existsSync(file) ? [readFileSync(file, 'utf8')] : []
  })
  writeWhole(path, all.join(''), 0o644)
  config.serverCaFile = path
  config.save()
}

const fileOf = ({ dir }: ClientConfig, host: string): string =>
  join(dir, 'cert', 'server', `${host.toLowerCase()}Cert.pem`)

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new NtlsError('CERTIFICATE_MISSING', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function checkHost(host: string): void {
  if (isIP(host) || HOST.test(host)) return
  throw new ClientConfigError('CONFIG_HOST_INVALID', `${JSON.stringify(host)} is no host name or address`)
}
