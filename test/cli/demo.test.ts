import { execFileSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, temporaryFolder } from './support.js'

const test = suite('moonlet demo')

test('on the package’s own keys, in a temporary folder that is gone afterwards', async () => {
  const dir = temporaryFolder()
  const { code, stdout, stderr } = await moonlet(['demo'], { env: { TMPDIR: dir } })
  assert.is(code, 0, stderr)
  const lines = stdout.split('\n')
  assert.is(lines.at(-2), 'verified: 29 of 29 restored objects match')
  assert.is(lines.at(-1), '')
  assert.is(lines.filter((line) => line.startsWith('ok ')).length, 29)
  assert.match(stdout, '        Backup Complete.')
  assert.match(stdout, '        Restore Complete.')
  assert.not.match(stdout, 'Crypto0fficer')
  assert.equal(readdirSync(dir), [])
})

test('two runs with one seed print the same, hashes of all images and frames included', async () => {
  const runs = await Promise.all([1, 2].map(() => moonlet(['demo', '--seed', 'the same'])))
  const [first, second] = runs.map(({ code, stdout, stderr }) => {
    assert.is(code, 0, stderr)
    return stdout
  })
  assert.is(second, first)
  const hashes = first?.split('\n').filter((line) => /^sha256 [0-9a-f]{64} {2}/.test(line)) ?? []
  assert.equal(
    hashes.map((line) => line.slice(73).replace(/\d+/g, 'N')),
    ['flash image of network', 'flash image of restore', 'flash image of backup', 'N frames on N cables'],
  )
  assert.is(new Set(hashes.map((line) => line.slice(7, 71))).size, 4)
  assert.match(first ?? '', /verified: 29 of 29 restored objects match\n$/)
})

test('on keys that openssl makes now; openssl verifies the proof; the lab is kept', async () => {
  const dir = temporaryFolder()
  const [keys, proof, state] = [join(dir, 'keys'), join(dir, 'proof', 'deep'), join(dir, 'state')]
  const openssl = (...args: readonly string[]) =>
    execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: 'pipe' })
  execFileSync('mkdir', [keys])
  openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'keys/rsa.pem')
  for (const curve of ['P-256', 'P-384', 'P-521', 'secp256k1']) {
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-out', `keys/${curve}.pem`)
  }
  writeFileSync(join(keys, 'note.hmac'), 'a secret of some length')
  const { code, stdout, stderr } = await moonlet(['demo', '--import', keys, '--proof', proof, '--state', state])
  assert.is(code, 0, stderr)
  assert.match(stdout, /verified: 11 of 11 restored objects match\n$/)
  const names = ['P-256', 'P-384', 'P-521', 'rsa', 'secp256k1']
  assert.equal(
    readdirSync(proof).sort(),
    names.flatMap((name) => [`${name}.msg`, `${name}.pub.pem`, `${name}.sig`]).sort(),
  )
  for (const name of names) {
    const [message, signature, key] = ['msg', 'sig', 'pub.pem'].map((ending) => join(proof, `${name}.${ending}`))
    const verdict = openssl('dgst', '-sha256', '-verify', key ?? '', '-signature', signature ?? '', message ?? '')
    assert.is(verdict.trim(), 'Verified OK', name)
    const original = openssl('pkey', '-in', `keys/${name}.pem`, '-pubout')
    assert.is(openssl('pkey', '-pubin', '-in', key ?? '', '-pubout'), original, name)
  }
  const again = await lunacm(['--state', state, '--view', 'restore'], {
    input: 'role login -n co -p Crypto0fficer\npar con\n',
  })
  assert.is(again.code, 0)
  assert.match(again.stdout, 'Number of objects:  11')
})

test('a bad file, a folder without keys, a bad profile: refused before a lab is made', async () => {
  const dir = temporaryFolder()
  writeFileSync(join(dir, 'bad.pem'), 'nothing')
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['--import', join(dir, 'bad.pem')], 'IMPORT_FORMAT'],
    [['--import', join(dir, 'not-there')], 'IMPORT_READ'],
    [['--profile', '5.0.0'], 'LAB_OPTION_INVALID'],
  ]
  for (const [args, code] of cases) {
    const result = await moonlet(['demo', ...args, '--state', join(dir, 'state')])
    assert.is(result.code, 1)
    assert.is(result.stdout, '')
    assert.match(result.stderr, `moonlet: ${code}:`)
  }
  assert.equal(readdirSync(dir), ['bad.pem'])
})

test.run()
