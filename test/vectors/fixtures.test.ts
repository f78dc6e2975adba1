// Every kind of file through the command: what is run, what is not, and why.
import { basename } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FIXTURES, fixture, fixtureFiles, temporaryFile, vectors } from './support.js'

const test = suite('vector files')

const NO_CURVE = (name: string) => `the accelerator has no curve ${name}`
const OTHER_POINT = 'a public key that is no uncompressed point of the named curve: decoded outside the firmware'

/** What was run of each file; what was not, and why. */
const EXPECTED: Readonly<Record<string, readonly [passed: number, others?: number, why?: string]>> = {
  'nist/CBCKeySbox256.rsp': [4],
  'nist/CBCMMT256.rsp': [6],
  'nist/DVPT128.rsp': [32],
  'nist/ECBMMT128.rsp': [6],
  'nist/ECBVarKey192.rsp': [4],
  'nist/K-256-SigGen.txt': [5],
  'nist/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax': [24, 8, NO_CURVE('P-224')],
  'nist/KDFCTR_gen.rsp': [24, 3, 'CMAC_TDES2: the firmware has no such PRF'],
  'nist/KWP_AD_128.txt': [8],
  'nist/KWP_AE_256.txt': [5],
  'nist/KW_AD_256.txt': [6],
  'nist/KW_AE_128.txt': [4],
  'nist/KW_AE_192_inv.txt': [0, 4, 'key wrap by the inverse cipher function'],
  'nist/KeyPair.rsp': [6, 2, NO_CURVE('P-192')],
  'nist/PKV.rsp': [9, 3, NO_CURVE('P-192')],
  'nist/SHA1Monte.rsp': [3],
  'nist/SHA1ShortMsg.rsp': [6],
  'nist/SHA224Monte.rsp': [3],
  'nist/SHA256LongMsg.rsp': [2],
  'nist/SHA384Monte.rsp': [2],
  'nist/SHA512ShortMsg.rsp': [4],
  'nist/SHA512_256ShortMsg.rsp': [0, 2, 'SHA-512/256: the firmware has no such hash'],
  'nist/SigGen.txt': [7, 1, NO_CURVE('P-224')],
  'nist/SigGen15_186-2.txt': [5],
  'nist/SigGen15_186-3.rsp': [2],
  'nist/SigGenPSS_186-2.txt': [5],
  'nist/SigGenRSA.rsp': [0, 3, 'the firmware has no signatures by X9.31'],
  'nist/SigVer.rsp': [16],
  'nist/SigVer15_186-3.rsp': [12],
  'nist/SigVerPSS_186-3.rsp': [12],
  'nist/TCBCIMMT1.rsp': [0, 2, 'CBC of three chains by turns'],
  'nist/TCBCMMT2.rsp': [6],
  'nist/TCBCvarkey.rsp': [4],
  'nist/TECBMMT3.rsp': [6],
  'nist/TECBsubtab.rsp': [6],
  'nist/VADT192.rsp': [5],
  'nist/VNT256.rsp': [7],
  'nist/VPT128.rsp': [5],
  'nist/VTT256.rsp': [7],
  'nist/aes-192-ctr.txt': [3],
  'nist/cast5-cbc.txt': [3],
  'nist/cast5-ecb.txt': [3],
  'nist/gcmDecrypt128.rsp': [72],
  'nist/gcmEncryptExtIV192.rsp': [54],
  'nist/kwp_botan.txt': [6],
  'nist/nist-800-38b-3des.txt': [8],
  'nist/nist-800-38b-aes192.txt': [4],
  'nist/oaep-sha256-sha256.txt': [3],
  'nist/oaep-sha384-sha1.txt': [3],
  'nist/oaep-vect.txt': [3],
  'nist/pkcs1v15sign-vectors.txt': [3],
  'nist/pss-vect.txt': [3],
  'nist/rfc-1321.txt': [7],
  'nist/rfc-2202-md5.txt': [7],
  'nist/rfc-2202-sha1.txt': [7],
  'nist/rfc-4196.txt': [2],
  'nist/rfc-4231-sha512.txt': [6],
  'nist/rfc-4269.txt': [4],
  'nist/rfc-5869-HKDF-SHA1.txt': [4],
  'nist/rfc-6070-PBKDF2-SHA1.txt': [5],
  'nist/rfc-6229-128.txt': [4],
  'made/CBCMCT256.rsp': [6],
  'made/CMACGenAES128.rsp': [3],
  'made/CMACVerAES256.rsp': [3],
  'made/ECBMCT128.rsp': [6],
  'made/HMAC.rsp': [15],
  'made/HMAC_DRBG.rsp': [10, 2, "HMAC_DRBG with SHA-256: the firmware's has SHA-512"],
  'made/KAS_ECC_CDH_PrimitiveTest.txt': [3],
  'made/aes_cbc_pkcs5.json': [6, 2, 'a ciphertext that is no whole blocks: refused before any decryption'],
  'made/aes_ccm.json': [15],
  'made/aes_cmac.json': [6],
  'made/aes_gcm.json': [15],
  'made/aes_gmac.json': [2],
  'made/aes_kwp.json': [10],
  'made/aes_siv_cmac.json': [0, 1, 'the firmware has no AES-SIV-CMAC'],
  'made/aes_wrap.json': [10],
  'made/ecdh.json': [4, 2, OTHER_POINT],
  'made/ecdh_ecpoint.json': [4, 2, OTHER_POINT],
  'made/ecdh_pem.json': [1],
  'made/ecdh_webcrypto.json': [2],
  'made/ecdsa.json': [6, 2, 'no DER of two numbers: decoded outside the firmware'],
  'made/ecdsa_p1363.json': [8],
  'made/hmac_sha1.json': [4],
  'made/hmac_sha256.json': [4],
  'made/hmac_sha512.json': [4],
  'made/pbkdf2_sha1.json': [2],
  'made/pbkdf2_sha256.json': [2],
  'made/pbkdf2_sha512.json': [2],
  'made/rsa_oaep.json': [6],
  'made/rsa_pss.json': [6, 3, 'the firmware has no hash SHAKE128'],
  'made/rsa_sig_gen.json': [5],
  'made/rsa_signature.json': [5],
}

