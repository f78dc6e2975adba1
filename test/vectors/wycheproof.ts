// Files of Project Wycheproof (JSON): which algorithm a file is for, and its tests group by group.
import { VectorError } from './errors.js'
import type { Modules } from './family.js'
import { notApplicable, type Outcome, type Primitive, type Result } from './result.js'
import { ecdh, ecdsa } from './wycheproof/ec.js'
import { type Json, Reader } from './wycheproof/reader.js'
import { oaep, pkcs1Generate, pkcs1Verify, pss } from './wycheproof/rsa.js'
import { aead, cbcPad, cmac, gmac, hmac, keyWrap, pbkdf2 } from './wycheproof/symmetric.js'

/** Judges one test; answers as often as it is called with the tests of a file in order. */
export type Check = (group: Reader, test: Reader, modules: Modules) => Outcome

interface Suite {
  readonly primitive: Primitive
  readonly check: Check
}

/** By the algorithm, and by the type of the groups where that says what to do. */
function suiteOf(algorithm: string, type: string): Suite | undefined {
  const [, hash] = /^HMACSHA(\d+)$/.exec(algorithm) ?? []
  if (hash !== undefined && type === 'MacTest') return { primitive: 'HMAC', check: hmac(`SHA-${hash}`) }
  const [, prf] = /^PBKDF2-HMACSHA(\d+)$/.exec(algorithm) ?? []
  if (prf !== undefined && type === 'PbkdfTest') return { primitive: 'PBKDF2', check: pbkdf2(`SHA-${prf}`) }
  switch (`${algorithm} ${type}`) {
    case 'AES-GCM AeadTest':
      return { primitive: 'AES-GCM', check: aead('gcm') }
    case 'AES-GMAC MacWithIvTest':
      return { primitive: 'AES-GCM', check: gmac }
    case 'AES-CCM AeadTest':
      return { primitive: 'AES-CCM', check: aead('ccm') }
    case 'AES-CMAC MacTest':
      return { primitive: 'AES-CMAC', check: cmac }
    case 'AES-WRAP KeywrapTest':
      return { primitive: 'AES-KW', check: keyWrap('kwWrap') }
    case 'AES-KWP KeywrapTest':
      return { primitive: 'AES-KWP', check: keyWrap('kwpWrap') }
    case 'AES-CBC-PKCS5 IndCpaTest':
      return { primitive: 'AES-CBC', check: cbcPad }
    case 'ECDH EcdhTest':
    case 'ECDH EcdhEcpointTest':
    case 'ECDH EcdhPemTest':
    case 'ECDH EcdhWebcryptoTest':
      return { primitive: 'ECDH', check: ecdh }
    case 'ECDSA EcdsaVerify':
    case 'ECDSA EcdsaP1363Verify':
      return { primitive: 'ECDSA', check: ecdsa(type === 'EcdsaP1363Verify') }
    case 'RSASSA-PKCS1-v1_5 RsassaPkcs1Verify':
      return { primitive: 'RSA-PKCS1', check: pkcs1Verify }
    case 'RSASSA-PKCS1-v1_5 RsassaPkcs1Generate':
      return { primitive: 'RSA-PKCS1', check: pkcs1Generate }
    case 'RSASSA-PSS RsassaPssVerify':
    case 'RSASSA-PSS RsassaPssWithParametersVerify':
      return { primitive: 'RSA-PSS', check: pss }
    case 'RSAES-OAEP RsaesOaepDecrypt':
      return { primitive: 'RSA-OAEP', check: oaep }
    default:
      return undefined
  }
}

/** The results of a file, made as they are asked for. Complains at once about what is no such file. */
export function wycheproofResults(path: string, content: string, modules: Modules): Iterable<Result> {
  let parsed: Json
  try {
    parsed = JSON.parse(content)
  } catch (cause) {
    throw new VectorError('VECTORS_SYNTAX', `${path}: no JSON`, { cause })
  }
  const file = new Reader(path, parsed)
  if (!file.has('testGroups')) throw new VectorError('VECTORS_UNKNOWN', `${path}: JSON, but not a Wycheproof file`)
  return testResults(file, modules)
}

function* testResults(file: Reader, modules: Modules): Generator<Result> {
  const algorithm = file.has('algorithm') ? file.text('algorithm') : file.text('schema')
  for (const group of file.list('testGroups')) {
    const type = group.has('type') ? group.text('type') : ''
    const suite = suiteOf(algorithm, type)
    for (const test of group.list('tests')) {
      const outcome = suite
        ? modules.firmware.run(() => suite.check(group, test, modules))
        : notApplicable(
            `the firmware has no ${algorithm}${type === 'EcdsaBitcoinVerify' ? ' by the rules of Bitcoin' : ''}`,
          )
      const primitive = suite?.primitive ?? 'OTHER'
      yield { primitive, where: `tcId ${test.number('tcId')}`, outcome }
    }
  }
}
