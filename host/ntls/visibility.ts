import { createHash } from 'node:crypto'
import * as protocol from '../../assembly/protocol.js'
import { type CommandDoor, refusal } from '../board/frames.js'

/** A client as the appliance has registered it. */
export interface RegisteredClient {
  readonly name: string
  /** Whether a partition is assigned to the client at this moment. */
  assigned(partition: number): boolean
  /** Whether the client has the HSM itself as well at this moment, as a Backup HSM's clients have; left out = it never has. */
  whole?(): boolean
}

/** Commands that need no session and that every client may send as they are. */
const OPEN_TO_ALL: ReadonlySet<number> = new Set([
  protocol.CMD_STATUS,
  protocol.CMD_CHANNEL_OPEN,
  protocol.CMD_SELF_TEST,
  protocol.CMD_RANDOM,
  protocol.CMD_RANDOM_SEED,
  protocol.CMD_CERTIFICATES,
  protocol.CMD_HSM_INFO,
  protocol.CMD_HSM_POLICIES,
  protocol.CMD_MECHANISM_LIST,
  protocol.CMD_PED_GET,
  protocol.CMD_PED_CONNECT,
  protocol.CMD_PED_DISCONNECT,
])

/** Commands that need no session and name the partition in the first four bytes of their body. */
const NAMING: ReadonlySet<number> = new Set([
  protocol.CMD_SESSION_OPEN,
  protocol.CMD_PARTITION_INFO,
  protocol.CMD_PARTITION_POLICIES,
])

/** The same, within a session. */
const NAMING_IN_SESSION: ReadonlySet<number> = new Set([
  protocol.CMD_PARTITION_DELETE,
  protocol.CMD_PARTITION_SET_POLICY,
  protocol.CMD_PARTITION_RESIZE,
])

/** Never over the network, whatever session is said. */
const LOCAL_ONLY: ReadonlySet<number> = new Set([protocol.CMD_FACTORY_BEGIN, protocol.CMD_FACTORY_FINISH])

const HEADER = protocol.FRAME_HEADER
/** Body of SESSION_OPEN: partition u32, access u64, flags u8. */
const ACCESS = HEADER + 4
const SESSION_OPEN_LENGTH = HEADER + 13

interface Header {
  readonly command: number
  readonly sealed: boolean
  readonly session: number
}

function headerOf(frame: Buffer): Header {
  return {
    command: frame.readUInt16BE(),
    sealed: (frame.readUInt16BE(2) & protocol.FLAG_SEALED) !== 0,
    session: frame.readUInt32BE(4),
  }
}

const bufferOf = (frame: Uint8Array): Buffer => Buffer.from(frame.buffer, frame.byteOffset, frame.length)
const codeOf = (answer: Buffer): number => answer.readUInt32BE(4)

/** Keeps the rows of a PARTITION_LIST answer (SPEC.md §2.2) that `keep` wants; undefined = not such an answer. */
function filterList(answer: Buffer, keep: (partition: number) => boolean): Buffer | undefined {
  const rows: Buffer[] = []
  // id, serial and flags before the label, whose length comes first; totals, objects and domains behind it.
  const [before, behind] = [4 + 8 + 4, 8 + 8 + 4 + 1]
  let at = HEADER + 2
  if (answer.length < at) return undefined
  for (let left = answer.readUInt16BE(HEADER); left > 0; left--) {
    if (answer.length < at + before + 4) return undefined
    const length = before + 4 + answer.readUInt32BE(at + before) + behind
    if (answer.length < at + length) return undefined
    if (keep(answer.readUInt32BE(at))) rows.push(answer.subarray(at, at + length))
    at += length
  }
  if (at !== answer.length) return undefined
  const filtered = Buffer.concat([answer.subarray(0, HEADER + 2), ...rows])
  filtered.writeUInt32BE(filtered.length - HEADER, 12)
  filtered.writeUInt16BE(rows.length, HEADER)
  return filtered
}

/**
 * What the appliance lets its clients see of the HSM's card: a client names only partitions assigned to it, never the
 * card itself, and uses only sessions that were opened on its own connection. One for all connections to a card.
 */
export class Visibility {
  /** Who opened a session last: the card may use a number again, and then only its new owner counts. */
  readonly #owners = new Map<number, ClientDoor>()

  constructor(private readonly card: CommandDoor) {}

