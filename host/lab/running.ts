// What other processes have switched on: the Network HSMs of an appliance, a Backup HSM that is lent out.

import { join } from 'node:path'
import { TokenClient } from '../client/index.js'
import { ControlClient, ControlError } from '../ntls/index.js'

/** A server of other processes on this state folder. */
export interface RunningServer {
  /** Folder of its control socket. */
  readonly folder: string
  readonly process: number
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Names of its HSMs, by their serial numbers. */
  readonly hsms: ReadonlyMap<bigint, string>
}

/** Folder of what lends Backup HSMs out: certificate, registry of clients, control socket. */
export const lentFolder = (stateDir: string): string => join(stateDir, 'rbs')

/** Folder of the Chrystoki.conf of the lab's own NTLS client, where it has one. */
export const labClientFolder = (stateDir: string): string => join(stateDir, 'client')

/** The servers that run on a lab's state folder: an appliance, and what lends Backup HSMs out. */
export async function runningServers(stateDir: string): Promise<readonly RunningServer[]> {
  const answers = await Promise.all([stateDir, lentFolder(stateDir)].map(ask))
  return answers.flatMap((answer) => (answer ? [answer] : []))
}

/** Undefined where nobody is there, or goes at this moment. */
async function ask(folder: string): Promise<RunningServer | undefined> {
  let control: ControlClient | undefined
  try {
    control = await ControlClient.connect(folder)
    const { hsms, ...place } = await control.state()
    const named: [bigint, string][] = []
    for (const name of hsms) named.push([(await new TokenClient(control.transport(name)).status()).serial, name])
    return { ...place, folder, hsms: new Map(named) }
  } catch (error) {
    if (error instanceof ControlError) return undefined
    throw error
  } finally {
    await control?.close()
  }
}

/**
 * Works at an HSM that a running server has switched on, as its administrator does.
 * @throws ControlError CONTROL_ABSENT, CONTROL_CLOSED where the server goes
 */
export async function atServer<Result>(
  { folder }: RunningServer,
  hsm: string,
  work: (client: TokenClient) => Promise<Result>,
): Promise<Result> {
  const control = await ControlClient.connect(folder)
  try {
    return await work(new TokenClient(control.transport(hsm)))
  } finally {
    await control.close()
  }
}
