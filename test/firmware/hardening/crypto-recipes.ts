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
  crypt(protocol.CMD_AEAD_PART, (s) => aeadPart(s, protocol.AEAD_SEAL, 0, {})),
  crypt(protocol.CMD_AEAD_PART, (s) => aeadPart(s, protocol.AEAD_SEAL, protocol.AEAD_LAST, {})),
  crypt(protocol.CMD_AEAD_PART, (s) => aeadPart(s, protocol.AEAD_SEAL, protocol.AEAD_LAST, { ccm: true })),
  crypt(protocol.CMD_AEAD_PART, (s) =>
    aeadPart(s, protocol.AEAD_SEAL, 0, { state: begun(s, protocol.AEAD_SEAL, { ccm: true }), ccm: true }),
  ),
  crypt(protocol.CMD_AEAD_PART, (s) => aeadPart(s, protocol.AEAD_CHECK, 0, { state: begun(s, protocol.AEAD_CHECK) })),
  crypt(
    protocol.CMD_AEAD_PART,
    (s) => aeadPart(s, protocol.AEAD_CHECK, protocol.AEAD_LAST, { proof: Buffer.alloc(16) }),
    protocol.RC_ENCRYPTED_DATA_INVALID,
  ),
  crypt(
    protocol.CMD_AEAD_PART,
    (s) => aeadPart(s, protocol.AEAD_CHECK, protocol.AEAD_LAST, { proof: Buffer.alloc(16), ccm: true }),
    protocol.RC_ENCRYPTED_DATA_INVALID,
  ),
  crypt(protocol.CMD_AEAD_PART, opened),
  crypt(
    protocol.CMD_AEAD_PART,
    (s) => Buffer.concat([opened(s).subarray(0, -1), Buffer.of(1)]),
    protocol.RC_SAVED_STATE_INVALID,
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

interface PartOptions {
  readonly ccm?: boolean
  readonly state?: Buffer
  readonly data?: Buffer
  readonly proof?: Buffer
}

const PART = Buffer.alloc(32, 6)

/** A part of two blocks; CCM is told of three. */
function aeadPart(scene: Scene, purpose: number, flags: number, options: PartOptions): Buffer {
  const { ccm = false, state = Buffer.alloc(0), data = PART, proof = Buffer.alloc(0) } = options
  const nonce = field(Buffer.alloc(12, 2))
  const last = (flags & protocol.AEAD_LAST) !== 0
  return cat(
    Buffer.of(purpose, flags),
    u32(ccm ? protocol.CKM_AES_CCM : protocol.CKM_AES_GCM),
    field(cat(nonce, field('aad'), u32(ccm ? 16 : 128))),
    u32(handle(scene, AES)),
    u32(0),
    u32(last ? data.length : 64),
    ...[field(state), field(data), field(proof)],
  )
}

/** The `bytes` fields of an answer. */
function answered(scene: Scene, body: Buffer): [Buffer, Buffer] {
  const answer = scene.station.ask(protocol.CMD_AEAD_PART, scene.sessions[1], body)
  const first = answer.readUInt32BE(0)
  return [answer.subarray(4, 4 + first), answer.subarray(8 + first)]
}

/** The state behind a first part. */
function begun(scene: Scene, purpose: number, options: PartOptions = {}): Buffer {
  return answered(scene, aeadPart(scene, purpose, 0, options))[0]
}

/** The part of the second pass over a message of one part, of which the first pass was right. */
function opened(scene: Scene): Buffer {
  const [, sealed] = answered(scene, aeadPart(scene, protocol.AEAD_SEAL, protocol.AEAD_LAST, {}))
  const data = sealed.subarray(0, PART.length)
  const checking = { data, proof: sealed.subarray(PART.length) }
  const [proof] = answered(scene, aeadPart(scene, protocol.AEAD_CHECK, protocol.AEAD_LAST, checking))
  return aeadPart(scene, protocol.AEAD_OPEN, 0, { data, proof })
}

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
