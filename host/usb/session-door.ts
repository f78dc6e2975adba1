import { CMD_SESSION_CLOSE, CMD_SESSION_OPEN, FLAG_SEALED, FRAME_HEADER, RC_OK } from '../../assembly/protocol.js'
import { type CommandDoor, commandOf } from '../board/frames.js'

const viewOf = (frame: Uint8Array): DataView => new DataView(frame.buffer, frame.byteOffset, frame.length)

/**
 * A token's command port that remembers which sessions were opened through it, so that they can be closed when the cable is
 * pulled: whoever comes next finds none of them. Sessions whose SESSION_OPEN was sealed are not seen.
 */
export class SessionDoor implements CommandDoor {
  #sessions = new Set<number>()
  /** Counts pulled cables: a session that opens after its cable was pulled is closed at once. */
  #cable = 0

  constructor(private readonly door: CommandDoor) {}

  async exchange(frame: Uint8Array): Promise<Uint8Array> {
    const cable = this.#cable
    const request = viewOf(frame)
    const [command, session] = [commandOf(frame), request.getUint32(4)]
    const sealed = (request.getUint16(2) & FLAG_SEALED) !== 0
    const answer = await this.door.exchange(frame)
    const view = viewOf(answer)
    if (sealed || answer.length < FRAME_HEADER || view.getUint32(4) !== RC_OK) return answer
    if (command === CMD_SESSION_CLOSE) this.#sessions.delete(session)
    else if (command === CMD_SESSION_OPEN && answer.length === FRAME_HEADER + 4) {
      const opened = view.getUint32(FRAME_HEADER)
      if (cable === this.#cable) this.#sessions.add(opened)
      else await this.#close(opened)
    }
    return answer
  }

  /** The cable was pulled. Resolves when the sessions are closed. */
  async pulled(): Promise<void> {
    this.#cable += 1
    const open = [...this.#sessions]
    this.#sessions.clear()
    await Promise.all(open.map((session) => this.#close(session)))
  }

  async #close(session: number): Promise<void> {
    const frame = new Uint8Array(FRAME_HEADER)
    const view = viewOf(frame)
    view.setUint16(0, CMD_SESSION_CLOSE)
    view.setUint32(4, session)
    try {
      await this.door.exchange(frame)
    } catch {
      // A board that broke has no sessions left.
    }
  }
}
