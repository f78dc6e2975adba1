import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ChrystokiConf, ChrystokiError } from '../../host/ntls/chrystoki-conf.js'

const test = suite('Chrystoki.conf')

const parse = (text: string): ChrystokiConf => ChrystokiConf.parse(Buffer.from(text))
const textOf = (conf: ChrystokiConf): string => conf.toBytes().toString()

const FIELD = `Chrystoki2 = {
   LibUNIX64 = /usr/safenet/lunaclient/lib/libCryptoki2_64.so;
}

# times in milliseconds
Luna = {
  DefaultTimeOut=500000; # of all commands
  PEDTimeout1 = 100000 ;
}
CardReader = { RemoteCommand=1; LunaG5Slots=0; }
LunaSA Client = {
   ReceiveTimeout = 20000;
   ServerName00 = 192.20.11.78;
   ServerPort00 = 1792;
   ClientPrivKeyFile = ;
}
`

function refusal(work: () => unknown): ChrystokiError {
  try {
    work()
  } catch (error) {
    if (error instanceof ChrystokiError) return error
    throw error
  }
  throw new Error('it was taken')
}

test('values are found by section and key, spaces around them are not theirs', () => {
  const conf = parse(FIELD)
  assert.is(conf.get('LunaSA Client', 'ServerName00'), '192.20.11.78')
  assert.is(conf.get('Luna', 'PEDTimeout1'), '100000')
  assert.is(conf.get('CardReader', 'LunaG5Slots'), '0')
  assert.is(conf.get('LunaSA Client', 'ClientPrivKeyFile'), '')
  assert.is(conf.get('LunaSA Client', 'ServerName01'), undefined)
  assert.is(conf.get('Misc', 'ServerName00'), undefined)
  assert.equal(
    conf.entries('CardReader').map(({ key, value, line }) => [key, value, line]),
    [
      ['RemoteCommand', '1', 10],
      ['LunaG5Slots', '0', 10],
    ],
  )
})

test('a change touches its value only, an addition adds its line only', () => {
  const conf = parse(FIELD)
  conf.set('LunaSA Client', 'ServerName00', '10.0.0.1')
  assert.is(textOf(conf), FIELD.replace('192.20.11.78', '10.0.0.1'))
  conf.set('LunaSA Client', 'ServerName01', 'hsm2')
  assert.match(textOf(conf), '   ClientPrivKeyFile = ;\n   ServerName01 = hsm2;\n}\n')
  conf.set('CardReader', 'X', '2')
  assert.match(textOf(conf), 'CardReader = { RemoteCommand=1; LunaG5Slots=0; X=2; }\n')
  conf.set('Misc', 'PE1746Enabled', '0')
  assert.ok(textOf(conf).endsWith('}\n\nMisc = {\n   PE1746Enabled = 0;\n}\n'))
  conf.remove('Luna', 'DefaultTimeOut')
  assert.match(textOf(conf), 'Luna = { # of all commands\n  PEDTimeout1 = 100000 ;\n}')
})

test('removing what was added gives the file back', () => {
  const conf = parse(FIELD)
  conf.set('LunaSA Client', 'ServerName01', 'hsm2')
  conf.set('CardReader', 'X', '2')
  conf.remove('LunaSA Client', 'ServerName01')
  conf.remove('CardReader', 'X')
  conf.remove('CardReader', 'X')
  assert.is(textOf(conf), FIELD)
})

test('a new file from nothing, and lines that end as those of the file', () => {
  const conf = parse('')
  conf.set('Luna', 'DefaultTimeOut', '500000')
  assert.is(textOf(conf), 'Luna = {\n   DefaultTimeOut = 500000;\n}\n')
  const dos = parse('A = {\r\n  x = 1;\r\n}\r\n')
  dos.set('A', 'y', '2')
  assert.is(textOf(dos), 'A = {\r\n  x = 1;\r\n  y = 2;\r\n}\r\n')
  dos.remove('A', 'x')
  assert.is(textOf(dos), 'A = {\r\n  y = 2;\r\n}\r\n')
})

test('bytes that are no text survive, and the half of a character is no white space', () => {
  const bytes = Buffer.concat([
    Buffer.from('A = { path = /srv/\u00e0; raw = '),
    Buffer.of(0xff, 0xa0),
    Buffer.from('; }'),
  ])
  const conf = ChrystokiConf.parse(bytes)
  assert.is(conf.get('A', 'path'), '/srv/\u00e0')
  conf.set('A', 'more', '\u00e0')
  assert.is(conf.get('A', 'more'), '\u00e0')
  conf.remove('A', 'more')
  assert.equal(conf.toBytes(), bytes)
})

test('what is not of the syntax is refused with its line', () => {
  const cases: readonly [text: string, line: number, about: RegExp][] = [
    ['Luna = {\n  A = 1;\n\tB = 2;\n}\n', 3, /TAB/],
    ['# a\tcomment\n', 1, /TAB/],
    ['A = {\n x = 1\n}\n', 2, /"x" has no ';'/],
    ['A = { x = 1 }\n', 1, /"x" has no ';'/],
    ['A = {\n x 1;\n}\n', 2, /'=' was expected behind "x 1"/],
    ['A = {\n = 1;\n}\n', 2, /a key was expected/],
    ['\n\nA {\n}\n', 3, /'= {' was expected/],
    ['A = {\n x = 1;\n\n', 4, /section "A" of line 1 is not closed/],
    ['A = { }\n}\n', 2, /the name of a section was expected/],
    ['A = {\n x = \0;\n}', 2, /control character/],
  ]
  for (const [text, line, about] of cases) {
    const error = refusal(() => parse(text))
    assert.is(error.code, 'CONF_SYNTAX', text)
    assert.is(error.line, line, text)
    assert.match(error.message, about)
    assert.ok(error.message.startsWith(`line ${line}: `))
  }
})

