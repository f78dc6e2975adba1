import { UsbError } from './errors.js'

export const FAULT_KINDS = ['delay', 'drop', 'stall', 'short', 'corrupt', 'unplug'] as const

/**
 * - delay: the transfer is done, its host hears of it `ms` milliseconds later
 * - drop: the device never sees the transfer, and its host never hears of it
 * - stall: the device never sees the transfer; its endpoint is halted until the host clears that
 * - short: IN, the host gets the first `bytes` of what came; OUT, the device does; half of it unless given
 * - corrupt: one bit of the data is another; which one is drawn
 * - unplug: the cable is pulled before the device sees the transfer
 */
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface FaultRule {
  readonly kind: FaultKind
  /** Address with the direction bit, 0 = the control pipe; any unless given. */
  readonly endpoint: number | undefined
  /** Number of the transfer that it happens to, from 1 on, among those of its endpoint; every one unless given. */
  readonly at: number | undefined
  /** Milliseconds of a delay. */
  readonly delay: number
  /** Length of what is left of a short transfer; half unless given. */
  readonly bytes: number | undefined
}

export const DEFAULT_DELAY = 100
const LONGEST_DELAY = 3_600_000

const isKind = (word: string): word is FaultKind => FAULT_KINDS.some((kind) => kind === word)

function bad(rule: string, why: string): UsbError {
  return new UsbError(
    'USB_FAULT_RULE',
    `the fault '${rule}' makes no sense: ${why}; an example is 'ep=0x81,at=12,do=stall'`,
  )
}

/** Decimal, or hexadecimal behind 0x. */
function readNumber(text: string): number | undefined {
  return /^(?:\d{1,9}|0x[0-9a-fA-F]{1,7})$/.test(text) ? Number(text) : undefined
}

/** A rule such as `ep=0x81,at=12,do=stall`. @throws UsbError USB_FAULT_RULE */
export function readFaultRule(text: string): FaultRule {
  const fields = new Map<string, string>()
  for (const part of text.split(',')) {
    const [, name, value] = /^([a-z]+)=(.+)$/.exec(part.trim()) ?? []
    if (name === undefined || value === undefined) throw bad(text, `'${part.trim()}' is not NAME=VALUE`)
    if (fields.has(name)) throw bad(text, `there are two of '${name}'`)
    if (!['ep', 'at', 'do', 'ms', 'bytes'].includes(name)) throw bad(text, `there is no '${name}'`)
    fields.set(name, value)
  }
  const number = (name: string, least: number, most: number): number | undefined => {
    const digits = fields.get(name)
    if (digits === undefined) return undefined
    const value = readNumber(digits)
    if (value === undefined || value < least || value > most) {
      throw bad(text, `'${name}' takes a number from ${least} to ${most}, not '${digits}'`)
    }
    return value
  }
  const kind = fields.get('do')
  if (kind === undefined) throw bad(text, "'do' is missing")
  if (!isKind(kind)) throw bad(text, `'do' takes one of ${FAULT_KINDS.join(', ')}, not '${kind}'`)
  if (fields.has('ms') && kind !== 'delay') throw bad(text, "'ms' belongs to a delay")
  if (fields.has('bytes') && kind !== 'short') throw bad(text, "'bytes' belongs to a short transfer")
  const endpoint = number('ep', 0, 0x8f)
  if (endpoint !== undefined && (endpoint & 0x70) !== 0) throw bad(text, "'ep' takes an address such as 0x02 or 0x81")
  return {
    kind,
    // 0x80 is the control pipe, too.
    endpoint: endpoint === 0x80 ? 0 : endpoint,
    at: number('at', 1, 999_999_999),
    delay: number('ms', 1, LONGEST_DELAY) ?? DEFAULT_DELAY,
    bytes: number('bytes', 0, 0xffffff),
  }
}

/** What is drawn where faults come by chance; no cable is pulled by chance. */
export const CHANCE_KINDS = ['delay', 'drop', 'stall', 'short', 'corrupt'] as const satisfies readonly FaultKind[]

/** Faults by chance, on all endpoints but the control pipe. */
export interface FaultChance {
  /** Probability of each transfer to be hit, 0 to 1. */
  readonly rate: number
  readonly seed: number
}

/** Small, fast, repeatable: mulberry32. Answers whole numbers below a bound. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}
