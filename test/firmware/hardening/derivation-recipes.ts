// Messages in parts, and keys derived of keys and of a password.
import * as protocol from '../../../assembly/protocol.js'
import { bytesOf } from '../../fuzz/firmware/sealing.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u32 } from '../../oracle/obc1/bytes.js'
import type { Recipe, Scene } from './recipe.js'

const POSTURE = 'so and officer'
const HMAC = 3
const NOTHING = field('')
const PASSWORD = bytesOf('a password to derive from', 24)

const template = cat(
  ...[u32(protocol.CKA_KEY_TYPE), u32(4), u32(protocol.CKK_AES)],
  ...[u32(protocol.CKA_VALUE_LEN), u32(4), u32(32)],
)

const keyOf = ({ handles }: Scene, place: number): Buffer => u32(handles[place] ?? 0)

interface PartOptions {
  readonly flags?: number
  readonly state?: Buffer
  readonly data?: string
}

const part = (purpose: number, mechanism: number, key: Buffer, { flags = 0, state, data = 'm' }: PartOptions): Buffer =>
  cat(u8(purpose), u8(flags), u32(mechanism), NOTHING, key, state ?? NOTHING, field(data), NOTHING)

const crypt = (command: number, body: (scene: Scene) => Buffer, code: number = protocol.RC_OK): Recipe => ({
  ...{ command, posture: POSTURE, session: 1, body, code },
})

const { CMD_DERIVE, CMD_PART, CKM_SHA256, CKM_SHA256_HMAC, CKM_SHA3_512_HMAC, PART_DIGEST, PART_SIGN } = protocol

/** The state behind a first part, as a field. */
function begun(scene: Scene): Buffer {
  return scene.station.ask(CMD_PART, scene.sessions[1], part(PART_SIGN, CKM_SHA256_HMAC, keyOf(scene, HMAC), {}))
}

const hkdf = cat(u8(3), u32(CKM_SHA256), u32(2), field('salt'), u32(0), field('info'))
const password = cat(field('salt'), u32(2), u32(4), field(PASSWORD))
const counted = cat(u32(CKM_SHA256_HMAC), u8(2), u8(1), u8(0), u32(32), u8(4), field('label'))

const derive = (mechanism: number, parameter: Buffer, code: number = protocol.RC_OK): Recipe =>
  crypt(CMD_DERIVE, (s) => cat(u32(mechanism), field(parameter), keyOf(s, HMAC), field(template)), code)

export const DERIVATION: readonly Recipe[] = [
  crypt(CMD_PART, () => part(PART_DIGEST, CKM_SHA256, u32(0), { data: 'message' })),
  crypt(CMD_PART, (s) => part(PART_DIGEST, CKM_SHA256, keyOf(s, HMAC), { flags: protocol.PART_KEY, data: '' })),
  crypt(CMD_PART, (s) => part(PART_SIGN, CKM_SHA3_512_HMAC, keyOf(s, HMAC), { flags: protocol.PART_LAST })),
  crypt(CMD_PART, (s) => part(PART_SIGN, CKM_SHA256_HMAC, keyOf(s, HMAC), { state: begun(s) })),
  crypt(
    CMD_PART,
    (s) => part(PART_SIGN, CKM_SHA3_512_HMAC, keyOf(s, HMAC), { state: begun(s) }),
    protocol.RC_SAVED_STATE_INVALID,
  ),
  derive(protocol.CKM_HKDF_DERIVE, hkdf),
  derive(protocol.CKM_SP800_108_COUNTER_KDF, counted),
  derive(protocol.CKM_CONCATENATE_BASE_AND_DATA, Buffer.alloc(0)),
  derive(protocol.CKM_SHA224_KEY_DERIVATION, Buffer.alloc(0), protocol.RC_KEY_SIZE_RANGE),
  derive(protocol.CKM_SP800_108_COUNTER_KDF, hkdf, protocol.RC_MECHANISM_PARAM_INVALID),
  {
    ...crypt(CMD_DERIVE, (scene) => {
      scene.know('the password of PBKDF2', PASSWORD)
      return cat(u32(protocol.CKM_PKCS5_PBKD2), field(password), u32(0), field(template))
    }),
    sealed: true,
  },
]
