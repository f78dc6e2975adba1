// A Backup HSM's device at a USB/IP server, with faults and meters in front of it.
import { UsbInstruments, type UsbInstrumentsOptions } from '../../host/lab/index.js'
import {
  type ExportableDevice,
  type Fault,
  importDevice,
  TokenDevice,
  type UsbipDevice,
  UsbipServer,
  usbIdentity,
} from '../../host/usb/index.js'
import { BUS_ID } from './cables.js'
import { EchoDoor } from './support.js'

export interface FaultyLab {
  readonly server: { isPlugged(busId: string): boolean }
  readonly model: TokenDevice
  readonly door: EchoDoor
  readonly instruments: UsbInstruments
  readonly told: readonly Fault[]
  importIt(): Promise<UsbipDevice>
  close(): Promise<void>
}

export async function faultyLab(options: Omit<UsbInstrumentsOptions, 'onFault'>): Promise<FaultyLab> {
  const server = await UsbipServer.listen({ host: '127.0.0.1', port: 0 })
  const door = new EchoDoor()
  const model = new TokenDevice(door, usbIdentity('700101'))
  const told: Fault[] = []
  const instruments = new UsbInstruments({ ...options, onFault: (fault) => told.push(fault) })
  const plugged = new Set<string>()
  let exported: ExportableDevice = model
  const plug = (): void => {
    server.plug(BUS_ID, exported)
    plugged.add(BUS_ID)
  }
  const unplug = async (): Promise<void> => {
    plugged.delete(BUS_ID)
    await server.unplug(BUS_ID)
  }
  exported = instruments.wrap(BUS_ID, model, { plug, unplug })
  plug()
  const close = async (): Promise<void> => {
    instruments.close()
    await server.close()
  }
  const importIt = (): Promise<UsbipDevice> => importDevice('127.0.0.1', server.port)
  return { server: { isPlugged: (busId) => plugged.has(busId) }, model, door, instruments, told, importIt, close }
}
