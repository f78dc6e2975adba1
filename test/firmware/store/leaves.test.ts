// The directory hash is kept leaf by leaf: what it says after many changes must be what a boot computes of the log alone.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { attribute } from '../../../host/client/index.js'
import { aesObject, failures, helloTo, objectCount, send } from '../cloning/ends.js'
import { type Officer, officerOn, prepare } from '../support/officer.js'
import { TestToken } from '../support/test-token.js'

const test = suite('firmware: leaves of the directory')

const OBJECTS = 1300
/** Objects that go at once. */
const STEP = 100
const seed = Number(process.env.MOONLET_SEED ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (MOONLET_SEED)`)

/** A token with OBJECTS objects; their handles, ascending. */
async function stocked(): Promise<{ readonly end: Officer; readonly handles: readonly number[] }> {
  const end = await prepare(await TestToken.make({ sectors: 24, storage: 900_000n }), { size: 800_000n })
  const source = await helloTo(end)
  for (let from = 0; from < OBJECTS; from += 260) {
    const part = Array.from({ length: 260 }, (_, i) => aesObject(from + i))
    assert.equal(failures(await send(end, source, part)), {})
  }
  const rows = await end.client.objects.list(end.session)
  const handles = rows.map(({ handle }) => handle).sort((a, b) => a - b)
  assert.is(handles.length, OBJECTS)
  assert.ok((handles.at(-1) ?? 0) - (handles[0] ?? 0) >= OBJECTS - 1, 'several leaves')
  return { end, handles }
}

const aes = [attribute.bool(protocol.CKA_TOKEN, true), attribute.ulong(protocol.CKA_VALUE_LEN, 32)]

/** Boots it, and looks whether the log says what the superblock does. */
async function boots(
  { end, fork }: { readonly end: Officer; readonly fork: TestToken },
  objects: number,
): Promise<void> {
  assert.is(fork.powerCycle(), protocol.RC_OK)
  assert.is(await objectCount({ ...end, token: fork, client: fork.newClient(), session: 0 }), objects)
  await fork.close()
}

test('what a boot computes is what was kept, whatever changed', async () => {
  const { end, handles } = await stocked()
  const { token, partition } = end
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
      await boots({ end, fork }, before)
    }),
    { seed, numRuns: 12 },
  )
})

test('and while leaf after leaf goes, the last one first, with a new one now and then', async () => {
  const { end, handles } = await stocked()
  const left = [...handles]
  while (left.length > 0) {
    await end.client.objects.destroy(end.session, left.splice(-STEP))
    await boots({ end, fork: end.token.fork() }, left.length)
    if (left.length % (2 * STEP) !== 0) continue
    const made = await end.client.objects.generate(end.session, protocol.CKM_AES_KEY_GEN, aes)
    await boots({ end, fork: end.token.fork() }, left.length + 1)
    await end.client.objects.destroy(end.session, [made])
    await boots({ end, fork: end.token.fork() }, left.length)
  }
})

test.run()
