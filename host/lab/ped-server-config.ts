import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PED_REMOTE_IDLE_TIMEOUT } from '../../assembly/protocol.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { type Check, object, optional, text, wholeNumber } from './json-check.js'
import { pedServerFolder } from './ped-control.js'
import { writeWholeFile } from './whole-file.js'

/** What `pedserver -mode config` keeps. */
export interface PedServerConfig {
  /** Where it listens. */
  readonly host: string
  readonly port: number
  readonly idleSeconds: number
  /** Path of the log; undefined = in pedserver's folder. */
  readonly log?: string | undefined
}

const FILE = 'config.json'
/** Where a pedserver listens unless told otherwise. */
export const DEFAULT_PED_PORT = 1503
const DEFAULTS: PedServerConfig = {
  host: '127.0.0.1',
  port: DEFAULT_PED_PORT,
  idleSeconds: PED_REMOTE_IDLE_TIMEOUT / 1000,
}

const check: Check<PedServerConfig> = object({
  host: text,
  port: wholeNumber(0, 0xffff),
  idleSeconds: wholeNumber(1, 99_999),
  log: optional(text),
})

/** @throws LabError LAB_FILE_INVALID */
export function readPedServerConfig(stateDir: string): PedServerConfig {
  const path = join(pedServerFolder(stateDir), FILE)
  try {
    return check(JSON.parse(readFileSync(path, 'utf8')), '')
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return DEFAULTS
    throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(cause)}`, { cause })
  }
}

/** @throws LabError LAB_IO */
export function writePedServerConfig(stateDir: string, config: PedServerConfig): void {
  const folder = pedServerFolder(stateDir)
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true })
  } catch (cause) {
    throw new LabError('LAB_IO', `${folder} cannot be made: ${messageOf(cause)}`, { cause })
  }
  writeWholeFile(join(folder, FILE), `${JSON.stringify(config, null, 2)}\n`)
}
