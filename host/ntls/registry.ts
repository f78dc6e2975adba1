import { lookup } from 'node:dns/promises'
import { type BigIntStats, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { readCertificate } from './certificates.js'
import { messageOf, NtlsError } from './errors.js'
import { writeWhole } from './whole-file.js'

/** Version of the registry file. */
export const REGISTRY_FORMAT = 1
export const REGISTRY_FILE = 'registry.json'

/** A client as the appliance's administrator has registered it. */
export interface Client {
  readonly name: string
  /** PEM. */
  readonly certificate: string
  /** SHA-256 of its DER, in hex. */
  readonly fingerprint: string
  /** Address or host name that it has to come from; any unless given. */
  readonly address?: string | undefined
  /** Serial numbers of the partitions that are assigned to it. */
  readonly partitions: readonly string[]
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const SERIAL = /^[1-9][0-9]{0,19}$/

const invalid = (path: string, why: string): NtlsError => new NtlsError('REGISTRY_INVALID', `${path}: ${why}`)

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readClient(value: unknown, where: string, path: string): Client {
  if (!isObject(value)) throw invalid(path, `${where} is no object`)
  const { name, certificate, address, partitions } = value
  if (typeof name !== 'string' || !NAME.test(name)) throw invalid(path, `${where}.name is no client name`)
  if (typeof certificate !== 'string') throw invalid(path, `${where}.certificate is missing`)
  if (address !== undefined && typeof address !== 'string') throw invalid(path, `${where}.address is no text`)
  if (!Array.isArray(partitions)) throw invalid(path, `${where}.partitions is no list`)
  const serials = partitions.map((serial: unknown, i) => {
    if (typeof serial === 'string' && SERIAL.test(serial)) return serial
    throw invalid(path, `${where}.partitions[${i}] is no serial number`)
  })
  let facts: ReturnType<typeof readCertificate>
  try {
    facts = readCertificate(certificate)
  } catch (cause) {
    throw new NtlsError('REGISTRY_INVALID', `${path}: ${where}.certificate: ${messageOf(cause)}`, { cause })
  }
  return { name, certificate: facts.pem, fingerprint: facts.fingerprint, address, partitions: serials }
}

/**
 * Milliseconds for which a file that has just changed is not taken as known: a second change within one tick of the clock that
 * stamps files could leave every number that stat gives as it was.
 */
const FRESH = 1000

/** What a file was like when it was read; undefined = it could have changed since without a trace. */
function stampOf(path: string): string | undefined {
  let stats: BigIntStats | undefined
  try {
    stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
  if (!stats) return 'none'
  const age = Date.now() - Number(stats.ctimeMs)
  if (age < FRESH) return undefined
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** What a registry without a file says. */
const NOBODY = JSON.stringify({ format: REGISTRY_FORMAT, clients: [] })

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (isObject(cause) && cause.code === 'ENOENT') return NOBODY
    throw new NtlsError('REGISTRY_IO', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function parse(text: string, path: string): Client[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new NtlsError('REGISTRY_INVALID', `${path} is not JSON: ${messageOf(cause)}`, { cause })
  }
  if (!isObject(parsed) || typeof parsed.format !== 'number') throw invalid(path, 'there is no format number')
  if (parsed.format > REGISTRY_FORMAT) {
    throw invalid(path, `format ${parsed.format} is newer than ${REGISTRY_FORMAT}, which this version reads`)
  }
  const { clients } = parsed
  if (!Array.isArray(clients)) throw invalid(path, 'clients is no list')
  const result = clients.map((client: unknown, i) => readClient(client, `clients[${i}]`, path))
  for (const field of ['name', 'fingerprint'] as const) {
    if (new Set(result.map((client) => client[field])).size < result.length)
      throw invalid(path, `a ${field} is there twice`)
  }
  return result
}

function write(path: string, clients: readonly Client[]): void {
  const rows = clients.map(({ fingerprint: _, ...row }) => row)
  writeWhole(path, `${JSON.stringify({ format: REGISTRY_FORMAT, clients: rows }, null, 2)}\n`, 0o600)
}

/** Whether a client may come from this address: it is the one that is registered, or one that the registered name stands for now. */
export async function mayComeFrom({ address: registered }: Client, address: string): Promise<boolean> {
  if (registered === undefined || registered === address) return true
  if (isIP(registered)) return false
  try {
    return (await lookup(registered, { all: true })).some((one) => one.address === address)
  } catch {
    // A name that nobody knows stands for no address.
    return false
  }
}

/**
 * The clients of one appliance, in a file of its folder that is always whole. Every question looks whether it has changed, so
 * that what an administrator changes, in this process or in another, counts from the next command on.
 */
export class Registry {
  readonly path: string
  #stamp: string | undefined
  #text: string | undefined
  #known: ReadonlyMap<string, Client> = new Map()

  /** @param dir folder of the appliance */
  constructor(dir: string) {
    this.path = join(dir, REGISTRY_FILE)
  }

  /** @throws NtlsError REGISTRY_INVALID, REGISTRY_IO, as all that follow */
  list(): readonly Client[] {
    return [...this.#clients().values()]
  }

  #clients(): ReadonlyMap<string, Client> {
    // Looked at before it is read: a change in between is one that the next look sees.
    const stamp = stampOf(this.path)
    if (stamp === undefined || stamp !== this.#stamp) {
      this.#stamp = undefined
      const text = readText(this.path)
      if (text !== this.#text) {
        this.#text = undefined
        this.#known = new Map(parse(text, this.path).map((client) => [client.fingerprint, client]))
        this.#text = text
      }
      this.#stamp = stamp
    }
    return this.#known
  }

  /** @throws NtlsError CLIENT_UNKNOWN */
  show(name: string): Client {
    const client = this.list().find((one) => one.name === name)
    if (!client) throw new NtlsError('CLIENT_UNKNOWN', `no client "${name}" is registered`)
    return client
  }

  /** The client with this certificate, wherever it comes from. */
  find(fingerprint: string): Client | undefined {
    return this.#clients().get(fingerprint)
  }

  /** @throws NtlsError CLIENT_NAME_INVALID, CERTIFICATE_INVALID, CLIENT_EXISTS */
  register(name: string, certificate: string, address?: string): Client {
    if (!NAME.test(name)) {
      throw new NtlsError(
        'CLIENT_NAME_INVALID',
        'a client name has 1 to 64 letters, digits, dots, dashes and underscores',
      )
    }
    const { pem, fingerprint } = readCertificate(certificate)
    const clients = this.list()
    const same = clients.find((one) => one.name === name || one.fingerprint === fingerprint)
    if (same) throw new NtlsError('CLIENT_EXISTS', `client "${same.name}" is registered already`)
    const client: Client = { name, certificate: pem, fingerprint, address, partitions: [] }
    write(this.path, [...clients, client])
    return client
  }

  /** @throws NtlsError CLIENT_UNKNOWN */
  delete(name: string): void {
    this.show(name)
    write(
      this.path,
      this.list().filter((one) => one.name !== name),
    )
  }

  /** @throws NtlsError CLIENT_UNKNOWN, PARTITION_ASSIGNED */
  assign(name: string, serial: string): void {
    const client = this.show(name)
    if (client.partitions.includes(serial)) {
      throw new NtlsError('PARTITION_ASSIGNED', `partition ${serial} is assigned to "${name}" already`)
    }
    this.#replace({ ...client, partitions: [...client.partitions, serial] })
  }

  /** @throws NtlsError CLIENT_UNKNOWN, PARTITION_NOT_ASSIGNED */
  revoke(name: string, serial: string): void {
    const client = this.show(name)
    if (!client.partitions.includes(serial)) {
      throw new NtlsError('PARTITION_NOT_ASSIGNED', `partition ${serial} is not assigned to "${name}"`)
    }
    this.#replace({ ...client, partitions: client.partitions.filter((one) => one !== serial) })
  }

  #replace(client: Client): void {
    write(
      this.path,
      this.list().map((one) => (one.name === client.name ? client : one)),
    )
  }
}
