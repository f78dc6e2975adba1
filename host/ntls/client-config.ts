import { readFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { NTLS_PORT } from './appliance-settings.js'
import { ChrystokiConf, ChrystokiError } from './chrystoki-conf.js'
import { writeWhole } from './whole-file.js'

/** Name of the configuration file, in its folder. */
export const CONFIG_FILE = 'Chrystoki.conf'
/** Servers that the file has numbers for. */
export const SERVERS_MAX = 100

const SECTION = 'LunaSA Client'
const LUNA = 'Luna'

/** An appliance that the client knows. */
export interface ConfiguredServer {
  readonly host: string
  readonly port: number
}

/** Milliseconds. */
export interface ClientTimeouts {
  /** For a server's answer to a command that asks nobody. */
  readonly receive: number
  readonly command: number
  /** For a command that waits for a PED. */
  readonly ped: number
  readonly cloning: number
}

export type ClientConfigErrorCode =
  | 'CONFIG_IO'
  | 'CONFIG_INVALID'
  | 'CONFIG_SERVER_EXISTS'
  | 'CONFIG_SERVER_UNKNOWN'
  | 'CONFIG_FULL'
  | 'CONFIG_HOST_INVALID'

/** What is wrong with a client's configuration, or with a wish to change it; the message names the file. */
export class ClientConfigError extends Error {
  override readonly name = 'ClientConfigError'
  constructor(
    readonly code: ClientConfigErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

const CHALLENGE_STATUS = 'ProtectedAuthenticationPathFlagStatus'

/** A client's first configuration, with the time-outs of the field. */
const FRESH = `Luna = {
   DefaultTimeOut = 500000;
   PEDTimeout1 = 100000;
   PEDTimeout2 = 200000;
   PEDTimeout3 = 10000;
   KeypairGenTimeOut = 2700000;
   CloningCommandTimeOut = 300000;
   CommandTimeOutPedSet = 720000;
}

CardReader = {
   RemoteCommand = 1;
}

Misc = {
   ProtectedAuthenticationPathFlagStatus = 0;
}

LunaSA Client = {
   ReceiveTimeout = 20000;
   NetClient = 1;
}
`

/** A client's configuration file and what we use of it. Changes are in memory until `save`. */
export class ClientConfig {
  private constructor(
    /** Folder of the file, and of the certificates beside it. */
    readonly dir: string,
    private readonly conf: ChrystokiConf,
  ) {}

  /** Reads the folder's file; where there is none, a client's first one. @throws ClientConfigError CONFIG_IO, CONFIG_INVALID */
  static load(dir: string): ClientConfig {
    const path = join(dir, CONFIG_FILE)
    let bytes: Uint8Array
    try {
      bytes = readFileSync(path)
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        throw new ClientConfigError('CONFIG_IO', `${path} cannot be read`, { cause })
      bytes = Buffer.from(FRESH)
    }
    return asInvalid(path, () => new ClientConfig(dir, ChrystokiConf.parse(bytes)))
  }

  get path(): string {
    return join(this.dir, CONFIG_FILE)
  }

  /** In the order of their numbers. @throws ClientConfigError CONFIG_INVALID */
  servers(): ConfiguredServer[] {
    return this.#numbers().map((number) => ({
      host: this.#get(SECTION, key('ServerName', number)) ?? '',
      port: this.#number(SECTION, key('ServerPort', number), NTLS_PORT, 0xffff),
    }))
  }

  /** @throws ClientConfigError CONFIG_SERVER_EXISTS, CONFIG_FULL, CONFIG_INVALID */
  addServer({ host, port }: ConfiguredServer): void {
    const servers = this.servers()
    if (servers.some((one) => sameHost(one.host, host))) {
      throw new ClientConfigError('CONFIG_SERVER_EXISTS', `server ${host} is in ${this.path} already`)
    }
    if (servers.length >= SERVERS_MAX)
      throw new ClientConfigError('CONFIG_FULL', `${this.path} has no room for more servers`)
    this.#write([...servers, { host, port }])
  }

  /** The servers behind it move up. @throws ClientConfigError CONFIG_SERVER_UNKNOWN, CONFIG_INVALID */
  deleteServer(host: string): void {
    const servers = this.servers()
    const rest = servers.filter((one) => !sameHost(one.host, host))
    if (rest.length === servers.length) {
      throw new ClientConfigError('CONFIG_SERVER_UNKNOWN', `there is no server ${host} in ${this.path}`)
    }
    this.#write(rest)
  }

  /**
   * Whose challenge programs are to ask for as a PIN where there is one: 0 = nobody's, the PED asks; 1 = the Crypto Officer's; 2 = the
   * Crypto User's. @throws ClientConfigError CONFIG_INVALID
   */
  challengeStatus(): 0 | 1 | 2 {
    const value = this.#get('Misc', CHALLENGE_STATUS) ?? '0'
    if (value === '0' || value === '') return 0
    if (value === '1') return 1
    if (value === '2') return 2
    throw new ClientConfigError('CONFIG_INVALID', `${this.path}: ${CHALLENGE_STATUS} is 0, 1 or 2`)
  }

  /** Sets what `challengeStatus` reads. @throws ClientConfigError CONFIG_INVALID */
  setChallengeStatus(status: 0 | 1 | 2): void {
    this.#set('Misc', CHALLENGE_STATUS, String(status))
  }

  /** Paths of the client's certificate and private key; undefined = it has none yet. */
  identity(): { readonly certificate: string; readonly key: string } | undefined {
    const [certificate, keyFile] = [this.#file('ClientCertFile'), this.#file('ClientPrivKeyFile')]
    return certificate !== undefined && keyFile !== undefined ? { certificate, key: keyFile } : undefined
  }

  setIdentity({ certificate, key: keyFile }: { readonly certificate: string; readonly key: string }): void {
    this.#set(SECTION, 'ClientPrivKeyFile', keyFile)
    this.#set(SECTION, 'ClientCertFile', certificate)
  }

  /** Path of the file with all servers' certificates. */
  get serverCaFile(): string | undefined {
    return this.#file('ServerCAFile')
  }

  set serverCaFile(path: string) {
    this.#set(SECTION, 'ServerCAFile', path)
  }

  /** @throws ClientConfigError CONFIG_INVALID */
  timeouts(): ClientTimeouts {
    const most = 0x7fffffff
    return {
      receive: this.#number(SECTION, 'ReceiveTimeout', 20_000, most),
      command: this.#number(LUNA, 'DefaultTimeOut', 500_000, most),
      ped: this.#number(LUNA, 'CommandTimeOutPedSet', 720_000, most),
      cloning: this.#number(LUNA, 'CloningCommandTimeOut', 300_000, most),
    }
  }

  /** Writes the file whole or not at all. @throws NtlsError FILE_IO */
  save(): void {
    writeWhole(this.path, this.conf.toBytes(), 0o644)
  }

  #numbers(): number[] {
    return asInvalid(this.path, () => this.conf.entries(SECTION))
      .flatMap(({ key: name, value }) => {
        const digits = /^ServerName(\d\d)$/.exec(name)?.[1]
        return digits === undefined || value === '' ? [] : [Number(digits)]
      })
      .sort((one, other) => one - other)
  }

  #write(servers: readonly ConfiguredServer[]): void {
    for (const number of this.#numbers().slice(servers.length)) {
      for (const name of ['ServerName', 'ServerPort', 'ServerHtl']) {
        asInvalid(this.path, () => this.conf.remove(SECTION, key(name, number)))
      }
    }
    for (const [number, { host, port }] of servers.entries()) {
      this.#set(SECTION, key('ServerName', number), host)
      this.#set(SECTION, key('ServerPort', number), String(port))
      this.#set(SECTION, key('ServerHtl', number), '0')
    }
  }

  /** A path as the file has it is relative to the file's folder. */
  #file(name: string): string | undefined {
    const value = this.#get(SECTION, name)
    if (value === undefined || value === '') return undefined
    return isAbsolute(value) ? value : resolve(this.dir, value)
  }

  #number(section: string, name: string, fallback: number, most: number): number {
    const value = this.#get(section, name)
    if (value === undefined) return fallback
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    if (number >= 1 && number <= most) return number
    const line = this.conf.entries(section).find((one) => one.key === name)?.line
    throw new ClientConfigError('CONFIG_INVALID', `${this.path}: line ${line}: ${name} is no number from 1 to ${most}`)
  }

  #get(section: string, name: string): string | undefined {
    return asInvalid(this.path, () => this.conf.get(section, name))
  }

  #set(section: string, name: string, value: string): void {
    asInvalid(this.path, () => this.conf.set(section, name, value))
  }
}

const key = (name: string, number: number): string => `${name}${String(number).padStart(2, '0')}`

export const sameHost = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** Errors of the syntax with the file's name. */
function asInvalid<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof ChrystokiError)) throw cause
    throw new ClientConfigError('CONFIG_INVALID', `${path}: ${cause.message}`, { cause })
  }
}
