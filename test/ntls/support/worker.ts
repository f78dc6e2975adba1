import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import type { TokenClient } from '../../../host/client/index.js'
import { officerOn } from '../../firmware/support/officer.js'
import { dataObject } from '../../firmware/support/templates.js'

/** A client that does what it is there for, whatever goes on around it, and looks at every answer. */
export class Worker {
  rounds = 0
  #ends = false
  readonly #waiting: { readonly rounds: number; readonly resolve: () => void }[] = []
  readonly #done: Promise<void>
  #failure: unknown

  private constructor(client: TokenClient, session: number) {
    this.#done = this.#run(client, session).catch((error: unknown) => {
      this.#failure = error ?? new Error('the worker failed')
      for (const { resolve } of this.#waiting.splice(0)) resolve()
    })
  }

  static async start(client: TokenClient, partition: number): Promise<Worker> {
    return new Worker(client, await officerOn(client, partition))
  }

  /** Resolves once it has done so many rounds more. */
  async goesOn(rounds = 3): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push({ rounds: this.rounds + rounds, resolve }))
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Ends it, with a last round; that it has failed is known to who has waited for it. */
  async end(): Promise<void> {
    this.#ends = true
    await this.#done
  }

  async #run(client: TokenClient, session: number): Promise<void> {
    while (!this.#ends) {
      const label = `round ${this.rounds}`
      const value = randomBytes(64)
      const handle = await client.objects.create(session, dataObject(label, value, true))
      const [shown, inside] = await client.objects.get(session, handle, [protocol.CKA_LABEL, protocol.CKA_VALUE])
      assert.is(Buffer.from(shown?.value ?? '').toString(), label)
      assert.equal(Buffer.from(inside?.value ?? ''), value)
      assert.equal(await client.objects.destroy(session, [handle]), [protocol.RC_OK])
      this.rounds++
      for (const one of this.#waiting.filter(({ rounds }) => rounds <= this.rounds)) {
        this.#waiting.splice(this.#waiting.indexOf(one), 1)
        one.resolve()
      }
    }
  }
}
