import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ClientRegistry, KnownClient } from '../lunash/index.js'
import { type Client, Registry, regenerateServer } from '../ntls/index.js'
import { LabError } from './errors.js'

/** The registry in an appliance's folder, as its shell sees it. */
export class FolderRegistry implements ClientRegistry {
  readonly #registry: Registry

  constructor(private readonly dir: string) {
    this.#registry = new Registry(dir)
  }

  list(): readonly KnownClient[] {
    return this.#registry.list().map(known)
  }

  register({ name, host, certificate }: Parameters<ClientRegistry['register']>[0]): void {
    const path = certificate === undefined ? join(this.dir, fileNameOf(host)) : resolve(certificate)
    let pem: string
    try {
      pem = readFileSync(path, 'utf8')
    } catch (cause) {
      throw new LabError('LAB_IO', `the client's certificate ${path} cannot be read`, { cause })
    }
    this.#registry.register(name, pem, host)
  }

  delete(name: string): void {
    this.#registry.delete(name)
  }

  assign(name: string, serial: string): void {
    this.#registry.assign(name, serial)
  }

  revoke(name: string, serial: string): void {
    this.#registry.revoke(name, serial)
  }

  async regenerate(): Promise<{ readonly fingerprint: string }> {
    const { fingerprint } = await regenerateServer(this.dir)
    return { fingerprint }
  }
}

/** @throws LabError LAB_OPTION_INVALID where the host would lead out of the folder */
function fileNameOf(host: string): string {
  if (/^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,253}$/.test(host)) return `${host}.pem`
  throw new LabError('LAB_OPTION_INVALID', `"${host}" is no host name`)
}

function known({ name, fingerprint, address, partitions }: Client): KnownClient {
  return { name, fingerprint, host: address, partitions }
}
