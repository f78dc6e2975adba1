// The thread that a campaign runs in. The main thread can stop it, and sees which input it is stuck in.
import { parentPort, workerData } from 'node:worker_threads'
import { campaign } from './engine/campaign.js'
import { type Input, writeInput } from './engine/input.js'
import type { Context } from './engine/target.js'
import { FAULTS } from './firmware/faults.js'
import { type GuardedFirmware, guardedFirmware } from './firmware/guarded-build.js'
import { FLAG, type Message, type Orders } from './orders.js'
import { TARGETS } from './targets/index.js'

function say(message: Message): void {
  parentPort?.postMessage(message)
}

async function work({ targets, seed, fault, flags, input }: Orders): Promise<void> {
  const flag = new Int32Array(flags)
  const place = Buffer.from(input)
  let firmware: Promise<GuardedFirmware> | undefined
  let digest = ''
  const context: Context = {
    firmware: () => {
      firmware ??= guardedFirmware(FAULTS.find(({ name }) => name === fault)).then((made) => {
        digest = made.digest
        say({ kind: 'firmware', digest, compiledIn: made.compiledIn })
        return made
      })
      return firmware
    },
  }
  const chosen = TARGETS.filter(({ name }) => targets.includes(name))
  if (chosen.some(({ usesFirmware }) => usesFirmware)) await context.firmware()
  await campaign(chosen, seed, context, {
    goOn: () => Atomics.load(flag, FLAG.stop) === 0,
    begins(target: string, run: number, steps: Input) {
      const text = JSON.stringify({ target, run, steps: writeInput(steps) })
      Atomics.store(flag, FLAG.inputLength, place.write(text))
      Atomics.add(flag, FLAG.runs, 1)
      Atomics.store(flag, FLAG.running, 1)
    },
    ended: () => Atomics.store(flag, FLAG.running, 0),
    tally: (tally) => say({ kind: 'tally', tally }),
    found(target, run, { oracle, where, message }, steps) {
      say({
        kind: 'found',
        record: { target, oracle, where, message, seed, run, firmware: digest, fault, steps: writeInput(steps) },
      })
    },
  })
  say({ kind: 'done' })
}

const orders: Orders = workerData
await work(orders)
