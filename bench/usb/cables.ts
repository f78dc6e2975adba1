// Cables to devices in processes of their own, and what goes over them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { FRAME_HEADER } from '../../assembly/protocol.js'
import type { CommandDoor } from '../../host/board/index.js'
import type { Transport } from '../../host/client/index.js'
import { importDevice, UsbTransport, usbIdentity, VirtualUsbDevice } from '../../host/usb/index.js'
import { BenchError, type Context } from '../harness/bench.js'
import { type Contender, clockNow } from '../harness/rounds.js'

export const IN_PROCESS = 'USB in-process'
export const SERIAL = '700101'

const SERVER = fileURLToPath(new URL('./server.js', import.meta.url))

type PluggedDevice = USBDevice & { detach(): Promise<void> }

/**
 * A cable to a device that another process presents; closing it ends that process.
 * @param plug how this process gets at the device; `port` is the USB/IP server's
 * @param folder of the token's board; without one the device echoes
 */
export async function overProcess(
  { adopt }: Context,
  { way, serial, folder }: { way: 'usbip' | 'gadget'; serial: string; folder?: string | undefined },
  plug: (port: number) => Promise<PluggedDevice>,
): Promise<Transport> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, SERVER, way, serial, ...(folder === undefined ? [] : [folder])],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  adopt(child)
  const [said] = await once(child.stdout, 'data')
  const port = Number(String(said))
  if (!(port > 0) && way === 'usbip') throw new BenchError(`the USB/IP server said: ${said}`)
  const device = await plug(port)
  const transport = await UsbTransport.open(device)
  return {
    closed: transport.closed,
    exchange: (frame) =>
      transport.exchange(frame).catch((cause) => {
        if (child.exitCode === null && child.signalCode === null) throw cause
        throw new BenchError(`the ${way} server ended in the middle: ${child.signalCode ?? child.exitCode}`, { cause })
      }),
    async close() {
      await transport.close()
      await device.detach()
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
    },
  }
}

/** USB/IP in user space. */
export function overUsbip(context: Context, folder?: string): Promise<Transport> {
  return overProcess(context, { way: 'usbip', serial: SERIAL, folder }, (port) => importDevice('127.0.0.1', port))
}

export function inProcess(door: CommandDoor): Promise<Transport> {
  return UsbTransport.open(new VirtualUsbDevice(door, usbIdentity(SERIAL)))
}

function frameOf(length: number): Uint8Array {
  const frame = new Uint8Array(length)
  new DataView(frame.buffer).setUint32(12, length - FRAME_HEADER)
  return frame
}

export interface Traffic {
  /** Bytes of a frame. */
  readonly length: number
  /** Frames. */
  readonly count: number
  readonly atOnce: number
}

/** Nanoseconds per exchange, or per byte each way where several are under way. */
export function exchanges(cable: Transport, { length, count, atOnce }: Traffic): Contender {
  const frame = frameOf(length)
  const unit = atOnce > 1 ? length : 1
  return async () => {
    const started = clockNow('wall')
    const loop = async (): Promise<void> => {
      for (let i = 0; i < count / atOnce; i++) await cable.exchange(frame)
    }
    await Promise.all(Array.from({ length: atOnce }, loop))
    return (clockNow('wall') - started) / (count * unit)
  }
}
