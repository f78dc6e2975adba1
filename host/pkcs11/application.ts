import type { MechanismInfo, Slot, SlotSource, TokenClient } from '../client/index.js'
import { CKR, isGone, Pkcs11Error } from './errors.js'
import { Session } from './sessions.js'

/**
 * One program behind the door: whatever one connection has opened. Log-ins, sessions and session objects are its own, since it
 * has an access id of its own at every token.
 */
export class Application {
  initialized = false
  readonly sessions = new Map<number, Session>()
  readonly #clients = new Map<TokenClient, TokenClient>()
  readonly #mechanisms = new Map<TokenClient, Promise<readonly MechanismInfo[]>>()
  /** All slots that there ever were: ids stay valid while a device is away. */
  readonly #known = new Map<number, Slot>()
  #next = 1
  #closed = false

  /** @param offered the highest version of the RPC that the program's library knows */
  constructor(
    private readonly source: SlotSource,
    readonly offered: number,
  ) {}

  async slots(): Promise<readonly Slot[]> {
    const slots = await this.source.slots()
    for (const slot of slots) this.#known.set(slot.id, slot)
    return slots
  }

  /** Ids of all slots that there are or were. */
  async slotIds(present: boolean): Promise<number[]> {
    const slots = await this.slots()
    const ids = present ? slots.map(({ id }) => id) : [...this.#known.keys()]
    return ids.sort((a, b) => a - b)
  }

  /** The slot, and whether something is in it. @throws Pkcs11Error SLOT_ID_INVALID */
  async slot(id: number): Promise<{ slot: Slot; present: boolean }> {
    const now = (await this.slots()).find((one) => one.id === id)
    const slot = now ?? this.#known.get(id)
    if (!slot) throw new Pkcs11Error(CKR.SLOT_ID_INVALID)
    return { slot, present: now !== undefined }
  }

  /** @throws Pkcs11Error SLOT_ID_INVALID, TOKEN_NOT_PRESENT */
  async presentSlot(id: number): Promise<Slot> {
    const { slot, present } = await this.slot(id)
    if (!present) throw new Pkcs11Error(CKR.TOKEN_NOT_PRESENT)
    return slot
  }

  /** This application's own way to the token in a slot. */
  clientOf({ client }: Slot): TokenClient {
    const known = this.#clients.get(client)
    if (known) return known
    const own = client.another()
    this.#clients.set(client, own)
    return own
  }

  mechanismsOf(slot: Slot): Promise<readonly MechanismInfo[]> {
    const client = this.clientOf(slot)
    const known = this.#mechanisms.get(client)
    if (known) return known
    const asked = client.crypto.mechanisms()
    this.#mechanisms.set(client, asked)
    asked.catch(() => this.#mechanisms.delete(client))
    return asked
  }

  /** @throws Pkcs11Error SESSION_HANDLE_INVALID */
  session(handle: number): Session {
    const session = this.sessions.get(handle)
    if (!session) throw new Pkcs11Error(CKR.SESSION_HANDLE_INVALID)
    return session
  }

  sessionsOn(slot: number): Session[] {
    return [...this.sessions.values()].filter((session) => session.slot.id === slot)
  }

  async openSession(slot: Slot, readWrite: boolean): Promise<Session> {
    const client = this.clientOf(slot)
    const token = await client.openSession(slot.partition, { readWrite })
    const session = new Session(this.#next++, slot, client, token, readWrite)
    this.sessions.set(session.handle, session)
    // The program has gone while the token was asked.
    if (this.#closed) await this.drop(session)
    return session
  }

  /** Ends a session with the objects that were made in it. What is left of it at the token goes with the log-in, or the cable. */
  async drop(session: Session): Promise<void> {
    this.sessions.delete(session.handle)
    const { client, token, objects } = session
    try {
      // A public session object of a program that has logged out stays until its last session ends.
      if (objects.size > 0) await client.objects.destroy(token, [...objects]).catch(unlessGone)
      await client.closeSession(token)
    } catch (error) {
      // A token that has forgotten the session, or is gone, has closed it.
      if (!isGone(error) && !(error instanceof Error && 'code' in error)) throw error
    }
  }

  /** The program has gone, or says that it is done: nothing of it stays. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    this.initialized = false
    await this.dropAll()
  }

  async dropAll(): Promise<void> {
    await Promise.allSettled([...this.sessions.values()].map((session) => this.drop(session)))
  }
}

function unlessGone(error: unknown): void {
  if (isGone(error)) throw error
}
