import { CHANCE_KINDS, DEFAULT_DELAY, type FaultChance, type FaultKind, type FaultRule, seeded } from './fault-rules.js'
import {
  type Cancel,
  type Complete,
  isInUrb,
  OVER,
  outcome,
  type SetupPacket,
  type Urb,
  type UrbResult,
  type UrbStatus,
} from './urb.js'
import type { ExportableDevice } from './usbip-server.js'
import { WrappedDevice } from './wrapped-device.js'

const CLEAR_HALT = { requestType: 0x02, request: 1, value: 0 } as const
const SET_CONFIGURATION = { requestType: 0x00, request: 9 } as const

/** A fault that has happened. */
export interface Fault {
  readonly kind: FaultKind
  readonly endpoint: number
  /** Number of the transfer among those of its endpoint. */
  readonly transfer: number
}

export interface FaultOptions {
  readonly rules: readonly FaultRule[]
  readonly chance?: FaultChance | undefined
  /** Seed of what a corrupted transfer has wrong; the chance's own unless given. */
  readonly seed?: number | undefined
  /** Pulls the cable. */
  readonly unplug: () => void
  readonly onFault?: ((fault: Fault) => void) | undefined
}

/** A transfer that nobody but this wrapper has. */
interface Held {
  readonly finish: (status: UrbStatus) => void
}

/** A device on a cable that does harm: by rule, by chance, repeatable where its host is. The device itself stays as it is. */
export class FaultyDevice extends WrappedDevice {
  readonly #counts = new Map<number, number>()
  readonly #halted = new Set<number>()
  readonly #held = new Set<Held>()
  readonly #draw: (below: number) => number
  readonly #noise: (below: number) => number

  constructor(
    inner: ExportableDevice,
    private readonly options: FaultOptions,
  ) {
    super(inner)
    const seed = options.chance?.seed ?? options.seed ?? 1
    this.#draw = seeded(seed)
    this.#noise = seeded(~seed)
  }

  submit(urb: Urb, complete: Complete): Cancel {
    const { endpoint, setup } = urb
    if (setup) this.#watch(setup)
    const transfer = (this.#counts.get(endpoint) ?? 0) + 1
    this.#counts.set(endpoint, transfer)
    const rule = this.#rule(endpoint, transfer)
    if (this.#halted.has(endpoint)) {
      complete(outcome('stall'))
      return OVER
    }
    if (!rule) return this.inner.submit(urb, complete)
    this.options.onFault?.({ kind: rule.kind, endpoint, transfer })
    return this.#harm(rule, urb, complete)
  }

  override reset(): void {
    this.#end('reset')
    this.inner.reset()
  }

  override detach(): Promise<void> {
    this.#end('gone')
    return this.inner.detach()
  }

  #end(status: UrbStatus): void {
    this.#halted.clear()
    for (const held of [...this.#held]) held.finish(status)
  }

  /** Requests that a halted endpoint recovers by. */
  #watch({ requestType, request, value, index }: SetupPacket): void {
    if (requestType === CLEAR_HALT.requestType && request === CLEAR_HALT.request && value === CLEAR_HALT.value) {
      this.#halted.delete(index & 0xff)
    } else if (requestType === SET_CONFIGURATION.requestType && request === SET_CONFIGURATION.request) {
      this.#end('reset')
    }
  }

  /** The first rule that fits, or what is drawn. One number is drawn for each transfer, whatever the rules say. */
  #rule(endpoint: number, transfer: number): FaultRule | undefined {
    const byChance = endpoint === 0 ? undefined : this.#chance()
    const byRule = this.options.rules.find(
      (rule) => (rule.endpoint ?? endpoint) === endpoint && (rule.at ?? transfer) === transfer,
    )
    return byRule ?? byChance
  }

  #chance(): FaultRule | undefined {
    const { chance } = this.options
    if (!chance || this.#draw(2 ** 32) >= chance.rate * 2 ** 32) return undefined
    const kind = CHANCE_KINDS[this.#draw(CHANCE_KINDS.length)] ?? 'stall'
    return { kind, endpoint: undefined, at: undefined, delay: 1 + this.#draw(DEFAULT_DELAY), bytes: undefined }
  }

  #harm(rule: FaultRule, urb: Urb, complete: Complete): Cancel {
    switch (rule.kind) {
      case 'delay':
        return this.#late(urb, rule.delay, complete)
      case 'drop':
        return this.#hold(complete)
      case 'stall':
        // The control pipe is never halted: the next SETUP packet clears a stall.
        if (urb.endpoint !== 0) this.#halted.add(urb.endpoint)
        complete(outcome('stall'))
        return OVER
      case 'short':
        return this.#short(urb, rule.bytes, complete)
      case 'corrupt':
        if (!isInUrb(urb)) return this.inner.submit({ ...urb, data: this.#corrupted(urb.data) }, complete)
        return this.inner.submit(urb, (result) => complete({ ...result, data: this.#corrupted(result.data) }))
      case 'unplug':
        complete(outcome('gone'))
        this.options.unplug()
        return OVER
    }
  }

  #late(urb: Urb, delay: number, complete: Complete): Cancel {
    let given: Cancel | undefined
    const cancel = this.inner.submit(urb, (result) => {
      const timer = setTimeout(() => finish(), delay)
      const finish = (status?: UrbStatus): void => {
        clearTimeout(timer)
        if (this.#held.delete(held)) complete(status ? outcome(status) : result)
      }
      const held: Held = { finish }
      this.#held.add(held)
      given = () => {
        clearTimeout(timer)
        return this.#held.delete(held)
      }
    })
    return () => (given ?? cancel)()
  }

  #hold(complete: Complete): Cancel {
    const held: Held = {
      finish: (status) => {
        if (this.#held.delete(held)) complete(outcome(status))
      },
    }
    this.#held.add(held)
    return () => this.#held.delete(held)
  }

  #short(urb: Urb, bytes: number | undefined, complete: Complete): Cancel {
    const left = (length: number): number => Math.min(length, bytes ?? length >> 1)
    if (!isInUrb(urb)) {
      const data = urb.data.subarray(0, left(urb.data.length))
      const setup = urb.setup && { ...urb.setup, length: data.length }
      return this.inner.submit({ ...urb, setup, data }, complete)
    }
    return this.inner.submit(urb, (result: UrbResult) => {
      const data = result.data.slice(0, left(result.data.length))
      complete({ ...result, data, actual: data.length })
    })
  }

  #corrupted<Bytes extends Uint8Array>(data: Bytes): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(data)
    if (copy.length > 0) {
      const at = this.#noise(copy.length)
      copy[at] = (copy[at] ?? 0) ^ (1 << this.#noise(8))
    }
    return copy
  }
}
