// What kind of mechanism a number is: what the door has to know to frame data and to say how long results are. Rules are the token's.

import * as protocol from '../../assembly/protocol.js'

const { CKK_AES, CKK_DES, CKK_DES2, CKK_DES3, CKK_DSA, CKK_EC, CKK_EC_EDWARDS, CKK_GENERIC_SECRET, CKK_RSA } = protocol
const { CKK_ARIA, CKK_CAST128, CKK_CAST3, CKK_LUNA_SEED, CKK_RC2, CKK_RC4, CKK_SEED } = protocol

export type Family =
  | 'digest'
  | 'hmac'
  | 'mac'
  | 'gmac'
  | 'ecb'
  | 'cbc'
  | 'cbcPad'
  | 'ctr'
  | 'stream'
  | 'aead'
  | 'kw'
  | 'kwp'
  | 'rsaPkcs'
  | 'rsaPss'
  | 'rsaOaep'
  | 'rsaRaw'
  | 'dsa'
  | 'ecdsa'
  | 'eddsa'

export interface Kind {
  readonly family: Family
  /** CKM_… of the digest that a digest, HMAC or signature makes of the data itself. */
  readonly hash?: number
  /** CKK_… of its keys. */
  readonly keys: readonly number[]
  /** Bytes of a block of its cipher. */
  readonly block: number
  /** Bytes of a MAC, where the parameter does not say. */
  readonly mac: number
  /** The parameter is the length of the MAC. */
  readonly general: boolean
}

const { CKM_MD2, CKM_MD5, CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512 } = protocol
const { CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512 } = protocol

/** Bytes of a digest. */
const LENGTHS: ReadonlyMap<number, number> = new Map([
  [CKM_MD2, 16],
  [CKM_MD5, 16],
  [CKM_SHA_1, 20],
  [CKM_SHA224, 28],
  [CKM_SHA256, 32],
  [CKM_SHA384, 48],
  [CKM_SHA512, 64],
  [CKM_SHA3_224, 28],
  [CKM_SHA3_256, 32],
  [CKM_SHA3_384, 48],
  [CKM_SHA3_512, 64],
])

export function digestLength(hash: number): number {
  return LENGTHS.get(hash) ?? 0
}

const SEED = [CKK_SEED, CKK_LUNA_SEED]
const SECRETS = [
  ...[CKK_GENERIC_SECRET, CKK_AES, CKK_DES, CKK_DES2, CKK_DES3, CKK_ARIA, ...SEED],
  ...[CKK_CAST128, CKK_CAST3, CKK_RC2, CKK_RC4],
]
const RSA = [CKK_RSA]
const DSA = [CKK_DSA]
const EC = [CKK_EC]
const AES = [CKK_AES]
const TRIPLE = [CKK_DES2, CKK_DES3]

type Rows = readonly (readonly [number, Kind])[]

function kind(family: Family, keys: readonly number[], more: Partial<Kind> = {}): Kind {
  return { family, keys, block: 1, mac: 0, general: false, ...more }
}

/** Digest and HMACs; signatures of RSA and ECDSA over that digest. */
function hashed(hash: number, [pkcs, pss, ...ecdsa]: readonly number[]): Rows {
  const mac = digestLength(hash)
  const hmac = (general: boolean) => kind('hmac', SECRETS, { hash, mac, general })
  return [
    [hash, kind('digest', [], { hash })],
    // CKM_SHA…_HMAC and …_HMAC_GENERAL follow the digest's number.
    [hash + 1, hmac(false)],
    [hash + 2, hmac(true)],
    ...(pkcs === undefined ? [] : [[pkcs, kind('rsaPkcs', RSA, { hash })] as const]),
    ...(pss === undefined ? [] : [[pss, kind('rsaPss', RSA, { hash })] as const]),
    ...ecdsa.map((type) => [type, kind('ecdsa', EC, { hash })] as const),
  ]
}

/** DSA over a digest that is made of the data, or brought along. */
const DSA_ROWS: Rows = (
  [
    [protocol.CKM_DSA, undefined],
    [protocol.CKM_DSA_SHA1, CKM_SHA_1],
    [protocol.CKM_DSA_SHA224, CKM_SHA224],
    [protocol.CKM_DSA_SHA256, CKM_SHA256],
    [protocol.CKM_DSA_SHA384, CKM_SHA384],
    [protocol.CKM_DSA_SHA512, CKM_SHA512],
    [protocol.CKM_DSA_SHA3_224, CKM_SHA3_224],
    [protocol.CKM_DSA_SHA3_256, CKM_SHA3_256],
    [protocol.CKM_DSA_SHA3_384, CKM_SHA3_384],
    [protocol.CKM_DSA_SHA3_512, CKM_SHA3_512],
    [protocol.CKM_LUNA_DSA_SHA224, CKM_SHA224],
    [protocol.CKM_LUNA_DSA_SHA256, CKM_SHA256],
  ] as const
).map(([type, hash]) => [type, kind('dsa', DSA, hash === undefined ? {} : { hash })] as const)

