// The directory hash is kept leaf by leaf: what it says after many changes must be what a boot computes of the log alone.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import { aesObject, failures, helloTo, objectCount, send } from '../cloning/ends.js'
import { officerOn, prepare } from '../support/officer.js'
import { TestToken } from '../support/test-token.js'

const test = suite('firmware: leaves of the directory')

const OBJECTS = 1300
const seed = Number(process.env.MOONLET_SEED ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (MOONLET_SEED)`)

test('what a boot computes is what was kept, whatever changed', async () => {
  const end = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }), { size: 800_000n })
  const source = await helloTo(end)
  for (let from = 0; from < OBJECTS; from += 260) {
    const part = Array.from({ length: 260 }, (_, i) => aesObject(from + i))
    assert.equal(failures(await send(end, source, part)), {})
  }
  const { token, partition } = end
  const rows = await end.client.objects.list(end.session)
  const handles = rows.map(({ handle }) => handle).sort((a, b) => a - b)
  assert.is(handles.length, OBJECTS)
  assert.ok((handles.at(-1) ?? 0) - (handles[0] ?? 0) >= OBJECTS - 1, 'several leaves')
  const aes = [attribute.bool(protocol.CKA_TOKEN, true), attribute.ulong(protocol.CKA_VALUE_LEN, 32)]
  const change = fc.record({ at: fc.nat(OBJECTS - 1), kind: fc.constantFrom('rewrite', 'destroy', 'add') })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
      const fork = token.fork()
      const officer = { ...end, token: fork, client: fork.newClient() }
      const session = await officerOn(officer.client, partition)
      const gone = new Set<number>()
      for (const [i, { at, kind }] of changes.entries()) {
        const handle = handles[at] ?? 0
        if (gone.has(handle)) continue
        if (kind === 'destroy') {
          await officer.client.objects.destroy(session, [handle])
          gone.add(handle)
        } else if (kind === 'rewrite') {
          const label = { type: protocol.CKA_LABEL, value: Buffer.from(`label ${i}`) }
          await officer.client.objects.set(session, handle, [label])
        } else await officer.client.objects.generate(session, protocol.CKM_AES_KEY_GEN, aes)
      }
      const before = (await officer.client.partitions.info(partition)).objects
      assert.is(fork.powerCycle(), protocol.RC_OK)
      assert.is(await objectCount({ ...officer, client: fork.newClient(), session: 0 }), before)
      await fork.close()
    }),
    { seed, numRuns: 12 },
  )
})

test.run()
