// `node dist/test/pkcs11/storm/main.js --seconds 60 --processes 8 --threads 16 --seed 1`: hard use of the PKCS#11 door.
import { parseArgs } from 'node:util'
import { storm } from './storm.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    processes: { type: 'string', default: '8' },
    threads: { type: 'string', default: '16' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
const [seconds, processes, threads, seed] = [values.seconds, values.processes, values.threads, values.seed].map(Number)
if (!seconds || !processes || !threads || seed === undefined) throw new Error('seconds, processes, threads are numbers')
const say = (line: string): void => console.log(line)
say(`seed ${seed}: ${processes} programs with ${threads} threads each for ${seconds} s`)
const { operations, killed, again, heaps, room } = await storm({ seconds, processes, threads, seed, say })
const MB = 1024 * 1024
say(
  `${operations} operations, each held against node:crypto; ${killed} programs killed; ${again} fresh starts of threads`,
)
say(`heap of the door ${(heaps[0] / MB).toFixed(1)} MB after a quarter, ${(heaps[1] / MB).toFixed(1)} MB at the end`)
say(`room for sessions at the token ${room[0]} before, ${room[1]} at the end`)
if (room[0] !== room[1]) throw new Error('sessions are left at the token')
if (heaps[1] > heaps[0] + 16 * MB) throw new Error('the heap grows')
