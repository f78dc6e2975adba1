// Parameters of messages of GCM and CCM (PKCS#11 3.0 §2.11.3, §2.11.4): from the program's to the token's.

import * as protocol from '../../assembly/protocol.js'
import { type Mechanism, type Message, Writer } from '../client/index.js'
import { CKR, Pkcs11Error } from './errors.js'
import { given } from './handlers.js'
import { FORM, type WireParameter } from './message-calls.js'
import type { MessageProcess } from './message-process.js'

/** What a program says of one message. */
export interface MessageParameter {
  /** CCM: how long the data will be; else undefined. */
  readonly dataLength: number | undefined
  readonly nonce: Uint8Array
  readonly fixed: number
  readonly generator: number
  /** Bits for GCM, bytes for CCM. */
  readonly tag: number
  readonly tagBytes: number
}

const BYTE = 0xff
const TAG_MOST = 128

function refused(): Pkcs11Error {
  return new Pkcs11Error(CKR.MECHANISM_PARAM_INVALID)
}

/** @throws Pkcs11Error MECHANISM_PARAM_INVALID */
export function messageParameter({ mechanism }: MessageProcess, [of, more]: WireParameter): MessageParameter {
  const [form, length, nonce] = of
  const [fixed, generator, tag] = more
  const gcm = mechanism.mechanism === protocol.CKM_AES_GCM
  if (form !== (gcm ? FORM.gcm : FORM.ccm)) throw refused()
  if (!(nonce instanceof Uint8Array) || generator > BYTE || fixed > 0xffffffff || tag > TAG_MOST) throw refused()
  return {
    dataLength: gcm ? undefined : length,
    nonce: given(nonce).slice(),
    fixed,
    generator,
    tag,
    tagBytes: gcm ? Math.ceil(tag / 8) : tag,
  }
}

/** CCM counts its data beforehand. @throws Pkcs11Error DATA_LEN_RANGE */
export function needLength({ dataLength }: MessageParameter, length: number): void {
  if (dataLength !== undefined && dataLength !== length) throw new Pkcs11Error(CKR.DATA_LEN_RANGE)
}

/** As MESSAGE_NONCE and MESSAGE_SEAL take it. */
export function tokenMessage(process: MessageProcess, parameter: MessageParameter, aad: Uint8Array): Message {
  const { nonce, fixed, generator, tag } = parameter
  const { mechanism, key, first } = process
  return { mechanism: mechanism.mechanism, key: key.handle, first, generator, fixed, nonce, aad, tag }
}

/** As DECRYPT takes it. */
export function openingMechanism(
  { mechanism }: MessageProcess,
  { nonce, tag }: MessageParameter,
  aad: Uint8Array,
): Mechanism {
  const parameter = new Writer().bytes(nonce).bytes(aad).u32(tag).finish()
  return { mechanism: mechanism.mechanism, parameter }
}
