// Commands on partitions, for the model and the token beside it.
import { SECRETS } from '../support/officer.js'
import { emptyPartition, withPartition } from './model.js'
import { type Change, Changing, codeOf, FULL, hasPartition, type Model, pick } from './model-command.js'
import type { CutPlan, ModelToken } from './model-token.js'

export class CreatePartition extends Changing {
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

export class DeletePartition extends Changing {
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

export class Resize extends Changing {
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
