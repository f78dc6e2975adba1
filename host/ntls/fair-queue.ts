interface Job {
  readonly run: () => Promise<void>
}

/** Commands that a card is given at once: some of them may be waiting for a person. */
const AT_ONCE = 16
const AT_ONCE_PER_CLIENT = 4

/** In front of one card, which does one thing after the other: clients take turns, whatever each of them has waiting. */
export class FairQueue {
  /** In the order of their turns. */
  readonly #waiting = new Map<string, Job[]>()
  readonly #running = new Map<string, number>()
  #total = 0

  /** @param dropped asked when it is the job's turn: one that nobody wants any more is left out, and resolves with undefined */
  run<Result>(client: string, dropped: () => boolean, work: () => Promise<Result>): Promise<Result | undefined> {
    return new Promise((resolve, reject) => {
      const job = { run: async () => (dropped() ? resolve(undefined) : resolve(await work())) }
      const jobs = this.#waiting.get(client)
      const guarded: Job = { run: () => job.run().catch(reject) }
      if (jobs) jobs.push(guarded)
      else this.#waiting.set(client, [guarded])
      this.#next()
    })
  }

  #next(): void {
    for (const [client, jobs] of this.#waiting) {
      if (this.#total >= AT_ONCE) return
      const running = this.#running.get(client) ?? 0
      if (running >= AT_ONCE_PER_CLIENT) continue
      const job = jobs.shift()
      // Behind all others; a map goes on with what is put behind while it is gone through.
      this.#waiting.delete(client)
      if (jobs.length > 0) this.#waiting.set(client, jobs)
      if (!job) continue
      this.#running.set(client, running + 1)
      this.#total++
      job.run().finally(() => this.#ended(client))
    }
  }

  #ended(client: string): void {
    const left = (this.#running.get(client) ?? 1) - 1
    if (left > 0) this.#running.set(client, left)
    else this.#running.delete(client)
    this.#total--
    this.#next()
  }
}
