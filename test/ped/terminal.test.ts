import { PassThrough } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as protocol from '../../assembly/protocol.js'
import { type Operator, PedError, type PersonTerminal, StreamTerminal, TerminalOperator } from '../../host/ped/index.js'
import { secretOf, withDesk } from './desk.js'
import { withPin } from './hsm-side.js'

const { PED_OP_PRESENT, PED_OP_MAKE, PED_OP_SHOW, PED_KIND_SO, PED_KIND_USER, PED_STATUS_OK } = protocol

/** A terminal whose person types the given lines. */
class Typist implements PersonTerminal {
  printed = ''
  readonly masked: string[] = []
  readonly #lines: (string | PedError)[]
  #last: () => void = () => undefined
  /** Resolves when the person types the last line. */
  readonly done = new Promise<void>((resolve) => {
    this.#last = resolve
  })

  constructor(...lines: (string | PedError)[]) {
    this.#lines = lines
  }

  print(line: string): void {
    this.printed += `${line}\n`
  }

  async ask(question: string, { masked }: { masked: boolean }): Promise<string> {
    const line = this.#lines.shift()
    if (line === undefined) throw new Error(`nobody has an answer to ${question}`)
    if (this.#lines.length === 0) this.#last()
    if (line instanceof PedError) throw line
    if (masked) this.masked.push(line)
    else this.printed += `${question}${line}\n`
    return line
  }
}

const atTerminal = (terminal: PersonTerminal, test: Parameters<typeof withDesk>[1]) => {
  let person: Operator | undefined
  const operator: Operator = {
    answer: (prompt, signal) => person?.answer(prompt, signal) ?? Promise.reject(new Error('nobody')),
  }
  return withDesk(operator, (desk) => {
    person = new TerminalOperator({ terminal, box: desk.box })
    return test(desk)
  })
}

const person = suite('ped: person at a terminal')

person('sees the display and the keys, and picks one by number or name', async () => {
  const terminal = new Typist('what?', '7', 'BLUE')
  await atTerminal(terminal, async ({ plug, box }) => {
    assert.is((await box.names())[6], 'red')
    const hsm = plug()
    await hsm.hello()
    const { secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_SO, text: 'Backup' })
    assert.equal(secret, secretOf('blue'))
    assert.match(terminal.printed, '| LOGIN SO...             |\n| Backup                  |')
    assert.match(terminal.printed, '  4  blue: blue, SO / HSM Admin, "blue"')
    assert.match(terminal.printed, '  3  blank-2: none, blank')
    assert.match(terminal.printed, 'with a PIN')
    assert.match(terminal.printed, /: what\?\nNo key has that number or name\.\nPED \(/)
    assert.match(terminal.printed, 'That key does not do.')
    assert.not(terminal.printed.includes(secretOf('blue').toString('hex')))
  })
})

person('types a PIN that is masked', async () => {
  const terminal = new Typist('pinned', '24680')
  await atTerminal(terminal, async ({ plug }) => {
    const hsm = plug()
    await hsm.hello()
    const { secret } = await hsm.request({ op: PED_OP_PRESENT, kind: PED_KIND_USER })
    assert.equal(secret, withPin(secretOf('pinned'), '24680'))
    assert.equal(terminal.masked, ['24680'])
    assert.not.match(terminal.printed, /24680/)
  })
})

person('makes a key', async () => {
  const terminal = new Typist('perhaps', 'n', '', '', 'blank-1', '', 'y', 'blank-2', 'n', '')
  await atTerminal(terminal, async ({ plug, box }) => {
    const hsm = plug()
    await hsm.hello()
    const { status } = await hsm.request({ op: PED_OP_MAKE, kind: PED_KIND_SO, secret: secretOf('new') })
    assert.is(status, PED_STATUS_OK)
    assert.equal((await box.read('blank-2')).content?.secret, secretOf('new'))
    assert.is((await hsm.request({ op: PED_OP_SHOW, text: 'AAAA-BBBB' })).status, PED_STATUS_OK)
    assert.match(terminal.printed, '| AAAA-BBBB ')
    assert.match(terminal.printed, ': perhaps\nThat is none of the answers.\n')
  })
})

person('cancels by a letter or by Ctrl-C; walks away; is gone', async () => {
  const cases: [line: string | PedError, status: number][] = [
    ['c', protocol.PED_STATUS_CANCELLED],
    [new PedError('PED_TERMINAL_INTERRUPTED', 'Ctrl-C'), protocol.PED_STATUS_CANCELLED],
    ['w', protocol.PED_STATUS_TIMEOUT],
    [new PedError('PED_TERMINAL_CLOSED', 'gone'), protocol.PED_STATUS_TIMEOUT],
  ]
  for (const [line, expected] of cases) {
    const terminal = new Typist(line)
    await atTerminal(terminal, async ({ plug, clock }) => {
      const hsm = plug()
      await hsm.hello()
      hsm.ask({ op: PED_OP_PRESENT, kind: PED_KIND_SO, seconds: 5 })
      await terminal.done
      // What was typed has been acted on by then, and only who walked away is found out by the clock.
      await new Promise(setImmediate)
      clock.advance(5000)
      assert.is((await hsm.answer()).status, expected)
    })
  }
})

person.run()

const streams = suite('ped: terminal on streams')

function terminal(interactive: boolean): { input: PassThrough; shown: () => string; terminal: StreamTerminal } {
  const input = new PassThrough()
  const output = new PassThrough()
  return { input, shown: () => String(output.read() ?? ''), terminal: new StreamTerminal(input, output, interactive) }
}
const open = () => ({ masked: false, signal: new AbortController().signal })
const masked = () => ({ masked: true, signal: new AbortController().signal })

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return error instanceof PedError ? error.code : String(error)
  }
  return 'no error'
}

