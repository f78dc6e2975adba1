import { lstatSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname, resolve } from 'node:path'
import { ROLE_CRYPTO_OFFICER, ROLE_CRYPTO_USER } from '../../assembly/protocol.js'
import { attention, type FolderLock } from '../board/index.js'
import type { SlotSource } from '../client/index.js'
import { ClientConfig, CONFIG_FILE } from '../ntls/index.js'
import type { serveClient } from '../pkcs11/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { listenLocally, lockFolder } from './local-socket.js'
import { pkcs11Folder, type RunningPkcs11, shownTokens } from './pkcs11-running.js'
import { removeRunFile, writeRunFile } from './run-file.js'

/** Programs that may be connected at once. */
const CLIENTS_MOST = 512

/** By ProtectedAuthenticationPathFlagStatus. */
const CHALLENGE_ROLES = [undefined, ROLE_CRYPTO_OFFICER, ROLE_CRYPTO_USER] as const

type ServeClient = typeof serveClient

export type Pkcs11Event =
  | { readonly event: 'connected'; readonly client: number }
  | { readonly event: 'disconnected'; readonly client: number; readonly calls: number }
  | { readonly event: 'failed'; readonly call: string; readonly code: string; readonly message: string }

export interface Pkcs11ServiceOptions {
  readonly stateDir: string
  /** Path of the socket; `pkcs11/socket` in the state folder unless given. */
  readonly listen?: string | undefined
  /** Folder of the Chrystoki.conf of its programs. */
  readonly config?: string | undefined
  readonly onEvent?: (event: Pkcs11Event) => void
}

/** The PKCS#11 door of a workstation: p11-kit's RPC on a socket that its owner alone can open. */
export class Pkcs11Service {
  readonly #sockets = new Map<Socket, Promise<unknown>>()
  #next = 1
  #path = ''
  #clean: () => Promise<void> = async () => undefined

  private constructor(
    private readonly slots: SlotSource,
    private readonly server: Server,
    private readonly serveClient: ServeClient,
    private readonly onEvent: (event: Pkcs11Event) => void,
    private readonly config: string | undefined,
  ) {
    server.maxConnections = CLIENTS_MOST
    server.on('connection', (socket) => this.#serve(socket))
  }

  /** @throws LabError PKCS11_RUNNING: another process serves there; LAB_IO */
  static async start(slots: SlotSource, options: Pkcs11ServiceOptions): Promise<Pkcs11Service> {
    const server = createServer()
    // Loaded here: no other program of a lab needs the door.
    const { serveClient } = await import('../pkcs11/index.js')
    const service = new Pkcs11Service(slots, server, serveClient, options.onEvent ?? (() => undefined), options.config)
    const { stateDir, listen } = options
    const folder = pkcs11Folder(stateDir)
    const place = await listenIn(server, folder, listen === undefined ? undefined : resolve(listen))
    service.#path = place.path
    service.#clean = place.clean
    if (place.isFound) {
      const running: RunningPkcs11 = { pid: process.pid, socket: place.path, slots: await shownTokens(slots) }
      writeRunFile(folder, running)
    }
    return service
  }

  /** Of the socket. */
  get path(): string {
    return this.#path
  }

  /** Ends all connections; nothing of their programs stays in any token. */
  async close(): Promise<void> {
    const closed = new Promise((done) => this.server.close(done))
    for (const socket of this.#sockets.keys()) socket.destroy()
    await Promise.all(this.#sockets.values())
    await closed
    await this.#clean()
  }

  /** As a program's library reads it when it starts; a file that cannot be read changes nothing. */
  #asksChallenge(): number | undefined {
    try {
      const status = this.config === undefined ? 0 : ClientConfig.load(this.config).challengeStatus()
      return CHALLENGE_ROLES[status]
    } catch (error) {
      this.onEvent({ event: 'failed', call: CONFIG_FILE, code: codeOf(error) ?? 'INTERNAL', message: messageOf(error) })
      return undefined
    }
  }

  #serve(socket: Socket): void {
    const client = this.#next++
    this.onEvent({ event: 'connected', client })
    const served = this.serveClient(socket, {
      slots: this.slots,
      asksChallenge: () => this.#asksChallenge(),
      onNews: () => attention.stay(),
      onFault: ({ call, error }) => {
        this.onEvent({ event: 'failed', call, code: codeOf(error) ?? 'INTERNAL', message: messageOf(error) })
      },
    }).then(({ calls }) => {
      this.#sockets.delete(socket)
      this.onEvent({ event: 'disconnected', client, calls })
    })
    this.#sockets.set(socket, served)
  }
}

interface Place {
  readonly path: string
  /** It is the one that other processes find. */
  readonly isFound?: boolean
  readonly clean: () => Promise<void>
}

/**
 * Of the doors of a state folder the one that holds its lock is found by other processes. Without a path of its own a door
 * must hold it; with one it is a second door where another holds it, or where nothing can be written.
 */
async function listenIn(server: Server, folder: string, path: string | undefined): Promise<Place> {
  let lock: FolderLock | undefined
  try {
    await makeFolders(dirname(folder), { mode: 0o700 })
    lock = await lockFolder(folder, 'PKCS11_RUNNING', 'a PKCS#11 server')
  } catch (error) {
    if (path === undefined || !(error instanceof LabError)) throw error
  }
  try {
    const socket = path === undefined ? await inFolder(server, folder) : await listenAt(server, path)
    if (!lock) return socket
    const held = lock
    return {
      path: socket.path,
      isFound: true,
      clean: async () => {
        removeRunFile(folder)
        await socket.clean()
        await held.release()
      },
    }
  } catch (error) {
    await lock?.release()
    throw error
  }
}

async function inFolder(server: Server, folder: string): Promise<Place> {
  const socket = await listenLocally(server, folder, 'socket')
  return { path: socket.path, clean: async () => socket.remove() }
}

/** A socket of that path that its owner alone can open. One that was left by a process that is gone gives way. */
async function listenAt(server: Server, path: string): Promise<Place> {
  if (await isTaken(path)) throw new LabError('PKCS11_RUNNING', `somebody listens at ${path} already`)
  const mask = process.umask(0o177)
  try {
    await new Promise<void>((done, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        server.off('error', reject)
        done()
      })
    })
  } catch (cause) {
    throw new LabError('LAB_IO', `the socket ${path} cannot be made: ${messageOf(cause)}`, { cause })
  } finally {
    process.umask(mask)
  }
  return { path, clean: async () => rmSync(path, { force: true }) }
}

/** @throws LabError LAB_IO: something else than a socket has that name */
async function isTaken(path: string): Promise<boolean> {
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (!there) return false
  if (!there.isSocket()) throw new LabError('LAB_IO', `${path} is there, and is no socket`)
  const answered = await new Promise<boolean>((done) => {
    const probe = connect(path, () => {
      probe.destroy()
      done(true)
    })
    probe.once('error', () => done(false))
  })
  if (!answered) rmSync(path, { force: true })
  return answered
}
