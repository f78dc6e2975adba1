// The token that a command works at: which slot, who logs in, what its objects are.

import * as protocol from '../../assembly/protocol.js'
import { attribute, type Slot, type SlotSource, type TokenClient, ulongValue } from '../client/index.js'
import type { CmuArguments } from './arguments.js'
import { CmuError } from './errors.js'
import { literals } from './literals.js'

/** Where lines go to, and answers come from. */
export interface CmuIo {
  print(line: string): void
  /** undefined = nobody answers any more. */
  ask(prompt: string, options: { readonly masked: boolean }): Promise<string | undefined>
}

/** A partition with the Crypto Officer logged in. */
export interface CmuToken {
  readonly client: TokenClient
  readonly session: number
  readonly io: CmuIo
}

async function answered(io: CmuIo, prompt: string, masked: boolean): Promise<string> {
  const answer = await io.ask(prompt, { masked })
  if (answer === undefined) throw new CmuError('CMU_INPUT_ENDED', 'the input has ended where an answer was wanted')
  return answer
}

async function labelOf({ client, partition }: Slot): Promise<string> {
  return (await client.partitions.info(partition)).label
}

/** Who logs in where; what the line does not say is asked for. */
export interface CmuWho {
  readonly slot: number | undefined
  readonly password: string | undefined
  readonly role: number
}

/** The options of all commands. @throws CmuError CMU_USAGE */
export function whoFrom(args: CmuArguments): CmuWho {
  return {
    slot: args.number('slot'),
    password: args.text('password'),
    role: args.flag('cu') === true ? protocol.ROLE_CRYPTO_USER : protocol.ROLE_CRYPTO_OFFICER,
  }
}

/** The slot that the line names, the only one with a partition, or the one that is chosen. */
async function chooseSlot(source: SlotSource, wanted: number | undefined, io: CmuIo): Promise<Slot> {
  const slots = await source.slots()
  const partitions = slots.filter(({ partition }) => partition !== protocol.ADMIN_PARTITION)
  const find = (id: number): Slot => {
    const slot = slots.find((one) => one.id === id)
    if (slot) return slot
    const known = slots.map((one) => one.id).join(', ')
    throw new CmuError('CMU_SLOT', `there is no slot ${id}, only ${known || 'none'}`)
  }
  if (wanted !== undefined) return find(wanted)
  const [only, ...others] = partitions
  if (!only) throw new CmuError('CMU_SLOT', 'there is no slot with a partition')
  if (others.length === 0) return only
  io.print(literals.selectToken)
  for (const slot of partitions) io.print(literals.token(slot.id, await labelOf(slot)))
  const typed = (await answered(io, literals.choice, false)).trim()
  if (!/^\d{1,5}$/.test(typed)) throw new CmuError('CMU_SLOT', `'${typed}' is no slot`)
  return find(Number(typed))
}

/**
 * Works at a slot as its Crypto Officer, or Crypto User with `-cu`; the log-in ends with the work.
 * @throws CmuError CMU_SLOT, CMU_INPUT_ENDED; what the token refuses
 */
export async function atToken<Result>(
  source: SlotSource,
  { slot: wanted, password: given, role }: CmuWho,
  io: CmuIo,
  work: (token: CmuToken) => Promise<Result>,
): Promise<Result> {
  const slot = await chooseSlot(source, wanted, io)
  const password = given ?? (await answered(io, literals.password(slot.id), true))
  const client = slot.client.another()
  const session = await client.openSession(slot.partition)
  try {
    await client.roles.login(session, role, password)
    return await work({ client, session, io })
  } finally {
    await client.closeSession(session).catch(() => undefined)
  }
}

/** One attribute of an object; undefined = it has none, or does not show it. */
export async function attributeValue(
  { client, session }: CmuToken,
  handle: number,
  type: number,
): Promise<Uint8Array | undefined> {
  const [row] = await client.objects.get(session, handle, [type])
  return row?.code === protocol.RC_OK ? row.value : undefined
}

/** CKO_… of an object. */
export async function classOf(token: CmuToken, handle: number): Promise<number> {
  const value = await attributeValue(token, handle, protocol.CKA_CLASS)
  return value ? ulongValue(value) : protocol.UNAVAILABLE
}

/** The object that `-NAMEhandle`, or `-NAMEouid` in hexadecimal, names. @throws CmuError CMU_USAGE; CMU_OBJECT at the token */
export function objectFrom(args: CmuArguments, name = ''): (token: CmuToken) => Promise<number> {
  const ouid = args.bytes(`${name}ouid`)
  const handle = args.number(`${name}handle`)
  if (ouid === undefined) {
    if (handle === undefined) throw new CmuError('CMU_USAGE', `Option '-${name}handle' is missing`)
    return async () => handle
  }
  return async ({ client, session }) => {
    const [found] = await client.objects.list(session, [attribute.bytes(protocol.CKA_OUID, ouid)])
    if (!found) throw new CmuError('CMU_OBJECT', `no object has the unique id ${ouid.toString('hex')}`)
    return found.handle
  }
}