test('what is there twice matters only to whoever asks for it', () => {
  const conf = parse('A = { x = 1; x = 2; y = 3; }\nB = { }\n\nB = { }\n')
  assert.is(conf.get('A', 'y'), '3')
  assert.is(refusal(() => conf.get('A', 'x')).code, 'CONF_AMBIGUOUS')
  assert.is(refusal(() => conf.set('B', 'x', '1')).line, 4)
})

test('names and values that would break the file are refused and change nothing', () => {
  const conf = parse(FIELD)
  for (const value of ['a;b', '}', '{', 'a\tb', 'a\nb', ' a', 'a ']) {
    assert.is(refusal(() => conf.set('Luna', 'DefaultTimeOut', value)).code, 'CONF_VALUE', value)
  }
  for (const name of ['', 'a=b', '#a', 'a;', 'a ']) {
    assert.is(refusal(() => conf.set('Luna', name, '1')).code, 'CONF_VALUE', name)
    assert.is(refusal(() => conf.set(name, 'a', '1')).code, 'CONF_VALUE', name)
  }
  assert.is(textOf(conf), FIELD)
})

// ---- properties ----

const space = fc.constantFrom('', ' ', '   ')
const trivia = fc
  .array(fc.constantFrom(' ', '\n', '\r\n', '# a comment; with } = {\n', '#\n', '\n   '), { maxLength: 4 })
  .map((parts) => parts.join(''))
const word = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9 ._/-]{0,12}[A-Za-z0-9])?$/)
const value = fc.oneof(fc.constant(''), word, fc.constantFrom('/a=b', 'x # y', '\u00e0\u00a0'))
const entry = fc.record({ before: trivia, key: word, a: space, b: space, value, c: space })
const section = fc.record({
  before: trivia,
  name: word,
  a: space,
  b: space,
  entries: fc.uniqueArray(entry, { selector: ({ key }) => key, maxLength: 5 }),
  ending: trivia,
})
const sections = fc.uniqueArray(section, { selector: ({ name }) => name, maxLength: 4 })
type Drawn = typeof sections extends fc.Arbitrary<infer Value> ? Value : never

const written = (drawn: Drawn, tail: string): string =>
  `${drawn
    .map(({ before, name, a, b, entries, ending }) => {
      const lines = entries.map((one) => `${one.before}${one.key}${one.a}=${one.b}${one.value}${one.value && one.c};`)
      return `${before}${name}${a}=${b}{${lines.join('')}${ending}}`
    })
    .join('')}${tail}`

test('read and written it is the same', () => {
  fc.assert(
    fc.property(sections, trivia, (drawn, tail) => {
      const text = written(drawn, tail)
      const conf = parse(text)
      assert.is(textOf(conf), text)
      for (const { name, entries } of drawn) {
        for (const { key, value: expected } of entries) assert.is(conf.get(name, key), expected)
      }
    }),
    { numRuns: 500 },
  )
})

test('whatever is set and removed, the file stays one that says so, and other sections stay as they are', () => {
  const change = fc.record({ section: fc.nat(4), key: fc.nat(6), value: fc.option(value) })
  fc.assert(
    fc.property(sections, trivia, fc.array(change, { maxLength: 8 }), (drawn, tail, changes) => {
      const conf = parse(written(drawn, tail))
      const model = new Map(
        drawn.map(({ name, entries }) => [name, new Map(entries.map((one) => [one.key, one.value]))]),
      )
      const touched = new Set<string>()
      for (const one of changes) {
        const found = drawn[one.section]
        const name = found?.name ?? 'New section'
        const key = found?.entries[one.key]?.key ?? `New${one.key}`
        touched.add(name)
        if (one.value === null) {
          conf.remove(name, key)
          model.get(name)?.delete(key)
        } else {
          conf.set(name, key, one.value)
          model.set(name, (model.get(name) ?? new Map()).set(key, one.value))
        }
      }
      const again = ChrystokiConf.parse(conf.toBytes())
      for (const [name, keys] of model) {
        assert.equal(new Map(again.entries(name).map((one) => [one.key, one.value])), keys)
      }
      for (const one of drawn) {
        if (!touched.has(one.name)) assert.ok(textOf(again).includes(written([one], '')))
      }
    }),
    { numRuns: 500 },
  )
})

test('any bytes are read and written as they are, or refused', () => {
  const pieces = fc.array(fc.constantFrom('A', ' = {', '}', ';', ' x=1;', '\n', '#', '\t', ' '), { maxLength: 30 })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        pieces.map((parts) => Buffer.from(parts.join(''))),
      ),
      (bytes) => {
        let conf: ChrystokiConf
        try {
          conf = ChrystokiConf.parse(bytes)
        } catch (error) {
          assert.instance(error, ChrystokiError)
          return
        }
        assert.equal(conf.toBytes(), Buffer.from(bytes))
      },
    ),
    { numRuns: 1000 },
  )
})

test.run()
