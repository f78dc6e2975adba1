import { PassThrough, Readable, Writable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Io, literals, MASK, mayRemember, PipeIo, Shell, TerminalIo } from '../../host/lunacm/index.js'
import { seedLab } from './fake-lab.js'

const test = suite('lunacm io')

const ENTER = '\r'
const UP = '\u001b[A'
const BACKSPACE = '\u007f'

/** Keeps what is written, and lets a test wait for it. */
class Screen extends Writable {
  readonly columns = 80
  text = ''
  #waiting: { wanted: (text: string) => boolean; resolve: () => void } | undefined

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    this.text += Buffer.from(chunk).toString()
    if (this.#waiting?.wanted(this.text)) this.#waiting.resolve()
    done()
  }

  until(wanted: (text: string) => boolean): Promise<void> {
    if (wanted(this.text)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting = { wanted, resolve }
    })
  }
}

function terminal() {
  const keys = new PassThrough()
  const screen = new Screen()
  return { keys, screen, io: new TerminalIo(keys, screen, mayRemember) }
}

const count = (text: string, part: string) => text.split(part).length - 1

test('a pipe gives one command per line and answers from the lines after it', async () => {
  const screen = new Screen()
  const io: Io = new PipeIo(Readable.from(['first\r\nsecond\n', 'yes\nsecret\nlast']), screen)
  assert.is(await io.command('> '), 'first')
  assert.is(await io.command('> '), 'second')
  assert.is(await io.ask('sure? ', { masked: false }), 'yes')
  assert.is(await io.ask('password: ', { masked: true }), 'secret')
  assert.is(await io.command('> '), 'last')
  assert.is(await io.command('> '), undefined)
  assert.is(await io.ask('more? ', { masked: true }), undefined)
  assert.is(screen.text, `sure? yes\npassword: ${MASK}\nmore? \n`)
})

test('the mask of a pipe does not tell the length of a password', async () => {
  const screen = new Screen()
  const io = new PipeIo(Readable.from(['a\n', 'a much longer password\n', '\n']), screen)
  for (let i = 0; i < 3; i++) await io.ask('', { masked: true })
  assert.equal(screen.text.trimEnd().split('\n'), [MASK, MASK, MASK])
})

test('a shell over a pipe runs to the end of the input', async () => {
  const screen = new Screen()
  const { slots } = seedLab()
  const io = new PipeIo(Readable.from(['par si\nrole login -name co\nuserpin\nexit']), screen)
  assert.is(await new Shell({ slots, persona: 'A', io }).run(), 0)
  for (const text of [
    'lunacm:> par si\n',
    'HSM Status ->           OK',
    'CONTAINER_ACTIVATED',
    `password: ${MASK}\n`,
  ]) {
    assert.ok(screen.text.includes(text), text)
  }
  assert.not.match(screen.text, 'userpin')
})

test('a terminal shows an asterisk per key of a masked answer, in the end seven, and never the answer', async () => {
  const { keys, screen, io } = terminal()
  const answer = io.ask('Password: ', { masked: true })
  keys.write('s3cX')
  await screen.until((text) => text.includes(': ****'))
  keys.write(BACKSPACE)
  keys.write('Y')
  keys.write(ENTER)
  assert.is(await answer, 's3cY')
  assert.not.match(screen.text, /s3c|X|Y/)
  assert.is(screen.text.split('\r').at(-1), `Password: ${MASK}\u001b[K\n`)
  io.close()
})

test('history has the commands, but no answers and no lines with a password', async () => {
  const { keys, screen, io } = terminal()
  const enter = async (line: string) => {
    const read = io.command(literals.prompt)
    keys.write(line + ENTER)
    return read
  }
  await enter('slot list')
  await enter('role login -name co -password hunter22')
  const secret = io.ask('Password: ', { masked: true })
  keys.write(`masked${ENTER}`)
  await secret
  const plain = io.ask('Sure? ', { masked: false })
  keys.write(`proceed${ENTER}`)
  await plain
  const before = count(screen.text, 'slot list')
  const next = io.command(literals.prompt)
  keys.write(UP)
  await screen.until((text) => count(text, 'slot list') > before)
  keys.write(ENTER)
  assert.is(await next, 'slot list')
  io.close()
})

test('lines typed ahead are kept, and a closed terminal ends the input', async () => {
  const { keys, io } = terminal()
  const first = io.command(literals.prompt)
  keys.write(`one${ENTER}two${ENTER}`)
  assert.is(await first, 'one')
  assert.is(await io.command(literals.prompt), 'two')
  const last = io.command(literals.prompt)
  keys.end()
  assert.is(await last, undefined)
  assert.is(await io.command(literals.prompt), undefined)
})

test('what is typed while a command runs is not shown, and answers a masked question unseen', async () => {
  const { keys, screen, io } = terminal()
  const first = io.command(literals.prompt)
  keys.write(`role login${ENTER}`)
  assert.is(await first, 'role login')
  keys.write(`hunter22${ENTER}`)
  assert.is(await io.ask('Password: ', { masked: true }), 'hunter22')
  const next = io.command(literals.prompt)
  keys.write(`slot list${ENTER}`)
  assert.is(await next, 'slot list')
  assert.not.match(screen.text, 'hunter22')
  assert.match(screen.text, 'slot list')
})

test('an interrupt at the prompt ends the input', async () => {
  const { keys, io } = terminal()
  const line = io.command(literals.prompt)
  keys.write('\u0003')
  assert.is(await line, undefined)
})

test('a shell at a terminal does not repeat what was typed', async () => {
  const { keys, screen, io } = terminal()
  const { slots } = seedLab()
  const ended = new Shell({ slots, persona: 'A', io }).run()
  await screen.until((text) => text.includes(literals.prompt))
  keys.write(`ped get${ENTER}`)
  await screen.until((text) => text.includes('Command Result'))
  keys.write(`exit${ENTER}`)
  assert.is(await ended, 0)
  assert.is(count(screen.text, 'ped get'), 1)
  assert.match(screen.text.replaceAll('\r', ''), 'ped get\n\n        HSM slot 1 listening to local PED (PED id=0).\n\n')
})

test.run()
