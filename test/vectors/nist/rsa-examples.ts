// The examples that came with PKCS#1 v2.1 and what others made after them: a heading ("# Modulus:"), then the number in hexadecimal
// on as many lines as it takes. A key and the examples made with it follow each other.
import { VectorError } from '../errors.js'
import type { Modules } from '../family.js'
import { hashOf } from '../firmware.js'
import { hexBytes, toInteger } from '../numbers.js'
import {
  all,
  compare,
  expectVerdict,
  notApplicable,
  type Outcome,
  PASSED,
  type Primitive,
  type Result,
} from '../result.js'
import type { RsaPrivateKey } from '../rsa-key.js'
import { MAX_BITS, MIN_BITS } from './rsa.js'

const SCHEMES: readonly (readonly [pattern: RegExp, primitive: Primitive])[] = [
  [/^Test vectors for RSA-OAEP|^# RSA OAEP SHA2 vectors/, 'RSA-OAEP'],
  [/^Test vectors for RSA-PSS/, 'RSA-PSS'],
  [/^Test vectors for RSA PKCS#1 v1\.5 Signature/, 'RSA-PKCS1'],
]

/** The scheme of a file of this kind; undefined where it is none. */
export const examplesOf = (content: string): Primitive | undefined =>
  SCHEMES.find(([pattern]) => pattern.test(content))?.[1]

interface Item {
  readonly line: number
  readonly heading: string
  readonly value: Uint8Array
}

const NUMBER = /^[0-9a-f]{1,2}( [0-9a-f]{2})*$|^[0-9a-f]+$/i

function items(path: string, content: string): Item[] {
  const found: { line: number; heading: string; digits: string }[] = []
  content.split(/\r?\n/).forEach((raw, index) => {
    const text = raw.trim()
    if (text.startsWith('#'))
      found.push({ line: index + 1, heading: text.replace(/^#+\s*/, '').replace(/:$/, ''), digits: '' })
    const last = found.at(-1)
    if (last !== undefined && NUMBER.test(text)) last.digits += text.replaceAll(' ', '')
  })
  return found.map(({ line, heading, digits }) => {
    const value = hexBytes(digits.length % 2 ? `0${digits}` : digits)
    if (value === undefined) throw new VectorError('VECTORS_FIELD', `${path}:${line}: ${heading} is not in hexadecimal`)
    return { line, heading, value }
  })
}

/** The key's numbers by their headings; "Exponent" stands once for the public one and once for the private one. */
function keyOf(numbers: ReadonlyMap<string, Uint8Array>): RsaPrivateKey | undefined {
  const number = (heading: string): bigint => toInteger(numbers.get(heading) ?? new Uint8Array(0))
  const key = {
    n: number('Modulus'),
    e: number('Public exponent'),
    d: number('Exponent'),
    p: number('Prime 1'),
    q: number('Prime 2'),
    dp: number('Prime exponent 1'),
    dq: number('Prime exponent 2'),
    qinv: number('Coefficient'),
  }
  return Object.values(key).includes(0n) ? undefined : key
}

const NO_LABEL = new Uint8Array(0)

interface Example {
  readonly key: RsaPrivateKey
  readonly hash: string
  readonly mgf: string
  readonly parts: ReadonlyMap<string, Uint8Array>
}

function check(primitive: Primitive, { key, hash, mgf, parts }: Example, { publicKeys: keys }: Modules): Outcome {
  const [alg, other] = [hashOf(hash), hashOf(mgf)]
  const bits = key.n.toString(2).length
  if (alg === undefined || other === undefined) return notApplicable(`the firmware has no hash ${hash} or ${mgf}`)
  if (bits < MIN_BITS || bits > MAX_BITS) return notApplicable(`a modulus of ${bits} bits`)
  const hashes = { alg, mgf: other }
  const part = (heading: string): Uint8Array => parts.get(heading) ?? new Uint8Array(0)
  if (primitive === 'RSA-OAEP') {
    const [message, ciphertext, seed] = [part('Message'), part('Encryption'), parts.get('Seed')]
    return all(
      () => compare('message', keys.oaepOpen(key, hashes, NO_LABEL, ciphertext), message),
      () =>
        seed === undefined ? PASSED : compare('ciphertext', keys.oaepSeal(key, hashes, seed, message), ciphertext),
    )
  }
  const [message, signature] = [part('Message to be signed'), part('Signature')]
  const good =
    primitive === 'RSA-PSS'
      ? keys.pssVerify(key, hashes, part('Salt').length, message, signature)
      : keys.pkcs1Verify(key, alg, message, signature)
  return expectVerdict('signature', good, true)
}

/** What ends an example. */
const LAST: Readonly<Partial<Record<Primitive, string>>> = {
  'RSA-OAEP': 'Encryption',
  'RSA-PSS': 'Signature',
  'RSA-PKCS1': 'Signature',
}

const PARTS = ['Message', 'Message to be signed', 'Seed', 'Salt', 'Encryption', 'Signature']

export function* exampleResults(
  path: string,
  content: string,
  primitive: Primitive,
  modules: Modules,
): Generator<Result> {
  let numbers = new Map<string, Uint8Array>()
  let [hash, mgf] = ['SHA-1', 'SHA-1']
  for (const { line, heading, value } of items(path, content)) {
    const [, ownHash, ownMgf] = /\balg=(\w+) mgf1=(\w+)/.exec(heading) ?? []
    if (ownHash !== undefined && ownMgf !== undefined) [hash, mgf] = [ownHash, ownMgf]
    if (heading === 'Public key') numbers = new Map()
    if (value.length > 0) numbers.set(heading, value)
    if (heading !== LAST[primitive]) continue
    const key = keyOf(numbers)
    if (key === undefined) throw new VectorError('VECTORS_FIELD', `${path}:${line}: no complete RSA key before it`)
    const outcome = modules.firmware.run(() => check(primitive, { key, hash, mgf, parts: numbers }, modules))
    yield { primitive, where: `line ${line}`, outcome }
    // The next example must bring its own.
    for (const part of PARTS) numbers.delete(part)
  }
}
