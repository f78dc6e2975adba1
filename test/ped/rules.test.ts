import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import {
  checkOperatorRules,
  defaultRules,
  type Operator,
  type OperatorRule,
  type PedAction,
  PedError,
  type PedPrompt,
  RuleOperator,
  readOperatorRules,
  UnattendedOperator,
} from '../../host/ped/index.js'
import { type Desk, ManualClock, Script, secretOf, withDesk } from './desk.js'
import { type HsmSide, withPin } from './hsm-side.js'

const { PED_OP_PRESENT, PED_OP_MAKE, PED_OP_SHOW, PED_KIND_SO, PED_KIND_USER, PED_KIND_DOMAIN, PED_STATUS_OK } =
  protocol
const presentSo = { op: PED_OP_PRESENT, kind: PED_KIND_SO }
const presentUser = { op: PED_OP_PRESENT, kind: PED_KIND_USER }

/** A desk at which rules are followed, with a local link that is up. */
const ruled = (
  rules: readonly OperatorRule[],
  test: (hsm: HsmSide, desk: Desk) => Promise<void>,
  fallback?: Operator,
) => {
  let inner: Operator | undefined
  const operator: Operator = {
    answer: (prompt, signal) => inner?.answer(prompt, signal) ?? Promise.resolve({ action: 'no-key' }),
  }
  return withDesk(operator, async (desk) => {
    inner = new RuleOperator({ rules, box: desk.box, clock: desk.clock, ...(fallback ? { fallback } : {}) })
    const hsm = desk.plug()
    await hsm.hello()
    await test(hsm, desk)
  })
}

/** Whether the HSM hears of nothing until its time is over; `left` resolves when the operator has nothing more to do. */
const timedOut = async (hsm: HsmSide, { clock }: Desk, left: Promise<void>) => {
  hsm.ask({ ...presentSo, seconds: 9 })
  await left
  clock.advance(9000)
  return (await hsm.answer()).status === protocol.PED_STATUS_TIMEOUT
}

const parsing = suite('ped: rule files')

const fault = (value: unknown): string => {
  try {
    checkOperatorRules(value, 'file')
  } catch (error) {
    assert.instance(error, PedError)
    if (error instanceof PedError) {
      assert.is(error.code, 'OPERATOR_RULES_INVALID')
      return error.message
    }
  }
  return 'accepted'
}

parsing('good rules are taken as they are', () => {
  const rules = [
    { prompt: 'blue', action: 'key', key: 'blue', wrongKey: 'red', pin: '1234', delayMs: 0, times: 1 },
    { prompt: '/reuse .* keyset/', action: 'no', ifBlank: 'red' },
    { prompt: 'PIN', action: 'enter', pin: '99999' },
    { prompt: 'anything', action: 'cancel' },
  ]
  assert.equal(checkOperatorRules(rules), rules)
  assert.equal(checkOperatorRules([]), [])
})

parsing('bad rules are refused with the path of what is wrong', () => {
  const rule = { prompt: 'blue', action: 'key', key: 'blue' }
  const cases: [value: unknown, message: string][] = [
    [{ rules: [] }, 'file: the file must hold a list of rules'],
    [[rule, 'blue'], 'file: rules[1] must be an object'],
    [[rule, null], 'file: rules[1] must be an object'],
    [[{ action: 'yes' }], 'file: rules[0].prompt must be a text or a /pattern/'],
    [[{ ...rule, prompt: '' }], 'file: rules[0].prompt must be a text or a /pattern/'],
    [[{ ...rule, prompt: '/(/' }], 'file: rules[0].prompt is not a pattern'],
    [[{ prompt: 'x' }], 'file: rules[0].action must be one of key, no-key, yes, no, cancel, enter'],
    [[{ prompt: 'x', action: 'smash' }], 'file: rules[0].action must be one of key, no-key, yes, no, cancel, enter'],
    [[{ prompt: 'x', action: 'key' }], 'file: rules[0].key is missing'],
    [[{ ...rule, key: 5 }], 'file: rules[0].key must be the name of a key'],
    [[{ ...rule, wrongKey: '' }], 'file: rules[0].wrongKey must be the name of a key'],
    [[{ ...rule, pin: '12' }], 'file: rules[0].pin must be 4 to 48 digits, as text'],
    [[{ ...rule, pin: 1234 }], 'file: rules[0].pin must be 4 to 48 digits, as text'],
    [[{ ...rule, delayMs: -1 }], 'file: rules[0].delayMs must be a whole number of milliseconds'],
    [[{ ...rule, times: 0 }], 'file: rules[0].times must be a whole number above zero'],
    [[{ ...rule, ifBlank: true }], 'file: rules[0].ifBlank must be the name of a key'],
    [[{ ...rule, color: 'blue' }], 'file: rules[0].color is not a field of a rule'],
    [[{ ...rule, toString: 'blue' }], 'file: rules[0].toString is not a field of a rule'],
    [[{ prompt: 'x', action: 'yes', key: 'blue' }], 'file: rules[0].key means nothing with the action "yes"'],
    [[{ prompt: 'x', action: 'no', pin: '1234' }], 'file: rules[0].pin means nothing with the action "no"'],
  ]
  for (const [value, message] of cases) assert.is(fault(value), message)
})

