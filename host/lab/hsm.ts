import { join } from 'node:path'
import { type BoardOptions, Token } from '../board/index.js'
import { TokenClient, type Transport } from '../client/index.js'
import { InProcessAppliance } from '../ntls/index.js'
import { UsbTransport, usbIdentity, VirtualUsbDevice } from '../usb/index.js'
import type { HsmKind } from './lab-file.js'
import { PcieTransport } from './pcie.js'
import { type Recorder, recordTransport } from './recorder.js'

/** Board settings that a lab passes on: a seed and a virtual clock make it deterministic. */
export type BoardSettings = Pick<BoardOptions, 'trng' | 'clock'>

export interface HsmOptions {
  readonly name: string
  readonly kind: HsmKind
  /** Folder of the board. */
  readonly dir: string
  readonly settings?: BoardSettings | undefined
  readonly recorder?: Recorder | undefined
}

const CABLES: Readonly<Record<HsmKind, string>> = { network: 'ntls', pcie: 'pcie', backup: 'usb' }

/** One HSM that is switched on: a board in a thread of its own, and what is plugged into it. */
export class Hsm {
  /** At the HSM itself, as the appliance's own administrator works: nothing is filtered. */
  readonly console: TokenClient

  private constructor(
    readonly name: string,
    readonly kind: HsmKind,
    readonly token: Token,
    private readonly recorder: Recorder | undefined,
  ) {
    this.console = new TokenClient(this.#recorded(new PcieTransport(token), 'console'))
  }

  /** Rejects with what `Token.open` rejects with: the folder is in use, damaged, missing, newer. */
  static async start({ name, kind, dir, settings, recorder }: HsmOptions): Promise<Hsm> {
    return new Hsm(name, kind, await Token.open({ dir, ...settings }), recorder)
  }

  /**
   * Plugs a workstation's cable in: NTLS for a Network HSM, USB for a Backup HSM, the bus for a card.
   * @param client name of the workstation, as the appliance has registered it
   * @param assigned whether a partition of a Network HSM is assigned to it
   */
  async connect(client: string, assigned: (partition: number) => boolean): Promise<TokenClient> {
    return new TokenClient(this.#recorded(await this.#cable(client, assigned), CABLES[this.kind]))
  }

  /** Switches the board off and frees its folder. */
  close(): Promise<void> {
    return this.token.close()
  }

  async #cable(client: string, assigned: (partition: number) => boolean): Promise<Transport> {
    if (this.kind === 'network') return new InProcessAppliance(this.token).connect({ name: client, assigned })
    if (this.kind === 'pcie') return new PcieTransport(this.token)
    const { serial } = await this.console.status()
    return UsbTransport.open(new VirtualUsbDevice(this.token, usbIdentity(String(serial))))
  }

  #recorded(transport: Transport, cable: string): Transport {
    return this.recorder ? recordTransport(transport, `${cable}:${this.name}`, this.recorder) : transport
  }
}

/** Starts several HSMs at once, or none: where one does not start the others are switched off again. */
export async function startHsms(
  stateDir: string,
  hsms: readonly { readonly name: string; readonly kind: HsmKind; readonly folder: string }[],
  options: Pick<HsmOptions, 'settings' | 'recorder'>,
): Promise<Map<string, Hsm>> {
  const results = await Promise.allSettled(
    hsms.map(({ name, kind, folder }) => Hsm.start({ name, kind, dir: join(stateDir, folder), ...options })),
  )
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) {
    await Promise.all(started.map((hsm) => hsm.close()))
    throw failed.reason
  }
  return new Map(started.map((hsm) => [hsm.name, hsm]))
}
