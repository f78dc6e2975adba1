// A vector that is not what was published fails: any bit of any answer, any verdict.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seedProperties } from '../crypto/core.js'
import { Firmware } from './firmware.js'
import { PublicKeys } from './public-key.js'
import { resultsOf } from './run-file.js'
import { FIXTURES, fixture, fixtureFiles, temporaryFile } from './support.js'

const test = suite('altered vectors')
seedProperties()

const modules = { firmware: new Firmware(), publicKeys: new PublicKeys() }
const failures = (path: string): number =>
  [...resultsOf(path, FIXTURES, modules)].filter(({ outcome }) => outcome.kind === 'failed').length

/** What holds an answer, in the text files and in JSON. */
const ANSWERS =
  /^(CIPHERTEXT|C|Output|CT|Tag|Mac|OUTPUT|MD|KO|DERIVED_KEY|ReturnedBits|ZIUT|CAVSHashZZ|R|S|Qx) = ([0-9a-f]{2,})$/i
const JSON_ANSWERS = /^\s*"(tag|ct|dk|shared|sig)": "([0-9a-f]{2,})"/

/** A place in a file: the line, counted from 0, and where in it the digits of an answer are. */
interface Place {
  readonly line: number
  readonly start: number
  readonly length: number
}

/** Lines whose vector runs, and must be accepted. */
function acceptedLines(name: string, lines: readonly string[]): (line: number) => boolean {
  const json = name.endsWith('.json')
  const results = [...resultsOf(name, FIXTURES, modules)]
  const runs = results.filter(({ outcome }) => outcome.kind === 'passed').map(({ where }) => where)
  if (json) {
    const own = (line: number) => {
      const start = lines.slice(0, line + 1).findLastIndex((text) => text.includes('"tcId"'))
      const end = lines.findIndex((text, i) => i > line && text.includes('"result"'))
      const id = /\d+/.exec(lines[start] ?? '')?.[0]
      return runs.includes(`tcId ${id}`) && /"valid"/.test(lines[end] ?? '')
    }
    return own
  }
  return (line) => {
    const from = lines.slice(0, line + 1).findLastIndex((text) => text === '' || text.startsWith('[')) + 1
    const length = lines.slice(from).indexOf('')
    const block = lines.slice(from, length < 0 ? undefined : from + length)
    const first = from + block.findIndex((text) => !text.startsWith('#')) + 1
    return runs.includes(`line ${first}`) && !block.some((text) => /^FAIL|^Result = F/.test(text))
  }
}

/** Every answer of a file that the firmware is to agree with. */
function answersOf(name: string): Place[] {
  const lines = fixture(name).split('\n')
  const accepted = acceptedLines(name, lines)
  return lines.flatMap((text, line) => {
    const match = (name.endsWith('.json') ? JSON_ANSWERS : ANSWERS).exec(text)
    const digits = match?.[2]
    if (digits === undefined || !accepted(line)) return []
    return [{ line, start: text.indexOf(digits, text.indexOf(match?.[1] ?? '') + 1), length: digits.length }]
  })
}

function withFlippedBit(content: string, { line, start, length }: Place, bit: number): string {
  const lines = content.split('\n')
  const text = lines[line] ?? ''
  const at = start + (Math.floor(bit / 4) % length)
  const digit = (Number.parseInt(text[at] ?? '0', 16) ^ (1 << (bit % 4))).toString(16)
  lines[line] = text.slice(0, at) + digit + text.slice(at + 1)
  return lines.join('\n')
}

const altered = fixtureFiles
  .map((name) => ({ name, places: answersOf(name) }))
  .filter(({ places }) => places.length > 0)

test('one bit of any answer in any file', () => {
  // All that run with a field that is an answer: what remains are files that do not apply, and the examples of PKCS#1.
  assert.ok(altered.length > 60, `only ${altered.length} files`)
  const choice = fc
    .constantFrom(...altered)
    .chain(({ name, places }) =>
      fc.record({ name: fc.constant(name), place: fc.constantFrom(...places), bit: fc.nat() }),
    )
  fc.assert(
    fc.property(choice, ({ name, place, bit }) => {
      const path = temporaryFile(name, withFlippedBit(fixture(name), place, bit))
      assert.ok(failures(path) >= 1, `${name}, line ${place.line + 1}, bit ${bit}`)
    }),
  )
})

test('one bit in every file, so that none is never tried', () => {
  for (const { name, places } of altered) {
    const place = places[places.length - 1]
    if (place === undefined) throw new Error(`${name} has no answer`)
    assert.ok(failures(temporaryFile(name, withFlippedBit(fixture(name), place, 4 * place.length - 4))) >= 1, name)
  }
})

test('one bit of the examples of PKCS#1', () => {
  for (const [name, heading] of [
    ['nist/oaep-vect.txt', '# Encryption:'],
    ['nist/oaep-vect.txt', '# Message:'],
    ['nist/oaep-sha256-sha256.txt', '# Message:'],
    ['nist/pss-vect.txt', '# Signature:'],
    ['nist/pkcs1v15sign-vectors.txt', '# Signature:'],
  ] as const) {
    const lines = fixture(name).split('\n')
    const line = lines.lastIndexOf(heading) + 1
    const content = withFlippedBit(lines.join('\n'), { line, start: 0, length: 1 }, 0)
    assert.is(failures(temporaryFile(name, content)), 1, `${name}, ${heading}`)
  }
})

