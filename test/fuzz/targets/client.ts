// The client's codec: a token, or somebody on the cable, that answers what it likes. An answer is taken exactly where SPEC.md allows it.
import * as protocol from '../../../assembly/protocol.js'
import {
  ChannelError,
  TokenClient as Client,
  ClientError,
  FrameError,
  type TokenClient,
  TokenError,
  Writer,
} from '../../../host/client/index.js'
import { TokenSide } from '../../client/token-side.js'
import { type Input, step } from '../engine/input.js'
import { putTogether, type Span, takeApart } from '../engine/layout.js'
import { EDGES, mutate, oddNumber } from '../engine/mutate.js'
import { Random } from '../engine/random.js'
import { COMMANDS, type CommandRow, commandOf } from '../engine/spec.js'
import { Finding, type Fuzzer, type Target, trial } from '../engine/target.js'

const { CMD_CHANNEL_OPEN } = protocol
const nothing = new Uint8Array(0)
const message = {
  ...{ mechanism: protocol.CKM_AES_GCM, key: 2, first: true, generator: protocol.CKG_GENERATE, fixed: 0 },
  ...{ nonce: new Uint8Array(12), aad: nothing, tag: 128 },
}
const mechanism = { mechanism: protocol.CKM_AES_ECB }

/** Every command that reads something of its answer, or nothing, as a call. */
const CALLS: Readonly<Record<number, (client: TokenClient) => Promise<unknown>>> = {
  [protocol.CMD_STATUS]: (client) => client.status(),
  [protocol.CMD_SELF_TEST]: (client) => client.selfTest(),
  [protocol.CMD_RANDOM]: (client) => client.random(8),
  [protocol.CMD_RANDOM_SEED]: (client) => client.seedRandom(nothing),
  [protocol.CMD_CERTIFICATES]: (client) => client.certificates(),
  [protocol.CMD_FACTORY_FINISH]: (client) => client.factoryFinish(Buffer.alloc(96)),
  [protocol.CMD_SESSION_OPEN]: (client) => client.openSession(1),
  [protocol.CMD_SESSION_CLOSE]: (client) => client.closeSession(1),
  [protocol.CMD_SESSION_INFO]: (client) => client.sessionInfo(1),
  [protocol.CMD_HSM_INFO]: (client) => client.hsm.info(),
  [protocol.CMD_HSM_INIT]: (client) => client.hsm.init(1, { label: 'x' }),
  [protocol.CMD_HSM_POLICIES]: (client) => client.hsm.policies(),
  [protocol.CMD_PARTITION_LIST]: (client) => client.partitions.list(),
  [protocol.CMD_PARTITION_INFO]: (client) => client.partitions.info(1),
  [protocol.CMD_PARTITION_CREATE]: (client) => client.partitions.create(1, { legacy: true, label: 'x' }),
  [protocol.CMD_PARTITION_POLICIES]: (client) => client.partitions.policies(1),
  [protocol.CMD_PARTITION_CLEAR]: (client) => client.partitions.clear(1),
  [protocol.CMD_ROLE_LOGIN]: (client) => client.roles.login(1, 2, 'password'),
  [protocol.CMD_ROLE_INFO]: (client) => client.roles.info(1, 2),
  [protocol.CMD_ROLE_CHANGE_SECRET]: (client) => client.roles.changeSecret(1, 2, 'old', 'new'),
  [protocol.CMD_PED_GET]: (client) => client.ped.get(),
  [protocol.CMD_OBJECT_LIST]: (client) => client.objects.page(1),
  [protocol.CMD_OBJECT_CREATE]: (client) => client.objects.create(1, []),
  [protocol.CMD_OBJECT_GENERATE_PAIR]: (client) => client.objects.generatePair(1, 0, [], []),
  [protocol.CMD_OBJECT_GET]: (client) => client.objects.get(1, 2, [protocol.CKA_LABEL]),
  [protocol.CMD_OBJECT_DESTROY]: (client) => client.objects.destroy(1, [2, 3]),
  [protocol.CMD_MECHANISM_LIST]: (client) => client.crypto.mechanisms(),
  [protocol.CMD_SIGN]: (client) => client.crypto.sign(1, mechanism, 2, nothing),
  [protocol.CMD_VERIFY]: (client) => client.crypto.verify(1, mechanism, 2, nothing, nothing),
  [protocol.CMD_WRAP]: (client) => client.crypto.wrap(1, mechanism, 2, 3),
  [protocol.CMD_UNWRAP]: (client) => client.crypto.unwrap(1, mechanism, 2, nothing, []),
  [protocol.CMD_PART]: (client) =>
    client.crypto.part(1, { purpose: 'sign', mechanism, key: 2, state: nothing, data: nothing, last: false }),
  [protocol.CMD_AEAD_PART]: (client) =>
    client.crypto.aeadPart(1, {
      ...{ purpose: 'check', mechanism, key: 2, length: 0, state: nothing, data: nothing, proof: nothing },
      ...{ last: false, message: false },
    }),
  [protocol.CMD_MESSAGE_SEAL]: (client) => client.crypto.messageSeal(1, message, false, nothing),
  [protocol.CMD_DERIVE]: (client) => client.crypto.derive(1, mechanism, 2, []),
  [protocol.CMD_CLONE_SOURCE_INIT]: (client) => client.cloning.sourceInit(1),
  [protocol.CMD_CLONE_SOURCE_BATCH]: (client) => client.cloning.sourceBatch(1, [2, 3], true),
  [protocol.CMD_CLONE_SOURCE_RESULT]: (client) => client.cloning.sourceResult(1, nothing),
  [protocol.CMD_AUDIT_STATUS]: (client) => client.audit.status(),
  [protocol.CMD_AUDIT_READ]: (client) => client.audit.read(1, 1n),
  [protocol.CMD_AUDIT_EXPORT]: (client) => client.audit.exportSecret(1),
  [protocol.CMD_TAMPER_SHOW]: (client) => client.recovery.tamper(),
  [protocol.CMD_SRK_SHOW]: (client) => client.recovery.srk(),
  [CMD_CHANNEL_OPEN]: (client) => client.identity(),
}

