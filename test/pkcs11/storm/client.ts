// One program of the storm: so many threads on one connection. Its parent tells it when the token goes and comes, and when to end.
import { Random } from '../../fuzz/engine/random.js'
import { Link } from './link.js'
import { Thread } from './thread.js'

/** What a program tells when it is done. */
export interface ClientReport {
  readonly operations: number
  readonly again: number
}

const [socket = '', slot = '', pin = '', threads = '', seed = ''] = process.argv.slice(2)
const random = new Random(Number(seed))
let over = false
let epoch = 0
process.on('message', (message) => {
  if (message === 'stop') over = true
  if (typeof message === 'number') epoch = message
})
process.on('disconnect', () => process.exit(1))

const link = await Link.open(socket)
const all = Array.from({ length: Number(threads) }, () => {
  const own = new Random(random.u32())
  return new Thread({ program: link.program, slot: Number(slot), pin, random: own, epoch: () => epoch })
})
process.send?.('ready')
try {
  await Promise.all(all.map((thread) => thread.run(() => over)))
  const report: ClientReport = {
    operations: all.reduce((sum, { operations }) => sum + operations, 0),
    again: all.reduce((sum, { again }) => sum + again, 0),
  }
  process.send?.(report)
} catch (error) {
  process.send?.({ failed: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
}
link.close()
process.removeAllListeners('disconnect')
process.disconnect?.()
