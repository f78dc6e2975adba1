// `M`: a mechanism and its parameter on the RPC. What follows the type depends on the type, and on the client's age.

import * as protocol from '../../assembly/protocol.js'
import { FrameError } from '../client/index.js'
import { type Codec, LIBRARY, RpcReader, RpcWriter } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'

/** CK_PRF_DATA_PARAM: what goes into one step of a key derivation, in its order. */
export interface KdfSegment {
  readonly type: number
  readonly value: Uint8Array
}

/** A parameter, by the C structure that it has. Lengths in bytes unless they are said to be bits. */
export type Parameter =
  | { readonly form: 'none' }
  | { readonly form: 'iv'; readonly iv: Uint8Array }
  /** CK_RC2_CBC_PARAMS: bits of the key that count. */
  | { readonly form: 'effective'; readonly bits: number; readonly iv: Uint8Array }
  | { readonly form: 'counter'; readonly bits: number; readonly block: Uint8Array }
  | {
      readonly form: 'gcm'
      readonly iv: Uint8Array
      readonly ivBits: number
      readonly aad: Uint8Array
      readonly tagBits: number
    }
  | {
      readonly form: 'ccm'
      readonly length: number
      readonly nonce: Uint8Array
      readonly aad: Uint8Array
      readonly mac: number
    }
  /** The length of a MAC, the handle of another key, the number of a bit, bits of a key that count. */
  | { readonly form: 'number'; readonly value: number }
  | { readonly form: 'string'; readonly data: Uint8Array }
  | { readonly form: 'chained'; readonly iv: Uint8Array; readonly data: Uint8Array }
  | { readonly form: 'ecdh'; readonly kdf: number; readonly shared: Uint8Array; readonly point: Uint8Array }
  | {
      readonly form: 'hkdf'
      readonly extracts: boolean
      readonly expands: boolean
      readonly hash: number
      readonly saltType: number
      readonly salt: Uint8Array
      readonly saltKey: number
      readonly info: Uint8Array
    }
  /** SP 800-108; `iv`: in feedback mode. */
  | {
      readonly form: 'kdf'
      readonly prf: number
      readonly segments: readonly KdfSegment[]
      /** Further keys to be derived. */
      readonly more: number
      readonly iv: Uint8Array | undefined
    }
  /** The vendor's CK_KDF_PRF_PARAMS. */
  | {
      readonly form: 'prf'
      readonly prf: number
      readonly label: Uint8Array
      readonly context: Uint8Array
      readonly counter: number
      readonly scheme: number
    }
  /** CK_PKCS5_PBKD2_PARAMS2. */
  | {
      readonly form: 'password'
      readonly saltSource: number
      readonly salt: Uint8Array
      readonly iterations: number
      readonly prf: number
      readonly prfData: Uint8Array
      readonly password: Uint8Array
    }
  | { readonly form: 'pss'; readonly hash: number; readonly mgf: number; readonly salt: number }
  | {
      readonly form: 'oaep'
      readonly hash: number
      readonly mgf: number
      readonly source: number
      readonly label: Uint8Array
    }

export interface CkMechanism {
  readonly type: number
  /** undefined = a null pointer. */
  readonly parameter: Parameter | undefined
}

type Form = Parameter['form']

/** How the parameter of a number travels: by its form, or (feedback mode) by two that differ in one field. */
export type Shape = Form | 'feedback' | 'chained8'

const rows = (shape: Shape, types: readonly number[]): (readonly [number, Shape])[] =>
  types.map((type) => [type, shape] as const)

/** Every number whose name is like this. */
const named = (pattern: RegExp): number[] =>
  Object.entries(protocol).flatMap(([name, value]) => (typeof value === 'number' && pattern.test(name) ? [value] : []))

const KNOWN: ReadonlySet<number> = new Set(named(/^CKM_/))

