// A request that succeeds for every command that uses keys: ciphers, signatures, wrapping, generation.
import * as protocol from '../../../assembly/protocol.js'
import { VALUES } from '../../fuzz/firmware/postures.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u32 } from '../../oracle/obc1/bytes.js'
import { wrap } from '../../oracle/obc1/crypto.js'
import {
  AES,
  EC_PRIVATE,
  EC_PUBLIC,
  HMAC,
  handle,
  NOTHING,
  OPEN,
  operation,
  type Recipe,
  RSA_PRIVATE,
  RSA_PUBLIC,
  type Scene,
  SOON,
} from './recipe.js'

const { CKM_AES_CBC_PAD, CKM_AES_KEY_WRAP, CKM_RSA_PKCS_OAEP, CKM_SHA256 } = protocol

const WRAPPED = wrap(VALUES.aes, VALUES.open)
const oaep = u32(CKM_SHA256)
const IV = Buffer.alloc(16, 1)
/** A message of GCM whose nonce the token draws. */
const message = (flags: number): Buffer =>
  cat(u8(flags), u8(protocol.CKG_GENERATE), u32(0), field(IV), field('aad'), u32(128))
const crypt = (command: number, body: (scene: Scene) => Buffer, code = protocol.RC_OK): Recipe => ({
  ...{ command, posture: SOON, session: 1, body, code },
})

