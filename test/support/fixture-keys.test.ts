// The twenty objects of fixtures/keys are what fixtures/README.md says.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const FOLDER = new URL('../../../fixtures/keys/', import.meta.url)
const files = readdirSync(FOLDER).filter((name) => name !== 'make.sh')
const bytes = (name: string) => readFileSync(new URL(name, FOLDER))
const ending = (...suffixes: string[]) => files.filter((name) => suffixes.some((suffix) => name.endsWith(suffix)))

function privateKey(name: string): KeyObject {
  const key = bytes(name)
  return name.endsWith('.der') ? createPrivateKey({ key, format: 'der', type: 'pkcs8' }) : createPrivateKey(key)
}

const describe = (key: KeyObject) => {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  return `${key.asymmetricKeyType} ${modulusLength ?? namedCurve}`
}

const test = suite('fixtures: keys')

test('twenty objects, each with a name that tells what it is', () => {
  assert.is(files.length, 20)
  assert.equal(
    files,
    [
      ...ending('.key.pem', '.key.der'),
      ...ending('.crt.pem', '.crt.der'),
      ...ending('.aes.bin', '.hmac.bin', '.jwk'),
    ].sort(),
  )
})

test('private keys of every size and curve, in every form', () => {
  const keys = ending('.key.pem', '.key.der').map((name) => describe(privateKey(name)))
  assert.equal(keys.sort(), [
    ...['ec prime256v1', 'ec prime256v1', 'ec secp384r1', 'ec secp384r1', 'ec secp521r1'],
    ...['rsa 2048', 'rsa 2048', 'rsa 3072', 'rsa 4096'],
  ])
  const headers = ending('.key.pem').map((name) => bytes(name).toString('latin1').split('\n')[0])
  assert.equal([...new Set(headers)].sort(), [
    '-----BEGIN EC PRIVATE KEY-----',
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN RSA PRIVATE KEY-----',
  ])
})

test('each certificate is of the key of its name', () => {
  const certificates = ending('.crt.pem', '.crt.der')
  assert.is(certificates.length, 4)
  for (const name of certificates) {
    const label = name.replace(/\.crt\..*$/, '')
    const certificate = new X509Certificate(bytes(name))
    const [key] = files.filter((other) => other.startsWith(`${label}.key.`)).map(privateKey)
    assert.ok(key && certificate.checkPrivateKey(key), name)
    assert.ok(certificate.verify(createPublicKey(key)), name)
    assert.is(certificate.subject, `O=Moonlet test keys\nCN=${label}`)
  }
})

test('secret keys have the length that their names say', () => {
  const raw = ending('.aes.bin', '.hmac.bin')
  assert.is(raw.length, 6)
  for (const name of raw) assert.is(bytes(name).length * 8, Number(/-(\d+)\./.exec(name)?.[1]), name)
  const [jwk = ''] = ending('.jwk')
  const { kty, alg, k }: { kty?: unknown; alg?: unknown; k?: unknown } = JSON.parse(bytes(jwk).toString('utf8'))
  assert.equal([kty, alg], ['oct', 'A256GCM'])
  assert.is(Buffer.from(String(k), 'base64url').length, 32)
})

test.run()
