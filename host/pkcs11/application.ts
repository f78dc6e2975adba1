import * as protocol from '../../assembly/protocol.js'
import { type MechanismInfo, type Slot, type SlotSource, type TokenClient, TokenError } from '../client/index.js'
import { CKR, isGone, Pkcs11Error } from './errors.js'
import { forgetKeys } from './key-info.js'
import { loginChanges } from './log-ins.js'
import { endAll } from './operations.js'
import { Session } from './sessions.js'
import { SlotWatch } from './slot-watch.js'

/**
 * One program behind the door: whatever one connection has opened. Log-ins, sessions and session objects are its own, since it
 * has an access id of its own at every token.
 */
export class Application {
  initialized = false
  readonly sessions = new Map<number, Session>()
  readonly #clients = new Map<TokenClient, TokenClient>()
  readonly #mechanisms = new Map<TokenClient, Promise<readonly MechanismInfo[]>>()
  /** Their rows by type, once the token has told them. */
  readonly #rows = new Map<TokenClient, ReadonlyMap<number, MechanismInfo>>()
  readonly #watch: SlotWatch
  /** Handles of sessions whose token is gone, until the program closes them. */
  readonly #lost = new Set<number>()
  #next = 1
  #closed = false

  /**
   * @param offered the highest version of the RPC that the program's library knows
   * @param asksChallenge role (ROLE_…) whose challenge the program is to ask for as a PIN where there is one; PED slots show no PIN pad then
   */
  constructor(
    source: SlotSource,
    readonly offered: number,
    readonly asksChallenge?: number,
  ) {
    this.#watch = new SlotWatch(source, (client) => this.#gone(client))
  }

  slots(): Promise<readonly Slot[]> {
    return this.#watch.slots()
  }

  /** Ids of all slots that there are or were. */
  slotIds(present: boolean): Promise<number[]> {
    return this.#watch.ids(present)
  }

  /** A slot that has come or gone since the program asked last; undefined = there is none. */
  slotEvent(): Promise<number | undefined> {
    return this.#watch.event()
  }

  /** Waits for one. @throws Pkcs11Error CRYPTOKI_NOT_INITIALIZED: the program is done meanwhile */
  async nextSlotEvent(): Promise<number> {
    const slot = await this.#watch.next()
    if (slot === undefined) throw new Pkcs11Error(CKR.CRYPTOKI_NOT_INITIALIZED)
    return slot
  }

  /** The slot, and whether something is in it. @throws Pkcs11Error SLOT_ID_INVALID */
  async slot(id: number): Promise<{ slot: Slot; present: boolean }> {
    const now = (await this.slots()).find((one) => one.id === id)
    const slot = now ?? this.#watch.known(id)
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

  /**
   * The token's row of a mechanism.
   * @throws Pkcs11Error MECHANISM_INVALID; TokenError COMMAND_NON_BACKUP: a Backup HSM lists none and does no cryptography
   */
  mechanism(slot: Slot, type: number): MechanismInfo | Promise<MechanismInfo> {
    const client = this.clientOf(slot)
    const rows = this.#rows.get(client)
    if (rows) return rowOf(rows, type)
    return this.mechanismsOf(slot).then((table) => {
      const told = new Map(table.map((row) => [row.mechanism, row]))
      // The token may have gone meanwhile.
      if (this.#mechanisms.has(client)) this.#rows.set(client, told)
      return rowOf(told, type)
    })
  }

  /** @throws Pkcs11Error SESSION_HANDLE_INVALID; DEVICE_REMOVED: its token is gone */
  session(handle: number): Session {
    if (this.#lost.has(handle)) throw new Pkcs11Error(CKR.DEVICE_REMOVED)
    const session = this.sessions.get(handle)
    if (!session) throw new Pkcs11Error(CKR.SESSION_HANDLE_INVALID)
    return session
  }

  sessionsOn(slot: number): Session[] {
    return [...this.sessions.values()].filter((session) => session.slot.id === slot)
  }

  /** Those on the partition that the slot shows, or that was asked for in it. */
  sessionsIn({ id, partition }: Slot): Session[] {
    return this.sessionsOn(id).filter(({ slot }) => slot.partition === partition)
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

  /** Forgets a session whose token is gone. Whether there was one. */
  forget(handle: number): boolean {
    return this.#lost.delete(handle)
  }

  /** Sessions end with their token, also where it comes back. */
  #gone(shown: TokenClient): void {
    const own = this.#clients.get(shown)
    if (!own) return
    this.#clients.delete(shown)
    this.#mechanisms.delete(own)
    this.#rows.delete(own)
    forgetKeys(own)
    for (const session of this.sessions.values()) {
      if (session.client !== own) continue
      this.sessions.delete(session.handle)
      this.#lost.add(session.handle)
      endAll(session)
    }
  }

  /** Ends a session with the objects that were made in it. What is left of it at the token goes with the log-in, or the cable. */
  async drop(session: Session): Promise<void> {
    this.sessions.delete(session.handle)
    endAll(session)
    const { client, token, objects } = session
    // The log-in ends with the last session.
    if (this.sessionsOn(session.slot.id).length === 0) forgetKeys(client)
    loginChanges(session)
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
    await this.finalize()
  }

  initialize(): void {
    this.initialized = true
    this.#watch.begin()
  }

  async finalize(): Promise<void> {
    this.initialized = false
    this.#watch.end()
    this.#lost.clear()
    await this.dropAll()
  }

  async dropAll(): Promise<void> {
    await Promise.allSettled([...this.sessions.values()].map((session) => this.drop(session)))
  }
}

function rowOf(rows: ReadonlyMap<number, MechanismInfo>, type: number): MechanismInfo {
  if (rows.size === 0) throw new TokenError(protocol.RC_COMMAND_NON_BACKUP, 0)
  const row = rows.get(type)
  if (!row) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
  return row
}

function unlessGone(error: unknown): void {
  if (isGone(error)) throw error
}
