import * as protocol from '../../assembly/protocol.js'
import { REQUEST_ABORT, REQUEST_PED_FRAME } from './descriptors.js'
import { decodeEvent } from './events.js'
import { TRANSFER_HEADER } from './framing.js'
import type { Urb } from './urb.js'
import type { TransferType, UsbmonEvent } from './usbmon.js'

// What of our own frames may be shown to everybody. A command that is not named here is not shown: its body becomes as many zeros.

interface Shown {
  readonly request: boolean
  readonly answer: boolean
}

const BOTH: Shown = { request: true, answer: true }
const REQUEST: Shown = { request: true, answer: false }
const ANSWER: Shown = { request: false, answer: true }

/**
 * Bodies that hold no secret and nothing that gives a right: an access id does, labels and attributes of keys belong to their
 * owner, and random bytes may become a key. A sealed body is never shown.
 */
const SHOWN: ReadonlyMap<number, Shown> = new Map([
  [protocol.CMD_STATUS, BOTH],
  [protocol.CMD_CHANNEL_OPEN, BOTH],
  [protocol.CMD_SELF_TEST, BOTH],
  [protocol.CMD_RANDOM, REQUEST],
  [protocol.CMD_CERTIFICATES, BOTH],
  [protocol.CMD_SESSION_OPEN, ANSWER],
  [protocol.CMD_SESSION_CLOSE, BOTH],
  [protocol.CMD_SESSION_INFO, BOTH],
  [protocol.CMD_HSM_INFO, BOTH],
  [protocol.CMD_HSM_FACTORY_RESET, BOTH],
  [protocol.CMD_HSM_ZEROIZE, BOTH],
  [protocol.CMD_HSM_POLICIES, BOTH],
  [protocol.CMD_HSM_SET_POLICY, BOTH],
  [protocol.CMD_FLASH_INFO, BOTH],
  [protocol.CMD_PARTITION_LIST, BOTH],
  [protocol.CMD_PARTITION_INFO, BOTH],
  [protocol.CMD_PARTITION_DELETE, BOTH],
  [protocol.CMD_PARTITION_POLICIES, BOTH],
  [protocol.CMD_PARTITION_SET_POLICY, BOTH],
  [protocol.CMD_PARTITION_RESIZE, BOTH],
  [protocol.CMD_PARTITION_CLEAR, BOTH],
  [protocol.CMD_ROLE_LOGOUT, BOTH],
  [protocol.CMD_ROLE_INFO, BOTH],
  [protocol.CMD_ROLE_DEACTIVATE, BOTH],
  [protocol.CMD_PED_GET, BOTH],
  [protocol.CMD_PED_CONNECT, BOTH],
  [protocol.CMD_PED_DISCONNECT, BOTH],
  [protocol.CMD_PED_VECTOR_INIT, BOTH],
  [protocol.CMD_PED_VECTOR_ERASE, BOTH],
  [protocol.CMD_OBJECT_LIST, ANSWER],
  [protocol.CMD_OBJECT_DESTROY, BOTH],
  [protocol.CMD_MECHANISM_LIST, BOTH],
  [protocol.CMD_CLONE_TARGET_CLOSE, ANSWER],
  [protocol.CMD_CLONE_SOURCE_RESULT, ANSWER],
  [protocol.CMD_TAMPER_SHOW, BOTH],
  [protocol.CMD_TAMPER_CLEAR, BOTH],
])

/** Offsets in a command frame (SPEC.md §2). */
const FLAGS = 2
const LENGTH = 12

/** How many bytes at the beginning of a command frame are shown. @param header FRAME_HEADER bytes */
function shownOf(header: DataView): number {
  const [command, flags] = [header.getUint16(0), header.getUint16(FLAGS)]
  const isAnswer = (command & protocol.ANSWER) !== 0
  const shown = SHOWN.get(command & ~protocol.ANSWER)
  const sealed = (flags & protocol.FLAG_SEALED) !== 0
  const open = !sealed && (isAnswer ? shown?.answer : shown?.request) === true
  return open ? protocol.FRAME_HEADER + header.getUint32(LENGTH) : protocol.FRAME_HEADER
}

const PED_HEADER = 16

