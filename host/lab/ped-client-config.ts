import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { type Check, object, wholeNumber } from './json-check.js'
import { writeWholeFile } from './whole-file.js'

/** How the HSMs of a lab keep their connections to PED servers. */
export interface PedClientConfig {
  /** Seconds without a frame after which a connection ends, 1 to 99999. The HSM ends it after 1800 whatever is said here. */
  readonly idleSeconds: number
}

const FILE = 'ped-client.json'
const FORMAT = 1
const DEFAULTS: PedClientConfig = { idleSeconds: PED_REMOTE_IDLE_TIMEOUT / 1000 }

const check: Check<PedClientConfig & { readonly format: number }> = object({
  format: wholeNumber(1, FORMAT),
  idleSeconds: wholeNumber(1, 99_999),
})

/** @throws LabError LAB_FILE_INVALID */
export function readPedClientConfig(stateDir: string): PedClientConfig {
  const path = join(stateDir, FILE)
  try {
    return check(JSON.parse(readFileSync(path, 'utf8')), '')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return DEFAULTS
    throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(cause)}`, { cause })
  }
}

/** It counts from the next connection on. @throws LabError LAB_IO */
export function writePedClientConfig(stateDir: string, { idleSeconds }: PedClientConfig): void {
  writeWholeFile(join(stateDir, FILE), `${JSON.stringify({ format: FORMAT, idleSeconds }, null, 2)}\n`)
}
