import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { messageOf, NtlsError } from './errors.js'

/** A certificate and its private key, both PEM (PKCS #8). */
export interface Identity {
  readonly certificate: string
  readonly privateKey: string
}

export interface CertificateOptions {
  /** 1 to 64 characters (RFC 5280, ub-common-name). */
  readonly commonName: string
  /** Names and addresses that the holder answers at. */
  readonly hosts?: readonly string[]
  /** From the moment that `from` says; ten years unless given. */
  readonly days?: number
  /** Now unless given. */
  readonly from?: Date
}

/** What a certificate says of itself. */
export interface CertificateFacts {
  readonly commonName: string
  /** SHA-256 of the DER, in hex without colons: the name that a registry knows it by. */
  readonly fingerprint: string
  readonly from: Date
  readonly until: Date
  readonly hosts: readonly string[]
  /** PEM, and nothing else. */
  readonly pem: string
}

const DAY = 86_400_000
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const PEM_LINE = 64

function pem(name: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(new RegExp(`.{1,${PEM_LINE}}`, 'g')) ?? []
  return `-----BEGIN ${name}-----\n${lines.join('\n')}\n-----END ${name}-----\n`
}

/**
 * Makes a self-signed certificate for a new P-256 key, as NTLS peers exchange them: nobody vouches for it but whoever registers it.
 * @throws NtlsError CERTIFICATE_INVALID for a name or a validity that a certificate cannot have
 */
export async function createIdentity(options: CertificateOptions): Promise<Identity> {
  const { commonName, hosts = [], days = 3653, from = new Date() } = options
  if (commonName.length < 1 || commonName.length > 64 || /\p{Cc}/u.test(commonName)) {
    throw new NtlsError('CERTIFICATE_INVALID', 'a common name has 1 to 64 characters, all of them printable')
  }
  const until = new Date(from.getTime() + days * DAY)
  if (!(until > from) || until.getUTCFullYear() > 9999) {
    throw new NtlsError('CERTIFICATE_INVALID', `a certificate cannot be valid for ${days} days`)
  }
  // Its polyfill changes globals, and few need it: both are loaded where a certificate is made.
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const names = hosts.map((host) => ({ type: isIP(host) ? ('ip' as const) : ('dns' as const), value: host }))
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    notBefore: from,
    notAfter: until,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  })
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey))
  const privateKey = pem('PRIVATE KEY', pkcs8)
  pkcs8.fill(0)
  return { certificate: pem('CERTIFICATE', new Uint8Array(certificate.rawData)), privateKey }
}

/** @throws NtlsError CERTIFICATE_INVALID where the text is not exactly one certificate */
export function readCertificate(text: string): CertificateFacts {
  if ((text.match(/-----BEGIN /g) ?? []).length !== 1) {
    throw new NtlsError('CERTIFICATE_INVALID', 'a file with exactly one certificate in PEM is wanted')
  }
  let x509: X509Certificate
  try {
    x509 = new X509Certificate(text)
  } catch (cause) {
    throw new NtlsError('CERTIFICATE_INVALID', `this is no certificate: ${messageOf(cause)}`, { cause })
  }
  return factsOf(x509)
}

export function factsOf(x509: X509Certificate): CertificateFacts {
  const commonName = /^CN=(.*)$/m.exec(x509.subject)?.[1] ?? ''
  return {
    commonName,
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    from: new Date(x509.validFrom),
    until: new Date(x509.validTo),
    hosts: (x509.subjectAltName ?? '')
      .split(', ')
      .flatMap((name) => (/^(?:DNS|IP Address):(.+)$/.exec(name) ?? []).slice(1)),
    pem: pem('CERTIFICATE', x509.raw),
  }
}

/** @throws NtlsError CERTIFICATE_INVALID where the private key is not that of the certificate, or either is none */
export function checkIdentity({ certificate, privateKey }: Identity): CertificateFacts {
  const facts = readCertificate(certificate)
  let fits: boolean
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))
  } catch (cause) {
    throw new NtlsError('CERTIFICATE_INVALID', `this is no private key: ${messageOf(cause)}`, { cause })
  }
  if (!fits) throw new NtlsError('CERTIFICATE_INVALID', `the private key is not that of "${facts.commonName}"`)
  return facts
}
