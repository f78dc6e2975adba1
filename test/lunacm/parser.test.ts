import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { OptionValue } from '../../host/lunacm/args.js'
import { commandName } from '../../host/lunacm/command.js'
import { COMMANDS } from '../../host/lunacm/commands/index.js'
import { CommandError } from '../../host/lunacm/errors.js'
import { MASK, mayRemember } from '../../host/lunacm/index.js'
import { parse, redact } from '../../host/lunacm/parser.js'
import { findRole } from '../../host/lunacm/roles.js'

const test = suite('lunacm parser')

/** The options a line gives, by their long names. */
function read(line: string): { name: string; options: Record<string, OptionValue> } {
  const { command, args } = parse(line, COMMANDS)
  const options: Record<string, OptionValue> = {}
  for (const { name } of command.options) {
    const value = args.number(name) ?? args.text(name) ?? args.numbers(name) ?? (args.has(name) ? true : undefined)
    if (value !== undefined) options[name] = value
  }
  return { name: commandName(command), options }
}

function refused(line: string): string {
  try {
    parse(line, COMMANDS)
  } catch (error) {
    assert.instance(error, CommandError)
    if (error instanceof CommandError) {
      const said = error.lines.map(({ text }) => text.trim()).join('\n')
      assert.is(error.code, / is not a command\./.test(said) ? 'Unknown command' : 'CKR_ARGUMENTS_BAD', line)
      return said
    }
  }
  throw new Error(`not refused: ${line}`)
}

test('lines as the field types them', () => {
  const table: [string, string, Record<string, OptionValue>][] = [
    ['slot set slot 1', 'slot set', { slot: 1 }],
    ['slot set -slot 1', 'slot set', { slot: 1 }],
    ['s s s 1', 'slot set', { slot: 1 }],
    ['SLOT Set -SLOT 103', 'slot set', { slot: 103 }],
    ['ped get', 'ped get', {}],
    ['ped get -slot 2', 'ped get', { slot: 2 }],
    ['ped connect ip 192.20.10.190', 'ped connect', { ip: '192.20.10.190' }],
    ['ped connect ip 192.20.10.189 -slot 2', 'ped connect', { ip: '192.20.10.189', slot: 2 }],
    ['p c -i host -p 1503', 'ped connect', { ip: 'host', port: 1503 }],
    ['ped vector init', 'ped vector init', {}],
    ['role login -name Crypto Officer', 'role login', { name: 'Crypto Officer' }],
    ['role login -name "Crypto Officer"', 'role login', { name: 'Crypto Officer' }],
    ['ro login -n Crypto Officer -p userpin', 'role login', { name: 'Crypto Officer', password: 'userpin' }],
    ['par si', 'partition showinfo', {}],
    ['par logi -p userpin', 'partition login', { password: 'userpin' }],
    ['par crc', 'partition createchallenge', {}],
    ['par con', 'partition contents', {}],
    ['partition changepolicy -p 22 -v 1', 'partition changepolicy', { policy: [22], value: [1] }],
    [
      'partition changepolicy -policy 22,23 -value 1,0 -f',
      'partition changepolicy',
      { policy: [22, 23], value: [1, 0], force: true },
    ],
    ['hsm changeHSMPolicy -p 12 -v 1', 'hsm changehsmpolicy', { policy: 12, value: 1 }],
    ['hsm factoryReset -force', 'hsm factoryreset', { force: true }],
    ['partition archive backup -slot 2 -par SAbck1', 'partition archive backup', { slot: 2, partition: 'SAbck1' }],
    [
      'par ar r -s 2 -partition P -password X -add -objects 1,2',
      'partition archive restore',
      { slot: 2, partition: 'P', password: 'X', append: true, objects: [1, 2] },
    ],
    ['  exit  ', 'exit', {}],
    ['quit', 'quit', {}],
    ['partition init -label "two words" -def', 'partition init', { label: 'two words', defaultdomain: true }],
    ['partition init -label ""', 'partition init', { label: '' }],
  ]
  for (const [line, name, options] of table) {
    assert.equal(read(line), { name, options }, line)
  }
})

test('a role name runs on to the next dash, as the seed types it', () => {
  assert.equal(read('role login -name Crypto Officer -password x').options, { name: 'Crypto Officer', password: 'x' })
  assert.equal(read('role login -password x -name Crypto Officer').options, { name: 'Crypto Officer', password: 'x' })
})

test('values keep their case, names do not', () => {
  assert.equal(read('PARTITION ARCHIVE BACKUP -SLOT 2 -PAR SaBck1').options, { slot: 2, partition: 'SaBck1' })
})

test('what is wrong with a line is said', () => {
  const table: [string, RegExp][] = [
    ['foo', /'foo' is not a command/],
    ['"slot"', /'slot' is not a command/],
    ['slot foo', /'slot foo' is not a command/],
    ['partition archive foo -slot 1', /'partition archive foo' is not a command/],
    ['part si', /'part' is not a command/],
    ['slot lis', /'slot lis' is not a command/],
    ['slot list -all', /'-all' is not an option of 'slot list'/],
    ['slot list all', /'all' belongs to no option/],
    ['slot set', /Option -slot was not supplied\. {2}It is required\./],
    ['slot set -slot', /Option -slot needs a value/],
    ['slot set -slot one', /-slot is not a number/],
    ['slot set -slot -1', /Option -slot needs a value/],
    ['slot set -slot 4294967296', /-slot is not a number/],
    ['slot set -slot 1 slot 2', /-slot was given twice/],
    ['partition clone -slot 1 -objects 1,x', /-objects is not a list of numbers/],
    ['partition clone -slot 1 -objects 1,,2', /-objects is not a list of numbers/],
    ['role login -name "Crypto Officer', /double quote is not closed/],
  ]
  for (const [line, message] of table) assert.match(refused(line), message, line)
})