const VERDICTS: readonly (readonly [name: string, is: RegExp | string, becomes: string])[] = [
  ['nist/DVPT128.rsp', 'Result = Pass', 'Result = Fail'],
  ['nist/DVPT128.rsp', /Result = Fail/, 'Payload = 00\nResult = Pass'],
  ['nist/KW_AD_256.txt', /^FAIL$/m, 'P = 00'],
  ['nist/KWP_AD_128.txt', /^P = .*$/m, 'FAIL'],
  ['nist/gcmDecrypt128.rsp', /^PT = .*$/m, 'FAIL'],
  ['nist/gcmDecrypt128.rsp', /^FAIL$/m, 'PT = 00'],
  ['nist/PKV.rsp', /Result = F.*(?=\n\n\[P-521\])/, 'Result = P'],
  ['nist/SigVer.rsp', /Result = F.*/, 'Result = P'],
  ['nist/SigVer.rsp', /Result = P.*/, 'Result = F'],
  ['nist/SigVer15_186-3.rsp', /Result = F.*/, 'Result = P'],
  ['nist/SigVer15_186-3.rsp', /Result = P.*/, 'Result = F'],
  ['nist/SigVerPSS_186-3.rsp', /Result = F.*/, 'Result = P'],
  ['nist/SigVerPSS_186-3.rsp', /Result = P.*/, 'Result = F'],
  [
    'nist/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax',
    /Result = F \(8.*(?![\s\S]*Result = F \(8)/,
    'Result = P',
  ],
  ['nist/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax', /Result = P.*(?![\s\S]*Result = P)/, 'Result = F'],
  ['made/CMACVerAES256.rsp', /Result = F.*/, 'Result = P'],
  ['made/CMACVerAES256.rsp', 'Result = P', 'Result = F'],
]

test('a verdict turned into its opposite', () => {
  for (const [name, is, becomes] of VERDICTS) {
    const content = fixture(name).replace(is, becomes)
    assert.is.not(content, fixture(name), `${name} has no ${is}`)
    assert.ok(failures(temporaryFile(name, content)) >= 1, `${name}: ${is}`)
  }
})

test('Wycheproof: valid made invalid, and invalid made valid', () => {
  // Of these the only invalid tests are such that do not apply.
  const never = ['made/ecdh_pem.json', 'made/aes_siv_cmac.json']
  for (const name of fixtureFiles.filter((file) => file.endsWith('.json') && !never.includes(file))) {
    for (const [is, becomes] of [
      ['"result": "valid"', '"result": "invalid"'],
      ['"result": "invalid"', '"result": "valid"'],
    ] as const) {
      const content = fixture(name).replaceAll(is, becomes)
      if (content !== fixture(name)) assert.ok(failures(temporaryFile(name, content)) >= 1, `${name}: ${becomes}`)
    }
  }
})

test('Wycheproof: what is acceptable is refused where the firmware has a rule', () => {
  // Were it not refused it would have to come out as valid does.
  for (const name of ['made/aes_wrap.json', 'made/rsa_signature.json']) {
    const content = fixture(name).replaceAll('"result": "acceptable"', '"result": "valid"')
    assert.ok(failures(temporaryFile(name, content)) >= 1, name)
  }
  // A weak hash may be verified: the answer must be the right one.
  const weak = fixture('made/rsa_sig_gen.json')
  const place = weak.indexOf('"sig": "') + '"sig": "'.length
  const digit = (Number.parseInt(weak[place + 1] ?? '0', 16) ^ 1).toString(16)
  const changed = `${weak.slice(0, place + 1)}${digit}${weak.slice(place + 2)}`
  assert.is(failures(temporaryFile('rsa_sig_gen.json', weak)), 0)
  assert.is(failures(temporaryFile('rsa_sig_gen.json', changed.replace('"acceptable"', '"valid"'))), 1)
})

test('a fault in the firmware fails what depends on it, and only that', () => {
  const { core } = modules.firmware
  const statics = Buffer.from(core.memory.buffer, core.call.staticsBegin(), core.call.staticsEnd())
  const at = core.call.staticsBegin() + statics.indexOf(Buffer.from('982f8a42', 'hex'))
  core.memory[at] = (core.memory[at] ?? 0) ^ 1
  try {
    assert.is(failures(`${FIXTURES}nist/SHA256LongMsg.rsp`), 2)
    assert.is(failures(`${FIXTURES}nist/SHA512ShortMsg.rsp`), 0)
    assert.is(failures(`${FIXTURES}nist/VNT256.rsp`), 0)
  } finally {
    core.memory[at] = (core.memory[at] ?? 0) ^ 1
  }
  assert.is(failures(`${FIXTURES}nist/SHA256LongMsg.rsp`), 0)
})

test('the program ends with 1 and names the place', () => {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const name = 'nist/KW_AE_128.txt'
  const [place] = answersOf(name)
  if (place === undefined) throw new Error('no answer')
  const path = temporaryFile(name, withFlippedBit(fixture(name), place, 5))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, path], { encoding: 'utf8' })
  assert.is(status, 1)
  assert.is(stderr, '')
  assert.match(
    stdout,
    /^\S+KW_AE_128\.txt: 3 passed, 1 failed, 0 not applicable\n {2}line \d+: wrapped key is [0-9a-f]+.*, not /,
  )
  assert.is(spawnSync(process.execPath, [main, `${FIXTURES}${name}`]).status, 0)
})

test.run()
