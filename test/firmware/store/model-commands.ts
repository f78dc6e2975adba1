// Commands for the model and the token beside it: each says what the contents are after it, and does it.
import fc from 'fast-check'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute, TokenError } from '../../../host/client/index.js'
import { SECRETS } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import { adopt, type Contents, emptyPartition, type ModelObject, type ModelPartition, withPartition } from './model.js'
import { type CutPlan, type ModelToken, type Outcome, STORAGE } from './model-token.js'

export interface Model {
  contents: Contents
  /** Images from before, each with the contents that it held. */
  readonly images: Uint8Array[]
  labels: number
  /** How often something happened, for the last line of the test. */
  readonly tally: Map<string, number>
}

type Command = fc.AsyncCommand<Model, ModelToken>

const BITS = protocol.BIT_TOKEN | protocol.BIT_MODIFIABLE
const MADE = BITS | protocol.BIT_LOCAL
/** Codes that mean "full"; only a store that holds this much may answer them. */
const FULL: readonly number[] = [protocol.RC_HSM_STORAGE_FULL, protocol.RC_CONTAINER_STORAGE_FULL]
const FULL_ENOUGH = 0.5
const RECORD_OVERHEAD = 400n

function count({ tally }: Model, what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1)
}

/** The id of the n-th partition, modulo how many there are. */
function pick(model: Model, n: number): { id: number; partition: ModelPartition } {
  const entries = [...model.contents]
  const [id, partition] = entries[n % entries.length] ?? []
  if (id === undefined || !partition) throw new Error('there is no partition')
  return { id, partition }
}

const handleOf = ({ objects }: ModelPartition, n: number): number => [...objects.keys()][n % objects.size] ?? 0

const hasPartition = (model: Readonly<Model>): boolean => model.contents.size > 0
const hasObject = (model: Readonly<Model>): boolean =>
  [...model.contents.values()].some(({ objects }) => objects.size > 0)

/** A partition with objects, the n-th or the next one. */
function pickFilled(model: Model, n: number): { id: number; partition: ModelPartition } {
  for (let i = n; ; i++) {
    const found = pick(model, i)
    if (found.partition.objects.size > 0) return found
  }
}

async function codeOf(command: Promise<unknown>): Promise<number> {
  try {
    await command
    return protocol.RC_OK
  } catch (error) {
    if (error instanceof TokenError) return error.rc
    throw error
  }
}

/** A command that changes the contents from the model's to `after`, or answers one of `refusals` and changes nothing. */
interface Change {
  readonly after: Contents
  readonly run: () => Promise<number>
  readonly refusals?: readonly number[]
}

/** Holds the outcome against the model: answered = after; refused = before; cut = one of the two. */
async function settle(
  model: Model,
  real: ModelToken,
  outcome: Outcome,
  { after, refusals = [] }: Change,
): Promise<void> {
  const seen = await real.contents()
  const changed = adopt(after, seen)
  const kept = adopt(model.contents, seen)
  if (outcome === 'cut') {
    const found = typeof changed === 'string' ? kept : changed
    if (typeof found === 'string') assert.unreachable(`cut: neither after (${changed}) nor before (${found})`)
    else model.contents = found
    count(model, found === changed ? 'cuts that came after' : 'cuts that came before')
  } else if (outcome === protocol.RC_OK) {
    if (typeof changed === 'string') assert.unreachable(changed)
    else model.contents = changed
  } else {
    assert.ok(refusals.includes(outcome), `code 0x${outcome.toString(16)}`)
    if (typeof kept === 'string') assert.unreachable(`refused, and yet changed: ${kept}`)
    count(model, 'refusals')
  }
}

/** Any command that may be cut. */
abstract class Changing implements Command {
  constructor(
    private readonly name: string,
    private readonly cut: CutPlan | undefined,
    private readonly details: string,
  ) {}

  abstract check(model: Readonly<Model>): boolean
  protected abstract change(model: Model, real: ModelToken): Promise<Change> | Change