test('no two commands and no two options of a command can be confused', () => {
  const spellings = new Set<string>()
  for (const { words } of COMMANDS) {
    const paths = words.reduce<string[]>(
      (known, { long, short }) =>
        known.flatMap((path) => [long, ...(short && short !== long ? [short] : [])].map((one) => `${path} ${one}`)),
      [''],
    )
    for (const path of paths) {
      assert.not.ok(spellings.has(path), `two commands are called${path}`)
      spellings.add(path)
    }
  }
  for (const command of COMMANDS) {
    const names = command.options.flatMap(({ name, short }) => [name, ...(short ?? [])])
    assert.is(new Set(names).size, names.length, `${commandName(command)}: ${names.join(' ')}`)
    for (const name of names) assert.is(name, name.toLowerCase())
  }
})

test('a question mark asks for the syntax of a command', () => {
  assert.is(parse('partition archive backup ?', COMMANDS).help, true)
  assert.is(parse('slot set ?', COMMANDS).help, true)
  for (const other of ['-help', '--help', '-?']) assert.is(parse(`slot set -slot 1 ${other}`, COMMANDS).help, true)
  // It is no secret, although any word may be one where a password is.
  assert.is(redact('partition archive backup ?', COMMANDS), 'partition archive backup ?')
  assert.is(redact('role login -password x y ?', COMMANDS), 'role login -password ******* ?')
  assert.is(parse('slot set -slot 1', COMMANDS).help, false)
})

test('an echo never shows a secret', () => {
  const table: [string, string][] = [
    ['role login -name co -password hunter22', `role login -name co -password ${MASK}`],
    ['ro login -n co -p "hunter 22"', `ro login -n co -p ${MASK}`],
    ['role login -password hunter 22 -name co', `role login -password ${MASK} -name co`],
    ['role login -name co -password "hunter22', `role login -name co -password ${MASK}`],
    ['role login -name co -passwrd hunter22', `role login -name co -p${MASK} ${MASK}`],
    ['role login -name co -password -hunter22', `role login -name co -password ${MASK}`],
    ['role changepw -name co -old hunter22 -new hunter23', `role changepw -name co -old ${MASK} -new ${MASK}`],
    [
      'partition archive backup -sop hunter22 -domain hunter23',
      `partition archive backup -sop ${MASK} -domain ${MASK}`,
    ],
    ['role login name co password hunter22', `role login name co password ${MASK}`],
    ['role login -n co hunter22', `role login -n co ${MASK}`],
    ['role login -name Crypto Officer hunter22', `role login -name Crypto Officer ${MASK}`],
    ['role login -password x -name co bogus hunter22', `role login -password ${MASK} -name co ${MASK}`],
    ['role login -n co -phunter22', `role login -n co -p${MASK}`],
    ['role login -n co -password=hunter22', `role login -n co -password${MASK}`],
    ['role logn -n co -p hunter22', `role logn -n co -p ${MASK}`],
    ['role login -name Crypto Officer', 'role login -name Crypto Officer'],
    ['rol login -password hunter22', `rol login -password ${MASK}`],
    ['slot set -slot 1', 'slot set -slot 1'],
    ['partition changepolicy -p 22 -v 1', 'partition changepolicy -p 22 -v 1'],
    ['ped connect -ip 10.0.0.1 -p 1503', 'ped connect -ip 10.0.0.1 -p 1503'],
  ]
  for (const [line, shown] of table) {
    assert.is(redact(line, COMMANDS), shown)
    assert.is(mayRemember(line), line === shown, line)
  }
})

test('a bare option name ends the words of a role, and no error repeats what may be a password', () => {
  const { args } = parse('role login name crypto officer password hunter22', COMMANDS)
  assert.is(args.text('name'), 'crypto officer')
  assert.is(args.text('password'), 'hunter22')
  for (const line of [
    'role login -n co hunter22',
    'role login -password x -name co bogus hunter22',
    'role login -n co -phunter22',
    'role login -n co -password=hunter22',
  ]) {
    try {
      findRole(parse(line, COMMANDS).args.text('name') ?? '')
      assert.unreachable(line)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      assert.not.match(error.lines.map(({ text }) => text).join('\n'), 'hunter22', line)
    }
  }
})

test('neither an echo nor a refusal shows a secret, whatever is typed around it', () => {
  const secret = 'Zq7-secret'
  const word = fc.constantFrom('-name', 'co', '-force', '-x', '"a b"', '-slot', '2', '?', '-prompt')
  const option = fc.constantFrom('-oldpw', '-newpw', 'oldpw', '-NEW', '-old')
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), option, fc.array(word, { maxLength: 3 }), (before, name, after) => {
      const line = ['role changepw', ...before, name, secret, ...after].join(' ')
      assert.not.match(redact(line, COMMANDS), secret)
      try {
        parse(line, COMMANDS)
      } catch (error) {
        assert.instance(error, CommandError)
        if (error instanceof CommandError) assert.not.ok(error.lines.some(({ text }) => text.includes(secret)))
      }
    }),
    { numRuns: 300, verbose: true },
  )
})

test.run()
