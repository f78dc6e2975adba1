// A process with one board, for device.ts: opens the folder and prints how many bytes of memory are resident.
import { setTimeout } from 'node:timers/promises'
import { openHere } from './tokens.js'

const folder = process.argv[2] ?? ''
const token = await openHere(folder)
globalThis.gc?.()
// Buffers that the collection released go with the next turn of the loop.
await setTimeout(50)
globalThis.gc?.()
process.stdout.write(String(process.memoryUsage.rss()))
await token.close()
