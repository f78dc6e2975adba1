// Keys that wear out or are overwritten, and the display that all of it has to fit on.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { blankPedKey, decodePedKey, encodePedKey, PedError, TerminalOperator } from '../../host/ped/index.js'
import { pedKind } from '../../host/ped/kinds.js'
import * as screen from '../../host/ped/screen.js'
import { count, insert, press, Script, secretOf, type, withDesk } from './desk.js'

const { PED_OP_MAKE, PED_OP_PRESENT, PED_KIND_SO, PED_STATUS_OK } = protocol
const MAKE_SO = { op: PED_OP_MAKE, kind: PED_KIND_SO, secret: secretOf('fresh') }
const PRESENT_SO = { op: PED_OP_PRESENT, kind: PED_KIND_SO }

const wear = suite('ped: keys that wear out')

wear(
  'a key takes as many secrets as it has writes left; then another is asked for, and what it holds is still read',
  () => {
    const make = [press('no'), insert('old'), press('enter'), press('no')]
    const operator = new Script(...make)
    return withDesk(operator, async ({ box, plug, events }) => {
      await box.add('old', { ...blankPedKey('blue'), writesLeft: 2 })
      const hsm = plug()
      await hsm.hello()
      assert.is((await hsm.request(MAKE_SO)).status, PED_STATUS_OK)
      assert.is((await box.read('old')).writesLeft, 1)
      operator.more(press('no'), insert('old'), press('yes'), press('enter'), press('no'))
      const second = secretOf('second')
      assert.is((await hsm.request({ ...MAKE_SO, secret: second })).status, PED_STATUS_OK)
      assert.is((await box.read('old')).writesLeft, 0)
      // No question whether to overwrite it: it cannot be.
      operator.more(press('no'), insert('old'), insert('blank-1'), press('enter'), press('no'))
      assert.is((await hsm.request(MAKE_SO)).status, PED_STATUS_OK)
      const worn = events.filter((event) => event.event === 'key' && event.refused === 'worn out')
      assert.equal(worn, [{ event: 'key', key: 'old', refused: 'worn out' }])
      assert.equal((await box.read('blank-1')).content?.secret, secretOf('fresh'))
      operator.more(insert('old'))
      assert.equal((await hsm.request(PRESENT_SO)).secret, second)
      assert.ok((await box.list()).find(({ name }) => name === 'old')?.worn)
    })
  },
)

wear('a key whose file cannot be written: the others of the keyset are asked for, and none is left half', () => {
  const operator = new Script(press('no'), count(2), count(2), insert('blank-1'), press('enter'), insert('broken'))
  return withDesk(operator, async ({ box, plug, events }) => {
    await box.add('broken', blankPedKey('blue'))
    const write = box.write.bind(box)
    box.write = (name, key) => (name === 'broken' ? Promise.reject(new Error('EIO')) : write(name, key))
    const hsm = plug()
    await hsm.hello()
    operator.more(type('4711'), type('4711'), insert('blank-2'), press('enter'), press('no'))
    operator.more(insert('blank-2'), insert('blank-1'))
    assert.is((await hsm.request(MAKE_SO)).status, PED_STATUS_OK)
    assert.ok(events.some((event) => event.event === 'key' && event.key === 'broken' && event.refused === 'worn out'))
    assert.is((await box.read('broken')).content, undefined)
    // The PIN that was typed for the broken key is not that of the one in its place.
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('fresh'))
  })
})

wear('in its file: a count that is kept, refused where it is none, and not there for keys that do not wear', () => {
  const key = { ...blankPedKey('blue', 'SO'), writesLeft: 7 }
  assert.equal(decodePedKey(encodePedKey(key), 'key'), key)
  assert.match(encodePedKey(key), '"version": 3')
  assert.match(encodePedKey(blankPedKey('blue')), '"version": 2')
  assert.not.match(encodePedKey(blankPedKey('blue')), 'writesLeft')
  for (const bad of ['-1', '1.5', '"many"', '1000001']) {
    const text = encodePedKey(key).replace('"writesLeft": 7', `"writesLeft": ${bad}`)
    assert.throws(
      () => decodePedKey(text, 'key'),
      (error: unknown) =>
        error instanceof PedError && error.code === 'PED_KEY_INVALID' && /writesLeft/.test(error.message),
    )
  }
})

