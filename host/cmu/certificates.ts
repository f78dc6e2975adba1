// requestcertificate, selfsigncertificate, import, importkey, export.

import { X509Certificate } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { attribute } from '../client/index.js'
import type { CmuArguments } from './arguments.js'
import { bitString, ecdsaSignature, noAttributes, pem, sequence, unsigned } from './der.js'
import { CmuError } from './errors.js'
import { literals } from './literals.js'
import { type HashName, publicKeyInfo, type Signer, signerOf } from './public-key.js'
import { attributeValue, type CmuToken, classOf, objectFrom } from './token.js'

/** Files of the user's, read and written by whoever runs the utility. */
export interface CmuFiles {
  write(path: string, text: string): void
  /** Puts a certificate file into the partition; answers the handles. */
  importCertificates(token: CmuToken, path: string, label: string | undefined): Promise<number[]>
  /** The same of a file of keys. */
  importKeys(token: CmuToken, path: string, label: string | undefined): Promise<number[]>
}

/** Parts of a name by their options, in the order of a name. */
const NAME_PARTS = ['C', 'ST', 'L', 'O', 'OU', 'CN', 'E']

type NamePart = Record<string, string[]>

function nameFrom(args: CmuArguments): NamePart[] {
  const parts = NAME_PARTS.flatMap((part): NamePart[] => {
    const value = args.text(part === 'ST' && args.has('S') ? 'S' : part)
    return value === undefined ? [] : [{ [part]: [value] }]
  })
  if (!parts.some((part) => 'CN' in part)) throw new CmuError('CMU_USAGE', "Option '-CN' is missing")
  return parts
}

const HASH_OPTION = /^sha\d+with(rsa|ecdsa)$/

/** `-sha256withrsa` and the like; SHA-256 unless given. */
function hashFrom(args: CmuArguments): HashName {
  const [option, ...others] = args.matching(HASH_OPTION)
  if (others.length > 0) throw new CmuError('CMU_USAGE', `'-${option}' and '-${others[0]}' are two algorithms`)
  const bits = /^sha(\d+)/.exec(option ?? 'sha256')?.[1]
  if (bits === '256') return 'SHA-256'
  if (bits === '384') return 'SHA-384'
  if (bits === '512') return 'SHA-512'
  throw new CmuError('CMU_USAGE', `'-${option}': signatures are with SHA-256, SHA-384 or SHA-512`)
}

/** Its polyfill changes globals: loaded where a certificate is made. */
async function x509() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

function readPair(args: CmuArguments): (token: CmuToken) => Promise<Signer> {
  const hash = hashFrom(args)
  const [open, secret] = [objectFrom(args, 'public'), objectFrom(args, 'private')]
  return async (token) => signerOf(token, await open(token), await secret(token), hash)
}

export function requestCertificate(args: CmuArguments, files: CmuFiles): (token: CmuToken) => Promise<void> {
  const [name, file, pair] = [nameFrom(args), args.needed('outputFile'), readPair(args)]
  return async (token) => {
    const signer = await pair(token)
    const { Name } = await x509()
    const subject = Buffer.from(new Name(name).toArrayBuffer())
    // RFC 2986 §4.
    const info = sequence(unsigned(Buffer.of(0)), subject, signer.spki, noAttributes)
    const signature = await signer.sign(info)
    const encoded = signer.algorithm.name === 'ECDSA' ? ecdsaSignature(signature) : signature
    files.write(file, pem('CERTIFICATE REQUEST', sequence(info, signer.identifier, bitString(encoded))))
    token.io.print(literals.requestWritten(file))
  }
}

const DATE = /^(\d{4})(\d\d)(\d\d)$/
const DAY = 86_400_000

function dateFrom(args: CmuArguments, name: string): Date | undefined {
  const text = args.text(name)
  if (text === undefined) return undefined
  const [, year, month, day] = DATE.exec(text) ?? []
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  if (Number.isNaN(date.getTime())) throw new CmuError('CMU_USAGE', `Option '-${name}' is YYYYMMDD, not '${text}'`)
  return date
}

/** RFC 5280 §4.2.1.3, by the names of `-keyusage`. */
const KEY_USAGES: readonly (readonly [name: string, bit: number])[] = [
  ['digitalsignature', 1],
  ['nonrepudiation', 2],
  ['keyencipherment', 4],
  ['dataencipherment', 8],
  ['keyagreement', 16],
  ['keycertsign', 32],
  ['crlsign', 64],
]

function usagesFrom(args: CmuArguments): number {
  return (args.text('keyusage') ?? 'digitalsignature,keycertsign').split(',').reduce((sum, name) => {
    const found = KEY_USAGES.find(([one]) => one === name.trim().toLowerCase())
    if (!found) throw new CmuError('CMU_USAGE', `Option '-keyusage' has no '${name}'`)
    return sum | found[1]
  }, 0)
}

