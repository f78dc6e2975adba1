// Commands on objects, for the model and the token beside it.
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import { dataObject } from '../support/templates.js'
import { type ModelObject, withPartition } from './model.js'
import {
  type Change,
  Changing,
  codeOf,
  FULL,
  handleOf,
  hasObject,
  hasPartition,
  type Model,
  pick,
  pickFilled,
} from './model-command.js'
import type { CutPlan, ModelToken } from './model-token.js'

const BITS = protocol.BIT_TOKEN | protocol.BIT_MODIFIABLE
const MADE = BITS | protocol.BIT_LOCAL

export class CreateData extends Changing {
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

export class GenerateKeys extends Changing {
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

export class Rewrite extends Changing {
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

export class Destroy extends Changing {
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

export class Clear extends Changing {
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
