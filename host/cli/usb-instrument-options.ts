import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { ParseArgsConfig } from 'node:util'
import { type FaultChance, LabError, readFaultRule, UsbInstruments } from '../lab/index.js'
import { UsageError } from './command-line.js'
import type { LoggedEvent } from './event-log.js'

/** What of measurements and faults is asked for on the command line. */
export const INSTRUMENT_OPTIONS = {
  fault: { type: 'string', multiple: true },
  'fault-rate': { type: 'string' },
  seed: { type: 'string' },
  stats: { type: 'string' },
} as const satisfies ParseArgsConfig['options']

export const INSTRUMENT_HELP = `  --fault RULE           do harm: 'ep=0x81,at=12,do=stall' halts endpoint 0x81
                         at its 12th transfer. do= is delay (ms=N), drop, stall,
                         short (bytes=N), corrupt or unplug; without ep= any
                         endpoint, without at= every transfer; may be given more
                         than once
  --fault-rate P         the same by chance: each transfer but control ones is
                         delayed, dropped, stalled, cut or corrupted with
                         probability P
  --seed N               makes that repeatable (one is drawn and told unless
                         given)
  --stats FILE           write what was counted and timed to a JSON file at the
                         end
`

interface InstrumentValues {
  readonly fault?: readonly string[] | undefined
  readonly 'fault-rate'?: string | undefined
  readonly seed?: string | undefined
  readonly stats?: string | undefined
}

/** @throws UsageError */
function readChance({ 'fault-rate': rate, seed }: InstrumentValues): FaultChance | undefined {
  if (seed !== undefined && !/^\d{1,10}$/.test(seed)) throw new UsageError(`'--seed' takes a number, not '${seed}'`)
  if (rate === undefined) {
    if (seed !== undefined) throw new UsageError("'--seed' goes with '--fault-rate'")
    return undefined
  }
  const value = /^(?:\d+(?:\.\d+)?|\.\d+)$/.test(rate) ? Number(rate) : Number.NaN
  if (!(value >= 0 && value <= 1)) throw new UsageError(`'--fault-rate' takes a probability from 0 to 1, not '${rate}'`)
  return { rate: value, seed: seed === undefined ? randomInt(2 ** 32) : Number(seed) }
}

export interface Instruments {
  readonly tools: UsbInstruments
  /** Shows what was measured whenever SIGUSR1 comes, from now on. */
  listen(): void
  /** Shows and writes it for the last time. @throws LabError LAB_IO */
  finish(): void
}

/**
 * Undefined = nothing is asked for, and nothing stands in front of the devices.
 * @throws UsageError; UsbError USB_FAULT_RULE
 */
export function instrumentsOf(
  values: InstrumentValues,
  tell: (event: LoggedEvent) => void,
  show: (text: string) => void,
  always = false,
): Instruments | undefined {
  const { fault = [], 'fault-rate': rate, seed, stats } = values
  if (!always && fault.length === 0 && rate === undefined && seed === undefined && stats === undefined) return undefined
  if (stats === '') throw new UsageError("'--stats' needs a file")
  const rules = fault.map(readFaultRule)
  const chance = readChance(values)
  const tools = new UsbInstruments({ rules, chance, onFault: (one) => tell({ event: 'fault', ...one }) })
  const print = (): void => show(tools.show())
  return {
    tools,
    listen() {
      process.on('SIGUSR1', print)
      if (chance) tell({ event: 'faults', ...chance })
    },
    finish() {
      process.off('SIGUSR1', print)
      print()
      if (stats === undefined) return
      try {
        writeFileSync(stats, `${JSON.stringify({ ...chance, ...tools.stats() }, null, 2)}\n`)
      } catch (cause) {
        throw new LabError('LAB_IO', `the statistics cannot be written to ${stats}`, { cause })
      }
    },
  }
}
