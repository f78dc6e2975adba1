// Which kind of NIST file a file is.
import { basename } from 'node:path'
import { VectorError } from './errors.js'
import type { Family, Modules } from './family.js'
import { ccm, gcm } from './nist/aead.js'
import { aes } from './nist/aes.js'
import { cmac } from './nist/cmac.js'
import { drbg } from './nist/drbg.js'
import { agreement, cdh, ecdsa, keyPair, publicKey } from './nist/ec.js'
import { hmac, sha } from './nist/hashes.js'
import { hkdf, kbkdf, pbkdf2 } from './nist/kdf.js'
import { keyWrap } from './nist/key-wrap.js'
import { oldCipher, rc4, tripleCmac } from './nist/old.js'
import { rsaSignature } from './nist/rsa.js'
import { exampleResults, examplesOf } from './nist/rsa-examples.js'
import { NistFile } from './nist-text.js'
import { notApplicable, type Result } from './result.js'

const FAMILIES: readonly Family[] = [
  // Files of these tell of the AES validation tests that they are modelled on.
  oldCipher,
  rc4,
  aes,
  keyWrap,
  gcm,
  ccm,
  cmac,
  hmac,
  sha,
  kbkdf,
  pbkdf2,
  drbg,
  agreement,
  cdh,
  ecdsa,
  publicKey,
  keyPair,
  rsaSignature,
  hkdf,
  tripleCmac,
]

const NO_FINITE_FIELDS = 'the firmware has no finite-field keys'

/** Kinds of file that are known, for something that the firmware does not have. */
const ABSENT: readonly (readonly [pattern: RegExp, why: string])[] = [
  [/\bTKW|KWP?-A[ED] with TDEA/i, 'the firmware has no key wrap by Triple DES'],
  [/\bTDES|TDEA|Triple.?DES/i, 'the firmware has no such mode of Triple DES'],
  [/data for (CFB|OFB)|XTS|OCB|SIV/, 'the firmware has no such mode of AES'],
  [/^(CFB|OFB)\d*(GFSbox|KeySbox|MCT|MMT|VarKey|VarTxt)/, 'the firmware has no such mode of AES'],
  [/SHA3-|SHAKE/, 'the firmware has no SHA-3'],
  [/KDF Mode Supported: (Feedback|(Double )?Pipeline|Double)/i, 'counter mode is the only mode of key derivation'],
  [/(Hash|CTR|Dual_EC)_DRBG/, 'HMAC_DRBG is the only random generator'],
  [/X9\.31/, 'the firmware has no signatures by X9.31'],
  [/KDFConcat/, 'the firmware has no concatenation KDF'],
  [/FFC Validity|Mod sizes selected: L=/, NO_FINITE_FIELDS],
  [/KeyGen|Random Prob(ab)?ly Prime|Probable Prime/i, 'what is random cannot be repeated'],
  [/SigGenComponent|RSADP|RSASP1/, 'not without the encoding around it'],
  [/PKCS#1 v1\.5 Encryption/, 'the firmware has no encryption by PKCS#1 v1.5'],
]

/** Why a file cannot apply, by its comments and its name. */
function absence(file: NistFile): string | undefined {
  if (file.hasFields('P', 'Q', 'G')) return NO_FINITE_FIELDS
  const name = basename(file.path)
  return ABSENT.find(([pattern]) => pattern.test(file.comments) || pattern.test(name))?.[1]
}

/** The results of a file, made as they are asked for. Complains at once about a file that is none of these. */
export function nistResults(path: string, content: string, modules: Modules): Iterable<Result> {
  const examples = examplesOf(content)
  if (examples !== undefined) return exampleResults(path, content, examples, modules)
  const file = new NistFile(path, content)
  const family = FAMILIES.find((candidate) => candidate.matches(file))
  if (family !== undefined) {
    file.checkSyntax()
    return family.results(file, modules)
  }
  const why = absence(file)
  if (why === undefined) {
    throw new VectorError(
      'VECTORS_UNKNOWN',
      `${path}: neither a NIST file of a primitive that is known here nor a Wycheproof file`,
    )
  }
  return absentResults(file, why)
}

function* absentResults(file: NistFile, why: string): Generator<Result> {
  const outcome = notApplicable(why)
  let count = 0
  for (const { where } of file.vectors()) {
    count++
    yield { primitive: 'OTHER', where, outcome }
  }
  // Its vectors are in a form that nothing here reads.
  if (count === 0) yield { primitive: 'OTHER', where: 'the file', outcome }
}
