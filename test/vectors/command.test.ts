import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, fixture, temporaryFile, vectors, vectorsIn } from './support.js'

const test = suite('the vectors command')

/** One file that cannot be run: the code of its error, and exit code 1. */
function complains(path: string, code: string, message: RegExp): void {
  const { code: exit, err } = vectors(path)
  assert.is(exit, 1, path)
  assert.is(err.length, 1)
  assert.match(err[0] ?? '', new RegExp(`^vectors: ${code}: `))
  assert.match(err[0] ?? '', message)
}

test('--help tells the usage, the exit codes and the rule for what is acceptable', () => {
  for (const option of ['--help', '-h']) {
    const { code, out, err } = vectors(option)
    assert.is(code, 0)
    assert.equal(err, [])
    for (const part of [/^Usage: npm run vectors -- /, /Exit code/, /acceptable/, /--expect/, /RSA-OAEP/]) {
      assert.match(out.join('\n'), part)
    }
    for (const text of out.join('\n').split('\n')) assert.ok(text.length <= 100, text)
  }
})

test('wrong usage ends with 2', () => {
  for (const args of [[], ['--totals'], ['--nothing', 'file'], ['--expect', 'ROT13', 'file'], ['--expect']]) {
    const { code, out, err } = vectors(...args)
    assert.is(code, 2, args.join(' '))
    assert.equal(out, [])
    assert.match(err[0] ?? '', /^vectors: VECTORS_USAGE: /)
  }
})

test('a file that cannot be read, or is no text', () => {
  complains('/nowhere/at/all.rsp', 'VECTORS_UNREADABLE', /ENOENT/)
  complains(FIXTURES, 'VECTORS_UNREADABLE', /EISDIR/)
  complains(temporaryFile('binary.rsp', Buffer.from('[ENCRYPT]\0')), 'VECTORS_UNREADABLE', /not a text/)
})

test('a file of no kind that is known', () => {
  complains(temporaryFile('notes.txt', 'Nothing to be seen here.\n'), 'VECTORS_UNKNOWN', /neither a NIST file/)
  complains(temporaryFile('empty.rsp', ''), 'VECTORS_UNKNOWN', /neither/)
  complains(
    temporaryFile('camellia.txt', '# Camellia\n\nKEY = 00\nPLAINTEXT = 00\nCIPHERTEXT = 00\n'),
    'VECTORS_UNKNOWN',
    /neither/,
  )
  complains(temporaryFile('other.json', '{"cases": []}'), 'VECTORS_UNKNOWN', /not a Wycheproof file/)
})

test('a line that does not belong there', () => {
  const broken = fixture('nist/KW_AE_128.txt').replace('COUNT = 0', 'COUNT 0')
  complains(temporaryFile('KW_AE_128.txt', broken), 'VECTORS_SYNTAX', /KW_AE_128\.txt:\d+: .*COUNT 0/)
  complains(temporaryFile('cut.json', fixture('made/aes_gcm.json').slice(0, 900)), 'VECTORS_SYNTAX', /no JSON/)
})

test('a field that is missing or holds something else', () => {
  const whole = fixture('nist/SHA512ShortMsg.rsp')
  complains(temporaryFile('SHA512ShortMsg.rsp', whole.replace('Msg = 21\n', '')), 'VECTORS_FIELD', /:\d+: no Msg/)
  complains(
    temporaryFile('SHA512ShortMsg.rsp', whole.replace('Msg = 21\n', 'Msg = 2\n')),
    'VECTORS_FIELD',
    /hexadecimal/,
  )
  complains(temporaryFile('SHA512ShortMsg.rsp', whole.replace('Len = 8\n', 'Len = x\n')), 'VECTORS_FIELD', /no number/)
  complains(temporaryFile('SHA512ShortMsg.rsp', whole.replace('MD = ', 'MD = zz')), 'VECTORS_FIELD', /hexadecimal/)
  const json = fixture('made/aes_gcm.json')
  complains(temporaryFile('aes_gcm.json', json.replace('"tag": "', '"tab": "')), 'VECTORS_FIELD', /tests\[0\]: tag/)
  complains(temporaryFile('aes_gcm.json', json.replace('"tag": "', '"tag": "x')), 'VECTORS_FIELD', /hexadecimal/)
  complains(temporaryFile('aes_gcm.json', json.replace(/"tcId": 1,/, '"tcId": "1",')), 'VECTORS_FIELD', /tcId/)
})

test('a file without a vector', () => {
  complains(temporaryFile('none.json', '{"algorithm": "AES-GCM", "testGroups": []}'), 'VECTORS_EMPTY', /no vector/)
})

test('what was run before the trouble is counted, and the other files are run', () => {
  const whole = fixture('nist/SHA512ShortMsg.rsp')
  const broken = temporaryFile('SHA512ShortMsg.rsp', whole.replace('Msg = 9083\n', ''))
  const { code, out, err } = vectors(broken, `${FIXTURES}nist/VNT256.rsp`)
  assert.is(code, 1)
  assert.match(out[0] ?? '', /: 2 passed, 0 failed/)
  assert.match(out[1] ?? '', /VNT256\.rsp: 7 passed, 0 failed/)
  assert.is(err.length, 1)
})

test('names of files are those of the folder the user is in, and are printed as they were given', () => {
  const { code, out } = vectorsIn(`${FIXTURES}nist`, 'VNT256.rsp', '../made/aes_gmac.json')
  assert.is(code, 0)
  assert.match(out[0] ?? '', /^VNT256\.rsp: 7 passed/)
  assert.match(out[1] ?? '', /^\.\.\/made\/aes_gmac\.json: 2 passed/)
})

test('no more than ten failures of a file are printed', () => {
  const all = fixture('nist/gcmEncryptExtIV192.rsp').replaceAll(/^Key = ../gm, 'Key = 00')
  const { code, out } = vectors(temporaryFile('gcmEncryptExtIV192.rsp', all))
  assert.is(code, 1)
  assert.is(out.length, 12)
  assert.match(out.at(-1) ?? '', /^ {2}and \d+ more$/)
})

test('totals per primitive, and primitives that must run', () => {
  const files = [`${FIXTURES}nist/VNT256.rsp`, `${FIXTURES}nist/KW_AE_192_inv.txt`, `${FIXTURES}nist/VTT256.rsp`]
  const { code, out } = vectors('--totals', '--expect', 'AES-CCM', ...files)
  assert.is(code, 0)
  assert.equal(
    out.slice(3).map((text) => text.replaceAll(/ +/g, ' ')),
    [
      'AES-KW 0 passed 0 failed 4 not applicable',
      'AES-CCM 14 passed 0 failed 0 not applicable',
      'all 14 passed 0 failed 4 not applicable',
    ],
  )
  // Vectors that do not apply are none that ran.
  const missing = vectors('--expect', 'AES-KW', '--expect', 'AES-GCM', ...files)
  assert.is(missing.code, 1)
  assert.equal(missing.err, [
    'vectors: VECTORS_MISSING: no vector of AES-KW was run',
    'vectors: VECTORS_MISSING: no vector of AES-GCM was run',
  ])
})

test.run()