interface CipherNumbers {
  readonly ecb: number
  readonly cbc: number
  readonly cbcPad: number
  readonly mac: number
  readonly macGeneral?: number
  readonly cmac?: number
  readonly cmacGeneral?: number
}

function cipher(numbers: CipherNumbers, keys: readonly number[], block: number): Rows {
  const mac = (type: number | undefined, general: boolean): Rows =>
    type === undefined ? [] : [[type, kind('mac', keys, { mac: block, general })]]
  return [
    [numbers.ecb, kind('ecb', keys, { block })],
    [numbers.cbc, kind('cbc', keys, { block })],
    [numbers.cbcPad, kind('cbcPad', keys, { block })],
    // The older MACs are half a block.
    [numbers.mac, kind('mac', keys, { mac: block / 2 })],
    ...mac(numbers.macGeneral, true),
    ...mac(numbers.cmac, false),
    ...mac(numbers.cmacGeneral, true),
  ]
}

const KINDS: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  ...hashed(CKM_SHA_1, [protocol.CKM_SHA1_RSA_PKCS, protocol.CKM_SHA1_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA1]),
  ...hashed(CKM_SHA224, [
    ...[protocol.CKM_SHA224_RSA_PKCS, protocol.CKM_SHA224_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA224],
    protocol.CKM_LUNA_ECDSA_SHA224,
  ]),
  ...hashed(CKM_SHA256, [
    ...[protocol.CKM_SHA256_RSA_PKCS, protocol.CKM_SHA256_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA256],
    protocol.CKM_LUNA_ECDSA_SHA256,
  ]),
  ...hashed(CKM_SHA384, [
    ...[protocol.CKM_SHA384_RSA_PKCS, protocol.CKM_SHA384_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA384],
    protocol.CKM_LUNA_ECDSA_SHA384,
  ]),
  ...hashed(CKM_SHA512, [
    ...[protocol.CKM_SHA512_RSA_PKCS, protocol.CKM_SHA512_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA512],
    protocol.CKM_LUNA_ECDSA_SHA512,
  ]),
  ...hashed(CKM_SHA3_224, [
    ...[protocol.CKM_SHA3_224_RSA_PKCS, protocol.CKM_SHA3_224_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA3_224],
  ]),
  ...hashed(CKM_SHA3_256, [
    ...[protocol.CKM_SHA3_256_RSA_PKCS, protocol.CKM_SHA3_256_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA3_256],
  ]),
  ...hashed(CKM_SHA3_384, [
    ...[protocol.CKM_SHA3_384_RSA_PKCS, protocol.CKM_SHA3_384_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA3_384],
  ]),
  ...hashed(CKM_SHA3_512, [
    ...[protocol.CKM_SHA3_512_RSA_PKCS, protocol.CKM_SHA3_512_RSA_PKCS_PSS, protocol.CKM_ECDSA_SHA3_512],
  ]),
  ...cipher(
    {
      ecb: protocol.CKM_AES_ECB,
      cbc: protocol.CKM_AES_CBC,
      cbcPad: protocol.CKM_AES_CBC_PAD,
      mac: protocol.CKM_AES_MAC,
      macGeneral: protocol.CKM_AES_MAC_GENERAL,
    },
    AES,
    16,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_DES3_ECB,
      cbc: protocol.CKM_DES3_CBC,
      cbcPad: protocol.CKM_DES3_CBC_PAD,
      mac: protocol.CKM_DES3_MAC,
      macGeneral: protocol.CKM_DES3_MAC_GENERAL,
    },
    TRIPLE,
    8,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_DES_ECB,
      cbc: protocol.CKM_DES_CBC,
      cbcPad: protocol.CKM_DES_CBC_PAD,
      mac: protocol.CKM_DES_MAC,
      macGeneral: protocol.CKM_DES_MAC_GENERAL,
    },
    [CKK_DES],
    8,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_CAST128_ECB,
      cbc: protocol.CKM_CAST128_CBC,
      cbcPad: protocol.CKM_CAST128_CBC_PAD,
      mac: protocol.CKM_CAST128_MAC,
      macGeneral: protocol.CKM_CAST128_MAC_GENERAL,
    },
    [CKK_CAST128],
    8,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_RC2_ECB,
      cbc: protocol.CKM_RC2_CBC,
      cbcPad: protocol.CKM_RC2_CBC_PAD,
      mac: protocol.CKM_RC2_MAC,
    },
    [CKK_RC2],
    8,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_SEED_ECB,
      cbc: protocol.CKM_SEED_CBC,
      cbcPad: protocol.CKM_SEED_CBC_PAD,
      mac: protocol.CKM_SEED_MAC,
      macGeneral: protocol.CKM_SEED_MAC_GENERAL,
    },
    SEED,
    16,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_LUNA_SEED_ECB,
      cbc: protocol.CKM_LUNA_SEED_CBC,
      cbcPad: protocol.CKM_LUNA_SEED_CBC_PAD,
      mac: protocol.CKM_LUNA_SEED_MAC,
      macGeneral: protocol.CKM_LUNA_SEED_MAC_GENERAL,
      cmac: protocol.CKM_LUNA_SEED_CMAC,
      cmacGeneral: protocol.CKM_LUNA_SEED_CMAC_GENERAL,
    },
    SEED,
    16,
  ),
  ...cipher(
    {
      ecb: protocol.CKM_ARIA_ECB,
      cbc: protocol.CKM_ARIA_CBC,
      cbcPad: protocol.CKM_ARIA_CBC_PAD,
      mac: protocol.CKM_ARIA_MAC,
      macGeneral: protocol.CKM_ARIA_MAC_GENERAL,
      cmac: protocol.CKM_LUNA_ARIA_CMAC,
      cmacGeneral: protocol.CKM_LUNA_ARIA_CMAC_GENERAL,
    },
    [CKK_ARIA],
    16,
  ),
  [CKM_MD2, kind('digest', [], { hash: CKM_MD2 })],
  ...hashed(CKM_MD5, []),
  [protocol.CKM_RC4, kind('stream', [CKK_RC4])],
  [protocol.CKM_AES_CTR, kind('ctr', AES, { block: 16 })],
  [protocol.CKM_AES_GCM, kind('aead', AES)],
  [protocol.CKM_AES_CCM, kind('aead', AES)],
  [protocol.CKM_AES_CMAC, kind('mac', AES, { mac: 16 })],
  [protocol.CKM_AES_CMAC_GENERAL, kind('mac', AES, { mac: 16, general: true })],
  [protocol.CKM_DES3_CMAC, kind('mac', TRIPLE, { mac: 8 })],
  [protocol.CKM_DES3_CMAC_GENERAL, kind('mac', TRIPLE, { mac: 8, general: true })],
  [protocol.CKM_AES_GMAC, kind('gmac', AES, { mac: 16 })],
  [protocol.CKM_LUNA_AES_GMAC, kind('gmac', AES, { mac: 16 })],
  [protocol.CKM_AES_KEY_WRAP, kind('kw', AES)],
  [protocol.CKM_LUNA_AES_KW, kind('kw', AES)],
  [protocol.CKM_AES_KEY_WRAP_PAD, kind('kwp', AES)],
  [protocol.CKM_AES_KEY_WRAP_KWP, kind('kwp', AES)],
  [protocol.CKM_LUNA_AES_KWP, kind('kwp', AES)],
  [protocol.CKM_RSA_PKCS, kind('rsaPkcs', RSA)],
  [protocol.CKM_RSA_PKCS_PSS, kind('rsaPss', RSA)],
  [protocol.CKM_RSA_PKCS_OAEP, kind('rsaOaep', RSA)],
  [protocol.CKM_RSA_X_509, kind('rsaRaw', RSA)],
  [protocol.CKM_ECDSA, kind('ecdsa', EC)],
  ...DSA_ROWS,
  [protocol.CKM_EDDSA, kind('eddsa', [CKK_EC_EDWARDS])],
  [protocol.CKM_LUNA_EDDSA, kind('eddsa', [CKK_EC_EDWARDS])],
])

