import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from './whole-file.js'

/** In the appliance's folder. */
export const SETTINGS_FILE = 'appliance.json'
/** TCP port of NTLS. */
export const NTLS_PORT = 1792

export interface ApplianceSettings {
  /** Address that the service listens on. */
  readonly host: string
  readonly port: number
  /** Whether a client has to come from the address that it is registered with. */
  readonly ipCheck: boolean
  /** The appliance's own names of partitions, by serial number. */
  readonly names: Readonly<Record<string, string>>
}

const DEFAULTS: ApplianceSettings = { host: '127.0.0.1', port: NTLS_PORT, ipCheck: true, names: {} }

/** The file is not as SPEC.md says, or cannot be read. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  constructor(
    readonly code: 'SETTINGS_INVALID' | 'SETTINGS_IO',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** Where there is no file, as a new appliance is. @throws SettingsError */
export function readSettings(dir: string): ApplianceSettings {
  const path = join(dir, SETTINGS_FILE)
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return DEFAULTS
    throw new SettingsError('SETTINGS_IO', `${path} cannot be read`, { cause })
  }
  try {
    return check(JSON.parse(content))
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'is not JSON' : cause instanceof Error ? cause.message : String(cause)
    throw new SettingsError('SETTINGS_INVALID', `${path} ${why}`, { cause })
  }
}

/** Writes the file whole or not at all. @throws NtlsError FILE_IO */
export function writeSettings(dir: string, settings: ApplianceSettings): void {
  writeWhole(join(dir, SETTINGS_FILE), `${JSON.stringify(settings, null, 2)}\n`, 0o600)
}

function check(value: unknown): ApplianceSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('must be an object')
  const fields = new Map<string, unknown>(Object.entries(value))
  for (const name of fields.keys()) if (!Object.hasOwn(DEFAULTS, name)) throw new Error(`${name} is not a known field`)
  const { host = DEFAULTS.host, port = DEFAULTS.port, ipCheck = DEFAULTS.ipCheck } = Object.fromEntries(fields)
  if (typeof host !== 'string' || host === '') throw new Error('host must be a text')
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new Error('port must be a whole number from 0 to 65535')
  }
  if (typeof ipCheck !== 'boolean') throw new Error('ipCheck must be true or false')
  return { host, port, ipCheck, names: checkNames(fields.get('names') ?? {}) }
}

function checkNames(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('names must be an object')
  const names: Record<string, string> = {}
  for (const [serial, name] of Object.entries(value)) {
    if (!/^[1-9]\d{0,19}$/.test(serial)) throw new Error(`names: ${serial} is no serial number`)
    if (typeof name !== 'string' || name === '') throw new Error(`names.${serial} must be a text`)
    names[serial] = name
  }
  return names
}
