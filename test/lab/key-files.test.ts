import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findKeyFiles, type KeyItem, LabError, type PrivateKeyItem, readKeyFile } from '../../host/lab/index.js'
import { FIXTURE_KEYS, failure, fixtureItems, temporaryFolder } from './support.js'

const test = suite('key files')

const dir = temporaryFolder()
const at = (name: string) => join(dir, name)
const openssl = (...args: readonly string[]) =>
  execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] })

function put(name: string, content: string | Uint8Array): string {
  writeFileSync(at(name), content)
  return at(name)
}

/** The one item of a file. */
async function only(path: string, passphrase?: string): Promise<KeyItem> {
  const items = await readKeyFile(path, passphrase === undefined ? {} : { passphrase: async () => passphrase })
  assert.is(items.length, 1)
  const [item] = items
  if (!item) throw new Error('no item')
  return item
}

async function privateKey(path: string, passphrase?: string): Promise<PrivateKeyItem> {
  const item = await only(path, passphrase)
  if (item.kind !== 'private key') throw new Error(`${item.kind} in ${path}`)
  return item
}

const spki = (item: PrivateKeyItem) => createPublicKey(item.key).export({ format: 'der', type: 'spki' })

/** Asserts that a file is refused with a code, by name, and that the message does not hold `secret`. */
async function refuses(path: string, code: string, secret?: string): Promise<void> {
  const error = await failure(readKeyFile(path))
  assert.instance(error, LabError)
  assert.is(error.code, code, `${basename(path)}: ${error.message}`)
  assert.match(error.message, path)
  if (secret !== undefined) assert.not.match(`${error.message} ${error.stack}`, secret)
}

test('the fixtures are the twenty objects of their README', async () => {
  const items = await fixtureItems()
  const count = (kind: string) => items.filter((item) => item.kind === kind).length
  assert.equal([count('private key'), count('certificate'), count('secret key')], [9, 4, 7])
  const labels = items.map((item) => `${item.label}, ${item.kind}${item.kind === 'secret key' ? ` ${item.use}` : ''}`)
  for (const expected of [
    'signer-rsa-2048, private key',
    'signer-rsa-2048, certificate',
    'device-p384, private key',
    'web-256, secret key AES',
    'database-128, secret key AES',
    'session-256, secret key HMAC',
  ]) {
    assert.ok(labels.includes(expected), expected)
  }
})

test('every encoding of a private key is the same key', async () => {
  openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa.pem')
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'ec.pem')
  openssl('rsa', '-in', 'rsa.pem', '-traditional', '-out', 'rsa-pkcs1.pem')
  openssl('rsa', '-in', 'rsa.pem', '-traditional', '-outform', 'DER', '-out', 'rsa-pkcs1.der')
  openssl('ec', '-in', 'ec.pem', '-out', 'ec-sec1.pem')
  openssl('ec', '-in', 'ec.pem', '-outform', 'DER', '-out', 'ec-sec1.der')
  for (const kind of ['rsa', 'ec']) {
    openssl('pkcs8', '-topk8', '-nocrypt', '-in', `${kind}.pem`, '-outform', 'DER', '-out', `${kind}-pkcs8.der`)
    const jwk = createPrivateKey(readFileSync(at(`${kind}.pem`))).export({ format: 'jwk' })
    put(`${kind}.jwk`, JSON.stringify({ ...jwk, kid: 'mine', use: 'sig' }))
  }
  const original = { rsa: await privateKey(at('rsa.pem')), ec: await privateKey(at('ec.pem')) }
  for (const name of ['rsa-pkcs1.pem', 'rsa-pkcs1.der', 'rsa-pkcs8.der', 'rsa.jwk']) {
    assert.equal(spki(await privateKey(at(name))), spki(original.rsa), name)
  }
  for (const name of ['ec-sec1.pem', 'ec-sec1.der', 'ec-pkcs8.der', 'ec.jwk']) {
    assert.equal(spki(await privateKey(at(name))), spki(original.ec), name)
  }
})

test('labels are the names of files without their endings', async () => {
  const der = readFileSync(at('ec-pkcs8.der'))
  for (const [name, label] of [
    ['signer.key.pem', 'signer'],
    ['signer.2026.der', 'signer.2026'],
    ['Signer Eins.p8', 'Signer Eins'],
    ['no-ending', 'no-ending'],
    [`${'long'.repeat(10)}.key`, 'long'.repeat(8)],
  ] as const) {
    assert.is((await only(put(name, der))).label, label)
  }
})

