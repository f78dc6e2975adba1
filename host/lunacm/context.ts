import { AUTH_PED, RC_SESSION_HANDLE_INVALID, RC_SLOT_ID_INVALID } from '../../assembly/protocol.js'
import { type Slot, type SlotPlaces, type SlotSource, type TokenClient, TokenError } from '../client/index.js'
import type { CommandSpec } from './command-spec.js'
import { refusal } from './errors.js'
import { literals } from './literals.js'
import type { Output } from './output.js'
import type { Persona } from './slot-record.js'

/** A session of this shell and who is logged in on it. */
export interface OpenSession {
  readonly handle: number
  /** ROLE_…, undefined = nobody. */
  readonly role: number | undefined
}

export interface ContextOptions {
  readonly slots: SlotSource
  readonly persona: Persona
  readonly output: Output
  readonly commands: readonly CommandSpec[]
  readonly firstSlot?: number | undefined
}

/** What commands work with: the slots, the current one, the shell's sessions, the screen. */
export class Context {
  readonly persona: Persona
  readonly output: Output
  readonly commands: readonly CommandSpec[]
  /** `exit` was typed. */
  leaving = false
  readonly #slots: SlotSource
  readonly #sessions = new Map<TokenClient, Map<number, number>>()
  #current: number | undefined

  constructor(options: ContextOptions) {
    this.#slots = options.slots
    this.persona = options.persona
    this.output = options.output
    this.commands = options.commands
    this.#current = options.firstSlot
  }

  async slots(): Promise<readonly Slot[]> {
    return [...(await this.#slots.slots())].sort((a, b) => a.id - b.id)
  }

  /** Undefined where nobody can choose in which slot a partition shows. */
  get places(): SlotPlaces | undefined {
    return this.#slots.places
  }

  /** Chooses the first slot where none was chosen. */
  async currentId(): Promise<number | undefined> {
    this.#current ??= (await this.slots())[0]?.id
    return this.#current
  }

  /** @throws CommandError CKR_SLOT_ID_INVALID */
  async current(): Promise<Slot> {
    const id = await this.currentId()
    if (id === undefined) throw refusal(RC_SLOT_ID_INVALID, literals.noCurrentSlot)
    return this.slot(id)
  }

  /** The slot of a `-slot` option, the current one where it was left out. @throws CommandError CKR_SLOT_ID_INVALID */
  async slot(id: number | undefined): Promise<Slot> {
    if (id === undefined) return this.current()
    const found = (await this.slots()).find((slot) => slot.id === id)
    if (!found) throw refusal(RC_SLOT_ID_INVALID, literals.noSuchSlot, id)
    return found
  }

  /** @throws CommandError CKR_SLOT_ID_INVALID */
  async choose(id: number): Promise<Slot> {
    const slot = await this.slot(id)
    this.#current = slot.id
    return slot
  }

  /**
   * The shell's session on a partition of a slot's HSM, opened where there is none; it stays open, and with it the
   * log-in, until the shell ends.
   */
  async session(slot: Slot, partition = slot.partition): Promise<OpenSession> {
    const opened = this.#sessions.get(slot.client) ?? new Map<number, number>()
    this.#sessions.set(slot.client, opened)
    const handle = opened.get(partition)
    if (handle !== undefined) {
      try {
        return { handle, role: (await slot.client.sessionInfo(handle)).role }
      } catch (error) {
        // The token was restarted, or the partition initialized again: log-ins are gone, a new session is not.
        if (!(error instanceof TokenError && error.rc === RC_SESSION_HANDLE_INVALID)) throw error
        opened.delete(partition)
      }
    }
    const fresh = await slot.client.openSession(partition)
    opened.set(partition, fresh)
    return { handle: fresh, role: (await slot.client.sessionInfo(fresh)).role }
  }

  /** Closes one session, for partitions that a command visits only. */
  async leave(slot: Slot, partition: number): Promise<void> {
    const opened = this.#sessions.get(slot.client)
    const handle = opened?.get(partition)
    if (handle === undefined) return
    opened?.delete(partition)
    await slot.client.closeSession(handle).catch(ignore)
  }

  /** Closes all sessions; what is gone already does not matter. */
  async close(): Promise<void> {
    for (const [client, opened] of this.#sessions) {
      for (const handle of opened.values()) await client.closeSession(handle).catch(ignore)
    }
    this.#sessions.clear()
  }

  async isPedAuthenticated(slot: Slot): Promise<boolean> {
    return (await slot.client.status()).auth === AUTH_PED
  }
}

function ignore(): void {}
