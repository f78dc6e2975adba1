import type { FrameLink } from '../board/frame-link.js'
import { PedError } from './errors.js'

/** A PED as those who serve it to HSMs see it. */
export interface ServedPed {
  /** It is there. */
  readonly present: boolean
  /** An HSM's cable is plugged in. */
  readonly connected: boolean
  /** What the display shows, as far as that is known here. */
  readonly lcd: readonly string[]
  /** Resolves once it is there; never where it does not come. */
  arrival(): Promise<void>
  /** Plugs the cable of an HSM in; `pulled` is called where the PED goes away first. @throws PedError PED_IN_USE, PED_ABSENT */
  connect(link: FrameLink, pulled?: () => void): void
}

/** A PED in another process, or on another table: whatever comes from its line goes on to the HSM, and back. */
export class LinePed implements ServedPed {
  readonly lcd: readonly string[] = []
  #line: FrameLink | undefined
  #hsm: { readonly link: FrameLink; readonly pulled: () => void } | undefined
  #arrival = promise()

  get present(): boolean {
    return this.#line !== undefined
  }

  get connected(): boolean {
    return this.#hsm !== undefined
  }

  arrival(): Promise<void> {
    return this.#arrival.resolved
  }

  /** The PED has come: somebody answers on the line. @throws PedError PED_IN_USE: there is one */
  plugIn(line: FrameLink): void {
    if (this.#line) throw new PedError('PED_IN_USE', 'there is a PED already')
    this.#line = line
    line.onClose(() => {
      this.#line = undefined
      this.#arrival = promise()
      const hsm = this.#hsm
      this.#hsm = undefined
      hsm?.pulled()
      hsm?.link.close()
    })
    line.onFrame((frame) => this.#hsm?.link.send(frame))
    this.#arrival.resolve()
  }

  connect(link: FrameLink, pulled: () => void = () => undefined): void {
    const line = this.#line
    if (!line) throw new PedError('PED_ABSENT', 'no PED is connected here')
    if (this.#hsm) throw new PedError('PED_IN_USE', 'the PED serves another HSM: disconnect it there first')
    const hsm = { link, pulled }
    this.#hsm = hsm
    link.onClose(() => {
      if (this.#hsm !== hsm) return
      this.#hsm = undefined
      // For the PED the cable is pulled: what it asks stands no longer, and the next HSM finds it as new.
      line.close()
    })
    link.onFrame((frame) => line.send(frame))
  }
}

function promise(): { readonly resolved: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined
  const resolved = new Promise<void>((settle) => {
    resolve = settle
  })
  return { resolved, resolve }
}
