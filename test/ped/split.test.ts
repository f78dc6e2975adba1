// M of N: the PED splits a secret over N keys, joins M of them, and the HSM never sees a share.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  PED_ANSWER_REUSED,
  PED_KIND_DOMAIN,
  PED_KIND_MTK,
  PED_KIND_SO,
  PED_OP_MAKE,
  PED_OP_PRESENT,
  PED_STATUS_OK,
  PED_STATUS_TIMEOUT,
} from '../../assembly/protocol.js'
import { blankPedKey, decodePedKey, encodePedKey, type PedKeyBox } from '../../host/ped/index.js'
import { joinShares, splitSecret } from '../../host/ped/secret-sharing.js'
import { count, type Desk, insert, press, Script, secretOf, type, withDesk } from './desk.js'
import type { HsmSide } from './hsm-side.js'

const test = suite('ped: M of N')
const SEED = 20260101

/** Keys a to e, blank. */
async function blanks(box: PedKeyBox): Promise<void> {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await box.add(name, blankPedKey('blue'))
}

async function linked(operator: Script, work: (hsm: HsmSide, desk: Desk) => Promise<void>): Promise<void> {
  await withDesk(operator, async (desk) => {
    await blanks(desk.box)
    const hsm = desk.plug()
    await hsm.hello()
    await work(hsm, desk)
  })
}

const make = { op: PED_OP_MAKE, kind: PED_KIND_SO, secret: secretOf('split') }
const present = { op: PED_OP_PRESENT, kind: PED_KIND_SO }
/** No reuse, 2 of 3, keys a, b and c without PINs, no duplicate. */
const TWO_OF_THREE = [
  press('no'),
  count(2),
  count(3),
  insert('a'),
  press('enter'),
  insert('b'),
  press('enter'),
  insert('c'),
  press('enter'),
  press('no'),
]

test('two of three: any two keys give the secret, in any order, and one alone gives nothing', async () => {
  const operator = new Script(...TWO_OF_THREE)
  await linked(operator, async (hsm, { box }) => {
    const made = await hsm.request(make)
    assert.is(made.status, PED_STATUS_OK)
    assert.equal(made.secret, secretOf('split'))
    assert.equal(operator.screens.slice(1, 4), [
      'SLOT 01 SETTING SO PIN... M value? (1-16) >01',
      'SLOT 01 SETTING SO PIN... N value? (M-16) >02',
      'SLOT 01 SETTING SO PIN... Insert a SO / HSM Admin PED Key (blue). Press ENTER. Key 1 of 3',
    ])
    for (const [one, two] of ['ab', 'ba', 'bc', 'ca']) {
      operator.more(insert(one ?? ''), insert(two ?? ''))
      const { status, secret } = await hsm.request(present)
      assert.is(status, PED_STATUS_OK)
      assert.equal(secret, secretOf('split'))
    }
    for (const name of ['a', 'b', 'c']) {
      const { content } = await box.read(name)
      assert.is(content?.share?.threshold, 2)
      assert.not.ok(content?.secret.includes(secretOf('split').subarray(0, 16)))
    }
    const entry = (await box.list()).find(({ name }) => name === 'b')
    assert.equal(entry?.share, { index: 2, threshold: 2, total: 3 })
  })
})

test('too few keys: the HSM waits until the time is over and is told nothing else', async () => {
  const operator = new Script(...TWO_OF_THREE)
  await linked(operator, async (hsm, { clock }) => {
    await hsm.request(make)
    operator.more(insert('a'))
    hsm.ask({ ...present, seconds: 30 })
    await operator.waiting
    clock.advance(30_000)
    const { status, secret } = await hsm.answer()
    assert.is(status, PED_STATUS_TIMEOUT)
    assert.equal(secret, Buffer.alloc(48))
  })
})

test('the same share twice, a duplicate of it, a share of another set, a whole key: asked again', async () => {
  const operator = new Script(
    ...TWO_OF_THREE.slice(0, -1),
    // A duplicate of the whole set goes on d, e and the box's blank key.
    press('yes'),
    insert('d'),
    insert('e'),
    insert('blank-1'),
    press('no'),
  )
  await linked(operator, async (hsm, { ped, box }) => {
    await hsm.request(make)
    await box.add('f', blankPedKey('blue'))
    await box.add('g', blankPedKey('blue'))
    operator.more(
      press('no'),
      count(2),
      count(2),
      insert('f'),
      press('enter'),
      insert('g'),
      press('enter'),
      press('no'),
    )
    await hsm.request({ ...make, secret: secretOf('another') })
    operator.more(insert('a'), insert('a'), insert('d'), insert('f'), insert('blue'), insert('red'), insert('e'))
    const { secret } = await hsm.request(present)
    assert.equal(secret, secretOf('split'))
    const refused = ped.events.flatMap((event) => (event.event === 'key' ? [event.refused] : [])).slice(-7)
    assert.equal(refused, [
      undefined,
      'same share',
      'same share',
      'other keyset',
      'other keyset',
      'wrong kind',
      undefined,
    ])
  })
})

test('making: a key of this set is not overwritten by the next share; one that holds something is asked about', async () => {
  const operator = new Script(
    press('no'),
    count(2),
    count(2),
    insert('a'),
    press('enter'),
    insert('a'),
    insert('blue'),
    press('no'),
    insert('red'),
    press('yes'),
    press('enter'),
    press('no'),
  )
  await linked(operator, async (hsm, { box, ped }) => {
    assert.is((await hsm.request(make)).status, PED_STATUS_OK)
    assert.ok(ped.events.some((event) => event.event === 'key' && event.refused === 'same share'))
    assert.equal((await box.read('blue')).content?.secret, secretOf('blue'))
    assert.is((await box.read('red')).content?.kind, PED_KIND_SO)
    assert.is((await box.read('red')).content?.share?.index, 2)
  })
})

