// All commands for the model and the token beside it, and the rows of them that fast-check makes.
import fc from 'fast-check'
import * as protocol from '../../../assembly/protocol.js'
import { type Command, count, hasPartition, type Model, settle } from './model-command.js'
import { Clear, CreateData, Destroy, GenerateKeys, Rewrite } from './model-objects.js'
import { CreatePartition, DeletePartition, Resize } from './model-partitions.js'
import type { ModelToken } from './model-token.js'

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
