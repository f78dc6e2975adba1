// test-timeout: 300
// A short storm: the long one is dist/test/pkcs11/storm/main.js, half a minute of it in .ci/suites/pkcs11.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storm } from './storm/storm.js'

const test = suite('pkcs11 storm')

test('no wrong result, no leak, no session that stays, through kills and a restart of the token', async () => {
  const seed = Number(process.env.MOONLET_SEED ?? Date.now() % 1_000_000)
  const report = await storm({ seconds: 4, processes: 4, threads: 4, seed })
  assert.ok(report.operations > 0, `seed ${seed}`)
  assert.is(report.killed, 2)
  assert.ok(report.again > 0, 'the restart was noticed')
  assert.is(report.room[1], report.room[0])
  assert.ok(report.heaps[1] < report.heaps[0] + 16 * 1024 * 1024, String(report.heaps))
})

test.run()
