import { FRAME_HEADER } from '../../assembly/protocol.js'
import { commandName, commandOf } from '../board/frames.js'
import { REQUEST_ABORT, REQUEST_PED_FRAME, REQUEST_PED_LINE } from './descriptors.js'
import { TRANSFER_HEADER } from './framing.js'
import type { SetupPacket } from './urb.js'
import { encodeSetup } from './usbmon.js'

/** What of a transfer its host decides. */
export interface Asked {
  readonly endpoint: number
  readonly setup?: SetupPacket | undefined
  readonly data: Uint8Array
  readonly length: number
}

const hex = (value: number, digits = 2): string => `0x${value.toString(16).padStart(digits, '0')}`
const MAGIC = Buffer.from('MLU1')

/** A transfer in words. */
export function describeAsked({ endpoint, setup, data, length }: Asked): string {
  if (setup) return describeControl(setup, data)
  const isIn = (endpoint & 0x80) !== 0
  if (isIn) return `a read of ${length} bytes from endpoint ${hex(endpoint)}`
  return `${data.length} bytes to endpoint ${hex(endpoint)}${inside(data)}`
}

function describeControl(setup: SetupPacket, data: Uint8Array): string {
  const { requestType, request, value, index, length } = setup
  const words = `control request ${hex(requestType)} ${hex(request)} (wValue ${hex(value, 4)}, wIndex ${hex(index, 4)}, ${length} bytes)`
  if ((requestType & 0x7f) !== 0x41) return words
  if (request === REQUEST_ABORT) return `${words}: ABORT`
  if (request === REQUEST_PED_LINE) return `${words}: PED LINE`
  if (request === REQUEST_PED_FRAME) return `${words}: PED FRAME${data.length > 0 ? ` of ${data.length} bytes` : ''}`
  return words
}

/** The command that a transfer of ours begins with. */
function inside(data: Uint8Array): string {
  if (data.length < TRANSFER_HEADER + FRAME_HEADER || MAGIC.compare(data, 0, MAGIC.length) !== 0) return ''
  return `, ${commandName(commandOf(data.subarray(TRANSFER_HEADER)))}`
}

/** Where two transfers that both go out differ, in words; undefined = nowhere. */
export function difference(expected: Asked, came: Asked): string | undefined {
  const [a, b] = [bytesOf(expected), bytesOf(came)]
  const at = a.findIndex((byte, i) => byte !== b[i])
  if (at < 0 && a.length === b.length) return undefined
  const where = at < 0 ? Math.min(a.length, b.length) : at
  const shown = (bytes: Buffer): string => bytes.toString('hex', where, where + 8) || 'nothing'
  return `they differ from byte ${where} on: ${shown(a)} in the recording, ${shown(b)} came`
}

function bytesOf({ setup, data, length }: Asked): Buffer {
  return setup ? Buffer.concat([encodeSetup(setup), data]) : Buffer.from(data.length > 0 || length === 0 ? data : [])
}
