// Templates of test objects.
import * as protocol from '../../../assembly/protocol.js'
import { type Attribute, attribute } from '../../../host/client/index.js'

const { ulong, bool, text, bytes } = attribute

/** A data object in the clear, or a private one. */
export function dataObject(label: string, value: Uint8Array | string, isPrivate = false): Attribute[] {
  return [
    ulong(protocol.CKA_CLASS, protocol.CKO_DATA),
    bool(protocol.CKA_TOKEN, true),
    bool(protocol.CKA_PRIVATE, isPrivate),
    text(protocol.CKA_LABEL, label),
    typeof value === 'string' ? text(protocol.CKA_VALUE, value) : bytes(protocol.CKA_VALUE, value),
  ]
}

/** An AES key with this value: sensitive, extractable, may do everything that the tests need. */
export function aesKey(label: string, value: Uint8Array, more: readonly Attribute[] = []): Attribute[] {
  const own = [
    ulong(protocol.CKA_CLASS, protocol.CKO_SECRET_KEY),
    ulong(protocol.CKA_KEY_TYPE, protocol.CKK_AES),
    bool(protocol.CKA_TOKEN, true),
    bool(protocol.CKA_PRIVATE, true),
    bool(protocol.CKA_SENSITIVE, true),
    bool(protocol.CKA_EXTRACTABLE, true),
    bool(protocol.CKA_ENCRYPT, true),
    bool(protocol.CKA_DECRYPT, true),
    bool(protocol.CKA_WRAP, true),
    bool(protocol.CKA_UNWRAP, true),
    text(protocol.CKA_LABEL, label),
    bytes(protocol.CKA_VALUE, value),
  ]
  const replaced = new Set(more.map(({ type }) => type))
  return [...own.filter(({ type }) => !replaced.has(type)), ...more]
}
