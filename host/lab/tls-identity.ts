import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { checkIdentity, createIdentity, type Identity } from '../ntls/certificates.js'
import { LabError, messageOf } from './errors.js'
import { writeWholeFile } from './whole-file.js'

const CERTIFICATE = 'server.pem'
const KEY = 'server.key'

/**
 * Who a server is: certificate and key in its folder, made at the first call.
 * @returns with the fingerprint that clients know it by: SHA-256 of the certificate, hexadecimal, lower case
 * @throws LabError LAB_IO: what is in the folder cannot be read, or is no certificate with its key
 */
export async function tlsIdentity(
  folder: string,
  commonName: string,
): Promise<Identity & { readonly fingerprint: string }> {
  const [certificatePath, keyPath] = [join(folder, CERTIFICATE), join(folder, KEY)]
  if (!existsSync(certificatePath)) {
    const made = await createIdentity({ commonName, hosts: [hostname(), 'localhost', '127.0.0.1'] })
    // The certificate last: with it the identity is whole.
    writeWholeFile(keyPath, made.privateKey)
    writeWholeFile(certificatePath, made.certificate)
  }
  try {
    const identity = { certificate: readFileSync(certificatePath, 'utf8'), privateKey: readFileSync(keyPath, 'utf8') }
    return { ...identity, fingerprint: checkIdentity(identity).fingerprint }
  } catch (cause) {
    throw new LabError('LAB_IO', `the certificate in ${folder} cannot be used: ${messageOf(cause)}`, { cause })
  }
}