parsing('a file that is missing or no JSON is refused by name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moonlet-rules-'))
  try {
    const path = join(folder, 'rules.json')
    const message = () =>
      readOperatorRules(path).then(
        () => 'accepted',
        (error: Error) => error.message,
      )
    assert.is(await message(), `${path}: the file cannot be read`)
    await writeFile(path, '[{')
    assert.is(await message(), `${path}: the file is not JSON`)
    await writeFile(path, '[{"prompt":"blue","action":"yes"}]')
    assert.equal(await readOperatorRules(path), [{ prompt: 'blue', action: 'yes' }])
  } finally {
    await rm(folder, { recursive: true })
  }
})

parsing.run()

const following = suite('ped: scripted operator')

following('the first rule that matches wins, by substring or by pattern', async () => {
  const rules: OperatorRule[] = [
    { prompt: '/^LOGIN/', action: 'cancel' },
    { prompt: 'LOGIN so', action: 'key', key: 'blue' },
    { prompt: '/user.*\\(black\\)/', action: 'key', key: 'black' },
    { prompt: 'LOGIN', action: 'cancel' },
  ]
  await ruled(rules, async (hsm) => {
    assert.equal((await hsm.request(presentSo)).secret, secretOf('blue'))
    assert.equal((await hsm.request(presentUser)).secret, secretOf('black'))
  })
})

following('a PIN goes with the key, or with Enter', async () => {
  await ruled([{ prompt: '(black)', action: 'key', key: 'pinned', pin: '2468' }], async (hsm) => {
    assert.equal((await hsm.request(presentUser)).secret, withPin(secretOf('pinned'), '2468'))
  })
  const rules: OperatorRule[] = [
    { prompt: 'PED PIN', action: 'enter', pin: '1357' },
    { prompt: '(black)', action: 'key', key: 'pinned', pin: '2468' },
  ]
  await ruled(rules, async (hsm) => {
    assert.equal((await hsm.request(presentUser)).secret, withPin(secretOf('pinned'), '1357'))
  })
})

following('a wrong key first, then the right one', async () => {
  await ruled([{ prompt: '(blue)', action: 'key', key: 'blue', wrongKey: 'red' }], async (hsm, { events }) => {
    assert.equal((await hsm.request(presentSo)).secret, secretOf('blue'))
    const keys = events.flatMap((event) => (event.event === 'key' ? [`${event.key} ${event.refused ?? 'taken'}`] : []))
    assert.equal(keys, ['red wrong kind', 'blue taken'])
  })
})

following('a key that does not do is not tried again and again, and no other rule takes its place', async () => {
  const wrong: OperatorRule = { prompt: '(blue)', action: 'key', key: 'red' }
  const lost: OperatorRule = { prompt: '(blue)', action: 'key', key: 'not-in-the-box' }
  const other: OperatorRule = { prompt: '(blue)', action: 'key', key: 'blue' }
  const inserted = ({ events }: Desk) => events.flatMap((event) => (event.event === 'key' ? [event.key] : []))
  for (const first of [wrong, lost]) {
    const nobody = new Script()
    await ruled(
      [first, other],
      async (hsm, desk) => {
        assert.ok(await timedOut(hsm, desk, nobody.waiting))
        assert.equal(inserted(desk), [first.action === 'key' ? first.key : ''])
      },
      nobody,
    )
  }
  await ruled([{ ...wrong, times: 1 }, other], async (hsm, desk) => {
    assert.is((await hsm.request(presentSo)).status, PED_STATUS_OK)
    assert.equal(inserted(desk), ['red', 'blue'])
  })
})

following('where nobody is there the screen is read, and all else waits', async () => {
  const shown: string[] = []
  const unattended = new UnattendedOperator((line) => shown.push(line))
  await ruled(
    [],
    async (hsm, desk) => {
      assert.is((await hsm.request({ op: PED_OP_SHOW, text: 'AAAA-BBBB' })).status, PED_STATUS_OK)
      assert.match(shown.join('\n'), 'PED: AAAA-BBBB')
      assert.ok(await timedOut(hsm, desk, desk.clock.sleeping(1)))
      assert.not.ok(desk.events.some(({ event }) => event === 'key'))
    },
    unattended,
  )
})

following('no-key, and no rule at all: nothing happens until the time is over', async () => {
  for (const rules of [[], [{ prompt: '(blue)', action: 'no-key' } as const]]) {
    await ruled(rules, async (hsm, desk) => {
      assert.ok(await timedOut(hsm, desk, desk.clock.sleeping(1)))
      assert.not(desk.events.some(({ event }) => event === 'key'))
    })
  }
})

