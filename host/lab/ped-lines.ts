import type { Duplex } from 'node:stream'
import type { Token } from '../board/index.js'
import { openSerialPort, type PedClock, type SerialEvent, SerialPlug } from '../ped/index.js'
import type { LabSerialLine } from './lab-file.js'

export interface PedLineOptions {
  readonly clock?: PedClock | undefined
  readonly onEvent?: ((event: SerialEvent) => void) | undefined
}

/** Opens this computer's end of a line. @throws PedError PED_SERIAL_UNAVAILABLE, PED_SERIAL_OPEN */
export const serialPortOpener =
  ({ path, baudRate }: LabSerialLine) =>
  (): Promise<Duplex> =>
    openSerialPort(path, baudRate)

/**
 * Plugs a serial line into the PED port of a board: the HSM has a PED there while one answers on the line.
 * @param open opens this end of it, also after it was gone
 * @throws what the first opening throws
 */
export function plugPedLine(token: Token, open: () => Promise<Duplex>, options: PedLineOptions): Promise<SerialPlug> {
  const { clock, onEvent } = options
  return SerialPlug.plug({
    role: 'hsm',
    open,
    onLink: (link) => token.attachPed('local', link),
    ...(clock ? { clock } : {}),
    ...(onEvent ? { onEvent } : {}),
  })
}