  async run(model: Model, real: ModelToken): Promise<void> {
    const change = await this.change(model, real)
    const outcome = await real.run(change.run, this.cut)
    await settle(model, real, outcome, change)
    count(model, this.name)
    if (outcome === 'cut') count(model, 'cuts')
    if (FULL.includes(outcome === 'cut' ? 0 : outcome)) await this.#isReallyFull(model, real, change)
  }

  /** "Full" is believed of a store that is, not of one that has only been busy. */
  async #isReallyFull(model: Model, real: ModelToken, { after }: Change): Promise<void> {
    count(model, 'full')
    if ((await real.fullness()) >= FULL_ENOUGH) return
    for (const { id, used, total } of await real.client.partitions.list()) {
      // Smaller than what is in it.
      if (used > (after.get(id)?.size ?? total)) return
      const wanted = (after.get(id)?.fresh ?? []).reduce(
        (sum, { content = '' }) => sum + BigInt(content.length / 2),
        0n,
      )
      if (used + wanted + 2n * RECORD_OVERHEAD > total) return
    }
    const allocated = [...after.values()].reduce((sum, { size }) => sum + size, 0n)
    assert.ok(allocated > STORAGE, 'full, although there is room')
  }

  toString(): string {
    return `${this.name}(${this.details}${this.cut ? `, cut ${JSON.stringify(this.cut)}` : ''})`
  }
}

class CreateData extends Changing {
  constructor(
    private readonly at: number,
    private readonly size: number,
    private readonly isPrivate: boolean,
    cut: CutPlan | undefined,
  ) {
    super('create', cut, `${at}, ${size}, ${isPrivate}`)
  }

  check = hasPartition

  async change(model: Model, real: ModelToken): Promise<Change> {
    const { id, partition } = pick(model, this.at)
    const session = await real.session(id)
    const label = `object ${model.labels++}`
    const value = Buffer.alloc(this.size, model.labels)
    const kind = `${protocol.CKO_DATA} ${this.isPrivate ? BITS | protocol.BIT_PRIVATE : BITS}`
    const fresh: ModelObject[] = [{ label, kind, content: value.toString('hex') }]
    return {
      after: withPartition(model.contents, id, { ...partition, fresh }),
      run: () => codeOf(real.client.objects.create(session, dataObject(label, value, this.isPrivate))),
      refusals: FULL,
    }
  }
}

class GenerateKeys extends Changing {
  constructor(
    private readonly at: number,
    private readonly pair: boolean,
    cut: CutPlan | undefined,
  ) {
    super('generate', cut, `${at}, ${pair}`)
  }

  check = hasPartition

  async change(model: Model, real: ModelToken): Promise<Change> {
    const { id, partition } = pick(model, this.at)
    const session = await real.session(id)
    const label = `key ${model.labels++}`
    const { bool, bytes, text, ulong } = attribute
    const common = [bool(protocol.CKA_TOKEN, true), text(protocol.CKA_LABEL, label)]
    const secret =
      MADE |
      protocol.BIT_PRIVATE |
      protocol.BIT_SENSITIVE |
      protocol.BIT_ALWAYS_SENSITIVE |
      protocol.BIT_NEVER_EXTRACTABLE
    const guarded = [
      bool(protocol.CKA_PRIVATE, true),
      bool(protocol.CKA_SENSITIVE, true),
      bool(protocol.CKA_EXTRACTABLE, false),
    ]
    const object = (cls: number, bits: number): ModelObject => ({ label, kind: `${cls} ${bits}`, content: undefined })
    const { objects } = real.client
    if (this.pair) {
      const curve = [...common, bytes(protocol.CKA_EC_PARAMS, Buffer.from('06082a8648ce3d030107', 'hex'))]
      const fresh = [object(protocol.CKO_PUBLIC_KEY, MADE), object(protocol.CKO_PRIVATE_KEY, secret)]
      return {
        after: withPartition(model.contents, id, { ...partition, fresh }),
        run: () => codeOf(objects.generatePair(session, protocol.CKM_EC_KEY_PAIR_GEN, curve, [...common, ...guarded])),
        refusals: FULL,
      }
    }
    const template = [...common, ...guarded, ulong(protocol.CKA_VALUE_LEN, 32)]
    return {
      after: withPartition(model.contents, id, { ...partition, fresh: [object(protocol.CKO_SECRET_KEY, secret)] }),
      run: () => codeOf(objects.generate(session, protocol.CKM_AES_KEY_GEN, template)),
      refusals: FULL,
    }
  }
}