streams('asks one line after the other', async () => {
  const { input, shown, terminal: term } = terminal(false)
  term.print('hello')
  for (const line of ['first', 'second']) {
    const answer = term.ask(`${line}? `, open())
    input.write(`${line} answer\n`)
    assert.is(await answer, `${line} answer`)
  }
  assert.is(shown(), 'hello\nfirst? second? ')
})

streams('a masked answer is not echoed, an open one is', async () => {
  const { input, shown, terminal: term } = terminal(true)
  const secret = term.ask('PIN: ', masked())
  input.write('12345\r')
  assert.is(await secret, '12345')
  assert.is(shown(), 'PIN: \n')
  const plain = term.ask('name: ', open())
  input.write('blue\r')
  assert.is(await plain, 'blue')
  assert.match(shown(), /name: [\s\S]*blue/)
})

streams('no earlier question echoes what is typed at a later one, least of all a PIN', async () => {
  const { input, shown, terminal: term } = terminal(true)
  for (const key of ['orange', 'blue']) {
    const answer = term.ask('key: ', open())
    input.write(`${key}\r`)
    assert.is(await answer, key)
    const echoed = [...shown().replace(/^.*key: /s, '')].filter((letter) => /[a-z]/.test(letter)).join('')
    assert.is(echoed, key)
  }
  const secret = term.ask('PIN: ', masked())
  input.write('12345\r')
  assert.is(await secret, '12345')
  assert.is(shown(), 'PIN: \n')
})

streams('Ctrl-C and the end of input are told apart', async () => {
  const first = terminal(true)
  const interrupted = first.terminal.ask('? ', open())
  first.input.write('\u0003')
  assert.is(await codeOf(interrupted), 'PED_TERMINAL_INTERRUPTED')
  const second = terminal(false)
  const closed = second.terminal.ask('? ', open())
  second.input.end()
  assert.is(await codeOf(closed), 'PED_TERMINAL_CLOSED')
})

streams('a question that no longer stands is taken back', async () => {
  const { terminal: term } = terminal(true)
  const abort = new AbortController()
  const answer = term.ask('? ', { masked: false, signal: abort.signal })
  abort.abort(new PedError('PED_TIMEOUT', 'the time is over'))
  assert.is(await codeOf(answer), 'PED_TIMEOUT')
  assert.is(await codeOf((async () => term.ask('? ', { masked: false, signal: abort.signal }))()), 'PED_TIMEOUT')
})

streams.run()
