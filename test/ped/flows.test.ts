import { inspect } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { type Desk, insert, press, Script, secretOf, type as typed, withDesk } from './desk.js'
import { type HsmSide, withPin } from './hsm-side.js'

const { PED_OP_PRESENT, PED_OP_MAKE, PED_OP_SHOW, PED_KIND_SO, PED_KIND_USER, PED_KIND_DOMAIN } = protocol
const { PED_STATUS_OK, PED_STATUS_CANCELLED, PED_STATUS_TIMEOUT } = protocol

/** A desk with a local link that is up. */
const linked = (operator: Script, test: (hsm: HsmSide, desk: Desk) => Promise<void>) =>
  withDesk(operator, async (desk) => {
    const hsm = desk.plug()
    assert.ok(await hsm.hello())
    await test(hsm, desk)
  })

const questions = (operator: Script) => operator.prompts.map(({ question }) => question)
const fresh = secretOf('fresh')

const present = suite('ped: present')

present('the display says whose key is wanted, and of which colour', async () => {
  const operator = new Script(insert('black'), insert('black'))
  await linked(operator, async (hsm, { ped }) => {
    await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER, text: 'SAbck1' })
    await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER, hint: protocol.PED_HINT_LIMITED })
    assert.equal(operator.screens, [
      'SLOT 01 LOGIN USER... SAbck1 Insert a User / Partition Owner PED Key (black). Press ENTER.',
      'SLOT 01 LOGIN LIMITED USER... Insert a Limited User PED Key (gray). Press ENTER.',
    ])
    assert.is(ped.lcd.length, 8)
    assert.equal(ped.lcd.slice(0, 3), ['SCP mode', 'Awaiting command...', ''])
  })
})

present('the PED PIN is mixed into the secret', () =>
  linked(new Script(insert('pinned'), typed('1234')), async (hsm) => {
    const { status, secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER })
    assert.is(status, PED_STATUS_OK)
    assert.equal(secret, withPin(secretOf('pinned'), '1234'))
  }),
)

present('what cannot be a PIN is asked for again and does not reach the HSM', async () => {
  const operator = new Script(insert('pinned'), press('enter'), typed('12'), typed('abcd'), press('yes'), typed('9876'))
  await linked(operator, async (hsm) => {
    const { secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER })
    assert.equal(secret, withPin(secretOf('pinned'), '9876'))
    assert.equal(questions(operator), ['key', 'pin', 'pin', 'pin', 'pin', 'pin'])
  })
})

present('a wrong kind, a blank key, an unknown one and a bare Enter: asked again, never answered', async () => {
  const operator = new Script(
    insert('red'),
    insert('blank-1'),
    insert('no-such-key'),
    insert('../blue'),
    press('enter'),
    insert('blue'),
  )
  await linked(operator, async (hsm, { ped }) => {
    const { secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO })
    assert.equal(secret, secretOf('blue'))
    const keys = ped.events.flatMap((event) => (event.event === 'key' ? [[event.key, event.refused]] : []))
    assert.equal(keys, [
      ['red', 'wrong kind'],
      ['blank-1', 'blank'],
      ['no-such-key', 'not readable'],
      ['../blue', 'not readable'],
      ['blue', undefined],
    ])
  })
})

present('nobody comes: the PED says so when the time of the request is over', async () => {
  const operator = new Script()
  await linked(operator, async (hsm, { clock }) => {
    hsm.ask({ op: PED_OP_PRESENT, kind: PED_KIND_SO, seconds: 30 })
    await operator.waiting
    clock.advance(29_999)
    clock.advance(1)
    const { status, secret } = await hsm.answer()
    assert.is(status, PED_STATUS_TIMEOUT)
    assert.equal(secret, Buffer.alloc(48))
  })
})

present('a person who answers at once and always wrongly does not hold up the time-out', async () => {
  for (const wrong of [insert('red'), press('yes')]) {
    await withDesk({ answer: async () => wrong }, async ({ plug, clock }) => {
      const hsm = plug()
      await hsm.hello()
      hsm.ask({ op: PED_OP_PRESENT, kind: PED_KIND_SO, seconds: 5 })
      await new Promise(setImmediate)
      clock.advance(5000)
      assert.is((await hsm.answer()).status, PED_STATUS_TIMEOUT)
    })
  }
})