const ROWS: readonly CommandRow[] = COMMANDS.filter(({ id }) => Object.hasOwn(CALLS, id))

/** An answer as SPEC.md allows it. */
function goodAnswer(random: Random, row: CommandRow): Buffer {
  return putTogether(row.answer, (field) => {
    if (field.kind === 'fixed') return random.bytes(field.length)
    if (field.kind !== 'number') return random.bytes(random.pick([0, 1, 5, 32, 300]))
    return field.name === 'n' || field.name === 'consumed'
      ? random.below(5)
      : random.oneIn(2)
        ? random.u32()
        : random.pick(EDGES)
  })
}

function withOddLength(random: Random, row: CommandRow, body: Buffer): Buffer {
  const isLength = ({ field: { kind, name } }: Span) => kind === 'bytes' || name === 'n' || name === 'consumed'
  const spans = (takeApart(row.answer, body) ?? []).filter(isLength)
  if (spans.length === 0) return mutate(random, body)
  const { at, field, length } = random.pick(spans)
  const width = field.kind === 'number' ? Math.min(field.width, 4) : 4
  const copy = Buffer.from(body)
  copy.writeUIntBE(oddNumber(random, [length - width, body.length - at]) % 2 ** (8 * width), at, width)
  return copy
}

/** Whether a frame is the one answer that there can be: everything in its header fits, and the length. */
function isWhole(frame: Buffer, good: Buffer): boolean {
  return (
    frame.length >= 16 &&
    frame.subarray(0, 12).equals(good.subarray(0, 12)) &&
    frame.readUInt32BE(12) === frame.length - 16
  )
}

class ClientFuzzer implements Fuzzer {
  #side = new TokenSide()
  #client = new Client(this.#side, { now: 0n, access: 1n })

  /** A client with its channel lasts for many answers; one that is to open a channel is new. */
  #ends(id: number): { side: TokenSide; client: TokenClient } {
    if (id === CMD_CHANNEL_OPEN) {
      this.#side = new TokenSide()
      this.#client = new Client(this.#side, { now: 0n, access: 1n })
    }
    return { side: this.#side, client: this.#client }
  }

  generate(random: Random): Input {
    const row = random.pick(ROWS)
    const good = goodAnswer(random, row)
    const damage = random.below(4)
    const body =
      damage === 0
        ? good
        : damage === 1
          ? withOddLength(random, row, good)
          : mutate(random, good, goodAnswer(random, row))
    // What is done to the frame on its way: a seed of the damage, 0 = none.
    return [step('answer', [row.id, random.oneIn(3) ? random.u32() : 0], body)]
  }

  run(input: Input) {
    return trial(async (count) => {
      for (const {
        numbers: [id = 0, seed = 0],
        bytes,
      } of input) {
        count()
        const row = commandOf(id)
        const call = CALLS[id]
        if (row && call) await one(this.#ends(id), row, call, bytes.subarray(0, 60_000), seed)
      }
    })
  }
}

async function one(
  { side, client }: { side: TokenSide; client: TokenClient },
  row: CommandRow,
  call: (client: TokenClient) => Promise<unknown>,
  body: Buffer,
  seed: number,
): Promise<void> {
  side.frames.length = 0
  side.on(row.id, () => new Writer().fixed(body, body.length))
  let [expected, decided]: [boolean, boolean] = [
    row.id !== CMD_CHANNEL_OPEN && takeApart(row.answer, body) !== undefined,
    false,
  ]
  side.onAnswer = (frame, request) => {
    if (request.command !== row.id || decided) return frame
    decided = true
    const good = Buffer.from(frame)
    const sent = seed === 0 ? replaced(good, row, body) : mutate(new Random(seed), good)
    if (sent.equals(good)) expected = row.id === CMD_CHANNEL_OPEN ? true : expected
    else if (!isWhole(sent, good)) expected = false
    else {
      // A sealed body, and what a channel is opened with, can be changed by nobody.
      const plain = request.flags === 0 && row.id !== CMD_CHANNEL_OPEN
      expected = plain && takeApart(row.answer, sent.subarray(16)) !== undefined
    }
    return sent
  }
  let error: unknown
  try {
    await call(client)
  } catch (thrown) {
    error = thrown
  }
  const known = error instanceof FrameError || error instanceof ChannelError || error instanceof TokenError
  if (error !== undefined && !known) throw error
  if ((error === undefined) === expected) return
  const why = error instanceof ClientError ? `${error.code}: ${error.message}` : 'it is taken'
  const what = `an answer to ${row.name} that SPEC.md ${expected ? 'allows' : 'forbids'}: ${why}; body ${body.toString('hex', 0, 60)}`
  throw new Finding('client', `${row.name} ${expected}`, what)
}

/** The answer to CHANNEL_OPEN comes from no handler: a body that the fuzzer made takes its place. */
function replaced(good: Buffer, row: CommandRow, body: Buffer): Buffer {
  if (row.id !== CMD_CHANNEL_OPEN) return good
  const head = Buffer.from(good.subarray(0, 16))
  head.writeUInt32BE(body.length, 12)
  return Buffer.concat([head, body])
}

export const clientTarget: Target = {
  name: 'client',
  summary: "answers to every command, held against the client's codec",
  usesFirmware: false,
  prepare: async () => new ClientFuzzer(),
}
