import * as assert from 'uvu/assert'
import { ANSWER, FRAME_HEADER } from '../../assembly/protocol.js'
import type { CommandDoor } from '../../host/board/index.js'

export function frame(command: number, body: Uint8Array = new Uint8Array(0), tag = 1): Buffer {
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt16BE(command)
  header.writeUInt32BE(tag, 8)
  header.writeUInt32BE(body.length, 12)
  return Buffer.concat([header, body])
}

export const bodyOf = (answer: Uint8Array): Buffer => Buffer.from(answer).subarray(FRAME_HEADER)

/** A door that answers at once, or when `release` is called, with the body it was given. */
export class EchoDoor implements CommandDoor {
  readonly seen: Buffer[] = []
  held: (() => void)[] | undefined

  async exchange(request: Uint8Array): Promise<Uint8Array> {
    const bytes = Buffer.from(request)
    this.seen.push(bytes)
    if (this.held) await new Promise<void>((resolve) => this.held?.push(resolve))
    const answer = Buffer.from(bytes)
    answer.writeUInt16BE(bytes.readUInt16BE() | ANSWER)
    answer.writeUInt32BE(0, 4)
    return answer
  }
}

/** Asserts that a promise rejects with an error of this code, or this DOMException name. */
export async function rejects(what: string, promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    assert.is('code' in thrown && typeof thrown.code === 'string' ? thrown.code : thrown.name, what, thrown.message)
    return thrown
  }
  assert.unreachable(`${what} was expected`)
  throw new Error('unreachable')
}

/** Whether a promise is still open after everything that could settle it at once has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settled = (): void => {
    pending = false
  }
  promise.then(settled, settled)
  await new Promise((resolve) => setImmediate(resolve))
  return pending
}
