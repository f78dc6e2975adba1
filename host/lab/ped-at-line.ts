import { openSerialPort, type PedEvent, type SerialEvent, SerialPlug } from '../ped/index.js'
import { type StandalonePedOptions, standalonePed } from './ped-seat.js'

export interface PedAtLineOptions extends Omit<StandalonePedOptions, 'onEvent'> {
  readonly path: string
  readonly baudRate?: number | undefined
  readonly onEvent?: ((event: PedEvent | SerialEvent) => void) | undefined
}

/** A PED of its own at a serial line. */
export interface PedAtLine {
  /** Pulls the PED out. */
  close(): Promise<void>
}

/** @throws what `standalonePed` throws; PedError PED_SERIAL_UNAVAILABLE, PED_SERIAL_OPEN */
export async function pedAtLine(stateDir: string, options: PedAtLineOptions): Promise<PedAtLine> {
  const { path, baudRate, clock, onEvent } = options
  const ped = await standalonePed(stateDir, options)
  return SerialPlug.plug({
    role: 'ped',
    open: () => openSerialPort(path, baudRate),
    onLink: (link) => ped.connect(link),
    ...(clock ? { clock } : {}),
    ...(onEvent ? { onEvent } : {}),
  })
}
