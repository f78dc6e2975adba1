// The lab of the storm: an appliance with a partition, and the door of a workstation that reaches it over NTLS, each a process.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { moonlet, Running, temporaryFolder, vtl } from '../../cli/support.js'

export const CHALLENGE = 'Crypto0fficer'
const PROGRAM = fileURLToPath(new URL('../../../host/cli/moonlet.js', import.meta.url))
const SAMPLER = new URL('./sampler.js', import.meta.url).href

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function good({ code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): void {
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
}

export class Site {
  #appliance: Running
  /** What the door has told of failures. */
  events = ''
  #said = ''
  #heard: () => void = () => undefined

  private constructor(
    private readonly state: string,
    private readonly port: number,
    appliance: Running,
    readonly door: ChildProcess,
    readonly socket: string,
  ) {
    this.#appliance = appliance
    door.stdout?.on('data', (chunk: Buffer) => {
      this.events += chunk.toString()
    })
    door.stderr?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString()
      this.#heard()
    })
  }

  static async open(): Promise<Site> {
    const [state, config, port] = [join(temporaryFolder(), 'state'), temporaryFolder(), await freePort()]
    good(await moonlet(['init', '--state', state]))
    const appliance = await Site.#serve(state, port)
    good(await vtl(['createCert', '-n', 'localhost', '--config', config]))
    const certificate = join(config, 'cert', 'client', 'localhost.pem')
    const register = `client register -c desk -hostname localhost -certificate ${certificate}`
    const assign = 'client assignPartition -c desk -p SA52_P1'
    good(await moonlet(['lunash', '--state', state], { input: `${register}\n${assign}\n` }))
    const server = ['-n', '127.0.0.1', '-p', String(port), '-c', join(state, 'server.pem')]
    good(await vtl(['addServer', ...server, '--config', config]))
    const socket = join(temporaryFolder(), 'door')
    const door = spawn(
      process.execPath,
      [
        ...['--expose-gc', '--import', SAMPLER, PROGRAM, 'pkcs11', '--listen', socket],
        ...['--state', state, '--ntls', config, '--log-level', 'warn'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const site = new Site(state, port, appliance, door, socket)
    await site.#listening()
    return site
  }

  static async #serve(state: string, port: number): Promise<Running> {
    const appliance = new Running('moonlet', ['appliance', '--state', state, '--listen', `127.0.0.1:${port}`])
    await appliance.sees('"listening"')
    return appliance
  }

  /** The door's heap in bytes, swept. */
  async heap(): Promise<number> {
    this.#said = ''
    this.door.kill('SIGUSR2')
    for (;;) {
      const [, bytes] = /heap (\d+)\n/.exec(this.#said) ?? []
      if (bytes !== undefined) return Number(bytes)
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }

  /** The token's process is killed, and another one has its flash and battery. */
  async restartToken(): Promise<void> {
    this.#appliance.child.kill('SIGKILL')
    await this.#appliance.result
    this.#appliance = await Site.#serve(this.state, this.port)
  }

  async close(): Promise<void> {
    this.door.kill('SIGTERM')
    if (this.door.exitCode === null) await once(this.door, 'exit')
    this.#appliance.child.kill('SIGTERM')
    await this.#appliance.result
  }

  async #listening(): Promise<void> {
    const { existsSync } = await import('node:fs')
    while (!existsSync(this.socket)) {
      if (this.door.exitCode !== null) throw new Error(`the door has ended:\n${this.#said}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
