import { ANSWER } from '../../assembly/protocol.js'
import type { CommandDoor } from '../../host/board/index.js'

/** A token that does nothing but answer: what is measured is the way to it. */
export const echo: CommandDoor = {
  async exchange(frame) {
    const answer = Uint8Array.from(frame)
    const view = new DataView(answer.buffer)
    view.setUint16(0, view.getUint16(0) | ANSWER)
    view.setUint32(4, 0)
    return answer
  },
}
