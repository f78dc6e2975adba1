import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type CertificateFacts, checkIdentity, createIdentity, type Identity } from './certificates.js'
import { messageOf, NtlsError } from './errors.js'
import { writeWhole } from './whole-file.js'

/** A server's certificate, as its clients are given it, and its private key, in its folder. */
export const SERVER_CERTIFICATE = 'server.pem'
export const SERVER_KEY = 'serverKey.pem'

/** A server's certificate and key in its folder; made where there is no certificate yet, which is written last. @throws NtlsError CERTIFICATE_INVALID, FILE_IO */
export async function serverIdentity(dir: string, commonName?: string): Promise<Identity> {
  const [certificate, key] = [join(dir, SERVER_CERTIFICATE), join(dir, SERVER_KEY)]
  if (!existsSync(certificate)) await regenerateServer(dir, commonName)
  let identity: Identity
  try {
    identity = { certificate: readFileSync(certificate, 'utf8'), privateKey: readFileSync(key, 'utf8') }
  } catch (cause) {
    throw new NtlsError('CERTIFICATE_INVALID', `the certificate in ${dir} cannot be read: ${messageOf(cause)}`, {
      cause,
    })
  }
  checkIdentity(identity)
  return identity
}

/** A new key and certificate in place of what is there. */
export async function regenerateServer(dir: string, commonName = hostname().slice(0, 64)): Promise<CertificateFacts> {
  const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname()])]
  const identity = await createIdentity({ commonName, hosts })
  // The key first: a certificate without its key is of no use, and is refused.
  writeWhole(join(dir, SERVER_KEY), identity.privateKey, 0o600)
  writeWhole(join(dir, SERVER_CERTIFICATE), identity.certificate, 0o644)
  return checkIdentity(identity)
}
