import type { CommandDoor } from '../board/frames.js'
import { type ControlHandlers, ControlServer, type ControlState } from '../ntls/index.js'
import type { Lab } from './lab.js'

/** What only the service itself knows and does. */
export type ServiceHandlers = Pick<ControlHandlers, 'restart' | 'stop'> & {
  /** The HSMs that it serves, by name. */
  readonly cards: ReadonlyMap<string, CommandDoor & { readonly serial: bigint }>
  state(): Omit<ControlState, 'process' | 'hsms'>
}

/**
 * Lets the administrator's shell, and whoever looks for what is switched on, reach HSMs of a lab while a service has them.
 * @param dir folder of the socket
 * @throws ControlError CONTROL_IO
 */
export function openControl(
  lab: Lab,
  dir: string,
  { cards, state, restart, stop }: ServiceHandlers,
): Promise<ControlServer> {
  const connector = (name: string) => lab.desk.connector(name, lab.hsm(name).token)
  return ControlServer.open(dir, {
    state: () => ({ ...state(), hsms: [...cards].map(([name, { serial }]) => ({ name, serial: String(serial) })) }),
    card: (name) => cards.get(name),
    connectPed: (name, host, port) => connector(name).connect(host, port),
    disconnectPed: (name) => connector(name).disconnect(),
    restart,
    stop,
  })
}
