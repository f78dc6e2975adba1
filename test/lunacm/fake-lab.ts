// The shell over imagined HSMs: lines in, lines out.
import * as protocol from '../../assembly/protocol.js'
import { type PedConnector, type Slot, type SlotSource, TokenClient, TransportError } from '../../host/client/index.js'
import { type Io, MASK, type Persona, Shell, type Source } from '../../host/lunacm/index.js'
import { FakeHsm, fakePartition } from './fake-hsm.js'

/** Lines in, lines out. */
class LineIo implements Io {
  readonly interactive = false
  readonly lines: string[] = []
  readonly sources: (Source | undefined)[] = []
  readonly #input: string[]

  constructor(input: readonly string[]) {
    this.#input = [...input]
  }

  print(line: string, source?: Source): void {
    this.lines.push(line)
    this.sources.push(source)
  }

  async command(): Promise<string | undefined> {
    return this.#input.shift()
  }

  async ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined> {
    const answer = this.#input.shift()
    this.print(`${prompt}${answer === undefined ? '' : options.masked ? MASK : answer}`)
    return answer
  }

  close(): void {}
}

export interface FakeSlot {
  readonly id: number
  readonly hsm: FakeHsm
  readonly partition: number
  readonly kind?: Slot['kind']
  readonly ped?: PedConnector
}

export const noPed: PedConnector = { connect: async () => {}, disconnect: async () => {} }

export class FakeSlots implements SlotSource {
  readonly #slots: readonly Slot[]

  constructor(slots: readonly FakeSlot[]) {
    this.#slots = slots.map(({ id, hsm, partition, kind, ped }) => ({
      id,
      kind: kind ?? (partition === protocol.ADMIN_PARTITION ? 'backup' : 'network'),
      partition,
      client: new TokenClient(hsm.token),
      ped: ped ?? noPed,
    }))
  }

  async slots(): Promise<readonly Slot[]> {
    return this.#slots
  }
}

/** Runs lines through a shell; the transcript without the banner and the slots. */
export async function run(
  slots: SlotSource,
  input: readonly string[],
  persona: Persona = 'A',
  more: { readonly signal?: AbortSignal } = {},
): Promise<{ transcript: string[]; greeting: string[]; sources: (Source | undefined)[]; code: number }> {
  const io = new LineIo(input)
  const code = await new Shell({ slots, persona, io, ...more }).run()
  const first = io.lines.findIndex((line) => line.startsWith('lunacm:>'))
  const end = first < 0 ? io.lines.length : first
  return {
    transcript: io.lines.slice(end),
    greeting: io.lines.slice(0, end),
    sources: io.sources.slice(end),
    code,
  }
}

/** The seed's two HSMs: slot 1 a partition of a Network HSM, slot 2 a Backup HSM. */
export function seedLab(fields: { auth?: number; profile?: number } = {}) {
  const auth = fields.auth ?? protocol.AUTH_PED
  const profile = fields.profile ?? protocol.PROFILE_6_27_0
  const source = new FakeHsm({
    serial: 500409n,
    label: 'SA52',
    model: protocol.MODEL_NETWORK,
    auth,
    profile,
    partitions: [fakePartition({ id: 14, label: 'SA52_P1' })],
  })
  source.activated = true
  source.challenge = true
  const backup = new FakeHsm({ serial: 700101n, label: 'Backup', model: protocol.MODEL_BACKUP, auth, profile })
  const slots = new FakeSlots([
    { id: 1, hsm: source, partition: 14 },
    { id: 2, hsm: backup, partition: protocol.ADMIN_PARTITION },
  ])
  return { source, backup, slots, partition: source.partition(14) }
}

export const unplugged = () => {
  throw new TransportError('TRANSPORT_REMOVED', 'the device was unplugged')
}

/** A block of text as lines, without the line breaks at its two ends. */
export function lines(text: string): string[] {
  return text.split('\n').slice(1, -1)
}
