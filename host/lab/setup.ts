import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import {
  ADMIN_PARTITION,
  AUTH_PED,
  CHALLENGE_MAX,
  PASSWORD_MIN,
  POLICY_ACTIVATION,
  POLICY_AUTO_ACTIVATION,
  ROLE_CRYPTO_OFFICER,
  ROLE_PARTITION_SO,
  ROLE_SO,
} from '../../assembly/protocol.js'
import { createBoardFolder, FolderLock, firmwareInfo, manufacture } from '../board/index.js'
import type { TokenClient } from '../client/index.js'
import { RuleOperator } from '../ped/index.js'
import { type BoardSettings, Chance } from './chance.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { Hsm } from './hsm.js'
import { ADMIN_SLOT, LAB_FILE, LAB_FORMAT, type LabFile, type LabPed, writeLabFile } from './lab-file.js'
import { PedDesk } from './ped-desk.js'
import { fillKeyBox, labRules } from './ped-keys.js'
import { DEFAULT_PED_PORT } from './ped-server-config.js'
import { type LabPlan, PARTITION_SIZE, PARTITIONS_SIZE, type PlannedHsm, PROFILES } from './plan.js'
import type { Recorder } from './recorder.js'
import { syncFolder } from './whole-file.js'

/** Challenge of the Crypto Officers unless another is asked for. */
export const DEFAULT_CHALLENGE = 'Crypto0fficer'
const REMARK =
  'A lab secret: what moonlet init gave the Crypto Officers as their challenge. Not updated by role changepw.'

/** The addresses of the seed page, and this computer. */
const PED: LabPed = {
  addresses: ['192.20.10.190', '192.20.10.189', '127.0.0.1', 'localhost'],
  port: DEFAULT_PED_PORT,
  keys: 'ped-keys',
  rules: 'operator.json',
}

export interface SetupOptions {
  readonly challenge?: string | undefined
  /** Called with a line for each step. */
  readonly onProgress?: ((line: string) => void) | undefined
  /** Aborting it ends the work; nothing of the lab stays. */
  readonly signal?: AbortSignal | undefined
  readonly boards?: BoardSettings | undefined
  /** As in LabOptions. */
  readonly seed?: string | undefined
  readonly recorder?: Recorder | undefined
}

/**
 * Makes a lab: boards, PED keys, and all that its administrators do before anybody can back up. It appears in the state
 * folder whole or not at all.
 * @throws LabError LAB_OPTION_INVALID, LAB_EXISTS, LAB_CANCELLED, LAB_IO; BoardError STATE_LOCKED where another process makes one there;
 * TokenError where the firmware refuses a step
 */
export async function initLab(stateDir: string, plan: LabPlan, options: SetupOptions = {}): Promise<LabFile> {
  checkChallenge(options.challenge)
  const target = resolve(stateDir)
  await refuseExisting(target)
  // Always the same name: what an init that was killed has left there is found by the next one, and taken away.
  const building = join(dirname(target), `.${basename(target)}.moonlet-init`)
  await makeFolders(building, { mode: 0o700 })
  const lock = await FolderLock.acquire(building)
  try {
    await asIo(building, () => empty(building))
    const file = await build(building, plan, options)
    await lock.release()
    await refuseExisting(target)
    await asIo(target, async () => {
      if (existsSync(target)) await rmdir(target)
      await rename(building, target)
      syncFolder(dirname(target))
    })
    return file
  } catch (error) {
    await lock.release()
    await rm(building, { recursive: true, force: true })
    throw error
  }
}

function checkChallenge(challenge: string | undefined): void {
  if (challenge === undefined) return
  const length = Buffer.byteLength(challenge)
  if (length < PASSWORD_MIN || length > CHALLENGE_MAX) {
    throw new LabError('LAB_OPTION_INVALID', `a challenge has ${PASSWORD_MIN} to ${CHALLENGE_MAX} bytes`)
  }
}

async function refuseExisting(target: string): Promise<void> {
  if (!existsSync(target)) return
  const names = await asIo(target, () => readdir(target))
  if (names.includes(LAB_FILE)) throw new LabError('LAB_EXISTS', `there is a lab in ${target} already`)
  if (names.length > 0) throw new LabError('LAB_EXISTS', `${target} is not empty, and holds no lab`)
}

async function empty(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (name !== 'lock') await rm(join(dir, name), { recursive: true, force: true })
  }
}

async function asIo<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause
    throw new LabError('LAB_IO', `${path} cannot be made: ${messageOf(cause)}`, { cause })
  }
}

