// calls.c as a process of its own: a program that uses one PKCS#11 module.
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { BenchError, type Context, Unavailable } from '../harness/bench.js'
import { compile, findModule } from '../softhsm/softhsm.js'

const SOURCE = fileURLToPath(new URL('../../../bench/pkcs11/calls.c', import.meta.url))
const MOONLET = fileURLToPath(new URL('../../host/cli/moonlet.js', import.meta.url))
const OWN_LIBRARY = fileURLToPath(new URL('../../pkcs11/libCryptoki2_64.so', import.meta.url))
const STOCK_SERVERS = ['/usr/libexec/p11-kit/p11-kit-server', '/usr/lib/p11-kit/p11-kit-server']
const PIN = '12345678'
const CHALLENGE = 'Crypto0fficer'

export type CallName = 'info' | 'gcm' | 'rsa' | 'ecdsa' | 'kw' | 'create' | 'creates'
type Env = Readonly<Record<string, string>>

/** A program at one module, whose calls are timed by itself. */
export class Caller {
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  private constructor(private readonly child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text
    })
    child.stdin.on('error', () => undefined)
  }

  static async start(context: Context, command: readonly [string, ...string[]], env: Env): Promise<Caller> {
    const [program, ...args] = command
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    context.adopt(child)
    const caller = new Caller(child)
    if ((await caller.#answer()) !== 'ready') throw caller.#failure()
    return caller
  }

  /** Nanoseconds per call. */
  async measure(name: CallName, count: number): Promise<number> {
    this.child.stdin.write(`${name} ${count}\n`)
    const nanoseconds = Number(await this.#answer())
    if (!(nanoseconds > 0)) throw this.#failure()
    return nanoseconds / count
  }

  end(): void {
    this.child.stdin.end()
  }

  async #answer(): Promise<string | undefined> {
    const { value, done } = await this.#lines.next()
    return done ? undefined : value
  }

  #failure(): BenchError {
    return new BenchError(`a PKCS#11 call failed: ${this.#complaints.trim() || 'no reason given'}`)
  }
}

/** @throws Unavailable */
function clientModule(): string {
  const folders = existsSync('/usr/lib') ? readdirSync('/usr/lib') : []
  const found = folders.map((name) => `/usr/lib/${name}/pkcs11/p11-kit-client.so`).find((path) => existsSync(path))
  if (found === undefined) throw new Unavailable("p11-kit's client is not installed (package p11-kit-modules)")
  return found
}

/** What the pattern finds in a server's output, which is read on to its end. */
function listening(child: ChildProcessByStdio<null, Readable, Readable>, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    child.stderr.resume()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4096)
      const [, found] = pattern.exec(said) ?? []
      if (found !== undefined) resolve(found)
    })
    child.once('exit', () => reject(new BenchError(`a server has ended: ${said}`)))
  })
}

/** Everything that is compared: modules, and what is behind them. */
export class Callers {
  readonly #open: Caller[] = []
  #program: string | undefined
  #door: string | undefined

  constructor(private readonly context: Context) {}

  /** SoftHSM2 in the program's own process. */
  async softHsm(): Promise<Caller> {
    return this.#start(findModule(), PIN, this.#softHsmEnv(), 'init')
  }

  /** SoftHSM2 behind p11-kit's own server. */
  async stock(): Promise<Caller> {
    const server = STOCK_SERVERS.find((path) => existsSync(path))
    if (server === undefined) throw new Unavailable("p11-kit's server is not installed (package p11-kit)")
    const client = clientModule()
    const env = this.#softHsmEnv()
    const maker = await this.#start(findModule(), PIN, env, 'init')
    maker.end()
    const socket = join(this.context.folder('stock'), 'socket')
    const args = ['--sh', '-f', '-n', socket, '--provider', findModule(), 'pkcs11:']
    const child = spawn(server, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.context.adopt(child)
    const address = await listening(child, /P11_KIT_SERVER_ADDRESS=([^;\n]+)/)
    return this.#start(client, PIN, { P11_KIT_SERVER_ADDRESS: address })
  }

  /** Our door, through p11-kit's client. */
  async door(): Promise<Caller> {
    return this.#start(clientModule(), CHALLENGE, { P11_KIT_SERVER_ADDRESS: `unix:path=${await this.#socket()}` })
  }

  /** Our door, through our own library, which passes on what p11-kit's client does not. */
  async library(): Promise<Caller> {
    if (!existsSync(OWN_LIBRARY)) throw new Unavailable('the library is not built (npm run build:pkcs11)')
    return this.#start(OWN_LIBRARY, CHALLENGE, { MOONLET_PKCS11: await this.#socket() })
  }

  end(): void {
    for (const caller of this.#open) caller.end()
  }

  async #start(module: string, pin: string, env: Env, ...more: readonly string[]): Promise<Caller> {
    this.#program ??= compile(this.context.folder('calls'), SOURCE)
    const caller = await Caller.start(this.context, [this.#program, module, pin, ...more], env)
    this.#open.push(caller)
    return caller
  }

  #softHsmEnv(): Env {
    const folder = this.context.folder('softhsm')
    const tokens = join(folder, 'tokens')
    mkdirSync(tokens)
    const configuration = join(folder, 'softhsm2.conf')
    const lines = [`directories.tokendir = ${tokens}`, 'objectstore.backend = file', 'log.level = ERROR', '']
    writeFileSync(configuration, lines.join('\n'))
    return { SOFTHSM2_CONF: configuration }
  }

  /** `moonlet pkcs11` at a lab of its own, as a process. */
  async #socket(): Promise<string> {
    if (this.#door !== undefined) return this.#door
    const state = join(this.context.folder('door'), 'state')
    execFileSync(process.execPath, [MOONLET, 'init', '--state', state], { stdio: 'ignore' })
    const child = spawn(process.execPath, [MOONLET, 'pkcs11', '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.context.adopt(child)
    this.#door = await listening(child, /"socket":"([^"]+)"/)
    return this.#door
  }
}