class Rewrite extends Changing {
  constructor(
    private readonly at: number,
    private readonly which: number,
    cut: CutPlan | undefined,
  ) {
    super('rewrite', cut, `${at}, ${which}`)
  }

  check = hasObject

  async change(model: Model, real: ModelToken): Promise<Change> {
    const { id, partition } = pickFilled(model, this.at)
    const session = await real.session(id)
    const handle = handleOf(partition, this.which)
    const old = partition.objects.get(handle)
    const label = `renamed ${model.labels++}`
    if (!old) throw new Error('no such object')
    const objects = new Map(partition.objects).set(handle, { ...old, label })
    return {
      after: withPartition(model.contents, id, { ...partition, objects }),
      run: () => codeOf(real.client.objects.set(session, handle, [attribute.text(protocol.CKA_LABEL, label)])),
      refusals: FULL,
    }
  }
}

class Destroy extends Changing {
  constructor(
    private readonly at: number,
    private readonly which: readonly number[],
    cut: CutPlan | undefined,
  ) {
    super('destroy', cut, `${at}, [${which}]`)
  }

  check = hasObject

  async change(model: Model, real: ModelToken): Promise<Change> {
    const { id, partition } = pickFilled(model, this.at)
    const session = await real.session(id)
    const handles = [...new Set(this.which.map((n) => handleOf(partition, n)))]
    const objects = new Map(partition.objects)
    for (const handle of handles) objects.delete(handle)
    return {
      after: withPartition(model.contents, id, { ...partition, objects }),
      run: async () => {
        const codes = await real.client.objects.destroy(session, handles)
        return codes.find((code) => code !== protocol.RC_OK) ?? protocol.RC_OK
      },
    }
  }
}

class Clear extends Changing {
  constructor(
    private readonly at: number,
    cut: CutPlan | undefined,
  ) {
    super('clear', cut, `${at}`)
  }

  check = hasPartition

  async change(model: Model, real: ModelToken): Promise<Change> {
    const { id, partition } = pick(model, this.at)
    const session = await real.session(id)
    return {
      after: withPartition(model.contents, id, { ...partition, objects: new Map() }),
      run: () => codeOf(real.client.partitions.clear(session)),
    }
  }
}

class CreatePartition extends Changing {
  constructor(
    private readonly size: number,
    cut: CutPlan | undefined,
  ) {
    super('create partition', cut, `${size}`)
  }

  check = (model: Readonly<Model>): boolean => model.contents.size < 3

  change(model: Model, real: ModelToken): Change {
    const label = `partition ${model.labels++}`
    const size = BigInt(this.size)
    const id = [1, 2, 3].find((one) => !model.contents.has(one)) ?? 0
    const made = { legacy: true, label, size, password: SECRETS.officer }
    return {
      after: withPartition(model.contents, id, emptyPartition(label, size)),
      run: () => codeOf(real.client.partitions.create(real.admin, made)),
      refusals: FULL,
    }
  }
}

class DeletePartition extends Changing {
  constructor(
    private readonly at: number,
    cut: CutPlan | undefined,
  ) {
    super('delete partition', cut, `${at}`)
  }

  check = hasPartition

  change(model: Model, real: ModelToken): Change {
    const { id } = pick(model, this.at)
    real.ended(id)
    return {
      after: withPartition(model.contents, id, undefined),
      run: () => codeOf(real.client.partitions.delete(real.admin, id)),
    }
  }
}