/** undefined = no mechanism that data goes through. */
export function kindOf(type: number): Kind | undefined {
  return KINDS.get(type)
}

/** CKM_… of the digest that a mechanism makes of the data itself. */
export function hashOf(type: number): number | undefined {
  return KINDS.get(type)?.hash
}

/** Whether the token takes messages in parts for it, whatever their length. */
export function isStreamed(type: number): boolean {
  const known = KINDS.get(type)
  return known !== undefined && (known.hash !== undefined || known.family === 'mac')
}

/** Whether parts are one digest that the program brings along: of what is too long the front counts. */
export function isGathered(type: number): boolean {
  const known = KINDS.get(type)
  return known !== undefined && known.hash === undefined && (known.family === 'ecdsa' || known.family === 'dsa')
}

/** Which message calls a mechanism has: ciphers whose nonce comes with each message; signatures, where nothing but the data may differ from one to the next. */
export function inMessages(type: number): {
  readonly encrypts: boolean
  readonly signs: boolean
  readonly parts: boolean
} {
  const family = KINDS.get(type)?.family
  const encrypts = family === 'aead'
  // The IV of a GMAC would be that of every message.
  return { encrypts, signs: family !== 'gmac', parts: encrypts || isStreamed(type) || isGathered(type) }
}

const CURVES: ReadonlySet<number> = new Set([
  ...[protocol.CKM_EC_KEY_PAIR_GEN, protocol.CKM_ECDH1_DERIVE, protocol.CKM_ECDH1_COFACTOR_DERIVE],
])

/** Whether CK_MECHANISM_INFO tells of curves. */
export function isEc(type: number): boolean {
  return CURVES.has(type) || KINDS.get(type)?.family === 'ecdsa'
}
