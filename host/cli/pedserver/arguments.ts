import { parseArgs } from 'node:util'
import type { PedSource } from '../../lab/index.js'
import { readArguments, UsageError } from '../command-line.js'
import { type LogLevel, readLogLevel } from '../event-log.js'

export const MODES = ['start', 'stop', 'show', 'config', 'connect', 'disconnect'] as const
export const APPLIANCE_ACTIONS = ['register', 'list', 'delete'] as const
export type PedServerMode = (typeof MODES)[number]

const OPTIONS = {
  mode: { type: 'string' },
  port: { type: 'string' },
  ip: { type: 'string' },
  idletimeout: { type: 'string' },
  logfilename: { type: 'string' },
  'log-level': { type: 'string' },
  ped: { type: 'string' },
  force: { type: 'boolean' },
  set: { type: 'boolean' },
  foreground: { type: 'boolean' },
  appliance: { type: 'string' },
  regen: { type: 'boolean' },
  name: { type: 'string' },
  certificate: { type: 'string' },
  commonname: { type: 'string' },
  keys: { type: 'string' },
  rules: { type: 'string' },
  'by-hand': { type: 'boolean' },
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  debug: { type: 'boolean' },
} as const

export interface PedServerArguments {
  readonly mode: PedServerMode | undefined
  /** Where there is no mode: what to do with the appliances that are known; or make a new certificate. */
  readonly appliance: (typeof APPLIANCE_ACTIONS)[number] | undefined
  readonly regen: boolean
  /** Of an appliance. */
  readonly name: string | undefined
  readonly certificate: string | undefined
  readonly commonName: string | undefined
  readonly port: number | undefined
  readonly ip: string | undefined
  readonly idleSeconds: number | undefined
  readonly log: string | undefined
  readonly logLevel: LogLevel
  readonly ped: PedSource | undefined
  readonly force: boolean
  readonly set: boolean
  readonly foreground: boolean
  readonly keys: string | undefined
  readonly rules: string | undefined
  readonly byHand: boolean
  readonly state: string | undefined
  readonly help: boolean
}

/**
 * The vendor's options have one dash, `-mode start`; two do as well, and `mode start` without any.
 * @throws UsageError
 */
export function readPedServerArguments(args: readonly string[]): PedServerArguments {
  const [first, ...others] = args
  const dashed = (first === 'mode' ? ['-mode', ...others] : args).map((arg) =>
    /^-[a-z]{2,}/.test(arg) ? `-${arg}` : arg,
  )
  const { values } = readArguments(() => parseArgs({ args: dashed, options: OPTIONS }))
  const mode = MODES.find((one) => one === values.mode)
  const appliance = APPLIANCE_ACTIONS.find((one) => one === values.appliance)
  if (values.appliance !== undefined && !appliance) {
    throw new UsageError(`Option '-appliance' takes ${APPLIANCE_ACTIONS.join(', ')}, not '${values.appliance}'`)
  }
  const tasks = [values.mode, values.appliance, values.regen].filter((one) => one !== undefined)
  if (tasks.length > 1) throw new UsageError("Only one of '-mode', '-appliance' and '-regen' can be given")
  if (!values.help && !mode && !appliance && !values.regen) {
    const what = values.mode === undefined ? 'You must specify a mode' : `There is no mode '${values.mode}'`
    throw new UsageError(`${what}: ${MODES.join(', ')}`)
  }
  return {
    mode,
    appliance,
    regen: values.regen ?? false,
    name: values.name,
    certificate: values.certificate,
    commonName: values.commonname,
    port: number(values.port, 'port', 0, 0xffff),
    ip: values.ip,
    idleSeconds: number(values.idletimeout, 'idletimeout', 1, 99_999),
    log: values.logfilename,
    logLevel: readLogLevel(values['log-level']),
    ped: pedSource(values.ped),
    force: values.force ?? false,
    set: values.set ?? false,
    foreground: values.foreground ?? false,
    keys: values.keys,
    rules: values.rules,
    byHand: values['by-hand'] ?? false,
    state: values.state,
    help: values.help ?? false,
  }
}

function pedSource(text: string | undefined): PedSource | undefined {
  if (text === undefined) return undefined
  if (text === 'own' || text === 'local') return { at: text }
  const [, port] = /^serial:(.+)$/.exec(text) ?? []
  if (port !== undefined) return { at: 'serial', path: port }
  if (text.includes('/')) return { at: 'socket', path: text }
  throw new UsageError(`Option '-ped' takes own, local, serial:PATH or the path of a socket, not '${text}'`)
}

function number(text: string | undefined, option: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d{1,6}$/.test(text) && value >= least && value <= most) return value
  throw new UsageError(`Option '-${option}' takes a number from ${least} to ${most}`)
}
