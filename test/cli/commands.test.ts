// test-timeout: 480
// What all commands have in common: help, a line that is typed wrong, and Ctrl-C.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { moonlet, type Program, Running, run, temporaryFolder } from './support.js'

const test = suite('all commands')

const WIDTH = 80
/** A line of a JavaScript stack. */
const STACK = /^\s+at /m

interface Named {
  readonly program: Program
  /** Below the program's own name. */
  readonly words: readonly string[]
}

const nameOf = ({ program, words }: Named): string => [program, ...words].join(' ')

/** The names in the list of a help, under a headline. */
const listed = (help: string, headline: string): string[] => {
  const [, list = ''] = new RegExp(`\\n${headline}:\\n((?: {2}.*\\n)+)`).exec(help) ?? []
  return [...list.matchAll(/^ {2}(\w+)/gm)].flatMap(([, name]) => (name === undefined || name === 'help' ? [] : [name]))
}

async function everyCommand(): Promise<Named[]> {
  const commands = listed((await moonlet(['help'])).stdout, 'Commands')
  const actions = listed((await moonlet(['usb', '--help'])).stdout, 'Actions')
  assert.ok(commands.length >= 17, commands.join(' '))
  assert.ok(actions.length >= 6, actions.join(' '))
  const others = (['lunacm', 'pedserver', 'vtl', 'cmu'] as const).map((program): Named => ({ program, words: [] }))
  return [
    ...commands.map((name): Named => ({ program: 'moonlet', words: [name] })),
    ...actions.map((name): Named => ({ program: 'moonlet', words: ['usb', name] })),
    ...others,
  ]
}

/** What a line needs before its options are looked at; cmu knows its options only by its commands. */
const before: Readonly<Record<string, readonly string[]>> = { vtl: ['verify'] }

test('--help of every command: exit code 0, nothing on standard error, no line too wide', async () => {
  for (const named of await everyCommand()) {
    const { code, stdout, stderr } = await run(named.program, [...named.words, '--help'])
    assert.is(code, 0, nameOf(named))
    assert.is(stderr, '', nameOf(named))
    assert.match(stdout, /^Usage: /, nameOf(named))
    const wide = stdout.split('\n').filter((line) => line.length > WIDTH)
    assert.equal(wide, [], `${nameOf(named)} --help is wider than ${WIDTH} columns`)
  }
})

test('an option that no command has: exit code 2, the help to look at, no stack, and nothing was done', async () => {
  const state = join(temporaryFolder(), 'state')
  for (const named of await everyCommand()) {
    const { program, words } = named
    const given = [...words, ...(before[nameOf(named)] ?? []), program === 'cmu' ? 'dance' : '--dance']
    const { code, stdout, stderr } = await run(program, given, {
      env: { XDG_STATE_HOME: state, XDG_CONFIG_HOME: state },
    })
    assert.is(code, 2, `${nameOf(named)}: ${stderr}`)
    assert.is(stdout, '', nameOf(named))
    assert.match(stderr, new RegExp(`^${program}: USAGE: .*dance`), nameOf(named))
    assert.ok(stderr.endsWith(`\nTry '${nameOf(named)} --help'.\n`), stderr)
    assert.not.match(stderr, STACK)
  }
  assert.not.ok(existsSync(state))
})

const state = join(temporaryFolder(), 'state')
const anywhere = ['--listen', '127.0.0.1:0']

/** Programs that run until they are ended, what they say once they serve, and their exit code at Ctrl-C. */
const LONG: readonly (Named & { readonly args: readonly string[]; readonly sees: string; readonly code: 0 | 130 })[] = [
  { program: 'moonlet', words: ['appliance'], args: anywhere, sees: '"listening"', code: 0 },
  { program: 'moonlet', words: ['rbs'], args: anywhere, sees: '"listening"', code: 0 },
  { program: 'moonlet', words: ['usb', 'serve'], args: anywhere, sees: '"listening"', code: 0 },
  { program: 'moonlet', words: ['usb', 'redir'], args: anywhere, sees: '"listening"', code: 0 },
  { program: 'moonlet', words: ['pkcs11'], args: [], sees: '"listening"', code: 0 },
  { program: 'moonlet', words: ['ped'], args: [], sees: 'The PED waits', code: 0 },
  {
    program: 'pedserver',
    words: [],
    args: ['-mode', 'start', '--foreground', '-port', '0'],
    sees: 'Listening at',
    code: 0,
  },
  // What a person is at was not done.
  { program: 'lunacm', words: [], args: [], sees: 'Current Slot Id', code: 130 },
  { program: 'moonlet', words: ['lunash'], args: [], sees: 'lunash:>hsm show', code: 130 },
]

for (const { program, words, args, sees, code } of LONG) {
  const name = nameOf({ program, words })
  test(`Ctrl-C ends ${name} with ${code}, and another one starts after it`, async () => {
    if (!existsSync(state)) assert.is((await moonlet(['init', '--state', state])).code, 0)
    for (let round = 0; round < 2; round++) {
      const running = new Running(program, [...words, ...args, '--state', state])
      if (words[0] === 'lunash') running.child.stdin.write('hsm show\n')
      await running.sees(sees)
      running.child.kill('SIGINT')
      const { code: ended, stdout, stderr } = await running.result
      assert.is(ended, code, stdout + stderr)
      assert.not.match(stderr, STACK)
      if (code === 0) assert.is(stderr, '')
      else assert.match(stderr, `${program}: ended before it was done\n`)
    }
  })
}

test('Ctrl-C while moonlet up starts the parts of a lab: what it has started is ended', async () => {
  const lab = join(temporaryFolder(), 'state')
  assert.is((await moonlet(['init', '--state', lab])).code, 0)
  const up = new Running('moonlet', ['up', '--state', lab])
  await up.sees('starting appliance')
  up.child.kill('SIGINT')
  const { code, stderr } = await up.result
  assert.is(code, 130, stderr)
  assert.not.match(stderr, STACK)
  const down = await moonlet(['down', '--state', lab])
  assert.is(down.stdout, 'Nothing runs.\n')
})

test.run()