test('every key of a split may have a PIN of its own; a wrong one gives another secret, as the HSM has to count it', async () => {
  const operator = new Script(
    press('no'),
    count(2),
    count(2),
    insert('a'),
    type('1111'),
    type('1111'),
    insert('b'),
    press('enter'),
    press('no'),
  )
  await linked(operator, async (hsm) => {
    const made = await hsm.request(make)
    assert.equal(made.secret, secretOf('split'))
    operator.more(insert('b'), insert('a'), type('1111'))
    assert.equal((await hsm.request(present)).secret, secretOf('split'))
    operator.more(insert('b'), insert('a'), type('2222'))
    const wrong = await hsm.request(present)
    assert.is(wrong.status, PED_STATUS_OK)
    assert.not.equal(wrong.secret, secretOf('split'))
  })
})

test('M and N that do not fit are asked for again; 1 of 3 is three whole keys', async () => {
  const operator = new Script(
    press('no'),
    count(17),
    count(1),
    count(17),
    count(3),
    insert('a'),
    press('enter'),
    insert('b'),
    insert('c'),
    press('no'),
  )
  await linked(operator, async (hsm, { box }) => {
    await hsm.request(make)
    for (const name of ['a', 'b', 'c']) assert.equal((await box.read(name)).content?.secret, secretOf('split'))
    operator.more(press('no'), count(3), count(2), count(3), press('cancel'))
    await hsm.request({ ...make, kind: PED_KIND_DOMAIN })
    assert.match(operator.screens.at(-2) ?? '', 'N value? (M-16) >03')
  })
})

test('a split red key is reused by M of its keys, and these are what a duplicate copies', async () => {
  const domain = { op: PED_OP_MAKE, kind: PED_KIND_DOMAIN, secret: secretOf('split') }
  const operator = new Script(...TWO_OF_THREE)
  await linked(operator, async (hsm, { box }) => {
    await hsm.request(domain)
    operator.more(press('yes'), insert('c'), insert('a'), press('yes'), insert('d'), insert('e'), press('no'))
    const { secret, flags } = await hsm.request({ ...domain, secret: secretOf('not wanted') })
    assert.equal(secret, secretOf('split'))
    assert.is(flags, PED_ANSWER_REUSED)
    assert.is((await box.read('d')).content?.share?.index, 3)
    assert.is((await box.read('e')).content?.share?.index, 1)
  })
})

test('a purple key is never reused: it is not even asked', async () => {
  const operator = new Script(insert('a'), press('enter'), press('no'))
  await linked(operator, async (hsm) => {
    const { status, flags } = await hsm.request({ ...make, kind: PED_KIND_MTK })
    assert.is(status, PED_STATUS_OK)
    assert.is(flags, 0)
    assert.equal(
      operator.prompts.map(({ question }) => question),
      ['key', 'new-pin', 'duplicate'],
    )
  })
})

test('key files: version 1 is still read, a damaged share is found, numbers that cannot be are refused', async () => {
  await withDesk(new Script(), async ({ box }) => {
    const path = join(box.folder, 'blue.json')
    const [written] = await splitSecret(secretOf('split'), 2, 3)
    if (!written) throw new Error('no share')
    const content = { kind: PED_KIND_SO, secret: written.data, pin: false, share: written.share }
    const text = encodePedKey({ colour: 'blue', label: 'one', content })
    assert.equal(decodePedKey(text, 'a key').content, content)
    const edit = (change: (file: Record<string, unknown>) => void) => {
      const file: Record<string, unknown> = JSON.parse(text)
      change(file)
      return JSON.stringify(file)
    }
    const share = { ...written.share, set: written.share.set.toString('hex') }
    const cases: [string, RegExp][] = [
      [edit((file) => Object.assign(file, { share: { ...share, index: 2 } })), /check value/],
      [edit((file) => Object.assign(file, { share: { ...share, index: 4 } })), /numbers/],
      [edit((file) => Object.assign(file, { share: { ...share, threshold: 1 } })), /numbers/],
      [edit((file) => Object.assign(file, { share: { ...share, total: 17 } })), /numbers/],
      [edit((file) => Object.assign(file, { share: { ...share, set: 'xyz' } })), /keyset/],
      [edit((file) => Object.assign(file, { share: { ...share, more: 1 } })), /fields/],
      [edit((file) => Object.assign(file, { version: 1 })), /does not belong/],
    ]
    for (const [bad, reason] of cases) assert.throws(() => decodePedKey(bad, 'a key'), reason)
    // As the first version wrote it: no share, and a check value over what there was.
    const old = (await readFile(path, 'utf8')).replace('"version": 2', '"version": 1')
    await writeFile(path, old)
    assert.equal((await box.read('blue')).content?.secret, secretOf('blue'))
  })
})

test('any M shares of N give the secret, whatever M, N and the choice', async () => {
  const choice = fc.integer({ min: 2, max: 16 }).chain((n) =>
    fc.record({
      n: fc.constant(n),
      m: fc.integer({ min: 2, max: n }),
      order: fc.shuffledSubarray(
        Array.from({ length: n }, (_, i) => i),
        { minLength: n, maxLength: n },
      ),
      secret: fc.uint8Array({ minLength: 48, maxLength: 48 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(choice, async ({ n, m, order, secret }) => {
      const shares = await splitSecret(secret, m, n)
      const chosen = order.slice(0, m).map((i) => Buffer.from(shares[i]?.data ?? []))
      assert.equal(await joinShares(chosen), Buffer.from(secret))
      assert.ok(
        chosen.every((share) => share.every((byte) => byte === 0)),
        'overwritten',
      )
    }),
    { seed: SEED, numRuns: 60 },
  )
})

test.run()