/** Mechanisms with a parameter: as p11-kit encodes it, and in the same manner those that only our own library passes on. */
const SHAPES: ReadonlyMap<number, Shape> = new Map<number, Shape>([
  ...rows('iv', named(/^CKM_(AES|DES|DES3|CAST128|SEED|LUNA_SEED|ARIA)_CBC(_PAD)?$|^CKM_(LUNA_)?AES_GMAC$/)),
  ...rows('effective', named(/^CKM_RC2_CBC(_PAD)?$/)),
  ...rows('iv', named(/^CKM_AES_KEY_WRAP|^CKM_LUNA_AES_KWP?$/)),
  ...rows('counter', [protocol.CKM_AES_CTR]),
  ...rows('gcm', [protocol.CKM_AES_GCM]),
  ...rows('ccm', [protocol.CKM_AES_CCM]),
  ...rows('oaep', [protocol.CKM_RSA_PKCS_OAEP]),
  ...rows('pss', named(/^CKM_.*RSA_PKCS_PSS$/)),
  ...rows('number', named(/^CKM_.*(MAC|HMAC)_GENERAL$|^CKM_RC2_(ECB|MAC)$/)),
  ...rows('number', [protocol.CKM_CONCATENATE_BASE_AND_KEY, protocol.CKM_EXTRACT_KEY_FROM_KEY]),
  ...rows('string', named(/^CKM_(CONCATENATE_(BASE_AND_DATA|DATA_AND_BASE)|XOR_BASE_AND_DATA|LUNA_DES2_DUKPT_IPEK)$/)),
  ...rows('string', named(/^CKM_(AES|DES|DES3|SEED|ARIA)_ECB_ENCRYPT_DATA$/)),
  ...rows('chained', named(/^CKM_(AES|SEED|ARIA)_CBC_ENCRYPT_DATA$/)),
  ...rows('chained8', [protocol.CKM_DES_CBC_ENCRYPT_DATA, protocol.CKM_DES3_CBC_ENCRYPT_DATA]),
  ...rows('ecdh', named(/^CKM_ECDH1_/)),
  ...rows('hkdf', named(/^CKM_HKDF_/)),
  ...rows('kdf', [protocol.CKM_SP800_108_COUNTER_KDF]),
  ...rows('feedback', [protocol.CKM_SP800_108_FEEDBACK_KDF]),
  ...rows('prf', [protocol.CKM_LUNA_NIST_PRF_KDF]),
  ...rows('password', [protocol.CKM_PKCS5_PBKD2]),
])

/** Those that p11-kit's client refuses by itself before version 0.25 (it then offers protocol version 0). */
const NEWER: ReadonlySet<number> = new Set([
  ...named(/^CKM_(AES|DES|DES3)_CBC(_PAD)?$|^CKM_AES_(CTR|GCM|CMAC|CMAC_GENERAL|MAC_GENERAL)$/),
  ...named(/^CKM_(DES|DES3)_(MAC_GENERAL|CMAC|CMAC_GENERAL)$|^CKM_ECDSA_SHA(224|256|384|512)$/),
  ...named(/^CKM_SHA(1|224|256|384|512)_RSA_PKCS_PSS$|^CKM_SHA224|^CKM_SHA(_1|256|384|512)_HMAC_GENERAL$/),
  ...named(/^CKM_ECDH1_DERIVE$/),
])
/** Those that it refuses in every version, up to 0.26.4. */
const NEVER: ReadonlySet<number> = new Set([
  ...named(/^CKM_LUNA_|^CKM_AES_KEY_WRAP|^CKM_.*SHA3_|^CKM_(AES_CCM|AES_GMAC|EDDSA|EC_EDWARDS_KEY_PAIR_GEN)$/),
  ...named(/^CKM_(HKDF|SP800_108)_|^CKM_PKCS5_PBKD2$|_KEY_DERIVATION$|_ENCRYPT_DATA$|^CKM_ECDH1_COFACTOR_DERIVE$/),
  ...named(/^CKM_(CONCATENATE_|XOR_BASE|EXTRACT_KEY|SEED_|ARIA_|CAST128_CBC|CAST128_MAC|RC2_ECB|RC2_CBC|RC2_MAC)/),
  ...[protocol.CKM_RSA_X9_31_KEY_PAIR_GEN, protocol.CKM_MD5_HMAC_GENERAL],
])

/** Whether the client passes this mechanism on: our own library does with all. What p11-kit's does not is left out of the list, as it would leave it out itself. */
export function passes(type: number, offered: number): boolean {
  return offered === LIBRARY || (!NEVER.has(type) && (offered > 0 || !NEWER.has(type)))
}

/** The shape of a mechanism's parameter; those that are not known to have one have none. */
export function formOf(type: number): Shape {
  return SHAPES.get(type) ?? 'none'
}

/**
 * The fields of the C structure that a parameter has, for our own library, which takes it apart into what `readParameter` reads: u = a
 * CK_ULONG, p = pointer and length, q = length and pointer, c and d = 16 and 8 bytes in place, b = two CK_BBOOLs, n = count and
 * pointer of CK_PRF_DATA_PARAMs, z = a pointer that is not followed. Empty: its bytes alone.
 */
