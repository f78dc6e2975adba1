// Finding objects by template: held against a plain list in TypeScript, before and after a restart, in pages of any size.
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute, type TokenClient } from '../../../host/client/index.js'
import { officerOn, prepare } from '../support/officer.js'
import { dataObject } from '../support/templates.js'
import { TestToken } from '../support/test-token.js'

const test = suite('firmware: finding objects')

const { ulong, bool, text, bytes } = attribute
const seed = Number(process.env.MOONLET_SEED ?? Date.now() % 2 ** 31)
console.log(`seed ${seed} (MOONLET_SEED)`)

const LABELS = ['', 'a', 'b', 'a longer label, of more than eight bytes']
const IDS = [undefined, Buffer.of(1), Buffer.from('an id of more than eight bytes')]

interface Made {
  readonly handle: number
  readonly objectClass: number
  readonly label: string
  readonly id: Buffer | undefined
  readonly isPrivate: boolean
}

const kind = fc.record({
  objectClass: fc.constantFrom(protocol.CKO_DATA, protocol.CKO_CERTIFICATE, protocol.CKO_SECRET_KEY),
  label: fc.constantFrom(...LABELS),
  id: fc.constantFrom(...IDS),
  isPrivate: fc.boolean(),
})
type Kind = typeof kind extends fc.Arbitrary<infer Value> ? Value : never

const query = fc.record(
  {
    objectClass: fc.constantFrom(protocol.CKO_DATA, protocol.CKO_CERTIFICATE, protocol.CKO_SECRET_KEY),
    label: fc.constantFrom(...LABELS, 'nobody'),
    id: fc.constantFrom(Buffer.of(1), Buffer.of(2)),
    isPrivate: fc.boolean(),
  },
  { requiredKeys: [] },
)
type Query = typeof query extends fc.Arbitrary<infer Value> ? Value : never

async function make(client: TokenClient, session: number, what: Kind): Promise<Made> {
  const isKey = what.objectClass === protocol.CKO_SECRET_KEY
  const id = what.objectClass === protocol.CKO_DATA ? undefined : what.id
  const isPrivate = what.isPrivate || isKey
  const common = [bool(protocol.CKA_TOKEN, true), bool(protocol.CKA_PRIVATE, isPrivate)]
  const names = [text(protocol.CKA_LABEL, what.label), ...(id ? [bytes(protocol.CKA_ID, id)] : [])]
  const handle = isKey
    ? await client.objects.generate(session, protocol.CKM_AES_KEY_GEN, [
        ...[...common, ...names, ulong(protocol.CKA_VALUE_LEN, 32)],
      ])
    : await client.objects.create(session, [
        ...[...common, ...names, ulong(protocol.CKA_CLASS, what.objectClass), bytes(protocol.CKA_VALUE, Buffer.of(7))],
      ])
  return { ...what, id, isPrivate, handle }
}

function templateOf({ objectClass, label, id, isPrivate }: Query): Attribute[] {
  return [
    ...(objectClass === undefined ? [] : [ulong(protocol.CKA_CLASS, objectClass)]),
    ...(label === undefined ? [] : [text(protocol.CKA_LABEL, label)]),
    ...(id === undefined ? [] : [bytes(protocol.CKA_ID, id)]),
    ...(isPrivate === undefined ? [] : [bool(protocol.CKA_PRIVATE, isPrivate)]),
  ]
}

const fits = (made: Made, wanted: Query) =>
  (wanted.objectClass ?? made.objectClass) === made.objectClass &&
  (wanted.label ?? made.label) === made.label &&
  (wanted.id === undefined || made.id?.equals(wanted.id) === true) &&
  (wanted.isPrivate ?? made.isPrivate) === made.isPrivate

async function found(client: TokenClient, session: number, template: readonly Attribute[], limit: number) {
  const handles: number[] = []
  let cursor = 0
  do {
    const page = await client.objects.page(session, template, cursor, limit)
    assert.ok(page.rows.length <= limit)
    handles.push(...page.rows.map(({ handle }) => handle))
    cursor = page.next
  } while (cursor !== 0)
  return handles
}

