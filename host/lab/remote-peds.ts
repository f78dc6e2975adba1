import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { FrameLink } from '../board/index.js'
import { connectRemotePed, type PedClock, PedError, type RemotePedEvent } from '../ped/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { type Check, listOf, object, textLike, wholeNumber } from './json-check.js'
import { readPedClientConfig } from './ped-client-config.js'
import { runningPedServer } from './ped-control.js'
import { writeWholeFile } from './whole-file.js'

/** PED servers that are known, by their certificates. */
const FILE = 'ped-servers.json'
const FORMAT = 1

interface KnownServers {
  readonly format: number
  readonly servers: readonly { readonly address: string; readonly fingerprint: string }[]
}

const checkKnown: Check<KnownServers> = object({
  format: wholeNumber(1, FORMAT),
  servers: listOf(
    object({
      address: textLike(/^.+:\d+$/, 'an address such as 10.0.0.1:1503'),
      fingerprint: textLike(/^[0-9a-f]{64}$/, 'a SHA-256 fingerprint, 64 hexadecimal digits'),
    }),
  ),
})

export interface RemotePedsOptions {
  readonly stateDir: string
  /** Folder of the list of PED servers that are known; the state folder unless given. */
  readonly knownIn?: string | undefined
  /** Names by which the lab calls the host of its PED; all of them are this computer. */
  readonly aliases: readonly string[]
  readonly clock?: PedClock | undefined
  /** Milliseconds; what the state folder's configuration says unless given. */
  readonly idleTimeout?: number | undefined
  readonly onEvent?: ((event: RemotePedEvent) => void) | undefined
}

/** pedclient of a lab: cables to PED servers, each known by its certificate from the first time on. */
export class RemotePeds {
  constructor(private readonly options: RemotePedsOptions) {}

  /**
   * The pedserver that runs on the lab's own state folder, if it is the one meant.
   * @param port the one that was asked for, undefined = none was
   */
  async isOwn(host: string, port: number | undefined): Promise<boolean> {
    if (!this.#isAlias(host)) return false
    const running = await runningPedServer(this.options.stateDir)
    return running !== undefined && (port === undefined || port === running.port)
  }

  /** @throws LabError CKR_UNABLE_TO_CONNECT, CKR_PED_UNPLUGGED, PED_IN_USE, PED_SERVER_UNTRUSTED, LAB_FILE_INVALID, LAB_IO */
  async connect(host: string, port: number | undefined, usual: number): Promise<FrameLink> {
    const { stateDir, clock, onEvent } = this.options
    const idleTimeout = this.options.idleTimeout ?? readPedClientConfig(stateDir).idleSeconds * 1000
    const running = this.#isAlias(host) ? await runningPedServer(stateDir) : undefined
    const own = running && (port === undefined || port === running.port) ? running : undefined
    const address = own ?? { host: this.#isAlias(host) ? '127.0.0.1' : host, port: port ?? usual }
    const name = `${address.host}:${address.port}`
    const known = own?.fingerprint ?? this.#known().servers.find((one) => one.address === name)?.fingerprint
    let seen: string | undefined
    try {
      const link = await connectRemotePed({
        ...address,
        ...(clock ? { clock } : {}),
        idleTimeout,
        ...(onEvent ? { onEvent } : {}),
        trusts: (fingerprint) => {
          seen = fingerprint
          return known === undefined || known === fingerprint
        },
      })
      if (known === undefined && seen !== undefined) await this.#remember(name, seen)
      return link
    } catch (cause) {
      throw this.#explained(cause, host, address.port)
    }
  }

  #explained(cause: unknown, host: string, port: number): unknown {
    if (!(cause instanceof PedError)) return cause
    if (cause.code === 'PED_IN_USE') {
      return new LabError('PED_IN_USE', 'The PED serves another HSM: disconnect it there first.', { cause })
    }
    if (cause.code === 'PED_SERVER_UNTRUSTED') {
      const remark = `If that is right, take its old line out of ${this.#path}.`
      const text = cause.message.replace(/^the server/, 'The PED server')
      return new LabError('PED_SERVER_UNTRUSTED', `${text}. ${remark}`, { cause })
    }
    if (cause.code === 'PED_ABSENT') {
      const text = `The PED server at ${host}, port ${port}, has no PED: start 'moonlet ped' there.`
      return new LabError('CKR_PED_UNPLUGGED', text, { cause })
    }
    const why = cause.code === 'PED_UNREACHABLE' ? '' : ` (${cause.message})`
    return new LabError('CKR_UNABLE_TO_CONNECT', `No PED server answers at ${host}, port ${port}.${why}`, { cause })
  }

  get #path(): string {
    return join(this.options.knownIn ?? this.options.stateDir, FILE)
  }

  #isAlias(host: string): boolean {
    return this.options.aliases.includes(host.toLowerCase())
  }

  #known(): KnownServers {
    const path = this.#path
    try {
      return checkKnown(JSON.parse(readFileSync(path, 'utf8')), '')
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return { format: FORMAT, servers: [] }
      throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(cause)}`, { cause })
    }
  }

  async #remember(address: string, fingerprint: string): Promise<void> {
    const { servers } = this.#known()
    const file: KnownServers = { format: FORMAT, servers: [...servers, { address, fingerprint }] }
    await makeFolders(dirname(this.#path), { mode: 0o700 })
    writeWholeFile(this.#path, `${JSON.stringify(file, null, 2)}\n`)
  }
}