export function selfSign(args: CmuArguments): (token: CmuToken) => Promise<void> {
  const [name, pair, usages] = [nameFrom(args), readPair(args), usagesFrom(args)]
  const from = dateFrom(args, 'startDate') ?? new Date(Math.floor(Date.now() / 1000) * 1000)
  const until = dateFrom(args, 'endDate') ?? new Date(from.getTime() + 365 * DAY)
  if (until <= from) throw new CmuError('CMU_USAGE', 'a certificate ends after it begins')
  const serial = args.bytes('serialNumber')
  const [label, id, secret] = [args.text('label'), args.bytes('id'), objectFrom(args, 'private')]
  return async (token) => {
    const signer = await pair(token)
    const lib = await x509()
    const serialNumber = (serial ?? Buffer.from(await token.client.random(16))).toString('hex')
    const made = (signature: Uint8Array) =>
      lib.X509CertificateGenerator.create({
        ...{ serialNumber, notBefore: from, notAfter: until, signingAlgorithm: signer.algorithm },
        ...{ subject: name, issuer: name, publicKey: signer.spki, signature },
        extensions: [
          new lib.BasicConstraintsExtension(true, undefined, true),
          new lib.KeyUsagesExtension(usages, true),
        ],
      })
    // What is signed does not hang on the signature.
    const blank = await made(new Uint8Array(132))
    const certificate = await made(await signer.sign(toBeSigned(Buffer.from(blank.rawData))))
    const handle = await store(token, Buffer.from(certificate.rawData), {
      label,
      id: id ?? (await idOf(token, await secret(token))),
    })
    token.io.print(literals.certificateMade(handle))
  }
}

/** The first element of a certificate. */
function toBeSigned(certificate: Buffer): Buffer {
  const inside = headerOf(certificate, 0).start
  return certificate.subarray(inside, headerOf(certificate, inside).end)
}

function headerOf(bytes: Buffer, at: number): { start: number; end: number } {
  const first = bytes[at + 1] ?? 0
  const size = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + size
  return { start, end: start + (size === 0 ? first : bytes.readUIntBE(at + 2, size)) }
}

/** The certificate goes by the id of its key. */
async function idOf(token: CmuToken, key: number): Promise<Buffer | undefined> {
  const value = await attributeValue(token, key, protocol.CKA_ID)
  return value && value.length > 0 ? Buffer.from(value) : undefined
}

async function store(
  { client, session }: CmuToken,
  der: Buffer,
  { label, id }: { readonly label: string | undefined; readonly id: Buffer | undefined },
): Promise<number> {
  const { subject } = new X509Certificate(der)
  const named = label ?? /^CN=(.*)$/m.exec(subject)?.[1] ?? 'certificate'
  return client.objects.create(session, [
    attribute.ulong(protocol.CKA_CLASS, protocol.CKO_CERTIFICATE),
    attribute.bool(protocol.CKA_TOKEN, true),
    attribute.bool(protocol.CKA_PRIVATE, false),
    attribute.text(protocol.CKA_LABEL, named),
    attribute.bytes(protocol.CKA_VALUE, der),
    ...partsOf(der),
    ...(id ? [attribute.bytes(protocol.CKA_ID, id)] : []),
  ])
}

/** Serial number, issuer and subject of a certificate of ours, as PKCS#11 carries them. */
function partsOf(der: Buffer) {
  const tbs = toBeSigned(der)
  const fields: Buffer[] = []
  for (let at = headerOf(tbs, 0).start; at < tbs.length && fields.length < 6; at = headerOf(tbs, at).end) {
    fields.push(tbs.subarray(at, headerOf(tbs, at).end))
  }
  // Version, serial number, algorithm, issuer, validity, subject.
  const [, serial, , issuer, , subject] = fields
  if (!serial || !issuer || !subject) throw new CmuError('CMU_OBJECT', 'a certificate without names')
  return [
    attribute.bytes(protocol.CKA_SERIAL_NUMBER, serial),
    attribute.bytes(protocol.CKA_ISSUER, issuer),
    attribute.bytes(protocol.CKA_SUBJECT, subject),
  ]
}

export function importCertificate(args: CmuArguments, files: CmuFiles): (token: CmuToken) => Promise<void> {
  const [file, label] = [args.needed('inputFile'), args.text('label')]
  return async (token) => {
    for (const handle of await files.importCertificates(token, file, label)) {
      token.io.print(literals.certificateMade(handle))
    }
  }
}

export function importKey(args: CmuArguments, files: CmuFiles): (token: CmuToken) => Promise<void> {
  // What kind a file is shows in the file; the options of the utility are taken.
  for (const kind of ['PKCS1', 'PKCS8', 'keyalg']) args.has(kind)
  const [file, label] = [args.needed('in'), args.text('label')]
  return async (token) => {
    for (const handle of await files.importKeys(token, file, label)) token.io.print(literals.keyImported(handle))
  }
}

export function exportObject(args: CmuArguments, files: CmuFiles): (token: CmuToken) => Promise<void> {
  const file = args.needed('outputFile')
  const wantsKey = args.flag('key') === true
  const find = objectFrom(args)
  return async (token) => {
    const handle = await find(token)
    files.write(file, await textOf(token, handle, wantsKey))
    token.io.print(literals.exported(file))
  }
}

async function textOf(token: CmuToken, handle: number, wantsKey: boolean): Promise<string> {
  const objectClass = await classOf(token, handle)
  if (objectClass === protocol.CKO_PUBLIC_KEY) return pem('PUBLIC KEY', (await publicKeyInfo(token, handle)).spki)
  const value = objectClass === protocol.CKO_CERTIFICATE && (await attributeValue(token, handle, protocol.CKA_VALUE))
  if (!value) throw new CmuError('CMU_OBJECT', 'only certificates and public keys are exported')
  if (!wantsKey) return pem('CERTIFICATE', value)
  return pem('PUBLIC KEY', new X509Certificate(value).publicKey.export({ format: 'der', type: 'spki' }))
}