export const PARAMETER_LAYOUTS: Readonly<Record<Shape, string>> = {
  none: '',
  iv: '',
  effective: 'ud',
  counter: 'uc',
  gcm: 'pupu',
  ccm: 'uppu',
  pss: 'uuu',
  oaep: 'uuup',
  number: 'u',
  string: 'p',
  chained: 'cp',
  chained8: 'dp',
  ecdh: 'uqq',
  hkdf: 'buupup',
  kdf: 'unuz',
  feedback: 'unquz',
  prf: 'uppuu',
  password: 'upuupp',
}

/** The client passes NULL for the whole mechanism, to end an operation. */
export const CANCEL = 0xffffffff
/** From this version on a presence byte stands before a parameter, and nothing where the type has none. */
const PRESENCE = 2
const NULL_LENGTH = 0xffffffff
/** Least bytes of a segment. */
const SEGMENT = 12

const filled = (value: Uint8Array | undefined): Uint8Array => value ?? new Uint8Array(0)

function readSegments(reader: RpcReader): KdfSegment[] {
  return Array.from({ length: reader.count(SEGMENT) }, () => ({ type: reader.ulong(), value: filled(reader.array()) }))
}

function readParameter(reader: RpcReader, form: Shape): Parameter {
  switch (form) {
    case 'none':
      return { form }
    case 'iv':
      return { form, iv: filled(reader.array()) }
    case 'effective':
      return { form, bits: reader.ulong(), iv: filled(reader.array()) }
    case 'counter':
      return { form, bits: reader.ulong(), block: filled(reader.array()) }
    case 'gcm':
      return {
        form,
        iv: filled(reader.array()),
        ivBits: reader.ulong(),
        aad: filled(reader.array()),
        tagBits: reader.ulong(),
      }
    case 'ccm':
      return {
        form,
        length: reader.ulong(),
        nonce: filled(reader.array()),
        aad: filled(reader.array()),
        mac: reader.ulong(),
      }
    case 'number':
      return { form, value: reader.ulong() }
    case 'string':
      return { form, data: filled(reader.array()) }
    case 'chained':
    case 'chained8':
      return { form: 'chained', iv: filled(reader.array()), data: filled(reader.array()) }
    case 'ecdh':
      return { form, kdf: reader.ulong(), shared: filled(reader.array()), point: filled(reader.array()) }
    case 'hkdf':
      return {
        form,
        extracts: reader.u8() !== 0,
        expands: reader.u8() !== 0,
        hash: reader.ulong(),
        saltType: reader.ulong(),
        salt: filled(reader.array()),
        saltKey: reader.ulong(),
        info: filled(reader.array()),
      }
    case 'kdf':
      return { form, prf: reader.ulong(), segments: readSegments(reader), iv: undefined, more: reader.ulong() }
    case 'feedback':
      return {
        form: 'kdf',
        prf: reader.ulong(),
        segments: readSegments(reader),
        iv: filled(reader.array()),
        more: reader.ulong(),
      }
    case 'prf':
      return {
        form,
        prf: reader.ulong(),
        label: filled(reader.array()),
        context: filled(reader.array()),
        counter: reader.ulong(),
        scheme: reader.ulong(),
      }
    case 'password':
      return {
        form,
        saltSource: reader.ulong(),
        salt: filled(reader.array()),
        iterations: reader.ulong(),
        prf: reader.ulong(),
        prfData: filled(reader.array()),
        password: filled(reader.array()),
      }
    case 'pss':
      return { form, hash: reader.ulong(), mgf: reader.ulong(), salt: reader.ulong() }
    case 'oaep':
      return {
        form,
        hash: reader.ulong(),
        mgf: reader.ulong(),
        source: reader.ulong(),
        label: filled(reader.array()),
      }
  }
}

