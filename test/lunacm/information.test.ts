// What `hsm showinfo` and the listings say of an HSM's storage and mode, over the firmware.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { run } from './fake-lab.js'
import { RealLab } from './real-lab.js'

const test = suite('lunacm information')

const SO = 'so-password'
const INIT = [`hsm init -label card -password ${SO} -domain dom -force`, `role login -name so -password ${SO}`]

async function withLab(work: (lab: RealLab) => Promise<void>): Promise<void> {
  const lab = await RealLab.make({ auth: protocol.AUTH_PASSWORD })
  try {
    await work(lab)
  } finally {
    lab.close()
  }
}

/** The number behind a name in the last listing. */
function number(transcript: readonly string[], name: string): number {
  const line = transcript.filter((one) => one.trim().startsWith(`${name}:`)).at(-1)
  return Number(line?.split(':')[1])
}

test('storage adds up: what partitions were given is not free, whether they use it or not', () =>
  withLab(async (lab) => {
    const { transcript, code } = await run(lab, [...INIT, 'partition create -slot 1 -size 300000', 'hsm showinfo'])
    assert.is(code, 0, transcript.join('\n'))
    const [total, used, free] = ['Total', 'Used', 'Free'].map((one) => number(transcript, `${one} Storage Space`))
    assert.equal([total, used, free], [2_000_000, 300_000, 1_700_000])
    const backup = await run(lab, [
      'slot set slot 9',
      ...INIT,
      'partition create -label P -size 100000 -password container1 -domain dom',
      'partition archive list -slot 9',
    ])
    assert.is(backup.code, 0, backup.transcript.join('\n'))
    const listed = ['Total', 'Used', 'Free'].map((one) => number(backup.transcript, `${one} HSM Storage Space`))
    assert.equal(listed, [1_000_000, 100_000, 900_000])
  }))

test('an HSM without its keys is in no mode of operation', () =>
  withLab(async (lab) => {
    const fips = (transcript: readonly string[]) => transcript.filter((line) => line.includes('FIPS 140-2'))
    const working = await run(lab, [...INIT, 'hsm showinfo'])
    assert.equal(fips(working.transcript), ['        *** The HSM is NOT in FIPS 140-2 approved operation mode. ***'])
    const zeroized = await run(lab, [`role login -name so -password ${SO}`, 'hsm zeroize -force', 'hsm showinfo'])
    assert.is(zeroized.transcript.filter((line) => line.includes('Zeroized')).length, 1)
    assert.equal(fips(zeroized.transcript), [])
  }))

test.run()
