// The cloning commands, each with an independent implementation of OBC-1 at the other end, whose keys are then looked for.
import { pbkdf2Sync } from 'node:crypto'
import * as protocol from '../../../assembly/protocol.js'
import { ITERATIONS } from '../../fuzz/firmware/guarded-build.js'
import { templateBytes, WORDS } from '../../fuzz/firmware/postures.js'
import { bytesOf } from '../../fuzz/firmware/sealing.js'
import { field } from '../../fuzz/firmware/station.js'
import { cat, u8, u16, u32 } from '../../oracle/obc1/bytes.js'
import { TEXT } from '../../oracle/obc1/crypto.js'
import type { CloneObject } from '../../oracle/obc1/envelope.js'
import type { SessionKeys } from '../../oracle/obc1/key-schedule.js'
import { sourceToken, targetToken } from '../../oracle/obc1/known-answers.js'
import { Source } from '../../oracle/obc1/source.js'
import { Target } from '../../oracle/obc1/target.js'
import type { Recipe, Scene } from './recipe.js'

const DOMAIN = { vector: pbkdf2Sync(WORDS.domain, 'OBC1 text domain', ITERATIONS, 48, 'sha512'), type: TEXT }
const OTHER = { vector: bytesOf('another domain', 48), type: TEXT }
const POSTURE = 'so and officer'
const CLONED = bytesOf('cloned value', 32)

const object: CloneObject = {
  handle: 1,
  ouid: bytesOf('cloned ouid', 12),
  class: protocol.CKO_SECRET_KEY,
  keyType: protocol.CKK_AES,
  bits: 0x1f,
  attributes: [{ type: protocol.CKA_VALUE, value: CLONED }],
}

const source = (domain = DOMAIN) => new Source(sourceToken({ flags: 0, domains: [domain] }))
const target = () =>
  new Target(targetToken({ flags: 0, domains: [DOMAIN] }), () => ({ code: protocol.RC_OK, handle: 7 }))

function ask({ station, sessions }: Scene, command: number, body: Buffer = Buffer.alloc(0)): Buffer {
  return station.ask(command, sessions[1], body)
}

function know(scene: Scene, keys: SessionKeys | undefined): void {
  for (const [name, bytes] of Object.entries(keys ?? {})) scene.know(`cloning ${name}`, bytes)
  scene.know('value cloned', CLONED)
}

/** The firmware has answered M1; the oracle may send. */
function taking(scene: Scene): Source {
  const other = source()
  other.targetHello(Buffer.from(ask(scene, protocol.CMD_CLONE_TARGET_INIT, field(other.init())).subarray(4)))
  know(scene, other.session.keys)
  return other
}

/** The firmware has taken M2 and may send. */
function giving(scene: Scene): Target {
  const other = target()
  const m2 = other.init(Buffer.from(ask(scene, protocol.CMD_CLONE_SOURCE_INIT).subarray(4)))
  know(scene, other.keySets[0])
  ask(scene, protocol.CMD_CLONE_SOURCE_HELLO, field(m2))
  return other
}

const handlesOf = ({ handles }: Scene) => cat(u8(1), u16(2), ...[1, 3].map((place) => u32(handles[place] ?? 0)))

function resultOf(scene: Scene): Buffer {
  const other = giving(scene)
  const answer = ask(scene, protocol.CMD_CLONE_SOURCE_BATCH, handlesOf(scene))
  return other.batch(Buffer.from(answer.subarray(2 + 4 * answer.readUInt16BE() + 4)))
}

const of = (command: number, body: (scene: Scene) => Buffer, code = protocol.RC_OK): Recipe => ({
  ...{ command, posture: POSTURE, session: 1, body, code },
})

function flipped(message: Buffer): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1)
  return copy
}

const batchFor = (scene: Scene) => taking(scene).batch([object], { last: true })

export const CLONING: readonly Recipe[] = [
  of(protocol.CMD_CLONE_SOURCE_INIT, () => Buffer.alloc(0)),
  of(protocol.CMD_CLONE_TARGET_INIT, () => field(source().init())),
  of(protocol.CMD_CLONE_TARGET_INIT, () => field(flipped(source().init())), protocol.RC_NEGOTIATION_NO_ROOTS),
  of(protocol.CMD_CLONE_SOURCE_HELLO, (scene) => {
    const other = target()
    const m2 = other.init(Buffer.from(ask(scene, protocol.CMD_CLONE_SOURCE_INIT).subarray(4)))
    know(scene, other.keySets[0])
    return field(m2)
  }),
  of(
    protocol.CMD_CLONE_SOURCE_HELLO,
    (scene) => {
      const other = new Target(targetToken({ flags: 0, domains: [OTHER] }), () => ({ code: protocol.RC_OK, handle: 7 }))
      return field(other.init(Buffer.from(ask(scene, protocol.CMD_CLONE_SOURCE_INIT).subarray(4))))
    },
    protocol.RC_NEGOTIATION_NO_PSK,
  ),
  of(protocol.CMD_CLONE_SOURCE_BATCH, (scene) => {
    giving(scene)
    return handlesOf(scene)
  }),
  of(protocol.CMD_CLONE_TARGET_BATCH, (scene) => cat(u8(1), field(batchFor(scene)))),
  of(
    protocol.CMD_CLONE_TARGET_BATCH,
    (scene) => cat(u8(1), field(flipped(batchFor(scene)))),
    protocol.RC_NEGOTIATION_INVALID,
  ),
  // Sealed rightly, and no object: one that fails alone.
  of(protocol.CMD_CLONE_TARGET_BATCH, (scene) => cat(u8(1), field(taking(scene).batch([{ ...object, class: 9 }])))),
  of(protocol.CMD_CLONE_SOURCE_RESULT, (scene) => field(resultOf(scene))),
  of(protocol.CMD_CLONE_SOURCE_RESULT, (scene) => field(flipped(resultOf(scene))), protocol.RC_NEGOTIATION_INVALID),
  of(protocol.CMD_CLONE_SOURCE_CLOSE, (scene) => {
    giving(scene)
    return Buffer.alloc(0)
  }),
  of(protocol.CMD_CLONE_TARGET_CLOSE, (scene) => {
    const other = taking(scene)
    ask(scene, protocol.CMD_CLONE_TARGET_BATCH, cat(u8(1), field(other.batch([object], { last: true }))))
    return field(other.close())
  }),
  // What opens a session ends the one before; so does its officer's going.
  of(protocol.CMD_CLONE_SOURCE_INIT, (scene) => {
    giving(scene)
    return Buffer.alloc(0)
  }),
  of(protocol.CMD_ROLE_LOGOUT, (scene) => {
    giving(scene)
    taking(scene)
    return Buffer.alloc(0)
  }),
  of(protocol.CMD_SESSION_CLOSE, (scene) => {
    giving(scene)
    taking(scene)
    return Buffer.alloc(0)
  }),
  of(protocol.CMD_PARTITION_CLEAR, (scene) => {
    giving(scene)
    return Buffer.alloc(0)
  }),
  of(protocol.CMD_OBJECT_LIST, (scene) => {
    giving(scene)
    taking(scene)
    return cat(u32(0), u16(10), field(templateBytes('nothing')))
  }),
]