test('encrypted keys open with their passphrase, and with no other', async () => {
  const secret = ['-passout', 'pass:open sesame']
  openssl('pkcs8', '-topk8', '-in', 'ec.pem', ...secret, '-out', 'encrypted.pem')
  openssl('pkcs8', '-topk8', '-in', 'rsa.pem', ...secret, '-outform', 'DER', '-out', 'encrypted.der')
  openssl('rsa', '-in', 'rsa.pem', '-traditional', '-aes256', ...secret, '-out', 'encrypted-pkcs1.pem')
  const plain = { ec: spki(await privateKey(at('ec.pem'))), rsa: spki(await privateKey(at('rsa.pem'))) }
  assert.equal(spki(await privateKey(at('encrypted.pem'), 'open sesame')), plain.ec)
  for (const name of ['encrypted.der', 'encrypted-pkcs1.pem']) {
    assert.equal(spki(await privateKey(at(name), 'open sesame')), plain.rsa)
  }
  for (const name of ['encrypted.pem', 'encrypted.der', 'encrypted-pkcs1.pem']) {
    await refuses(at(name), 'IMPORT_PASSPHRASE')
    const wrong = await failure(readKeyFile(at(name), { passphrase: async () => 'close sesame' }))
    assert.is(wrong.code, 'IMPORT_PASSPHRASE')
    assert.not.match(wrong.message, 'sesame')
  }
})

test('one file may hold a key and its chain', async () => {
  openssl('req', '-x509', '-new', '-key', 'ec.pem', '-subj', '/CN=one', '-out', 'one.pem')
  openssl('req', '-x509', '-new', '-key', 'rsa.pem', '-subj', '/CN=two', '-out', 'two.pem')
  openssl('ecparam', '-name', 'secp384r1', '-genkey', '-out', 'with-parameters.pem')
  const parts = ['with-parameters.pem', 'one.pem', 'two.pem'].map((name) => readFileSync(at(name), 'utf8'))
  const items = await readKeyFile(put('bundle.pem', `a comment before\n${parts.join('\n')}`))
  assert.equal(
    items.map(({ kind, label }) => [kind, label]),
    [
      ['private key', 'bundle'],
      ['certificate', 'bundle'],
      ['certificate', 'bundle-2'],
    ],
  )
  openssl('x509', '-in', 'one.pem', '-outform', 'DER', '-out', 'one.cer')
  assert.is((await only(at('one.cer'))).kind, 'certificate')
})

test('secrets: what the name or the algorithm says, else by their length', async () => {
  const k = (length: number) => randomBytes(length).toString('base64url')
  const cases: readonly (readonly [string, string | Uint8Array, 'AES' | 'HMAC'])[] = [
    ['a.aes', randomBytes(24), 'AES'],
    ['a.aes.bin', randomBytes(16), 'AES'],
    ['a.hmac', randomBytes(32), 'HMAC'],
    ['a.hmac.bin', randomBytes(512), 'HMAC'],
    ['json-inside.hmac', '{"kty":"oct"}', 'HMAC'],
    ['plain.bin', Buffer.alloc(32, 7), 'AES'],
    ['a.jwk', JSON.stringify({ kty: 'oct', k: k(32), alg: 'A256GCM' }), 'AES'],
    ['b.jwk', JSON.stringify({ kty: 'oct', k: k(32), alg: 'HS256' }), 'HMAC'],
    ['c.jwk', JSON.stringify({ kty: 'oct', k: k(16) }), 'AES'],
    ['d.json', JSON.stringify({ kty: 'oct', k: k(20) }), 'HMAC'],
  ]
  for (const [name, content, use] of cases) {
    const item = await only(put(name, content))
    assert.is(item.kind === 'secret key' && item.use, use, name)
    if (!name.includes('j')) assert.equal(item.kind === 'secret key' && item.key.export(), Buffer.from(content))
  }
})

