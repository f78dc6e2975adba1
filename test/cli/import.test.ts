import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { lunacm, moonlet, temporaryFolder } from './support.js'

const test = suite('moonlet import')

const CHALLENGE = 'Crypto0fficer'
const keys = temporaryFolder()
const state = join(temporaryFolder(), 'state')
const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: keys, stdio: 'pipe' })
const at = (name: string) => join(keys, name)
const importing = (...args: readonly string[]) => moonlet(['import', '--state', state, ...args])

test.before(async () => {
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'web.key.pem')
  openssl('req', '-x509', '-new', '-key', 'web.key.pem', '-subj', '/CN=web', '-out', 'web.crt.pem')
  openssl('pkcs8', '-topk8', '-in', 'web.key.pem', '-passout', 'pass:a phrase', '-out', 'locked.key.pem')
  writeFileSync(at('phrase'), 'a phrase\n')
  writeFileSync(at('disk.aes'), Buffer.alloc(32, 3))
  writeFileSync(at('bad.pem'), '-----BEGIN PRIVATE KEY-----\nAAAA')
  const { code, stderr } = await moonlet(['init', '--state', state])
  assert.is(code, 0, stderr)
})

test('files and folders go in; lunacm shows what is there', async () => {
  mkdirSync(at('folder'))
  for (const name of ['one.hmac', 'two.hmac.bin', 'README']) writeFileSync(join(at('folder'), name), 'sixteen bytes...')
  const { code, stdout, stderr } = await importing('--slot', '1', at('web.key.pem'), at('web.crt.pem'), at('folder'))
  assert.is(code, 0, stderr)
  assert.is(stderr, '')
  const lines = stdout.trimEnd().split('\n')
  assert.is(lines.at(-1), '5 objects imported into slot 1')
  const kinds = lines.slice(0, -1).map((line) => line.replace(/^handle \d+ +/, '').replace(/ +/g, ' '))
  assert.equal(kinds, ['private key web', 'public key web', 'certificate web', 'secret key one', 'secret key two'])
  const shown = await lunacm(['--state', state], { input: `role login -n co -p ${CHALLENGE}\npar con\n` })
  for (const label of ['web', 'one', 'two']) assert.match(shown.stdout, `Label:         ${label}\n`)
  assert.match(shown.stdout, 'Number of objects:  5')
})

test('a bad file is named, the good ones go in, and the exit code tells', async () => {
  const { code, stdout, stderr } = await importing('--slot', '1', at('bad.pem'), at('disk.aes'), at('not-there'))
  assert.is(code, 1)
  assert.match(stderr, `moonlet: IMPORT_FORMAT: ${at('bad.pem')}`)
  assert.match(stderr, `moonlet: IMPORT_READ: ${at('not-there')}`)
  assert.match(stdout, '1 objects imported into slot 1')
})

test('encrypted keys need their passphrase; without a terminal nobody is asked', async () => {
  const without = await importing('--slot', '1', at('locked.key.pem'))
  assert.is(without.code, 1)
  assert.match(without.stderr, 'IMPORT_PASSPHRASE')
  assert.match(without.stdout, '0 objects imported')
  const withIt = await importing('--slot', '1', '--passphrase-file', at('phrase'), at('locked.key.pem'))
  assert.is(withIt.code, 0, withIt.stderr)
  assert.match(withIt.stdout, '2 objects imported')
  const unreadable = await importing('--slot', '1', '--passphrase-file', at('nothing'), at('locked.key.pem'))
  assert.match(unreadable.stderr, 'IMPORT_READ: the passphrase file')
})

test('an EC key whose curve is written out is refused in words, and the advice helps', async () => {
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-param_enc', 'explicit', '-out', 'explicit.pem')
  openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'explicit.pem', '-out', 'explicit-pkcs8.pem')
  for (const name of ['explicit.pem', 'explicit-pkcs8.pem']) {
    const { code, stdout, stderr } = await importing('--slot', '1', at(name))
    assert.is(code, 1)
    assert.match(stdout, '0 objects imported')
    assert.match(stderr, `moonlet: IMPORT_UNSUPPORTED: ${at(name)}: its EC parameters are written out`)
    assert.match(stderr, 'openssl ec -in')
    openssl('ec', '-in', name, '-param_enc', 'named_curve', '-out', 'named.pem')
    const again = await importing('--slot', '1', at('named.pem'))
    assert.is(again.code, 0, again.stderr)
  }
})

test('a slot that is not there, a Backup HSM, a wrong challenge: refused, nothing is imported', async () => {
  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--slot', '7'], /LAB_SLOT_UNKNOWN: there is no slot 7; .* has 1, 2/],
    [['--slot', '2'], /LAB_SLOT_NO_PARTITION: slot 2 is a Backup HSM: keys go to a partition, here in slot 1\n/],
    [['--slot', '1', '--password', 'not the one'], /CKR_CHALLENGE_INCORRECT/],
    [['--slot', '1', '--view', 'nowhere'], /LAB_VIEW_UNKNOWN/],
  ]
  for (const [args, message] of refused) {
    const { code, stdout, stderr } = await importing(...args, at('disk.aes'))
    assert.is(code, 1)
    assert.is(stdout, '')
    assert.match(stderr, message)
  }
})

test.run()