const line = (path: string, [passed, others = 0, why]: readonly [number, number?, string?]): string =>
  `${path}: ${passed} passed, 0 failed, ${others} not applicable${why ? ` (${why})` : ''}`

test('every file of the fixtures, with the counts of what was run and why the rest was not', () => {
  assert.equal([...fixtureFiles].sort(), Object.keys(EXPECTED).sort())
  const paths = Object.keys(EXPECTED).map((name) => `${FIXTURES}${name}`)
  const { code, out, err } = vectors(...paths)
  assert.equal(
    out,
    Object.entries(EXPECTED).map(([name, counts]) => line(`${FIXTURES}${name}`, counts)),
  )
  assert.equal(err, [])
  assert.is(code, 0)
})

test('several reasons in one file are counted one by one, the most frequent first', () => {
  const path = temporaryFile('SHA1ShortMsg.rsp', fixture('nist/SHA1ShortMsg.rsp').replace('Len = 8\n', 'Len = 7\n'))
  assert.match(
    vectors(path).out[0] ?? '',
    /: 5 passed, 0 failed, 1 not applicable \(a message of bits that are no whole bytes\)$/,
  )
  const mixed = `${fixture('nist/SigGen.txt')}\n[B-163,SHA-1]\n\nMsg = 00\nQx = 1\nQy = 1\nR = 1\nS = 1\n\nMsg = 00\nQx = 1\nQy = 1\nR = 1\nS = 1\n`
  assert.match(
    vectors(temporaryFile('SigGen.txt', mixed)).out[0] ?? '',
    /3 not applicable \(2: the accelerator has no curve B-163; 1: the accelerator has no curve P-224\)$/,
  )
})

test('a file is told by what it holds where its name says nothing', () => {
  // These say their mode, hash or scheme nowhere but in their name.
  const named = ['nist/K-256-SigGen.txt']
  for (const [name, counts] of Object.entries(EXPECTED)) {
    if (named.includes(name)) continue
    const path = temporaryFile('renamed', fixture(name))
    assert.equal(vectors(path).out, [line(path, counts)], basename(name))
  }
})

test('a file without comments is told by its name', () => {
  for (const name of [
    'nist/CBCMMT256.rsp',
    'nist/ECBVarKey192.rsp',
    'nist/SHA1Monte.rsp',
    'nist/rfc-4231-sha512.txt',
  ]) {
    const bare = fixture(name).replaceAll(/^#.*\n/gm, '')
    const path = temporaryFile(name, bare)
    assert.equal(vectors(path).out, [line(path, EXPECTED[name] ?? [0])], name)
  }
})

test.run()