  /** A connection of a client whose identity was checked. */
  connect(client: RegisteredClient): ClientDoor {
    return new ClientDoor(this.card, client, this.#owners)
  }
}

interface OpenSession {
  readonly partition: number
}

/** One connection. Frames are well-formed command frames (`isCommandFrame`): its user has checked that. */
export class ClientDoor implements CommandDoor {
  readonly #sessions = new Map<number, OpenSession>()
  #closed = false

  constructor(
    private readonly card: CommandDoor,
    private readonly client: RegisteredClient,
    private readonly owners: Map<number, ClientDoor>,
  ) {}

  /** The card's answer, or the appliance's own: a refusal, or RC_DEVICE_ERROR where the card broke. Never rejects. */
  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    let request = bufferOf(frame)
    const code = this.#check(request)
    if (code !== protocol.RC_OK) return refusal(request, code)
    const { command, session } = headerOf(request)
    if (command === protocol.CMD_SESSION_OPEN) request = this.#separateAccess(request)
    let answer: Buffer
    try {
      answer = bufferOf(await this.card.exchange(request))
    } catch {
      return refusal(request, protocol.RC_DEVICE_ERROR)
    }
    if (codeOf(answer) !== protocol.RC_OK) return answer
    switch (command) {
      case protocol.CMD_SESSION_OPEN:
        await this.#opened(request.readUInt32BE(HEADER), answer)
        return answer
      case protocol.CMD_SESSION_CLOSE:
        this.#forget(session)
        return answer
      case protocol.CMD_PARTITION_LIST:
        return filterList(answer, (partition) => this.#sees(partition)) ?? refusal(request, protocol.RC_DEVICE_ERROR)
      default:
        return answer
    }
  }

  /** The connection is gone: its sessions are closed on the card. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#sessions.keys()].map((session) => this.#closeSession(session)))
  }

  #sees(partition: number): boolean {
    return partition === protocol.ADMIN_PARTITION ? this.client.whole?.() === true : this.client.assigned(partition)
  }

  #owns(session: number): boolean {
    const open = this.#sessions.get(session)
    return open !== undefined && this.owners.get(session) === this && this.#sees(open.partition)
  }

  /** RC_OK, or the code that refuses the request. */
  #check(request: Buffer): number {
    const { command, sealed, session } = headerOf(request)
    if (LOCAL_ONLY.has(command)) return protocol.RC_OPERATION_NOT_ALLOWED
    if (session !== 0 && !this.#owns(session)) return protocol.RC_SESSION_HANDLE_INVALID
    const names = NAMING.has(command) || NAMING_IN_SESSION.has(command)
    const lists = command === protocol.CMD_PARTITION_LIST
    if (session === 0 && !NAMING.has(command) && !lists && !OPEN_TO_ALL.has(command)) {
      return protocol.RC_SESSION_HANDLE_INVALID
    }
    // What the appliance has to read cannot be sealed for the card.
    if (sealed && (names || lists)) return protocol.RC_CHANNEL_INVALID
    if (!names) return protocol.RC_OK
    if (request.length < HEADER + 4) return protocol.RC_FRAME_MALFORMED
    return this.#sees(request.readUInt32BE(HEADER)) ? protocol.RC_OK : protocol.RC_SLOT_ID_INVALID
  }

  /** Log-ins hold for all sessions of one access id: two clients that choose the same one must not share them. */
  #separateAccess(frame: Buffer): Buffer {
    const request = Buffer.from(frame)
    if (request.length !== SESSION_OPEN_LENGTH) return request
    const access = request.subarray(ACCESS, ACCESS + 8)
    createHash('sha256').update(access).update(this.client.name).digest().copy(access, 0, 0, 8)
    return request
  }

  async #opened(partition: number, answer: Buffer): Promise<void> {
    if (answer.length !== HEADER + 4) return
    const session = answer.readUInt32BE(HEADER)
    this.#sessions.set(session, { partition })
    this.owners.set(session, this)
    if (this.#closed) await this.#closeSession(session)
  }

  async #closeSession(session: number): Promise<void> {
    const owned = this.owners.get(session) === this
    this.#forget(session)
    if (!owned) return
    const frame = Buffer.alloc(HEADER)
    frame.writeUInt16BE(protocol.CMD_SESSION_CLOSE)
    frame.writeUInt32BE(session, 4)
    try {
      await this.card.exchange(frame)
    } catch {
      // A card that broke has no sessions left.
    }
  }

  #forget(session: number): void {
    this.#sessions.delete(session)
    if (this.owners.get(session) === this) this.owners.delete(session)
  }
}
