import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type CertificateFacts, checkIdentity, createIdentity, type Identity } from './certificates.js'
import { messageOf, NtlsError } from './errors.js'
import { writeWhole } from './whole-file.js'

/** The appliance's certificate, as clients are given it, and its private key, in the appliance's folder. */
export const SERVER_CERTIFICATE = 'server.pem'
export const SERVER_KEY = 'serverKey.pem'

/** The appliance's certificate and key; made where there are none yet. @throws NtlsError CERTIFICATE_INVALID, FILE_IO */
export async function serverIdentity(dir: string): Promise<Identity> {
  const [certificate, key] = [join(dir, SERVER_CERTIFICATE), join(dir, SERVER_KEY)]
  if (!existsSync(certificate) && !existsSync(key)) await regenerateServer(dir)
  let identity: Identity
  try {
    identity = { certificate: readFileSync(certificate, 'utf8'), privateKey: readFileSync(key, 'utf8') }
  } catch (cause) {
    throw new NtlsError('CERTIFICATE_INVALID', `the appliance's certificate cannot be read: ${messageOf(cause)}`, {
      cause,
    })
  }
  checkIdentity(identity)
  return identity
}

/** A new key and certificate in place of what is there. */
export async function regenerateServer(dir: string): Promise<CertificateFacts> {
  const hosts = [...new Set(['localhost', '127.0.0.1', '::1', hostname()])]
  const identity = await createIdentity({ commonName: hostname().slice(0, 64), hosts })
  // The key first: a certificate without its key is of no use, and is refused.
  writeWhole(join(dir, SERVER_KEY), identity.privateKey, 0o600)
  writeWhole(join(dir, SERVER_CERTIFICATE), identity.certificate, 0o644)
  return checkIdentity(identity)
}