present('the person gives up', () =>
  linked(new Script(press('cancel')), async (hsm) => {
    const { status, secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO })
    assert.is(status, PED_STATUS_CANCELLED)
    assert.equal(secret, Buffer.alloc(48))
  }),
)

present('an operator that fails is an error to the HSM, and the PED lives on', async () => {
  let calls = 0
  const answer = async () => {
    if (calls++ === 0) throw new Error('broken')
    return insert('blue')
  }
  await withDesk({ answer }, async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    assert.is((await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO })).status, protocol.PED_STATUS_ERROR)
    assert.is((await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO })).status, PED_STATUS_OK)
  })
})

present.run()

const make = suite('ped: make')

make('a new secret goes to a blank key, with no PIN and no copy', async () => {
  const operator = new Script(press('no'), insert('blank-1'), press('enter'), press('no'))
  await linked(operator, async (hsm, { box }) => {
    const answer = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh, text: 'Backup' })
    assert.equal([answer.status, answer.flags], [PED_STATUS_OK, 0])
    assert.equal(answer.secret, fresh)
    assert.equal(questions(operator), ['reuse', 'key', 'new-pin', 'duplicate'])
    assert.equal(operator.prompts[0]?.lines, [
      'SLOT 01',
      'SETTING SO PIN...',
      'Backup',
      'Would you like to',
      'reuse an existing',
      'keyset? (Y/N)',
    ])
    assert.equal(await box.read('blank-1'), {
      colour: 'none',
      label: 'Backup',
      content: { kind: PED_KIND_SO, secret: fresh, pin: false },
    })
  })
})

make('the key then presents what was made, PIN and all', async () => {
  const operator = new Script(
    press('no'),
    insert('blank-1'),
    typed('4711'),
    typed('4711'),
    press('no'),
    insert('blank-1'),
    typed('4711'),
  )
  await linked(operator, async (hsm, { box }) => {
    const made = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_USER, secret: fresh })
    assert.equal(made.secret, withPin(fresh, '4711'))
    assert.equal((await box.read('blank-1')).content, { kind: PED_KIND_USER, secret: fresh, pin: true })
    const presented = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER })
    assert.equal(presented.secret, made.secret)
  })
})

make('a PIN that is typed differently the second time, or is none, is asked for again', async () => {
  const operator = new Script(
    press('no'),
    insert('blank-1'),
    typed('1111'),
    typed('1112'),
    typed('77'),
    typed('2222'),
    typed('2222'),
    press('no'),
  )
  await linked(operator, async (hsm) => {
    const { secret } = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh })
    assert.equal(secret, withPin(fresh, '2222'))
    assert.equal(questions(operator).slice(2), [
      'new-pin',
      'confirm-pin',
      'new-pin',
      'new-pin',
      'confirm-pin',
      'duplicate',
    ])
  })
})

make('reuse: the secret that is on the key counts, and the new one is forgotten', async () => {
  const operator = new Script(press('yes'), insert('blue'), insert('red'), press('no'))
  await linked(operator, async (hsm, { box }) => {
    const answer = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_DOMAIN, secret: fresh })
    assert.equal([answer.status, answer.flags], [PED_STATUS_OK, protocol.PED_ANSWER_REUSED])
    assert.equal(answer.secret, secretOf('red'))
    assert.equal(operator.prompts[0]?.lines[1], 'SETTING DOMAIN...')
    assert.equal((await box.read('red')).content?.secret, secretOf('red'))
  })
})

make('reuse of a key with a PIN answers what it presents', () =>
  linked(new Script(press('yes'), insert('pinned'), typed('5555'), press('no')), async (hsm) => {
    const { secret } = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_USER, secret: fresh })
    assert.equal(secret, withPin(secretOf('pinned'), '5555'))
  }),
)

make('a key that is not blank is overwritten only if the person says so', async () => {
  const operator = new Script(
    press('no'),
    insert('red'),
    press('no'),
    insert('blue'),
    press('yes'),
    press('enter'),
    press('no'),
  )
  await linked(operator, async (hsm, { box }) => {
    await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh })
    assert.equal(questions(operator), ['reuse', 'key', 'overwrite', 'key', 'overwrite', 'new-pin', 'duplicate'])
    assert.match(operator.screens[2] ?? '', /This PED Key is for Domain Overwrite\? \(YES\/NO\)$/)
    assert.equal((await box.read('red')).content?.secret, secretOf('red'))
    assert.equal((await box.read('blue')).content?.secret, fresh)
  })
})

