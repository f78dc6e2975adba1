// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian. Each is written whole.

export const SECTION_BLOCK = 0x0a0d0d0a
export const INTERFACE_BLOCK = 1
export const SIMPLE_PACKET_BLOCK = 3
export const PACKET_BLOCK = 6
export const SECRETS_BLOCK = 10
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/** Secrets type of a TLS key log (NSS format). */
const TLS_KEY_LOG = 0x544c534b

const OPTION = { comment: 1, application: 4, interfaceName: 2, interfaceDescription: 3 } as const

const padded = (length: number): number => Math.ceil(length / 4) * 4

function option(code: number, text: string | undefined): Buffer {
  if (text === undefined) return Buffer.alloc(0)
  const value = Buffer.from(text)
  const bytes = Buffer.alloc(4 + padded(value.length))
  bytes.writeUInt16LE(code)
  bytes.writeUInt16LE(value.length, 2)
  value.copy(bytes, 4)
  return bytes
}

/** Options, and their end where there are any. */
function options(...given: Buffer[]): Buffer {
  const bytes = Buffer.concat(given)
  return bytes.length === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4)])
}

function block(type: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const bytes = Buffer.alloc(12 + padded(body.length))
  bytes.writeUInt32LE(type)
  bytes.writeUInt32LE(bytes.length, 4)
  body.copy(bytes, 8)
  bytes.writeUInt32LE(bytes.length, bytes.length - 4)
  return bytes
}

export function sectionBlock(application: string, comment: string): Buffer {
  const head = Buffer.alloc(16)
  head.writeUInt32LE(BYTE_ORDER_MAGIC)
  head.writeUInt16LE(1, 4)
  // Length of the section: not known.
  head.writeBigInt64LE(-1n, 8)
  return block(SECTION_BLOCK, head, options(option(OPTION.comment, comment), option(OPTION.application, application)))
}

export interface InterfaceOptions {
  readonly linkType: number
  readonly name: string
  readonly description?: string | undefined
}

/** Times of its packets are in microseconds. */
export function interfaceBlock({ linkType, name, description }: InterfaceOptions): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(linkType)
  const texts = [option(OPTION.interfaceName, name), option(OPTION.interfaceDescription, description)]
  return block(INTERFACE_BLOCK, head, options(...texts))
}

/** @param time microseconds since 1970 */
export function packetBlock(interfaceNumber: number, time: bigint, packet: Uint8Array, comment?: string): Buffer {
  const tail = options(option(OPTION.comment, comment))
  // In one piece at once: packets may be large, and there are many.
  const bytes = Buffer.alloc(28 + padded(packet.length) + tail.length + 4)
  bytes.writeUInt32LE(PACKET_BLOCK)
  bytes.writeUInt32LE(bytes.length, 4)
  bytes.writeUInt32LE(interfaceNumber, 8)
  bytes.writeUInt32LE(Number(time >> 32n), 12)
  bytes.writeUInt32LE(Number(time & 0xffff_ffffn), 16)
  bytes.writeUInt32LE(packet.length, 20)
  bytes.writeUInt32LE(packet.length, 24)
  bytes.set(packet, 28)
  tail.copy(bytes, 28 + padded(packet.length))
  bytes.writeUInt32LE(bytes.length, bytes.length - 4)
  return bytes
}

/** @param keyLog lines of a TLS key log; what they open has to come behind them */
export function secretsBlock(keyLog: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(TLS_KEY_LOG)
  head.writeUInt32LE(keyLog.length, 4)
  return block(SECRETS_BLOCK, head, keyLog)
}
