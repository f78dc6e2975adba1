import {
  AUTH_PED,
  ROLE_CRYPTO_OFFICER,
  STATE_BLANK,
  STATE_ERROR,
  STATE_FUNCTIONAL,
  STATE_TAMPERED,
} from '../../assembly/protocol.js'
import type { CrashRecord } from '../board/index.js'
import {
  type FlashInfo,
  type PartitionInfo,
  reasonOf,
  type TokenClient,
  TokenError,
  type TokenStatus,
} from '../client/index.js'
import { type BoxEntry, PED_COLOURS } from '../ped/index.js'
import { LabError } from './errors.js'
import type { Lab } from './lab.js'
import type { HsmKind, LabHsm } from './lab-file.js'
import { atServer, type RunningServer, runningServers } from './running.js'

export interface PartitionStatus {
  readonly label: string
  readonly serial: bigint
  readonly objects: number
  /** Bytes. */
  readonly used: bigint
  readonly total: bigint
  /** What the Crypto Officer's next log-in needs; undefined where there is no Crypto Officer. */
  readonly officer: 'activated' | 'needs the PED' | 'password' | undefined
}

export interface HsmStatus {
  readonly name: string
  readonly kind: HsmKind
  readonly label: string
  readonly serial: bigint
  readonly profile: string
  /** `OK`, or what is wrong. */
  readonly state: string
  /** The server that has switched it on; undefined = it was switched on to be asked. */
  readonly server: RunningServer | undefined
  /** Watchdog resets of the board, those of earlier processes included; not known of one that a server has. */
  readonly crashes: { readonly count: number; readonly last: CrashRecord | undefined }
  /** How full and how worn the flash is; undefined where the HSM has no keys to read it with. */
  readonly flash: FlashInfo | undefined
  readonly partitions: readonly PartitionStatus[]
}

export interface KeyStatus {
  readonly name: string
  readonly label: string
  readonly state: 'blank' | 'written' | 'not readable'
}

/** What `moonlet status` shows. */
export interface LabStatus {
  readonly hsms: readonly HsmStatus[]
  readonly keys: readonly KeyStatus[]
}

/** Asks all HSMs of a lab that was opened with all of them; those that a server has, through it. Nobody logs in, nothing changes. */
export async function labStatus(lab: Lab): Promise<LabStatus> {
  const entries = await lab.desk.box.list()
  const servers = await runningServers(lab.stateDir)
  const order = (entry: BoxEntry): number => PED_COLOURS.indexOf(entry.colour)
  // All have answered before one failure is reported: whoever hears of it switches the others off.
  const answers = await Promise.allSettled(lab.file.hsms.map((hsm) => hsmStatus(lab, hsm, servers)))
  const hsms = answers.map((answer) => {
    if (answer.status === 'rejected') throw answer.reason
    return answer.value
  })
  return { hsms, keys: entries.sort((one, other) => order(one) - order(other)).map(keyStatus) }
}

async function hsmStatus(lab: Lab, hsm: LabHsm, servers: readonly RunningServer[]): Promise<HsmStatus> {
  const { name } = hsm
  if (lab.isOn(name)) {
    const { console: client, token } = lab.hsm(name)
    const { count, records } = await token.crashes()
    return { ...(await facts(hsm, client)), server: undefined, crashes: { count, last: records.at(-1) } }
  }
  const server = servers.find(({ hsms }) => [...hsms.values()].includes(name))
  if (!server) throw new LabError('LAB_HSM_UNKNOWN', `the HSM "${name}" was switched off at this moment: try again`)
  const crashes = { count: 0, last: undefined }
  try {
    return { ...(await atServer(server, name, (client) => facts(hsm, client))), server, crashes }
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    const { kind, profile } = hsm
    const serial = [...server.hsms].find(([, one]) => one === name)?.[0] ?? 0n
    const state = `does not answer: ${error.code}`
    return { name, kind, label: '', serial, profile, state, flash: undefined, partitions: [], server, crashes }
  }
}

async function facts(
  { name, kind, profile }: LabHsm,
  client: TokenClient,
): Promise<Omit<HsmStatus, 'server' | 'crashes'>> {
  const status = await client.status()
  const { label, serial } = status
  return {
    name,
    kind,
    label,
    serial,
    profile,
    state: stateOf(status),
    flash: status.state === STATE_FUNCTIONAL ? await client.hsm.flash() : undefined,
    partitions: await partitionsOf(client, status),
  }
}

/** `OK`, or what is wrong with an HSM. */
export function stateOf({ state, error, tampered, transport, decommissioned }: TokenStatus): string {
  if (state === STATE_ERROR) return `error state: ${reasonOf(error)}`
  if (state === STATE_TAMPERED) return transport ? 'in transport mode' : 'tampered'
  const notes = [
    ...(decommissioned ? ['decommissioned'] : []),
    ...(transport ? ['in transport mode'] : []),
    ...(tampered ? ['a tamper was not cleared yet'] : []),
  ]
  const what = state === STATE_FUNCTIONAL ? 'OK' : state === STATE_BLANK ? 'not initialized' : 'zeroized'
  return [what, ...notes].join(', ')
}

function keyStatus({ name, label, kind, fault }: BoxEntry): KeyStatus {
  return { name, label, state: fault ? 'not readable' : kind === undefined ? 'blank' : 'written' }
}

/** In its error state an HSM answers for its status only. */
async function partitionsOf(client: TokenClient, { auth, state }: TokenStatus): Promise<PartitionStatus[]> {
  if (state !== STATE_FUNCTIONAL) return []
  const infos = await client.partitions.list()
  return Promise.all(
    infos.map(async (info) => {
      const { label, serial, objects, used, total } = info
      return { label, serial, objects, used, total, officer: await officerOf(client, auth, info) }
    }),
  )
}

async function officerOf(
  client: TokenClient,
  auth: number,
  { id }: PartitionInfo,
): Promise<PartitionStatus['officer']> {
  const session = await client.openSession(id, { readWrite: false })
  try {
    const { initialized, activated } = await client.roles.info(session, ROLE_CRYPTO_OFFICER)
    if (!initialized) return undefined
    if (auth !== AUTH_PED) return 'password'
    return activated ? 'activated' : 'needs the PED'
  } catch (error) {
    // A partition that is not initialized has no roles.
    if (error instanceof TokenError) return undefined
    throw error
  } finally {
    await client.closeSession(session)
  }
}