make('duplicates hold the same secret under the same PIN', async () => {
  const operator = new Script(
    press('no'),
    insert('blank-1'),
    typed('3333'),
    typed('3333'),
    press('yes'),
    insert('blank-2'),
    press('no'),
  )
  await linked(operator, async (hsm, { box }) => {
    await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh })
    assert.equal((await box.read('blank-2')).content, (await box.read('blank-1')).content)
  })
})

make('who gives up before the key is written leaves it as it was', async () => {
  const operator = new Script(press('no'), insert('blue'), press('yes'), press('cancel'))
  await linked(operator, async (hsm, { box }) => {
    assert.is((await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh })).status, PED_STATUS_CANCELLED)
    assert.equal((await box.read('blue')).content?.secret, secretOf('blue'))
  })
})

make('an answer that comes after the time is over writes nothing', async () => {
  const late: { press?: () => void } = {}
  const asked = new Promise<void>((resolve) => {
    late.press = resolve
  })
  let release: () => void = () => undefined
  const answer = async ({ question }: { question: string }) => {
    if (question === 'reuse') return press('no')
    if (question === 'key') return insert('blank-1')
    late.press?.()
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return press('enter')
  }
  await withDesk({ answer }, async ({ plug, clock, box }) => {
    const hsm = plug()
    await hsm.hello()
    hsm.ask({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh, seconds: 10 })
    await asked
    clock.advance(10_000)
    assert.is((await hsm.answer()).status, PED_STATUS_TIMEOUT)
    release()
    await new Promise(setImmediate)
    assert.is((await box.read('blank-1')).content, undefined)
  })
})

make.run()

const show = suite('ped: show')

show('the text stands on the display until the person confirms, and then is gone', async () => {
  const challenge = 'AAAA-BBBB-CCCC-DDDD-EEEE'
  const operator = new Script()
  await linked(operator, async (hsm, { ped }) => {
    hsm.ask({ op: PED_OP_SHOW, text: challenge })
    await operator.waiting
    assert.is(ped.lcd.join('').includes(challenge), true)
    hsm.cancel()
    await new Promise(setImmediate)
    assert.not.match(ped.lcd.join(''), /AAAA/)
    operator.more(press('enter'))
    assert.is((await hsm.request({ op: PED_OP_SHOW, text: challenge })).status, PED_STATUS_OK)
    assert.not.match(ped.lcd.join(''), /AAAA/)
  })
})

show('a label cannot steer the display', async () => {
  const operator = new Script(insert('blue'))
  await linked(operator, async (hsm) => {
    await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO, text: '\u001b[2Jpär\n12345678901234567890' })
    assert.is(operator.prompts[0]?.lines[2], '?[2Jp?r?123456789012345')
  })
})

show.run()

const secrecy = suite('ped: secrecy')

secrecy('no secret, PIN or shown text is in an event, and no secret is on the display', async () => {
  const operator = new Script(
    ...[
      press('no'),
      insert('blank-1'),
      typed('83659274'),
      typed('83659274'),
      press('yes'),
      insert('blank-2'),
      press('no'),
    ],
    ...[insert('pinned'), typed('6173920'), press('enter'), insert('nothing'), press('cancel')],
  )
  await linked(operator, async (hsm, { ped }) => {
    const made = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: fresh, text: 'Backup' })
    const presented = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER })
    await hsm.request({ op: PED_OP_SHOW, text: 'SHOWN-CHALLENGE' })
    await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_DOMAIN })
    const seen = inspect(ped.events, { depth: 9, maxStringLength: null, maxArrayLength: null })
    const screens =
      operator.screens.filter((screen) => !screen.includes('SHOWN-CHALLENGE')).join('\n') + ped.lcd.join('\n')
    for (const secret of [fresh, secretOf('pinned'), made.secret, presented.secret]) {
      for (const form of [secret.toString('hex'), secret.toString('base64'), secret.toString('latin1')]) {
        assert.not(seen.includes(form))
        assert.not(screens.includes(form))
      }
    }
    for (const text of ['83659274', '6173920', 'SHOWN-CHALLENGE']) {
      assert.not(seen.includes(text))
      assert.not(screens.includes(text))
    }
    assert.ok(seen.length > 1000, 'there were events to look at')
  })
})

secrecy.run()
