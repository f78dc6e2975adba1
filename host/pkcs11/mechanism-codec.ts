// `M`: a mechanism and its parameter on the RPC. What follows the type depends on the type, and on the client's age.

import * as protocol from '../../assembly/protocol.js'
import { FrameError } from '../client/index.js'
import { type Codec, LIBRARY, RpcReader, type RpcWriter } from './codec.js'
import { CKR, Pkcs11Error } from './errors.js'

/** A parameter, by the C structure that it has. Lengths in bytes unless they are said to be bits. */
export type Parameter =
  | { readonly form: 'none' }
  | { readonly form: 'iv'; readonly iv: Uint8Array }
  | { readonly form: 'counter'; readonly bits: number; readonly block: Uint8Array }
  | {
      readonly form: 'gcm'
      readonly iv: Uint8Array
      readonly ivBits: number
      readonly aad: Uint8Array
      readonly tagBits: number
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

const {
  CKM_AES_CBC,
  CKM_AES_CBC_PAD,
  CKM_AES_CTR,
  CKM_AES_GCM,
  CKM_AES_KEY_WRAP,
  CKM_AES_KEY_WRAP_KWP,
  CKM_ECDSA_SHA256,
  CKM_ECDSA_SHA384,
  CKM_ECDSA_SHA512,
  CKM_RSA_PKCS_OAEP,
  CKM_RSA_PKCS_PSS,
  CKM_SHA256_RSA_PKCS_PSS,
  CKM_SHA384_RSA_PKCS_PSS,
  CKM_SHA512_RSA_PKCS_PSS,
  CKM_LUNA_AES_KW,
  CKM_LUNA_AES_KWP,
} = protocol

/** Mechanisms with a parameter, as p11-kit encodes it. The others of the token have none. */
const FORMS: ReadonlyMap<number, Form> = new Map<number, Form>([
  [CKM_AES_CBC, 'iv'],
  [CKM_AES_CBC_PAD, 'iv'],
  [CKM_AES_CTR, 'counter'],
  [CKM_AES_GCM, 'gcm'],
  [CKM_RSA_PKCS_OAEP, 'oaep'],
  [CKM_RSA_PKCS_PSS, 'pss'],
  [CKM_SHA256_RSA_PKCS_PSS, 'pss'],
  [CKM_SHA384_RSA_PKCS_PSS, 'pss'],
  [CKM_SHA512_RSA_PKCS_PSS, 'pss'],
])

/** Those that p11-kit's client refuses by itself before version 0.25 (it then offers protocol version 0). */
const NEWER: ReadonlySet<number> = new Set([
  ...[CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR, CKM_AES_GCM, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512],
  ...[CKM_SHA256_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS],
])
/** Those that it refuses in every version, up to 0.26.4. */
const NEVER: ReadonlySet<number> = new Set([CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_LUNA_AES_KW, CKM_LUNA_AES_KWP])

/** Whether the client passes this mechanism on: our own library does with all. What p11-kit's does not is left out of the list, as it would leave it out itself. */
export function passes(type: number, offered: number): boolean {
  return offered === LIBRARY || (!NEVER.has(type) && (offered > 0 || !NEWER.has(type)))
}

/** The form of a mechanism's parameter; those that are not known to have one have none. */
export function formOf(type: number): Form {
  return FORMS.get(type) ?? 'none'
}

/**
 * The fields of the C structure that a parameter has, for our own library, which takes it apart into what `readParameter` reads: u = a
 * CK_ULONG, p = pointer and length, q = length and pointer, c and d = 16 and 8 bytes in place, b = two CK_BBOOLs. Empty: its bytes alone.
 */
export const PARAMETER_LAYOUTS: Readonly<Record<Form, string>> = {
  none: '',
  iv: '',
  counter: 'uc',
  gcm: 'pupu',
  pss: 'uuu',
  oaep: 'uuup',
}

/** The client passes NULL for the whole mechanism, to end an operation. */
export const CANCEL = 0xffffffff
/** From this version on a presence byte stands before a parameter, and nothing where the type has none. */
const PRESENCE = 2
const NULL_LENGTH = 0xffffffff

const filled = (value: Uint8Array | undefined): Uint8Array => value ?? new Uint8Array(0)

function readParameter(reader: RpcReader, form: Form): Parameter {
  switch (form) {
    case 'none':
      return { form }
    case 'iv':
      return { form, iv: filled(reader.array()) }
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
    case 'counter':
      writer.ulong(parameter.bits).bytes(parameter.block)
      return
    case 'gcm':
      writer.bytes(parameter.iv).ulong(parameter.ivBits).bytes(parameter.aad).ulong(parameter.tagBits)
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
function readOwn(reader: RpcReader, form: Form): Parameter | undefined {
  const how = reader.u8()
  if (how === OWN.absent) return form === 'none' ? { form } : undefined
  const bytes = filled(reader.array())
  if (how === OWN.bytes && form === 'iv') return { form, iv: bytes }
  if (how !== OWN.fields || PARAMETER_LAYOUTS[form] === '') throw new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
  const fields = new RpcReader(bytes, reader.offered)
  const parameter = readParameter(fields, form)
  fields.end()
  return parameter
}

/** @throws FrameError FRAME_MALFORMED; Pkcs11Error MECHANISM_INVALID where bytes follow that no form of ours has */
export const mechanism: Codec<CkMechanism> = {
  signature: 'M',
  read: (reader) => {
    const type = reader.u32()
    if (type === CANCEL) return { type, parameter: undefined }
    const form = formOf(type)
    if (reader.offered === LIBRARY) return { type, parameter: readOwn(reader, form) }
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
