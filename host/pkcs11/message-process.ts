// Message after message under one key and mechanism (PKCS#11 3.0 §5.9, §5.11, §5.13, §5.15): what a session knows between the calls.

import { type AeadSealing, concat, type Mechanism } from '../client/index.js'
import { AEAD_GATHERED } from './aead-cipher.js'
import { CKR, Pkcs11Error } from './errors.js'
import type { KeyedKind, KeyInfo } from './key-info.js'
import type { MessageParameter } from './message-parameters.js'
import type { Session } from './sessions.js'
import { COMMAND_DATA, type SignedData } from './signing.js'

/** A message of GCM that is encrypted as it comes. */
export class StreamedMessage {
  constructor(readonly sealing: AeadSealing) {}

  /** It has nothing in hand. */
  wipe(): void {}
}

/**
 * A message of which not all has come, and that is worked on at its end: CCM has to know how long it is, and plaintext leaves the token
 * when the tag was right.
 */
export class GatheredMessage {
  readonly #parts: Uint8Array[] = []
  length = 0

  constructor(
    readonly parameter: MessageParameter,
    readonly aad: Uint8Array,
  ) {}

  /** Whether one command works on so many bytes more, and what goes with them. */
  fits(more: number): boolean {
    return this.length + more + this.aad.length <= COMMAND_DATA
  }

  /** What goes with a message goes with every part of it. @throws Pkcs11Error with `ckr` */
  needRoom(more: number, ckr: number): void {
    const most = this.aad.length <= COMMAND_DATA ? AEAD_GATHERED : 0
    if (!this.fits(more) && this.length + more > most) throw new Pkcs11Error(ckr)
  }

  add(data: Uint8Array): void {
    this.#parts.push(data.slice())
    this.length += data.length
  }

  /** All parts and what comes with the last call. */
  whole(last: Uint8Array): Uint8Array {
    return concat(...this.#parts, last)
  }

  wipe(): void {
    for (const part of this.#parts.splice(0)) part.fill(0)
  }
}

export class MessageProcess {
  /** The message under way, in parts. */
  message: GatheredMessage | StreamedMessage | SignedData | undefined
  /** Whether no message has had its nonce yet. */
  first = true

  constructor(
    readonly mechanism: Mechanism,
    readonly key: KeyInfo,
  ) {}

  /** The message is over, the process is not. */
  endMessage(): void {
    this.message?.wipe()
    this.message = undefined
  }
}

/** @throws Pkcs11Error OPERATION_NOT_INITIALIZED */
export function processOf(session: Session, kind: KeyedKind): MessageProcess {
  const process = session.messages.get(kind)
  if (!process) throw new Pkcs11Error(CKR.OPERATION_NOT_INITIALIZED)
  return process
}

/** A process with no message under way. @throws Pkcs11Error OPERATION_NOT_INITIALIZED, OPERATION_ACTIVE */
export function betweenMessages(session: Session, kind: KeyedKind): MessageProcess {
  const process = processOf(session, kind)
  if (process.message) throw new Pkcs11Error(CKR.OPERATION_ACTIVE)
  return process
}

/** Works on the message under way: whatever goes wrong ends it, and `over` says whether it has ended else. The process goes on. */
export async function workingOn<Result>(
  process: MessageProcess,
  work: () => Promise<{ result: Result; over: boolean }>,
): Promise<Result> {
  try {
    const { result, over } = await work()
    if (over) process.endMessage()
    return result
  } catch (error) {
    process.endMessage()
    throw error
  }
}
