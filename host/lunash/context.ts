import { ADMIN_PARTITION, RC_SESSION_HANDLE_INVALID, ROLE_SO } from '../../assembly/protocol.js'
import { type TokenClient, TokenError } from '../client/index.js'
import { type CommandSpec, type Io, type Literal, type Output, rendered } from '../lunacm/index.js'
import type { ApplianceDoor } from './door.js'
import { Cancelled, Refusal } from './errors.js'
import type { PartitionRow } from './facts.js'
import { literals } from './literals.js'

/** What commands work with: the appliance, the screen, and the administrator's session on the HSM. */
export class Context {
  /** `exit` was typed. */
  leaving = false
  #admin: { readonly client: TokenClient; readonly handle: number } | undefined

  constructor(
    readonly door: ApplianceDoor,
    readonly output: Output,
    readonly io: Io,
    readonly commands: readonly CommandSpec[],
  ) {}

  /** The shell's one session on the HSM itself: who logs in, stays logged in until the shell ends. */
  async admin(): Promise<{ readonly client: TokenClient; readonly session: number }> {
    const { client } = await this.door.hsm()
    if (this.#admin?.client === client && !(await isOpen(client, this.#admin.handle))) this.#admin = undefined
    if (this.#admin?.client !== client) this.#admin = { client, handle: await client.openSession(ADMIN_PARTITION) }
    return { client, session: this.#admin.handle }
  }

  async isLoggedIn(): Promise<boolean> {
    if (!this.#admin) return false
    const { client, session } = await this.admin()
    return (await client.sessionInfo(session)).role === ROLE_SO
  }

  async partitions(): Promise<PartitionRow[]> {
    const { client } = await this.door.hsm()
    const infos = await client.partitions.list()
    return infos.map(({ id, serial, label, initialized, objects, total, used }) => {
      const name = this.door.names.nameOf(String(serial)) ?? (label || '-')
      return { id, serial, name, label, initialized, objects, total, used }
    })
  }

  /** The partition of that name, label or serial number. @throws Refusal */
  async partition(name: string): Promise<PartitionRow> {
    const rows = await this.partitions()
    const bySerial = rows.find(({ serial }) => String(serial) === name)
    if (bySerial) return bySerial
    const [first, second] = rows.filter((row) => row.name === name || row.label === name)
    if (second) throw new Refusal(rendered(literals.twoPartitions(name)))
    if (!first) throw new Refusal(rendered(literals.noPartition(name)))
    return first
  }

  /** @throws Cancelled unless the answer is `proceed` */
  async confirm(force: boolean, question: Literal): Promise<void> {
    if (force) return
    this.output.paragraph(question)
    const answer = await this.ask({ masked: false })
    if (answer.trim().toLowerCase() !== 'proceed') throw new Cancelled()
    this.output.say(literals.proceeding)
  }

  /** A secret under its question. @throws Cancelled at the end of the input */
  async secret(question: Literal): Promise<string> {
    this.output.lines(rendered(question))
    return this.ask({ masked: true })
  }

  async ask(options: { readonly masked: boolean }): Promise<string> {
    const answer = await this.io.ask(literals.answer, options)
    this.output.commandLine(undefined)
    if (answer === undefined) throw new Cancelled()
    return answer
  }

  async close(): Promise<void> {
    const admin = this.#admin
    this.#admin = undefined
    // The log-in ends with the session; an HSM that is gone has none left.
    await admin?.client.closeSession(admin.handle).catch(() => undefined)
    await this.door.close()
  }
}

async function isOpen(client: TokenClient, handle: number): Promise<boolean> {
  try {
    await client.sessionInfo(handle)
    return true
  } catch (error) {
    if (error instanceof TokenError && error.rc === RC_SESSION_HANDLE_INVALID) return false
    throw error
  }
}