wear('an overwritten key has only what it holds now; where that is another kind it is asked for again', () => {
  const operator = new Script(press('no'), insert('blue'), press('yes'), press('enter'), press('no'))
  return withDesk(operator, async ({ plug, box, events }) => {
    const hsm = plug()
    await hsm.hello()
    const red = { op: PED_OP_MAKE, kind: protocol.PED_KIND_DOMAIN, secret: secretOf('domain') }
    assert.is((await hsm.request(red)).status, PED_STATUS_OK)
    const text = await readFile(join(box.folder, 'blue.json'), 'utf8')
    assert.not.match(text, secretOf('blue').toString('hex'))
    await box.add('copy', {
      colour: 'blue',
      label: '',
      content: { kind: PED_KIND_SO, secret: secretOf('blue'), pin: false },
    })
    operator.more(insert('blue'), insert('copy'))
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
    assert.ok(events.some((event) => event.event === 'key' && event.key === 'blue' && event.refused === 'wrong kind'))
  })
})

wear('a share that was overwritten with another keyset does not go with its old one', () => {
  const split = (...keys: string[]) => [
    ...[press('no'), count(2), count(2)],
    ...keys.flatMap((key) => [insert(key), press('enter')]),
    press('no'),
  ]
  const operator = new Script(...split('blank-1', 'blank-2'))
  return withDesk(operator, async ({ plug, box, events }) => {
    await box.add('blank-3', blankPedKey('none'))
    const hsm = plug()
    await hsm.hello()
    assert.is((await hsm.request(MAKE_SO)).status, PED_STATUS_OK)
    // The second key of the first set becomes the first of another.
    operator.more(...[press('no'), count(2), count(2), insert('blank-2'), press('yes'), press('enter')])
    operator.more(insert('blank-3'), press('enter'), press('no'))
    assert.is((await hsm.request({ ...MAKE_SO, secret: secretOf('other') })).status, PED_STATUS_OK)
    operator.more(insert('blank-1'), insert('blank-2'), press('cancel'))
    assert.is((await hsm.request(PRESENT_SO)).status, protocol.PED_STATUS_CANCELLED)
    assert.ok(events.some((event) => event.event === 'key' && event.refused === 'other keyset'))
    operator.more(insert('blank-2'), insert('blank-3'))
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('other'))
  })
})

wear('a damaged file is not readable, and the person is asked for another key', () => {
  const operator = new Script(insert('blue'), insert('copy'))
  return withDesk(operator, async ({ plug, box, events }) => {
    await box.add('copy', await box.read('blue'))
    await writeFile(join(box.folder, 'blue.json'), '{"format":')
    const hsm = plug()
    await hsm.hello()
    assert.equal((await hsm.request(PRESENT_SO)).secret, secretOf('blue'))
    assert.ok(events.some((event) => event.event === 'key' && event.refused === 'not readable'))
  })
})

wear.run()

const display = suite('ped: display of 8 lines by 23 columns')

const kinds = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((kind) =>
  [0, protocol.PED_HINT_LIMITED].flatMap((hint) => pedKind(kind, hint) ?? []),
)

display('every screen fits, whatever the label and the place in a keyset', () => {
  assert.is(new Set(kinds.map(({ kind }) => kind)).size, 6)
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.boolean(),
      fc.string({ unit: 'binary', maxLength: 64 }),
      fc.integer({ min: 1, max: 16 }),
      (kind, making, subject, n) => {
        const topic = { kind, making, subject }
        const screens = [
          screen.insertKey(topic, { number: n, of: 16 }),
          screen.mValue(topic),
          screen.nValue(topic, n),
          screen.reuse(topic),
          ...kinds.map((found) => screen.overwrite(topic, found)),
          screen.enterPin(topic),
          screen.newPin(topic),
          screen.confirmPin(topic),
          screen.duplicate(topic),
          screen.idle(making),
          screen.notConnected,
        ]
        for (const lines of screens) {
          assert.ok(lines.length <= screen.LCD_LINES, lines.join(' / '))
          // A label may be cut; the words of the PED are not.
          for (const line of lines) assert.ok(line === subject || line.length <= screen.LCD_COLUMNS, line)
          const shown = screen.lcd(lines)
          assert.is(shown.length, 8)
          assert.ok(shown.every((line) => line.length <= 23 && /^[\x20-\x7e]*$/.test(line)))
        }
      },
    ),
  )
})

display('a terminal draws all of it, and nothing moves with what is shown', async () => {
  const printed: string[] = []
  const terminal = { print: (line: string) => void printed.push(line), ask: async () => 'no' }
  await withDesk(new Script(), async ({ box }) => {
    const operator = new TerminalOperator({ terminal, box })
    const prompt = {
      question: 'reuse',
      lines: ['SLOT 01', 'Would you like to'],
      kind: 1,
      request: 1,
      attempt: 0,
    } as const
    // The keypad's keys by their names as well.
    assert.equal(await operator.answer(prompt, new AbortController().signal), { action: 'no' })
  })
  assert.is(printed.length, 10)
  assert.ok(printed.every((line) => line.length === 27))
  assert.is(printed[1], '| SLOT 01                 |')
})

display.run()