class Resize extends Changing {
  constructor(
    private readonly at: number,
    private readonly size: number,
    cut: CutPlan | undefined,
  ) {
    super('resize', cut, `${at}, ${size}`)
  }

  check = hasPartition

  change(model: Model, real: ModelToken): Change {
    const { id, partition } = pick(model, this.at)
    const size = BigInt(this.size)
    return {
      after: withPartition(model.contents, id, { ...partition, size }),
      run: () => codeOf(real.client.partitions.resize(real.admin, id, size)),
      refusals: FULL,
    }
  }
}

/** Large objects until one no longer fits. */
class Fill implements Command {
  constructor(
    private readonly at: number,
    private readonly size: number,
  ) {}

  check = hasPartition

  async run(model: Model, real: ModelToken): Promise<void> {
    for (let i = 0; i < 60; i++) {
      const before = model.tally.get('full') ?? 0
      await new CreateData(this.at, this.size, i % 2 === 0, undefined).run(model, real)
      if ((model.tally.get('full') ?? 0) > before) break
    }
    count(model, 'fill')
  }

  toString = (): string => `fill(${this.at}, ${this.size})`
}

class Reboot implements Command {
  check = (): boolean => true

  async run(model: Model, real: ModelToken): Promise<void> {
    await real.reboot()
    await settle(model, real, protocol.RC_OK, { after: model.contents, run: async () => protocol.RC_OK })
    count(model, 'reboot')
  }

  toString = (): string => 'reboot'
}

/** An image is put by; later it is put back, and the token will not have it. */
class RollBack implements Command {
  constructor(private readonly which: number) {}

  check = (): boolean => true

  async run(model: Model, real: ModelToken): Promise<void> {
    const old = model.images[this.which % Math.max(1, model.images.length)]
    model.images.push(real.image())
    if (!old) return
    // Every boot writes a superblock, so that the image is older even if nothing has changed.
    await real.reboot()
    await real.rollBack(old)
    await settle(model, real, protocol.RC_OK, { after: model.contents, run: async () => protocol.RC_OK })
    count(model, 'roll back')
  }

  toString = (): string => `rollBack(${this.which})`
}

const index = fc.nat(7)
const cut = fc.option(
  fc.record({
    at: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 10 }) }, fc.integer({ min: 11, max: 40 })),
    seed: fc.nat(),
    again: fc.constantFrom(0, 0, 1, 3, 6, 9),
  }),
  { nil: undefined, freq: 2 },
)
const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 2000 }) },
  { weight: 2, arbitrary: fc.integer({ min: 2000, max: 20000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 20000, max: 60000 }) },
)
const limit = fc.integer({ min: 500, max: 400_000 })

/** Rows of commands that an HSM may be given. */
export const commands = (most: number) =>
  fc.commands<Model, ModelToken, false>(
    [
      fc.tuple(index, size, fc.boolean(), cut).map((it) => new CreateData(...it)),
      fc.tuple(index, size, fc.boolean(), cut).map((it) => new CreateData(...it)),
      fc.tuple(index, fc.boolean(), cut).map((it) => new GenerateKeys(...it)),
      fc.tuple(index, index, cut).map((it) => new Rewrite(...it)),
      fc.tuple(index, fc.array(index, { minLength: 1, maxLength: 5 }), cut).map((it) => new Destroy(...it)),
      fc.tuple(index, cut).map((it) => new Clear(...it)),
      fc.tuple(limit, cut).map((it) => new CreatePartition(...it)),
      fc.tuple(limit, cut).map((it) => new CreatePartition(...it)),
      fc.tuple(index, cut).map((it) => new DeletePartition(...it)),
      fc.tuple(index, limit, cut).map((it) => new Resize(...it)),
      fc.tuple(index, fc.integer({ min: 8000, max: 60000 })).map((it) => new Fill(...it)),
      fc.constant(new Reboot()),
      index.map((which) => new RollBack(which)),
    ],
    { maxCommands: most, size: 'max' },
  )
