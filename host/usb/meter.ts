import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import type { Cancel, Complete, Urb, UrbStatus } from './urb.js'
import { isInUrb } from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import { WrappedDevice } from './wrapped-device.js'

/** Nanoseconds in a microsecond. */
const MICRO = 1000
/** One hour: what takes longer is counted, but has no place in the histogram. */
const LONGEST = 3_600_000_000_000
const PERCENTILES = [50, 90, 99, 99.9] as const

/** What one endpoint has done; times from submission to completion, in microseconds. */
export interface EndpointStats {
  /** Address with the direction bit; 0 = the control pipe. */
  readonly endpoint: number
  readonly transfers: number
  readonly bytes: number
  /** Transfers that their host gave up. */
  readonly cancelled: number
  /** By how they ended; those that did not occur are left out. */
  readonly ended: Partial<Readonly<Record<UrbStatus, number>>>
  /** Of those that ended `ok`; undefined = there is none. */
  readonly latency:
    | {
        readonly min: number
        readonly mean: number
        readonly max: number
        readonly percentiles: Readonly<Record<string, number>>
      }
    | undefined
}

class Meter {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST, figures: 3 })
  readonly #ended = new Map<UrbStatus, number>()
  transfers = 0
  bytes = 0
  cancelled = 0
  #timed = 0

  over(status: UrbStatus, bytes: number, time: number): void {
    this.#ended.set(status, (this.#ended.get(status) ?? 0) + 1)
    this.bytes += bytes
    if (status !== 'ok') return
    this.#timed += 1
    this.#histogram.record(Math.min(LONGEST, Math.max(1, Math.round(time * MICRO * MICRO))))
  }

  stats(endpoint: number): EndpointStats {
    const { transfers, bytes, cancelled } = this
    const histogram = this.#histogram
    const micro = (time: number): number => Math.round(time / 100) / 10
    const percentiles = Object.fromEntries(PERCENTILES.map((one) => [`p${one}`, micro(histogram.percentile(one))]))
    const { min, mean, max } = histogram
    const latency = { min: micro(min), mean: micro(mean), max: micro(max), percentiles }
    const ended = Object.fromEntries(this.#ended)
    return { endpoint, transfers, bytes, cancelled, ended, latency: this.#timed > 0 ? latency : undefined }
  }
}

/** A device whose transfers are counted and timed, each endpoint by itself. Memory is bounded, however long it goes on. */
export class MeteredDevice extends WrappedDevice {
  readonly #meters = new Map<number, Meter>()

  constructor(
    inner: ExportableDevice,
    private readonly now: () => number = () => performance.now(),
  ) {
    super(inner)
  }

  submit(urb: Urb, complete: Complete): Cancel {
    const meter = this.#meterOf(urb.endpoint)
    const began = this.now()
    meter.transfers += 1
    const cancel = this.inner.submit(urb, (result) => {
      meter.over(result.status, isInUrb(urb) ? result.data.length : result.actual, this.now() - began)
      complete(result)
    })
    return () => {
      const given = cancel()
      if (given) meter.cancelled += 1
      return given
    }
  }

  /** By endpoint address. */
  stats(): EndpointStats[] {
    return [...this.#meters].sort(([one], [other]) => one - other).map(([endpoint, meter]) => meter.stats(endpoint))
  }

  #meterOf(endpoint: number): Meter {
    // Sixteen numbers and a direction: a host that names more than there are has no meters for them.
    const address = endpoint & 0x8f
    const known = this.#meters.get(address)
    if (known) return known
    const meter = new Meter()
    this.#meters.set(address, meter)
    return meter
  }
}

const name = (endpoint: number): string => `0x${endpoint.toString(16).padStart(2, '0')}`

/** A table for people. */
export function showStats(all: readonly EndpointStats[]): string {
  const head = [
    'endpoint',
    'transfers',
    'bytes',
    'not ok',
    'given up',
    'p50 us',
    'p90 us',
    'p99 us',
    'p99.9 us',
    'max us',
  ]
  const rows = all.map(({ endpoint, transfers, bytes, ended, cancelled, latency }) => {
    const failed = Object.entries(ended).reduce((sum, [status, count]) => sum + (status === 'ok' ? 0 : count), 0)
    const times = latency
      ? [...PERCENTILES.map((one) => latency.percentiles[`p${one}`] ?? 0), latency.max].map((time) => time.toFixed(1))
      : ['-', '-', '-', '-', '-']
    return [name(endpoint), String(transfers), String(bytes), String(failed), String(cancelled), ...times]
  })
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `${cells.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ')}\n`
  return [head, ...rows].map(line).join('')
}