async function build(dir: string, plan: LabPlan, options: SetupOptions): Promise<LabFile> {
  const madeBy = `moonlet ${firmwareInfo().version}`
  const secret = options.challenge ?? DEFAULT_CHALLENGE
  await mkdir(join(dir, PED.keys), { mode: 0o700 })
  const box = await fillKeyBox(join(dir, PED.keys))
  const rules = labRules(keyHolders(plan))
  await writeFile(join(dir, PED.rules), `${JSON.stringify(rules, null, 2)}\n`, { mode: 0o600 })
  const chance = new Chance(options.seed, 'init')
  const operator = new RuleOperator({ rules, box })
  const desk = new PedDesk({ ...PED, box, operator, random: chance.source('ped'), recorder: options.recorder })
  const serials = new Map<string, ReadonlyMap<string, bigint>>()
  for (const planned of plan.hsms) {
    serials.set(planned.name, await makeHsm(dir, planned, { desk, challenge: secret, chance }, options))
  }
  const file: LabFile = {
    format: LAB_FORMAT,
    madeBy,
    hsms: plan.hsms.map(({ name, kind, record }) => ({
      name,
      kind,
      folder: folderOf(name),
      profile: Object.keys(PROFILES).find((known) => PROFILES[known] === record.profile) ?? '',
      auth: record.auth === AUTH_PED ? 'ped' : 'password',
      serial: String(record.serial),
    })),
    views: plan.views.map(({ name, persona, slots }) => ({
      name,
      persona,
      slots: slots.map(({ slot, hsm, shows, partition }) => ({
        slot,
        hsm,
        partition: shows === ADMIN_SLOT ? ADMIN_SLOT : serialOf(serials.get(hsm), partition),
      })),
    })),
    ped: PED,
    challenge: { secret, remark: REMARK },
  }
  stopIfAborted(options)
  writeLabFile(dir, file)
  return file
}

const folderOf = (hsm: string): string => `hsm-${hsm}`

function keyHolders({ hsms }: LabPlan): { hsms: string[]; backups: string[]; partitions: string[] } {
  const labels = (backup: boolean) =>
    hsms.filter(({ kind }) => (kind === 'backup') === backup).map(({ label }) => label)
  const partitions = hsms.flatMap((hsm) => hsm.partitions)
  return { hsms: labels(false), backups: labels(true), partitions }
}

function stopIfAborted({ signal }: SetupOptions): void {
  if (signal?.aborted) throw new LabError('LAB_CANCELLED', 'given up: no lab was made')
}

/** The serial number of a partition, by its label or the first one. Of an HSM without partitions only the HSM itself can be shown. */
function serialOf(made: ReadonlyMap<string, bigint> | undefined, label: string | undefined): string {
  const [first] = made?.values() ?? []
  const serial = label === undefined ? first : made?.get(label)
  return serial === undefined ? ADMIN_SLOT : String(serial)
}

/** Makes one HSM and answers the serial numbers of its partitions by their labels. */
async function makeHsm(
  dir: string,
  planned: PlannedHsm,
  { desk, challenge, chance }: { readonly desk: PedDesk; readonly challenge: string; readonly chance: Chance },
  options: SetupOptions,
): Promise<ReadonlyMap<string, bigint>> {
  const { name, kind, label, record, flashSize, partitions } = planned
  const say = (text: string) => {
    stopIfAborted(options)
    options.onProgress?.(`${name}: ${text}`)
  }
  say(`a ${kind === 'backup' ? 'Backup' : kind === 'pcie' ? 'PCIe' : 'Network'} HSM, serial number ${record.serial}`)
  const board = join(dir, folderOf(name))
  createBoardFolder(board, { flashSize })
  const { boards: settings, recorder } = options
  const hsm = await Hsm.start({ name, kind, dir: board, settings, chance, recorder })
  try {
    await manufacture(hsm.token, record)
    desk.plugLocal(name, hsm.token)
    const { console: client } = hsm
    say(`hsm init, label ${label}`)
    const fresh = await client.openSession(ADMIN_PARTITION)
    await client.hsm.init(fresh, { label })
    const admin = await client.openSession(ADMIN_PARTITION)
    await client.roles.login(admin, ROLE_SO)
    say('ped vector init')
    await client.ped.initVector(admin)
    const made = new Map<string, bigint>()
    for (const partition of partitions) {
      say(`partition ${partition}: init, activation, Crypto Officer`)
      const size = partitions.length === 1 ? PARTITION_SIZE : PARTITIONS_SIZE / BigInt(partitions.length)
      const { id, serial } = await client.partitions.create(admin, { legacy: false, label: '', size })
      made.set(partition, serial)
      await makePartition(client, id, partition, challenge)
    }
    return made
  } finally {
    desk.unplug(name, hsm.token, 'local')
    await hsm.close()
  }
}

/** What a Partition SO does, and the Crypto Officer's first log-in, which activates the role. */
async function makePartition(client: TokenClient, id: number, label: string, challenge: string): Promise<void> {
  await client.partitions.init(await client.openSession(id), { label })
  const session = await client.openSession(id)
  await client.roles.login(session, ROLE_PARTITION_SO)
  await client.partitions.setPolicy(session, id, POLICY_ACTIVATION, 1)
  await client.partitions.setPolicy(session, id, POLICY_AUTO_ACTIVATION, 1)
  await client.roles.init(session, ROLE_CRYPTO_OFFICER)
  await client.roles.createChallenge(session, ROLE_CRYPTO_OFFICER, challenge)
  await client.roles.logout(session)
  await client.roles.login(session, ROLE_CRYPTO_OFFICER, challenge)
  // On firmware 7 the owner has to change what the Partition SO chose; the lab's has no other wish.
  const { challengeChange } = await client.roles.info(session, ROLE_CRYPTO_OFFICER)
  if (challengeChange) await client.roles.changeSecret(session, ROLE_CRYPTO_OFFICER, challenge, challenge)
  await client.roles.logout(session)
}