following('a rule holds as often as it says', async () => {
  const rules: OperatorRule[] = [
    { prompt: '(blue)', action: 'cancel', times: 2 },
    { prompt: '(blue)', action: 'key', key: 'blue' },
  ]
  await ruled(rules, async (hsm) => {
    const statuses = [await hsm.request(presentSo), await hsm.request(presentSo), await hsm.request(presentSo)].map(
      ({ status }) => status,
    )
    assert.equal(statuses, [protocol.PED_STATUS_CANCELLED, protocol.PED_STATUS_CANCELLED, PED_STATUS_OK])
  })
})

following('a slow person is slow on the given clock', async () => {
  await ruled([{ prompt: '(blue)', action: 'key', key: 'blue', delayMs: 5000 }], async (hsm, { clock, events }) => {
    hsm.ask(presentSo)
    // The request's own time-out, and the person.
    await clock.sleeping(2)
    assert.not(events.some(({ event }) => event === 'key'))
    clock.advance(5000)
    assert.is((await hsm.answer()).status, PED_STATUS_OK)
  })
})

following('a person is asked where no rule matches', async () => {
  const asked: PedPrompt[] = []
  const person: Operator = {
    answer: async (prompt): Promise<PedAction> => {
      asked.push(prompt)
      return { action: 'key', key: 'black' }
    },
  }
  const body = async (hsm: HsmSide) => {
    assert.equal((await hsm.request(presentSo)).secret, secretOf('blue'))
    assert.equal((await hsm.request(presentUser)).secret, secretOf('black'))
    assert.equal(
      asked.map(({ question }) => question),
      ['key'],
    )
  }
  await ruled([{ prompt: '(blue)', action: 'key', key: 'blue' }], body, person)
})

following.run()

const standard = suite('ped: default rules')

standard('set-up and backup of the seed page: blank keys are written, others reused', async () => {
  const operators: RuleOperator[] = []
  const operator: Operator = {
    answer: (prompt, signal) => operators[0]?.answer(prompt, signal) ?? Promise.reject(new Error('no operator')),
  }
  await withDesk(operator, async ({ plug, box }) => {
    for (const name of ['blue', 'black', 'red'] as const)
      await box.write(name, { colour: name, label: '', content: undefined })
    await box.add('gray', { colour: 'gray', label: '', content: undefined })
    operators.push(new RuleOperator({ rules: defaultRules(), box, clock: new ManualClock() }))
    const hsm = plug()
    await hsm.hello()
    const make = async (kind: number, secret: string, hint = 0) => {
      const {
        status,
        flags,
        secret: counting,
      } = await hsm.request({ op: PED_OP_MAKE, kind, hint, secret: secretOf(secret) })
      assert.is(status, PED_STATUS_OK)
      return { reused: flags === protocol.PED_ANSWER_REUSED, counting }
    }
    const present = async (kind: number, hint = 0) => (await hsm.request({ op: PED_OP_PRESENT, kind, hint })).secret

    assert.equal(await make(PED_KIND_SO, 'network so'), { reused: false, counting: secretOf('network so') })
    assert.equal(await make(PED_KIND_DOMAIN, 'domain'), { reused: false, counting: secretOf('domain') })
    assert.equal(await make(PED_KIND_USER, 'officer'), { reused: false, counting: secretOf('officer') })
    assert.equal(await make(PED_KIND_USER, 'limited', protocol.PED_HINT_LIMITED), {
      reused: false,
      counting: secretOf('limited'),
    })
    // The Backup HSM: the same keys, and the same domain above all.
    assert.equal(await make(PED_KIND_SO, 'backup so'), { reused: true, counting: secretOf('network so') })
    assert.equal(await present(PED_KIND_SO), secretOf('network so'))
    assert.equal(await make(PED_KIND_USER, 'container'), { reused: true, counting: secretOf('officer') })
    assert.equal(await present(PED_KIND_USER), secretOf('officer'))
    assert.equal(await present(PED_KIND_USER, protocol.PED_HINT_LIMITED), secretOf('limited'))
    assert.equal(await make(PED_KIND_DOMAIN, 'another domain'), { reused: true, counting: secretOf('domain') })
    assert.is((await hsm.request({ op: PED_OP_SHOW, text: 'AAAA-BBBB' })).status, PED_STATUS_OK)
  })
})

standard('a remote link comes up with the orange key', () =>
  ruled(defaultRules(), async (_, { ped, plug }) => {
    ped.disconnect()
    assert.ok(await plug({ remote: true, vector: secretOf('orange') }).hello())
  }),
)

standard('they are rules as a file could hold them', () => {
  assert.equal(checkOperatorRules(JSON.parse(JSON.stringify(defaultRules()))), defaultRules())
})

standard.run()
