// Backups whose cables are pulled (cuts/main.ts), some of them. MOONLET_SEED repeats a run.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cutBackups } from './cuts/run.js'

const test = suite('backups over cables that are pulled')

const seed = Number(process.env.MOONLET_SEED ?? 1 + (Date.now() % 2 ** 31))

test('each ends complete or with an error, whole objects only, and the next one works', async () => {
  console.log(`seed ${seed} (MOONLET_SEED)`)
  const { backups, complete, failed, cuts } = await cutBackups({ backups: 12, seed })
  assert.is(complete + failed, backups)
  assert.ok(cuts.ntls + cuts.usb + cuts.ped > 0)
})

test.run()
