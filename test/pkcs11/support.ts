// A program at the door: sends calls as p11-kit's client does, and gets values or a CK_RV.
import * as protocol from '../../assembly/protocol.js'
import type { Slot, SlotSource, TokenClient } from '../../host/client/index.js'
import { type CkAttribute, ulongBytes } from '../../host/pkcs11/attribute-codec.js'
import { type Call, calls } from '../../host/pkcs11/calls.js'
import type { Bytes, Room } from '../../host/pkcs11/codec.js'
import { HANDSHAKE } from '../../host/pkcs11/general.js'
import { Pkcs11Module } from '../../host/pkcs11/module.js'
import { encodeRequest, HEAD, readReply } from '../../host/pkcs11/rpc.js'
import { prepare, SECRETS } from '../firmware/support/officer.js'
import { TestToken } from '../firmware/support/test-token.js'

/** The door answered a call with this CK_RV. */
export class Refused extends Error {
  constructor(readonly ckr: number) {
    super(`CK_RV 0x${ckr.toString(16)}`)
  }
}

/** What carries the body of a request to the door and brings the body of the answer. */
export type Carrier = (message: Uint8Array) => Promise<Uint8Array>

export class Program {
  #code = 16

  constructor(
    private readonly carry: Carrier,
    readonly offered = 0,
  ) {}

  /** A program whose calls go to a dispatcher of its own, without a socket. */
  static at(slots: SlotSource, offered = 0, asksChallenge?: number): { program: Program; module: Pkcs11Module } {
    const module = new Pkcs11Module(slots, offered, undefined, asksChallenge)
    const carry: Carrier = async (message) => {
      const code = new DataView(message.buffer, message.byteOffset).getUint32(0)
      return (await module.answer(code, message.slice(HEAD))).slice(HEAD)
    }
    return { program: new Program(carry, offered), module }
  }

  /** @throws Refused */
  async call<Request, Reply>(call: Call<Request, Reply>, request: Request): Promise<Reply> {
    const answer = await this.carry(encodeRequest(this.#code++, call, request, this.offered))
    const reply = readReply(call, answer, this.offered)
    if ('ckr' in reply) throw new Refused(reply.ckr)
    return reply.value
  }

  initialize(): Promise<void> {
    return this.call(calls.initialize, [new TextEncoder().encode(HANDSHAKE), 0, { missing: 0 }])
  }

  /** A read-write session with the Crypto Officer logged in. */
  async officer(slot = 1): Promise<number> {
    const session = await this.call(calls.openSession, [slot, 6])
    await this.call(calls.login, [session, 1, utf8(SECRETS.officer)])
    return session
  }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
export const room = (capacity: number): Room => ({ capacity, query: false })
export const QUERY: Room = { capacity: 0, query: true }

/** A result that has to be there. */
export function whole(value: Bytes): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw new Error(`only a length came: ${value.missing}`)
}

export function needed(value: Bytes): number {
  if (value instanceof Uint8Array) throw new Error('a result came where a length was expected')
  return value.missing
}

export const flag = (type: number, value: boolean): CkAttribute => ({ type, value: Uint8Array.of(value ? 1 : 0) })
export const number = (type: number, value: number): CkAttribute => ({ type, value: ulongBytes(value) })
export const data = (type: number, value: Uint8Array | string): CkAttribute => ({
  type,
  value: typeof value === 'string' ? utf8(value) : value,
})

/** The CK_RV that a call is refused with; 0 = it is not. */
export async function ckrOf(act: () => Promise<unknown>): Promise<number> {
  try {
    await act()
    return 0
  } catch (error) {
    if (error instanceof Refused) return error.ckr
    throw error
  }
}

const noPed = { connect: async () => undefined, disconnect: async () => undefined }

export function slotOf(client: TokenClient, partition: number, id = 1): Slot {
  return { id, kind: 'pcie', partition, client, ped: noPed }
}

/** A password token with one partition in slot 1; nobody is logged in. */
export async function partitionInSlot(): Promise<{ token: TestToken; partition: number; slots: SlotSource }> {
  const officer = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }))
  await officer.client.partitions
    .setPolicy(officer.admin, officer.partition, protocol.POLICY_PRIVATE_WRAPPING, 1)
    .catch(() => undefined)
  await officer.client.closeSession(officer.session)
  const client = officer.token.newClient()
  return {
    token: officer.token,
    partition: officer.partition,
    slots: { slots: async () => [slotOf(client, officer.partition)] },
  }
}
