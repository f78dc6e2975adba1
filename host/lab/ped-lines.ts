import type { Token } from '../board/index.js'
import { openSerialPort, type PedClock, type SerialEvent, SerialPlug } from '../ped/index.js'
import type { LabSerialLine } from './lab-file.js'

export interface PedLineOptions {
  readonly clock?: PedClock | undefined
  readonly onEvent?: ((event: SerialEvent) => void) | undefined
}

/**
 * Plugs a serial line into the PED port of a board: the HSM has a PED there while one answers on the line.
 * @throws PedError PED_SERIAL_UNAVAILABLE, PED_SERIAL_OPEN
 */
export function plugPedLine(token: Token, line: LabSerialLine, options: PedLineOptions): Promise<SerialPlug> {
  const { clock, onEvent } = options
  return SerialPlug.plug({
    role: 'hsm',
    open: () => openSerialPort(line.path, line.baudRate),
    onLink: (link) => token.attachPed('local', link),
    ...(clock ? { clock } : {}),
    ...(onEvent ? { onEvent } : {}),
  })
}