export const CRYPTO: readonly Recipe[] = [
  crypt(protocol.CMD_SIGN, (s) => operation(s, protocol.CKM_SHA256_HMAC, NOTHING, HMAC, field('message'))),
  crypt(protocol.CMD_SIGN, (s) => operation(s, protocol.CKM_ECDSA_SHA256, NOTHING, EC_PRIVATE, field('message'))),
  crypt(protocol.CMD_SIGN, (s) => operation(s, protocol.CKM_SHA256_RSA_PKCS, NOTHING, RSA_PRIVATE, field('message'))),
  crypt(protocol.CMD_SIGN, (s) =>
    operation(s, protocol.CKM_SHA256_RSA_PKCS_PSS, cat(oaep, u32(32)), RSA_PRIVATE, field('m')),
  ),
  crypt(
    protocol.CMD_SIGN,
    (s) => operation(s, protocol.CKM_RSA_PKCS, NOTHING, RSA_PRIVATE, field('x'.repeat(300))),
    protocol.RC_DATA_LEN_RANGE,
  ),
  crypt(protocol.CMD_VERIFY, verifiedHmac),
  crypt(
    protocol.CMD_VERIFY,
    (s) => operation(s, protocol.CKM_SHA256_HMAC, NOTHING, HMAC, field('m'), field(Buffer.alloc(32))),
    protocol.RC_SIGNATURE_INVALID,
  ),
  crypt(protocol.CMD_ENCRYPT, (s) => operation(s, CKM_AES_CBC_PAD, IV, AES, field('message'))),
  crypt(protocol.CMD_ENCRYPT, (s) =>
    operation(s, protocol.CKM_AES_GCM, cat(field(IV), field('aad'), u32(128)), AES, field('message')),
  ),
  crypt(protocol.CMD_MESSAGE_NONCE, (s) => operation(s, protocol.CKM_AES_GCM, message(1), AES, field(''))),
  crypt(protocol.CMD_MESSAGE_SEAL, (s) => operation(s, protocol.CKM_AES_GCM, message(1), AES, field('message'))),
  crypt(
    protocol.CMD_MESSAGE_SEAL,
    (s) => operation(s, protocol.CKM_AES_GCM, message(3), AES, field('message')),
    protocol.RC_ARGUMENTS_BAD,
  ),
  crypt(protocol.CMD_ENCRYPT, (s) => operation(s, CKM_RSA_PKCS_OAEP, oaep, RSA_PUBLIC, field('message'))),
  crypt(protocol.CMD_DECRYPT, (s) => operation(s, protocol.CKM_AES_CTR, IV, AES, field('message'))),
  crypt(
    protocol.CMD_DECRYPT,
    (s) => operation(s, CKM_AES_CBC_PAD, IV, AES, field(Buffer.alloc(32))),
    protocol.RC_ENCRYPTED_DATA_INVALID,
  ),
  crypt(
    protocol.CMD_DECRYPT,
    (s) => operation(s, protocol.CKM_AES_GCM, cat(field(IV), field(''), u32(128)), AES, field(Buffer.alloc(40))),
    protocol.RC_ENCRYPTED_DATA_INVALID,
  ),
  crypt(protocol.CMD_DECRYPT, (s) => operation(s, CKM_RSA_PKCS_OAEP, oaep, RSA_PRIVATE, field(encrypted(s)))),
  crypt(
    protocol.CMD_DECRYPT,
    (s) => operation(s, CKM_RSA_PKCS_OAEP, oaep, RSA_PRIVATE, field(Buffer.alloc(256, 1))),
    protocol.RC_ENCRYPTED_DATA_INVALID,
  ),
  crypt(protocol.CMD_WRAP, (s) => operation(s, CKM_AES_KEY_WRAP, NOTHING, AES, u32(handle(s, OPEN)))),
  crypt(protocol.CMD_WRAP, (s) => operation(s, protocol.CKM_AES_KEY_WRAP_KWP, NOTHING, AES, u32(handle(s, HMAC)))),
  crypt(protocol.CMD_WRAP, (s) => operation(s, CKM_RSA_PKCS_OAEP, oaep, RSA_PUBLIC, u32(handle(s, OPEN)))),
  crypt(
    protocol.CMD_WRAP,
    (s) => operation(s, CKM_AES_KEY_WRAP, NOTHING, AES, u32(handle(s, EC_PUBLIC))),
    protocol.RC_KEY_NOT_WRAPPABLE,
  ),
  crypt(protocol.CMD_UNWRAP, (s) =>
    operation(s, CKM_AES_KEY_WRAP, NOTHING, AES, field(WRAPPED), field(secretTemplate)),
  ),
  crypt(
    protocol.CMD_UNWRAP,
    (s) => operation(s, CKM_AES_KEY_WRAP, NOTHING, AES, field(Buffer.alloc(40)), field(secretTemplate)),
    protocol.RC_WRAPPED_KEY_INVALID,
  ),
  crypt(
    protocol.CMD_UNWRAP,
    (s) => operation(s, CKM_AES_KEY_WRAP, NOTHING, AES, field(WRAPPED), field(privateTemplate)),
    protocol.RC_WRAPPED_KEY_INVALID,
  ),
]

/** CKO_SECRET_KEY, CKK_AES; and CKO_PRIVATE_KEY, for a key that is none. */
const secretTemplate = cat(
  u32(protocol.CKA_CLASS),
  u32(4),
  u32(protocol.CKO_SECRET_KEY),
  u32(protocol.CKA_KEY_TYPE),
  u32(4),
  u32(protocol.CKK_AES),
)
const privateTemplate = cat(u32(protocol.CKA_CLASS), u32(4), u32(protocol.CKO_PRIVATE_KEY))

function verifiedHmac(scene: Scene): Buffer {
  const session = scene.sessions[1]
  const mac = scene.station.ask(
    protocol.CMD_SIGN,
    session,
    operation(scene, protocol.CKM_SHA256_HMAC, NOTHING, HMAC, field('m')),
  )
  return operation(scene, protocol.CKM_SHA256_HMAC, NOTHING, HMAC, field('m'), mac)
}

function encrypted(scene: Scene): Buffer {
  return scene.station
    .ask(
      protocol.CMD_ENCRYPT,
      scene.sessions[1],
      operation(scene, CKM_RSA_PKCS_OAEP, oaep, RSA_PUBLIC, field('message')),
    )
    .subarray(4)
}
