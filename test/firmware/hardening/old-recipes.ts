// Ciphers and digests that are left for old programs, with keys of their own.
import * as protocol from '../../../assembly/protocol.js'
import { bytesOf } from '../../fuzz/firmware/sealing.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u32 } from '../../oracle/obc1/bytes.js'
import type { Recipe, Scene } from './recipe.js'

const HMAC = 3
const NOTHING = field('')
const KEY = bytesOf('a key of an old cipher', 16)

const template = (keyType: number): Buffer =>
  cat(
    ...[u32(protocol.CKA_CLASS), u32(4), u32(protocol.CKO_SECRET_KEY)],
    ...[u32(protocol.CKA_TOKEN), u32(1), u8(1), Buffer.alloc(3)],
    ...[u32(protocol.CKA_VALUE), u32(KEY.length), KEY],
    ...[u32(protocol.CKA_KEY_TYPE), u32(4), u32(keyType)],
  )

/** A key of this type, known to whoever searches. */
function made(scene: Scene, keyType: number): Buffer {
  scene.know('the key of an old cipher', KEY)
  return scene.station.ask(protocol.CMD_OBJECT_CREATE, scene.sessions[1], field(template(keyType)), true)
}

const crypt = (command: number, body: (scene: Scene) => Buffer, code: number = protocol.RC_OK): Recipe => ({
  ...{ command, posture: 'so and officer', session: 1, body, code },
})

const CIPHERS: readonly (readonly [keyType: number, mechanism: number, parameter: Buffer])[] = [
  [protocol.CKK_CAST128, protocol.CKM_CAST128_ECB, NOTHING],
  [protocol.CKK_RC2, protocol.CKM_RC2_ECB, field(u32(128))],
  [protocol.CKK_RC4, protocol.CKM_RC4, NOTHING],
  [protocol.CKK_SEED, protocol.CKM_SEED_ECB, NOTHING],
  [protocol.CKK_ARIA, protocol.CKM_ARIA_ECB, NOTHING],
]

const digestKey = (mechanism: number): Recipe =>
  crypt(protocol.CMD_PART, (scene) => {
    const how = cat(u8(protocol.PART_DIGEST), u8(protocol.PART_KEY), u32(mechanism), NOTHING)
    return cat(how, u32(scene.handles[HMAC] ?? 0), NOTHING, NOTHING, NOTHING)
  })

export const OLD: readonly Recipe[] = [
  ...CIPHERS.map(([keyType, mechanism, parameter]) =>
    crypt(protocol.CMD_ENCRYPT, (scene) =>
      cat(u32(mechanism), parameter, made(scene, keyType), field('two of 8 bytes..')),
    ),
  ),
  crypt(protocol.CMD_DECRYPT, (scene) =>
    cat(u32(protocol.CKM_CAST128_ECB), NOTHING, made(scene, protocol.CKK_CAST128), field('two of 8 bytes..')),
  ),
  crypt(
    protocol.CMD_ENCRYPT,
    (scene) => cat(u32(protocol.CKM_RC2_ECB), field(u32(8)), made(scene, protocol.CKK_RC2), field('two of 8 bytes..')),
    protocol.RC_KEY_SIZE_RANGE,
  ),
  digestKey(protocol.CKM_MD2),
  digestKey(protocol.CKM_MD5),
]