test('what is found is what is there and fits, each once', async () => {
  const end = await prepare(await TestToken.make({ storage: 800_000n, sectors: 24 }), { size: 400_000n })
  await fc.assert(
    fc.asyncProperty(
      fc.array(kind, { minLength: 1, maxLength: 25 }),
      fc.array(query, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat(24), { maxLength: 5 }),
      async (kinds, queries, limit, gone) => {
        const token = end.token.fork()
        let client = token.newClient()
        let session = await officerOn(client, end.partition)
        let there: Made[] = []
        for (const what of kinds) there.push(await make(client, session, what))
        const check = async (visible: readonly Made[]) => {
          for (const wanted of queries) {
            const handles = await found(client, session, templateOf(wanted), limit)
            const expected = visible.filter((made) => fits(made, wanted)).map(({ handle }) => handle)
            assert.equal(
              handles.sort((a, b) => a - b),
              expected,
              JSON.stringify(wanted),
            )
          }
        }
        await check(there)
        // After a restart nothing is known of labels and ids until somebody looks; without a log-in only public objects are there.
        token.powerCycle()
        client = token.newClient()
        session = await client.openSession(end.partition)
        await check(there.filter(({ isPrivate }) => !isPrivate))
        session = await officerOn(client, end.partition)
        const doomed = there.filter((_, i) => gone.includes(i))
        if (doomed.length > 0)
          await client.objects.destroy(
            session,
            doomed.map(({ handle }) => handle),
          )
        there = there.filter((made) => !doomed.includes(made))
        const renamed = there.findIndex(({ label }) => label === 'a')
        const made = there[renamed]
        if (made) {
          await client.objects.set(session, made.handle, [text(protocol.CKA_LABEL, 'b')])
          there[renamed] = { ...made, label: 'b' }
        }
        await check(there)
        await token.close()
      },
    ),
    { seed, numRuns: 15 },
  )
})

test('a search of many objects of one name goes on where a page ended, whatever is destroyed meanwhile', async () => {
  const { client, session } = await prepare(await TestToken.make({ storage: 800_000n, sectors: 24 }), {
    size: 400_000n,
  })
  for (let i = 0; i < 40; i++) await client.objects.create(session, dataObject('one name', `${i}`, i % 2 === 0))
  for (const template of [[text(protocol.CKA_LABEL, 'one name')], [ulong(protocol.CKA_CLASS, protocol.CKO_DATA)]]) {
    const all = await found(client, session, template, 7)
    assert.is(new Set(all).size, all.length)
    const first = await client.objects.page(session, template, 0, 7)
    const next = (await client.objects.page(session, template, first.next, 1)).rows[0]?.handle ?? 0
    const mine = first.rows[0]?.handle ?? 0
    // One that was delivered, and the very one that the next page begins with.
    assert.equal(await client.objects.destroy(session, [mine, next]), [protocol.RC_OK, protocol.RC_OK])
    const seen = new Set(first.rows.map(({ handle }) => handle))
    let cursor = first.next
    while (cursor !== 0) {
      const page = await client.objects.page(session, template, cursor, 7)
      for (const { handle } of page.rows) seen.add(handle)
      cursor = page.next
    }
    seen.delete(mine)
    assert.equal(
      [...seen].sort((a, b) => a - b),
      all.filter((handle) => handle !== mine && handle !== next).sort((a, b) => a - b),
    )
  }
})

test('a cursor that no page gave is refused or finds nothing twice', async () => {
  const { client, session } = await prepare(await TestToken.make())
  const handle = await client.objects.create(session, dataObject('x', 'y'))
  for (const cursor of [0x7fffffff, 0xfffffffe, 0x40001102]) {
    try {
      await client.objects.page(session, [], cursor)
      assert.unreachable()
    } catch (error) {
      assert.match(String(error), 'CKR_ARGUMENTS_BAD')
    }
  }
  const label = [text(protocol.CKA_LABEL, 'x')]
  assert.equal(
    (await client.objects.page(session, label, 12345)).rows.map((row) => row.handle),
    [handle],
  )
})

test.run()
