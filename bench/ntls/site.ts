// Clients, an appliance in a process of its own, and a bare echo server in the same process.
import { spawn } from 'node:child_process'
import { connect, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { createIdentity, type Identity, NtlsClient, Registry, serverIdentity } from '../../host/ntls/index.js'
import { BenchError, type Context } from '../harness/bench.js'
import { PARTITION_SERIAL } from './serials.js'

const SERVER = fileURLToPath(new URL('./server.js', import.meta.url))

/** Bytes of a message in either direction, its header included. */
export interface Sizes {
  readonly asked: number
  readonly answered: number
}

interface Ports {
  readonly appliance: number
  readonly echo: number
}

function readPorts(line: string): Ports {
  const { appliance, echo }: Record<string, unknown> = JSON.parse(line)
  if (typeof appliance === 'number' && typeof echo === 'number') return { appliance, echo }
  throw new BenchError(`the appliance says ${line}`)
}

/** One connection to the echo server: a message out, a message back. */
export class Echo {
  #have = 0
  #resolve: (() => void) | undefined

  constructor(
    readonly socket: TLSSocket,
    private readonly sizes: Sizes,
    private readonly message = Buffer.alloc(sizes.asked, 7),
  ) {
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => {
      this.#have += bytes.length
      if (this.#have < this.sizes.answered) return
      this.#have -= this.sizes.answered
      this.#resolve?.()
    })
  }

  exchange(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      this.socket.write(this.message)
    })
  }
}

export class BenchSite {
  private constructor(
    private readonly ports: Ports,
    private readonly server: Identity,
    private readonly identities: readonly Identity[],
    private readonly sizes: Sizes,
    readonly close: () => Promise<void>,
  ) {}

  /** @param hsm state folder of the HSM that the appliance serves */
  static async start(context: Context, hsm: string, clients: number, sizes: Sizes): Promise<BenchSite> {
    const folder = context.folder('appliance')
    const server = await serverIdentity(folder)
    const registry = new Registry(folder)
    const identities: Identity[] = []
    for (let i = 0; i < clients; i++) {
      const identity = await createIdentity({ commonName: `client-${i}` })
      registry.register(`client-${i}`, identity.certificate)
      registry.assign(`client-${i}`, PARTITION_SERIAL)
      identities.push(identity)
    }
    const args = [SERVER, hsm, folder, String(sizes.asked), String(sizes.answered)]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    context.adopt(child)
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const line = new Promise<string>((resolve, reject) => {
      let text = ''
      child.stdout.on('data', (bytes: Buffer) => {
        text += bytes.toString()
        if (text.endsWith('\n')) resolve(text)
      })
      ended.then(() => reject(new BenchError('the appliance has not started')))
    })
    const close = (): Promise<void> => {
      child.stdin.end()
      return ended
    }
    return new BenchSite(readPorts(await line), server, identities, sizes, close)
  }

  /** The client with this number. */
  client(number: number): Promise<NtlsClient> {
    const { appliance: port } = this.ports
    return NtlsClient.connect({
      host: '127.0.0.1',
      port,
      identity: this.#identity(number),
      server: this.server.certificate,
    })
  }

  echo(number: number): Promise<Echo> {
    const { certificate: cert, privateKey: key } = this.#identity(number)
    return new Promise((resolve, reject) => {
      const { echo: port } = this.ports
      const socket = connect({ host: '127.0.0.1', port, cert, key, rejectUnauthorized: false })
      socket.once('error', reject)
      socket.once('secureConnect', () => resolve(new Echo(socket, this.sizes)))
    })
  }

  #identity(number: number): Identity {
    const identity = this.identities[number]
    if (!identity) throw new BenchError(`there is no client ${number}`)
    return identity
  }
}
