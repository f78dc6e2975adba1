import { createHash } from 'node:crypto'
import { CMD_FACTORY_BEGIN, CMD_FACTORY_FINISH, FLASH_SIZE, FRAME_HEADER, RC_OK } from '../../assembly/protocol.js'
import { toInt } from './big-int.js'
import { BoardFolder } from './board-folder.js'
import { P384 } from './curves.js'
import { ecdsaSign } from './ec.js'
import { BoardError } from './errors.js'
import { firmwareInfo } from './firmware.js'
import type { CommandDoor } from './frames.js'

/** What the factory writes into a token once; SPEC.md §2.2, FACTORY_BEGIN. */
export interface ManufacturingRecord {
  readonly serial: bigint
  /** MODEL_… */
  readonly model: number
  /** PROFILE_… */
  readonly profile: number
  /** AUTH_… */
  readonly auth: number
  readonly maxPartitions: number
  /** Bytes for objects. */
  readonly storage: bigint
  readonly partitionBase: number
  readonly partitionMultiplier: number
}

/** Bytes of a certificate that its signature covers (OBC-1 §3). */
const CERTIFICATE_BODY = 160

/** The private key of the published test root: whoever reads this can make tokens that every Moonlet believes. */
const TEST_ROOT = toInt(createHash('sha512').update('OBC1-KAT:root').digest().subarray(0, P384.length))

/**
 * Makes the state folder of a new board, as it comes from the assembly line: it boots, and wants to be manufactured.
 * Throws STATE_EXISTS where the folder is not empty, STATE_IO.
 * @param options.flashSize bytes, a multiple of FLASH_SECTOR
 * @param options.madeBy program and version for the folder's description
 */
export function createBoardFolder(
  dir: string,
  {
    flashSize = FLASH_SIZE,
    madeBy = `moonlet ${firmwareInfo().version}`,
  }: { flashSize?: number; madeBy?: string } = {},
): void {
  BoardFolder.create(dir, { flashSize, madeBy })
}

async function command(door: CommandDoor, id: number, body: Uint8Array): Promise<Uint8Array> {
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt16BE(id)
  header.writeUInt32BE(1, 8)
  header.writeUInt32BE(body.length, 12)
  const answer = Buffer.from(await door.exchange(Buffer.concat([header, body])))
  const code = answer.readUInt32BE(4)
  if (code !== RC_OK) {
    throw new BoardError('FACTORY_REFUSED', `the token cannot be manufactured: it answers 0x${code.toString(16)}`)
  }
  return answer.subarray(FRAME_HEADER)
}

function encode(record: ManufacturingRecord): Buffer {
  const body = Buffer.alloc(37)
  let at = body.writeBigUInt64BE(record.serial)
  at = body.writeUInt32BE(record.model, at)
  at = body.writeUInt32BE(record.profile, at)
  at = body.writeUInt8(record.auth, at)
  at = body.writeUInt32BE(record.maxPartitions, at)
  at = body.writeBigUInt64BE(record.storage, at)
  at = body.writeUInt32BE(record.partitionBase, at)
  body.writeUInt32BE(record.partitionMultiplier, at)
  return body
}

/**
 * Gives a blank token its identity: the token makes its keys, the test root signs its certificate (OBC-1 §3).
 * Throws FACTORY_REFUSED where the token refuses, as when it has an identity already.
 */
export async function manufacture(door: CommandDoor, record: ManufacturingRecord): Promise<void> {
  const certificate = await command(door, CMD_FACTORY_BEGIN, encode(record))
  if (certificate.length !== CERTIFICATE_BODY) {
    throw new BoardError('FACTORY_REFUSED', `the token offers ${certificate.length} bytes to be signed`)
  }
  const digest = createHash('sha384').update(certificate).digest()
  await command(door, CMD_FACTORY_FINISH, ecdsaSign(P384, TEST_ROOT, digest))
}
