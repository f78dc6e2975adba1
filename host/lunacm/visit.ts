import { ADMIN_PARTITION, ROLE_CRYPTO_OFFICER, ROLE_SO } from '../../assembly/protocol.js'
import type { CloneEnd, PartitionInfo, Slot } from '../client/index.js'
import type { Context } from './context.js'
import { literals } from './literals.js'
import { credentials } from './login.js'

/**
 * What one command does on partitions it only passes through, mostly those of a Backup HSM: logs in there, and out
 * again when it is done, whether it failed or not. Log-ins that were there before stay.
 */
export class Visit {
  readonly #context: Context
  readonly slot: Slot
  readonly #undo: (() => Promise<void>)[] = []

  constructor(context: Context, slot: Slot) {
    this.#context = context
    this.slot = slot
  }

  /** Whether the SO is logged in already, so that nothing has to be asked. */
  async hasSo(): Promise<boolean> {
    return (await this.#context.session(this.slot, ADMIN_PARTITION)).role === ROLE_SO
  }

  /** Logs in as the HSM SO and answers the session. Prints the notice where the PED will ask. */
  async loginSo(password: string): Promise<number> {
    const session = await this.#context.session(this.slot, ADMIN_PARTITION)
    const { handle, role } = session
    if (role === ROLE_SO) return handle
    const needs = await credentials(this.#context, this.slot, session, ROLE_SO)
    if (needs.ped) this.#context.output.say(literals.attendToPed)
    await this.slot.client.roles.login(handle, ROLE_SO, password)
    this.#undo.push(() => this.slot.client.roles.logout(handle))
    return handle
  }

  /** Whether a log-in to this container needs a password that only its person knows. */
  async needsPassword(container: PartitionInfo): Promise<boolean> {
    const session = await this.#context.session(this.slot, container.id)
    this.#leaveLater(container.id)
    if (session.role === ROLE_CRYPTO_OFFICER) return false
    return (await credentials(this.#context, this.slot, session, ROLE_CRYPTO_OFFICER)).password
  }

  /** Logs in to a container as its user. Prints the notice where the PED will ask. */
  async loginUser(container: number, password: string): Promise<CloneEnd> {
    const session = await this.#context.session(this.slot, container)
    const { handle, role } = session
    this.#leaveLater(container)
    const end = { client: this.slot.client, session: handle }
    if (role === ROLE_CRYPTO_OFFICER) return end
    const needs = await credentials(this.#context, this.slot, session, ROLE_CRYPTO_OFFICER)
    if (needs.ped) this.#context.output.say(literals.attendToPed)
    await this.slot.client.roles.login(handle, ROLE_CRYPTO_OFFICER, password)
    this.#undo.push(() => this.slot.client.roles.logout(handle))
    return end
  }

  /** Undoes the log-ins of this visit, the last one first; what the token has undone itself does not matter. */
  async end(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo().catch(() => {})
  }

  #leaveLater(container: number): void {
    this.#undo.push(() => this.#context.leave(this.slot, container))
  }
}
