import { type ControlHandlers, ControlServer } from '../ntls/index.js'
import type { Lab } from './lab.js'

/** What only the service itself knows and does. */
export type ServiceHandlers = Pick<ControlHandlers, 'restart'> & {
  /** Command port of an HSM; its token unless given. */
  readonly card?: ControlHandlers['card']
  state(): { readonly host: string; readonly port: number; readonly connections: number }
}

/**
 * Lets the administrator's shell reach the Network HSMs of a lab that is switched on, while the service has the folder.
 * @throws ControlError CONTROL_IO
 */
export function openControl(lab: Lab, service: ServiceHandlers): Promise<ControlServer> {
  const hsms = lab.file.hsms.filter(({ kind }) => kind === 'network').map(({ name }) => name)
  const connector = (name: string) => lab.desk.connector(name, lab.hsm(name).token)
  return ControlServer.open(lab.stateDir, {
    state: () => ({ ...service.state(), hsms }),
    card: service.card ?? ((name) => (hsms.includes(name) ? lab.hsm(name).token : undefined)),
    connectPed: (name, host, port) => connector(name).connect(host, port),
    disconnectPed: (name) => connector(name).disconnect(),
    restart: () => service.restart(),
  })
}
