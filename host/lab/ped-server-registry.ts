import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readCertificate } from '../ntls/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { type Check, listOf, object, text, textLike, wholeNumber } from './json-check.js'
import { writeWholeFile } from './whole-file.js'

/** PED servers that may call an appliance, in its folder. */
const FILE = 'ped-callers.json'
const FORMAT = 1
/** A pedserver's name: the common name of its certificate. */
export const PED_SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

interface KnownCallers {
  readonly format: number
  readonly servers: readonly { readonly name: string; readonly certificate: string }[]
}

const check: Check<KnownCallers> = object({
  format: wholeNumber(1, FORMAT),
  servers: listOf(object({ name: textLike(PED_SERVER_NAME, 'a name of a PED server'), certificate: text })),
})

/** A PED server that is registered at an appliance, named by its certificate. */
export interface RegisteredPedServer {
  readonly name: string
  /** SHA-256 of its certificate, hexadecimal. */
  readonly fingerprint: string
}

/** The registry is read again at every question: what the administrator changes counts from the next call on. */
export class PedServerRegistry {
  readonly #path: string

  /** @param dir folder of the appliance */
  constructor(private readonly dir: string) {
    this.#path = join(dir, FILE)
  }

  /** @throws LabError LAB_FILE_INVALID, as all that follow; NtlsError CERTIFICATE_INVALID */
  list(): readonly RegisteredPedServer[] {
    return this.#read().servers.map(({ name, certificate }) => ({
      name,
      fingerprint: readCertificate(certificate).fingerprint,
    }))
  }

  has(name: string): boolean {
    return this.#read().servers.some((one) => one.name === name)
  }

  /** Name of the server with this certificate. */
  nameOf(fingerprint: string): string | undefined {
    return this.list().find((one) => one.fingerprint === fingerprint)?.name
  }

  /** @param file a path, or the name of a file that was copied into the appliance's folder @throws LabError LAB_IO, PED_SERVER_REGISTERED, LAB_OPTION_INVALID */
  register(file: string): RegisteredPedServer {
    const path = file.includes('/') ? resolve(file) : join(this.dir, file)
    let pem: string
    try {
      pem = readFileSync(path, 'utf8')
    } catch (cause) {
      throw new LabError('LAB_IO', `the PED server's certificate ${path} cannot be read`, { cause })
    }
    const { commonName: name, fingerprint, pem: certificate } = readCertificate(pem)
    if (!PED_SERVER_NAME.test(name)) {
      const rule = '1 to 64 letters, digits, dots, dashes and underscores'
      throw new LabError('LAB_OPTION_INVALID', `the common name of the certificate, "${name}", is no name: ${rule}`)
    }
    const same = this.list().find((one) => one.name === name || one.fingerprint === fingerprint)
    if (same) throw new LabError('PED_SERVER_REGISTERED', `the PED server "${same.name}" is registered already`)
    this.#write([...this.#read().servers, { name, certificate }])
    return { name, fingerprint }
  }

  /** @throws LabError PED_SERVER_UNKNOWN */
  delete(name: string): void {
    if (!this.has(name)) throw new LabError('PED_SERVER_UNKNOWN', `no PED server "${name}" is registered`)
    this.#write(this.#read().servers.filter((one) => one.name !== name))
  }

  #read(): KnownCallers {
    try {
      return check(JSON.parse(readFileSync(this.#path, 'utf8')), '')
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') return { format: FORMAT, servers: [] }
      throw new LabError('LAB_FILE_INVALID', `${this.#path}: ${messageOf(cause)}`, { cause })
    }
  }

  #write(servers: KnownCallers['servers']): void {
    const file: KnownCallers = { format: FORMAT, servers }
    writeWholeFile(this.#path, `${JSON.stringify(file, null, 2)}\n`)
  }
}