test('bad files are refused with a code, their name, and none of their content', async () => {
  const pem = readFileSync(at('rsa.pem'), 'utf8')
  const der = readFileSync(at('ec-pkcs8.der'))
  const secret = 'c2VjcmV0IHZhbHVlIG9mIGEga2V5'
  await refuses(at('not-there.pem'), 'IMPORT_READ')
  await refuses(put('empty.pem', ''), 'IMPORT_FORMAT')
  await refuses(put('text.txt', 'just some words'), 'IMPORT_FORMAT', 'words')
  await refuses(put('cut.pem', pem.slice(0, 900)), 'IMPORT_FORMAT', pem.slice(100, 130))
  await refuses(put('swapped.pem', pem.replace('END PRIVATE', 'END PUBLIC')), 'IMPORT_FORMAT')
  await refuses(put('garbled.pem', pem.replace(/[A-Z]/g, 'A')), 'IMPORT_FORMAT')
  await refuses(put('empty-block.pem', '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n'), 'IMPORT_FORMAT')
  await refuses(put('cut.der', der.subarray(0, 60)), 'IMPORT_FORMAT')
  const flipped = Buffer.from(der)
  flipped.writeUInt8(0x7f, 2)
  await refuses(put('flipped.der', flipped), 'IMPORT_FORMAT')
  await refuses(put('cut.crt', readFileSync(at('one.cer')).subarray(0, 200)), 'IMPORT_FORMAT')
  const certificate = readFileSync(at('one.cer'))
  certificate.fill(0, 4, 40)
  await refuses(put('zeroed.cer', certificate), 'IMPORT_FORMAT')
  await refuses(put('short.aes', randomBytes(17)), 'IMPORT_FORMAT')
  await refuses(put('long.hmac', randomBytes(513)), 'IMPORT_UNSUPPORTED')
  await refuses(put('odd.bin', Buffer.alloc(33, 7)), 'IMPORT_FORMAT')
  await refuses(put('huge.bin', Buffer.alloc(2 * 1024 * 1024, 7)), 'IMPORT_FORMAT')
  await refuses(put('cut.jwk', `{"kty":"oct","k":"${secret}`), 'IMPORT_FORMAT', secret)
  await refuses(put('list.jwk', `{"keys":[{"kty":"oct","k":"${secret}"}]}`), 'IMPORT_FORMAT', secret)
  await refuses(put('bad-k.jwk', '{"kty":"oct","k":"not base64!"}'), 'IMPORT_FORMAT', 'not base64!')
  await refuses(put('short-aes.jwk', '{"kty":"oct","alg":"A256GCM","k":"AAAA"}'), 'IMPORT_FORMAT')
  await refuses(put('okp.jwk', '{"kty":"OKP","crv":"Ed25519","d":"AA","x":"AA"}'), 'IMPORT_UNSUPPORTED')
  await refuses(put('alg.jwk', `{"kty":"oct","alg":"dir","k":"${secret}"}`), 'IMPORT_UNSUPPORTED', secret)
  await refuses(put('public.jwk', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'), 'IMPORT_FORMAT')
  await refuses(put('off-curve.jwk', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}'), 'IMPORT_FORMAT')
  openssl('pkey', '-in', 'ec.pem', '-pubout', '-out', 'public.pem')
  await refuses(at('public.pem'), 'IMPORT_FORMAT')
})

test('keys that the firmware does not take are said so before anything is tried', async () => {
  openssl('genpkey', '-algorithm', 'ED25519', '-out', 'ed25519.pem')
  openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:512', '-out', 'rsa-512.pem')
  openssl('genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'pss.pem')
  openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:brainpoolP256r1', '-out', 'brainpool.pem')
  for (const name of ['ed25519', 'rsa-512', 'pss', 'brainpool']) await refuses(at(`${name}.pem`), 'IMPORT_UNSUPPORTED')
})

test('of a file with one bad part nothing is taken', async () => {
  const good = readFileSync(at('ec.pem'), 'utf8')
  await refuses(put('half.pem', `${good}\n${readFileSync(at('ed25519.pem'), 'utf8')}`), 'IMPORT_UNSUPPORTED')
})

test('a folder stands for its key files', async () => {
  const found = await findKeyFiles(FIXTURE_KEYS)
  assert.is(found.length, 20)
  assert.not.ok(found.some((path) => path.endsWith('make.sh')))
  assert.equal(await findKeyFiles(at('ec.pem')), [at('ec.pem')])
  mkdirSync(at('nothing'))
  writeFileSync(join(at('nothing'), 'README'), '')
  assert.is((await failure(findKeyFiles(at('nothing')))).code, 'IMPORT_READ')
  assert.is((await failure(findKeyFiles(at('nowhere')))).code, 'IMPORT_READ')
})

test.run()
