import { parseArgs } from 'node:util'
import { readArguments, UsageError } from '../command-line.js'

export const MODES = ['start', 'stop', 'show', 'config', 'connect', 'disconnect'] as const
export type PedServerMode = (typeof MODES)[number]

const OPTIONS = {
  mode: { type: 'string' },
  port: { type: 'string' },
  ip: { type: 'string' },
  idletimeout: { type: 'string' },
  logfilename: { type: 'string' },
  force: { type: 'boolean' },
  set: { type: 'boolean' },
  foreground: { type: 'boolean' },
  keys: { type: 'string' },
  rules: { type: 'string' },
  'by-hand': { type: 'boolean' },
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  debug: { type: 'boolean' },
} as const

export interface PedServerArguments {
  readonly mode: PedServerMode | undefined
  readonly port: number | undefined
  readonly ip: string | undefined
  readonly idleSeconds: number | undefined
  readonly log: string | undefined
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
  if (!values.help && !mode) {
    const what = values.mode === undefined ? 'You must specify a mode' : `There is no mode '${values.mode}'`
    throw new UsageError(`${what}: ${MODES.join(', ')}`)
  }
  return {
    mode,
    port: number(values.port, 'port', 0, 0xffff),
    ip: values.ip,
    idleSeconds: number(values.idletimeout, 'idletimeout', 1, 99_999),
    log: values.logfilename,
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

function number(text: string | undefined, option: string, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d{1,6}$/.test(text) && value >= least && value <= most) return value
  throw new UsageError(`Option '-${option}' takes a number from ${least} to ${most}`)
}