function writeParameter(writer: RpcWriter, parameter: Parameter): void {
  switch (parameter.form) {
    case 'none':
      return
    case 'iv':
      writer.bytes(parameter.iv)
      return
    case 'effective':
    case 'counter':
      writer.ulong(parameter.bits).bytes(parameter.form === 'counter' ? parameter.block : parameter.iv)
      return
    case 'gcm':
      writer.bytes(parameter.iv).ulong(parameter.ivBits).bytes(parameter.aad).ulong(parameter.tagBits)
      return
    case 'ccm':
      writer.ulong(parameter.length).bytes(parameter.nonce).bytes(parameter.aad).ulong(parameter.mac)
      return
    case 'number':
      writer.ulong(parameter.value)
      return
    case 'string':
      writer.bytes(parameter.data)
      return
    case 'chained':
      writer.bytes(parameter.iv).bytes(parameter.data)
      return
    case 'ecdh':
      writer.ulong(parameter.kdf).bytes(parameter.shared).bytes(parameter.point)
      return
    case 'hkdf':
      writer.u8(parameter.extracts ? 1 : 0).u8(parameter.expands ? 1 : 0)
      writer.ulong(parameter.hash).ulong(parameter.saltType).bytes(parameter.salt)
      writer.ulong(parameter.saltKey).bytes(parameter.info)
      return
    case 'kdf':
      writer.ulong(parameter.prf).u32(parameter.segments.length)
      for (const { type, value } of parameter.segments) writer.ulong(type).bytes(value)
      if (parameter.iv) writer.bytes(parameter.iv)
      writer.ulong(parameter.more)
      return
    case 'prf':
      writer.ulong(parameter.prf).bytes(parameter.label).bytes(parameter.context)
      writer.ulong(parameter.counter).ulong(parameter.scheme)
      return
    case 'password':
      writer.ulong(parameter.saltSource).bytes(parameter.salt).ulong(parameter.iterations)
      writer.ulong(parameter.prf).bytes(parameter.prfData).bytes(parameter.password)
      return
    case 'pss':
      writer.ulong(parameter.hash).ulong(parameter.mgf).ulong(parameter.salt)
      return
    case 'oaep':
      writer.ulong(parameter.hash).ulong(parameter.mgf).ulong(parameter.source).bytes(parameter.label)
  }
}

/** How our own library sends a parameter: there is none, the bytes of a structure without pointers, or its fields one by one. */
const OWN = { absent: 0, bytes: 1, fields: 2 } as const

/** @throws Pkcs11Error MECHANISM_PARAM_INVALID: it is not of the mechanism's form; FrameError FRAME_MALFORMED */
function readOwn(reader: RpcReader, type: number, form: Shape): Parameter | undefined {
  const how = reader.u8()
  if (how === OWN.absent) return form === 'none' ? { form } : undefined
  const bytes = filled(reader.array())
  if (how === OWN.bytes && form === 'iv') return { form, iv: bytes }
  if (!KNOWN.has(type)) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
  if (how !== OWN.fields || PARAMETER_LAYOUTS[form] === '') throw new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
  const fields = new RpcReader(bytes, reader.offered)
  const parameter = readParameter(fields, form)
  fields.end()
  return parameter
}

function writeOwn(writer: RpcWriter, parameter: Parameter | undefined): void {
  if (!parameter || parameter.form === 'none') writer.u8(OWN.absent)
  else if (parameter.form === 'iv') writer.u8(OWN.bytes).bytes(parameter.iv)
  else {
    const fields = new RpcWriter(writer.offered)
    writeParameter(fields, parameter)
    writer.u8(OWN.fields).bytes(fields.finish())
  }
}

/** @throws FrameError FRAME_MALFORMED; Pkcs11Error MECHANISM_INVALID where bytes follow that no form of ours has */
export const mechanism: Codec<CkMechanism> = {
  signature: 'M',
  read: (reader) => {
    const type = reader.u32()
    if (type === CANCEL) return { type, parameter: undefined }
    const form = formOf(type)
    if (reader.offered === LIBRARY) return { type, parameter: readOwn(reader, type, form) }
    if (reader.offered >= PRESENCE) {
      if (form === 'none') return { type, parameter: { form } }
      const present = reader.u8()
      if (present > 1) throw new FrameError('FRAME_MALFORMED', 'a flag is 0 or 1')
      return { type, parameter: present === 1 ? readParameter(reader, form) : undefined }
    }
    if (form !== 'none') return { type, parameter: readParameter(reader, form) }
    if (reader.u32() !== NULL_LENGTH) throw new Pkcs11Error(CKR.MECHANISM_INVALID)
    return { type, parameter: { form } }
  },
  write: (writer, { type, parameter }) => {
    writer.u32(type)
    if (type === CANCEL) return
    if (writer.offered === LIBRARY) {
      writeOwn(writer, parameter)
      return
    }
    const form = formOf(type)
    if (writer.offered < PRESENCE) {
      if (form === 'none') writer.u32(NULL_LENGTH)
      else if (parameter) writeParameter(writer, parameter)
      else throw new FrameError('ARGUMENT_RANGE', 'clients of this version always send the parameter')
    } else if (form !== 'none') {
      writer.u8(parameter ? 1 : 0)
      if (parameter) writeParameter(writer, parameter)
    }
  },
}