/** A copy with zeros in place of what is not for everybody. Bytes that are no frame are all zeros. */
export function redactFrame(kind: 'moonlet.frame' | 'moonlet.ped', frame: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(frame)
  if (kind === 'moonlet.ped') return copy.fill(0, PED_HEADER)
  if (copy.length < protocol.FRAME_HEADER) return copy.fill(0)
  return copy.fill(0, shownOf(new DataView(copy.buffer)))
}

const MAGIC = [0x4d, 0x4c, 0x55, 0x31] as const
const HEAD = TRANSFER_HEADER + protocol.FRAME_HEADER

/** One direction's transfers, however they are cut: says for each byte whether it is shown. */
class TransferRedactor {
  readonly #head = new Uint8Array(HEAD)
  #at = 0
  #shown = HEAD
  #end = HEAD
  /** What follows is no transfer: none of it is shown. */
  #lost = false

  redact(data: Uint8Array): Uint8Array {
    const copy = new Uint8Array(data.length)
    for (let from = 0; from < data.length && !this.#lost; ) {
      if (this.#at < HEAD) {
        const byte = data[from] ?? 0
        this.#takeHead(byte)
        if (!this.#lost) copy[from] = byte
      }
      // Of the head byte by byte, of the rest as much as there is.
      const run = this.#at < HEAD ? 1 : Math.min(this.#end - this.#at, data.length - from)
      const shown = Math.min(run, Math.max(0, this.#shown - this.#at))
      if (this.#at >= HEAD) copy.set(data.subarray(from, from + shown), from)
      this.#at += run
      from += run
      if (this.#at === this.#end) this.#at = 0
    }
    return copy
  }

  #takeHead(byte: number): void {
    this.#head[this.#at] = byte
    if (this.#at < MAGIC.length && byte !== MAGIC[this.#at]) this.#lost = true
    this.#shown = HEAD
    // Not known before the head is whole.
    this.#end = Number.POSITIVE_INFINITY
    if (this.#at < HEAD - 1) return
    const view = new DataView(this.#head.buffer)
    const length = view.getUint32(MAGIC.length)
    const frame = new DataView(this.#head.buffer, TRANSFER_HEADER)
    if (length !== protocol.FRAME_HEADER + frame.getUint32(LENGTH)) this.#lost = true
    this.#end = TRANSFER_HEADER + length
    this.#shown = TRANSFER_HEADER + shownOf(frame)
  }
}

/** What of a cable's traffic is shown: descriptors and other standard requests, events, and of commands and PED frames what `SHOWN` says. */
export class CableRedactor {
  readonly #pipes = new Map<number, TransferRedactor>()

  /** Another host has the device, or the pipes begin anew. */
  restart(): void {
    this.#pipes.clear()
  }

  redact(
    urb: Urb,
    type: TransferType,
    event: UsbmonEvent,
    data: Uint8Array,
  ): { readonly data: Uint8Array; readonly comment: string | undefined } {
    const shown = this.#shown(urb, type, event, data)
    const hides = Buffer.compare(data, shown) !== 0
    return { data: shown, comment: hides ? 'redacted' : undefined }
  }

  #shown({ endpoint, setup }: Urb, type: TransferType, event: UsbmonEvent, data: Uint8Array): Uint8Array {
    if (setup) {
      const isStandard = (setup.requestType & 0x60) === 0
      if (event === 'S' && setup.request === REQUEST_ABORT && (setup.requestType & 0x7f) === 0x41) this.restart()
      if (isStandard || data.length === 0) return data
      const isPed = setup.request === REQUEST_PED_FRAME && (setup.requestType & 0x7f) === 0x41
      return isPed ? redactFrame('moonlet.ped', data) : new Uint8Array(data.length)
    }
    if (data.length === 0) return data
    // Events say nothing that is not seen from outside; a pipe that carries no transfers of ours shows nothing.
    if (type === 'interrupt') return decodeEvent(data) ? data : new Uint8Array(data.length)
    let pipe = this.#pipes.get(endpoint)
    if (!pipe) {
      pipe = new TransferRedactor()
      this.#pipes.set(endpoint, pipe)
    }
    return pipe.redact(data)
  }
}
