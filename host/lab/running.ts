// What other processes have switched on: the Network HSMs of an appliance, a Backup HSM that is lent out.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TokenClient } from '../client/index.js'
import { CONFIG_FILE, ControlClient, ControlError } from '../ntls/index.js'
import { codeOf, LabError } from './errors.js'
import { readLabFile } from './lab-file.js'

/** A server of other processes on this state folder. */
export interface RunningServer {
  /** What its clients reach it by. */
  readonly cable: 'ntls' | 'usb'
  /** Folder of its control socket. */
  readonly folder: string
  readonly process: number
  readonly host: string
  readonly port: number
  readonly connections: number
  /** Where PED servers may call it; undefined = they may not. */
  readonly peds?: { readonly host: string; readonly port: number } | undefined
  /** Names of its HSMs, by their serial numbers. */
  readonly hsms: ReadonlyMap<bigint, string>
}

/** Folder of what lends Backup HSMs out: certificate, registry of clients, control socket. */
export const lentFolder = (stateDir: string): string => join(stateDir, 'rbs')

/** Folder of the Chrystoki.conf of a workstation of the lab, where `moonlet up` makes it one. */
export const labClientFolder = (stateDir: string, view: string): string => join(stateDir, 'clients', view)

/** The same of a workstation by its name, or of the lab's first; undefined = the lab has not made it a client. */
export function ownClientFolder(stateDir: string, view: string | undefined): string | undefined {
  let name = view
  try {
    name ??= readLabFile(stateDir).views[0]?.name
  } catch (error) {
    if (error instanceof LabError && error.code === 'LAB_MISSING') return undefined
    throw error
  }
  if (name === undefined || !existsSync(join(labClientFolder(stateDir, name), CONFIG_FILE))) return undefined
  return labClientFolder(stateDir, name)
}

/** Folder of what serves Backup HSMs as USB devices: control socket. */
export const usbFolder = (stateDir: string): string => join(stateDir, 'usb')

/** The servers that run on a lab's state folder: an appliance, and what lends Backup HSMs out or serves them as USB devices. */
export async function runningServers(stateDir: string): Promise<readonly RunningServer[]> {
  const answers = await Promise.all([
    ask(stateDir, 'ntls'),
    ask(lentFolder(stateDir), 'ntls'),
    ask(usbFolder(stateDir), 'usb'),
  ])
  return answers.flatMap((answer) => (answer ? [answer] : []))
}

/** Undefined where nobody is there, or goes at this moment. */
async function ask(folder: string, cable: RunningServer['cable']): Promise<RunningServer | undefined> {
  let control: ControlClient | undefined
  try {
    control = await ControlClient.connect(folder)
    const { hsms, ...place } = await control.state()
    return { ...place, folder, cable, hsms: new Map(hsms.map(({ name, serial }) => [BigInt(serial), name])) }
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

/** Milliseconds that a server has to end in, and between looks at whether it has. */
const ENDING = 20_000
const LOOK = 20

/** Orders a running server to end and waits until its process has. @throws LabError LAB_BUSY: it does not end */
export async function stopServer({ folder, process: pid }: RunningServer): Promise<void> {
  const control = await ControlClient.connect(folder)
  await control.stop()
  await control.closed
  await gone(pid)
}

/** Ends a process that ends at SIGTERM, and waits for it. @throws LabError LAB_BUSY: it does not end */
export async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
  await gone(pid)
}

/** @throws LabError LAB_BUSY */
async function gone(pid: number): Promise<void> {
  const until = Date.now() + ENDING
  while (isAlive(pid)) {
    if (Date.now() > until) throw new LabError('LAB_BUSY', `process ${pid} was ordered to end and does not`)
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
