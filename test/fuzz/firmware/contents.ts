// What a token holds, as its Crypto Officers see it: for comparing two tokens that ought to be the same.
import * as protocol from '../../../assembly/protocol.js'
import { cat, u8, u16, u32, u64 } from '../../oracle/obc1/bytes.js'
import { WORDS } from './postures.js'
import { field, frameOf, type Station } from './station.js'

const TYPES = [
  protocol.CKA_CLASS,
  protocol.CKA_LABEL,
  protocol.CKA_VALUE,
  protocol.CKA_CHECK_VALUE,
  protocol.CKA_MODULUS,
]
const ROW = 36

/** An object: the row that lists it, and what reading it answers. */
export interface SeenObject {
  readonly handle: number
  readonly row: string
  /** Undefined = it cannot be read. */
  readonly values: string | undefined
}

export interface Contents {
  /** STATE_…, and the code of the error state. */
  readonly state: number
  readonly error: number
  /** HSM, partitions, policies and roles, in one text. */
  readonly frame: string
  /** By partition. */
  readonly objects: ReadonlyMap<number, readonly SeenObject[]>
}

/** The body of an answer with RC_OK; undefined where the command is refused. */
export function quietly(
  station: Station,
  command: number,
  session = 0,
  body: Uint8Array = Buffer.alloc(0),
  sealed = false,
): Buffer | undefined {
  const frame = station.frame({ command, session, body, sealed })
  const answer = station.send(frame).find((each) => each.readUInt32BE(8) === frame.readUInt32BE(8))
  if (!answer || answer.readUInt32BE(4) !== protocol.RC_OK) return undefined
  const text = answer.subarray(protocol.FRAME_HEADER)
  if (answer.readUInt16BE(2) === 0) return text
  return station.channel?.open({ command: command + protocol.ANSWER, word: protocol.RC_OK }, text)
}

function rowsOf(station: Station, session: number): Buffer[] {
  const rows: Buffer[] = []
  for (let cursor = 0, pages = 0; pages < 64; pages++) {
    const page = quietly(station, protocol.CMD_OBJECT_LIST, session, cat(u32(cursor), u16(100), field('')))
    if (!page) break
    for (let at = 6; at + ROW <= page.length; at += ROW) rows.push(page.subarray(at, at + ROW))
    cursor = page.readUInt32BE()
    if (cursor === 0) break
  }
  return rows.sort((a, b) => a.readUInt32BE() - b.readUInt32BE())
}

function objectsOf(station: Station, partition: number): SeenObject[] {
  const session = quietly(
    station,
    protocol.CMD_SESSION_OPEN,
    0,
    cat(u32(partition), u64(0x5ee5n), u8(1)),
  )?.readUInt32BE()
  if (session === undefined) return []
  const secret = cat(u8(protocol.ROLE_CRYPTO_OFFICER), field(WORDS.officer))
  quietly(station, protocol.CMD_ROLE_LOGIN, session, secret, true)
  const objects = rowsOf(station, session).map((row) => {
    const handle = row.readUInt32BE()
    const body = cat(u32(handle), u16(TYPES.length), ...TYPES.map(u32))
    const values = quietly(station, protocol.CMD_OBJECT_GET, session, body)?.toString('hex')
    return { handle, row: row.toString('hex'), values }
  })
  quietly(station, protocol.CMD_SESSION_CLOSE, session)
  return objects
}

/** Everything; opens a channel for the log-ins. */
export function contentsOf(station: Station): Contents {
  const status = station.machine.command(frameOf(protocol.CMD_STATUS, 0, 0, 1, Buffer.alloc(0))).answers[0]
  const body = status?.subarray(protocol.FRAME_HEADER) ?? Buffer.alloc(5)
  const [state, error] = [body.readUInt8(), body.readUInt32BE(1)]
  if (state !== protocol.STATE_FUNCTIONAL) return { state, error, frame: '', objects: new Map() }
  station.openChannel('contents')
  const list = quietly(station, protocol.CMD_PARTITION_LIST) ?? Buffer.alloc(2)
  const partitions: number[] = []
  for (let at = 2, left = list.readUInt16BE(); left > 0; left--) {
    partitions.push(list.readUInt32BE(at))
    at += 41 + list.readUInt32BE(at + 16)
  }
  const policies = [
    quietly(station, protocol.CMD_HSM_POLICIES),
    ...partitions.map((id) => quietly(station, protocol.CMD_PARTITION_POLICIES, 0, u32(id))),
  ]
  const frame = [list, ...policies].map((each) => each?.toString('hex')).join(' ')
  return { state, error, frame, objects: new Map(partitions.map((id) => [id, objectsOf(station, id)])) }
}
