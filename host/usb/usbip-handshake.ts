import { connect, type Socket } from 'node:net'
import { ByteQueue } from './byte-queue.js'
import { UsbError } from './errors.js'
import {
  BUS_ID,
  DEVICE_RECORD,
  decodeDevice,
  type ExportedDevice,
  encodeImportRequest,
  encodeOp,
  INTERFACE_RECORD,
  type InterfaceClass,
  type ListedDevice,
  OP_HEADER,
  OP_REP_DEVLIST,
  OP_REP_IMPORT,
  OP_REQ_DEVLIST,
  ST_DEV_BUSY,
  ST_ERROR,
  ST_NO_DEVICE,
  ST_OK,
  USBIP_VERSION,
} from './usbip-wire.js'

/** Milliseconds that a server has for a connection and the answer to its first request. */
export const HANDSHAKE = 10_000
/** Devices that a list may have. */
const MOST_DEVICES = 1024

export interface ServerAddress {
  readonly host: string
  readonly port: number
  /** Milliseconds for connection and first answer; 10 s unless given. */
  readonly timeout?: number | undefined
}

/** A connection whose first request has been answered. */
export interface Imported {
  readonly socket: Socket
  readonly device: ExportedDevice
  /** What came behind the answer. */
  readonly queue: ByteQueue
}

const violation = (what: string): UsbError => new UsbError('USBIP_PROTOCOL', `the USB/IP server ${what}`)

/** Asks a USB/IP server for its devices. @throws UsbError USBIP_CONNECT, USBIP_PROTOCOL */
export function listDevices(address: ServerAddress): Promise<ListedDevice[]> {
  return ask(address, encodeOp(OP_REQ_DEVLIST), (socket, queue) => {
    const devices = readList(queue)
    if (devices) socket.destroy()
    return devices
  })
}

/** @throws UsbError USBIP_CONNECT, USBIP_PROTOCOL, USBIP_BUSY, USBIP_NO_DEVICE */
export function importBusId(address: ServerAddress, busId: string): Promise<Imported> {
  if (Buffer.byteLength(busId) >= BUS_ID) {
    return Promise.reject(new UsbError('USBIP_NO_DEVICE', `'${busId}' is too long for a bus id`))
  }
  return ask(address, encodeImportRequest(busId), (socket, queue) => {
    if (queue.length < OP_HEADER) return undefined
    const status = statusOf(queue.peek(OP_HEADER), OP_REP_IMPORT)
    if (status !== ST_OK) throw refused(status, busId)
    if (queue.length < OP_HEADER + DEVICE_RECORD) return undefined
    queue.skip(OP_HEADER)
    const device = decodeDevice(queue.take(DEVICE_RECORD))
    if (device.busId !== busId) throw violation('gives another device than the one that was asked for')
    return { socket, device, queue }
  })
}

function refused(status: number, busId: string): UsbError {
  switch (status) {
    case ST_DEV_BUSY:
      return new UsbError('USBIP_BUSY', `the device ${busId} is in use by another host`)
    case ST_NO_DEVICE:
    case ST_ERROR:
    case 1:
      return new UsbError('USBIP_NO_DEVICE', `the USB/IP server has no device ${busId} to give`)
    default:
      return new UsbError('USBIP_NO_DEVICE', `the USB/IP server does not give ${busId}: status ${status}`)
  }
}

/** @throws UsbError USBIP_PROTOCOL */
function statusOf(header: Buffer, code: number): number {
  if (header.readUInt16BE() !== USBIP_VERSION) throw violation('speaks another version of the protocol')
  if (header.readUInt16BE(2) !== code) throw violation('answers something that nobody asked')
  return header.readUInt32BE(4)
}

/** Undefined = not all of it has come. */
function readList(queue: ByteQueue): ListedDevice[] | undefined {
  if (queue.length < OP_HEADER) return undefined
  const status = statusOf(queue.peek(OP_HEADER), OP_REP_DEVLIST)
  if (status !== ST_OK) throw new UsbError('USBIP_NO_DEVICE', `the USB/IP server gives no list: status ${status}`)
  if (queue.length < OP_HEADER + 4) return undefined
  const head = queue.peek(OP_HEADER + 4)
  const count = head.readUInt32BE(OP_HEADER)
  if (count > MOST_DEVICES) throw violation(`says that it has ${count} devices`)
  const all = queue.peek(queue.length)
  const devices: ListedDevice[] = []
  let at = head.length
  for (let left = count; left > 0; left--) {
    if (all.length < at + DEVICE_RECORD) return undefined
    const device = decodeDevice(all.subarray(at, at + DEVICE_RECORD))
    at += DEVICE_RECORD
    const end = at + INTERFACE_RECORD * device.interfaceCount
    if (all.length < end) return undefined
    const interfaces: InterfaceClass[] = []
    for (; at < end; at += INTERFACE_RECORD) {
      const [interfaceClass = 0, interfaceSubclass = 0, interfaceProtocol = 0] = all.subarray(at)
      interfaces.push({ interfaceClass, interfaceSubclass, interfaceProtocol })
    }
    devices.push({ ...device, interfaces })
  }
  return devices
}

/**
 * Connects and sends a request. Once `read` answers something the socket is paused and nobody listens to it; until then,
 * and where it throws, the connection ends.
 */
function ask<Answer>(
  { host, port, timeout = HANDSHAKE }: ServerAddress,
  request: Buffer,
  read: (socket: Socket, queue: ByteQueue) => Answer | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const queue = new ByteQueue()
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 })
    const fail = (error: unknown): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      // An error that comes late is nobody's.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const unreachable = (cause?: Error): void => {
      const why = cause ? `: ${cause.message}` : ''
      fail(new UsbError('USBIP_CONNECT', `no USB/IP server answers at ${host}, port ${port}${why}`, { cause }))
    }
    const timer = setTimeout(() => unreachable(new Error('it takes too long')), timeout)
    socket.once('error', unreachable)
    socket.once('close', () => unreachable())
    socket.once('connect', () => socket.write(request))
    socket.on('data', (bytes: Buffer) => {
      queue.push(bytes)
      try {
        const answer = read(socket, queue)
        if (answer === undefined) return
        clearTimeout(timer)
        socket.pause()
        socket.removeAllListeners()
        socket.on('error', () => undefined)
        resolve(answer)
      } catch (error) {
        fail(error)
      }
    })
  })
}
