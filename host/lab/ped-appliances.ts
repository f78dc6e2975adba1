import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCertificate, regenerateServer, SERVER_CERTIFICATE } from '../ntls/index.js'
import { codeOf, LabError, messageOf } from './errors.js'
import { makeFolders } from './folders.js'
import { type Check, listOf, object, optional, text, textLike, wholeNumber, yesOrNo } from './json-check.js'
import { lockServerFolder, pedServerFolder } from './ped-control.js'
import { PED_SERVER_NAME } from './ped-server-registry.js'
import { writeWholeFile } from './whole-file.js'

/** Appliances that a pedserver can call, in its folder. */
const FILE = 'appliances.json'
const FORMAT = 1
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/

export interface PedAppliance {
  readonly name: string
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly certificate: string
  /** The pedserver calls it whenever it runs, from `connect` to `disconnect`. */
  readonly called?: boolean | undefined
}

interface KnownAppliances {
  readonly format: number
  readonly appliances: readonly PedAppliance[]
}

const check: Check<KnownAppliances> = object({
  format: wholeNumber(1, FORMAT),
  appliances: listOf(
    object({
      name: textLike(NAME, 'a name'),
      host: text,
      port: wholeNumber(1, 0xffff),
      certificate: text,
      called: optional(yesOrNo),
    }),
  ),
})

const pathOf = (stateDir: string) => join(pedServerFolder(stateDir), FILE)

/** @throws LabError LAB_FILE_INVALID */
export function pedAppliances(stateDir: string): readonly PedAppliance[] {
  const path = pathOf(stateDir)
  try {
    return check(JSON.parse(readFileSync(path, 'utf8')), '').appliances
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return []
    throw new LabError('LAB_FILE_INVALID', `${path}: ${messageOf(cause)}`, { cause })
  }
}

/** @throws LabError PED_APPLIANCE_UNKNOWN */
export function pedAppliance(stateDir: string, name: string): PedAppliance {
  const known = pedAppliances(stateDir).find((one) => one.name === name)
  if (known) return known
  throw new LabError(
    'PED_APPLIANCE_UNKNOWN',
    `no appliance "${name}" is registered here: 'pedserver -appliance register'`,
  )
}

/** @param path of the appliance's certificate, PEM @throws LabError LAB_IO, LAB_OPTION_INVALID; NtlsError CERTIFICATE_INVALID */
export async function registerPedAppliance(
  stateDir: string,
  { path, ...place }: Omit<PedAppliance, 'certificate'> & { readonly path: string },
): Promise<void> {
  if (!NAME.test(place.name)) {
    throw new LabError('LAB_OPTION_INVALID', `"${place.name}" is no name: letters, digits, dot, dash and underscore`)
  }
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new LabError('LAB_IO', `the appliance's certificate ${path} cannot be read`, { cause })
  }
  const others = pedAppliances(stateDir)
  if (others.some(({ name }) => name === place.name)) {
    throw new LabError('LAB_OPTION_INVALID', `an appliance "${place.name}" is registered already`)
  }
  await makeFolders(pedServerFolder(stateDir), { mode: 0o700 })
  write(stateDir, [...others, { ...place, certificate: readCertificate(pem).pem }])
}

/** @throws LabError PED_APPLIANCE_UNKNOWN */
export function deletePedAppliance(stateDir: string, name: string): void {
  pedAppliance(stateDir, name)
  write(
    stateDir,
    pedAppliances(stateDir).filter((one) => one.name !== name),
  )
}

/** Keeps whether the appliance is called whenever the pedserver runs. @throws LabError PED_APPLIANCE_UNKNOWN, LAB_IO */
export function keepCalling(stateDir: string, name: string, called: boolean): void {
  if ((pedAppliance(stateDir, name).called ?? false) === called) return
  write(
    stateDir,
    pedAppliances(stateDir).map((one) => (one.name === name ? { ...one, called } : one)),
  )
}

function write(stateDir: string, appliances: readonly PedAppliance[]): void {
  const file: KnownAppliances = { format: FORMAT, appliances }
  writeWholeFile(pathOf(stateDir), `${JSON.stringify(file, null, 2)}\n`)
}

/**
 * A new key and certificate for the pedserver of a state folder.
 * @throws LabError PED_SERVER_RUNNING: one uses them now; LAB_EXISTS: there are some, and they were not meant to go; LAB_OPTION_INVALID
 */
export async function regeneratePedServer(
  stateDir: string,
  commonName: string,
  replace: boolean,
): Promise<{ readonly fingerprint: string; readonly path: string }> {
  if (!PED_SERVER_NAME.test(commonName)) {
    const rule = '1 to 64 letters, digits, dots, dashes and underscores'
    throw new LabError('LAB_OPTION_INVALID', `"${commonName}" is no common name: ${rule}`)
  }
  const folder = pedServerFolder(stateDir)
  const lock = await lockServerFolder(folder)
  try {
    const path = join(folder, SERVER_CERTIFICATE)
    if (existsSync(path) && !replace) {
      throw new LabError('LAB_EXISTS', `there is a certificate already, ${path}: -force replaces it`)
    }
    const { fingerprint } = await regenerateServer(folder, commonName)
    return { fingerprint, path }
  } finally {
    await lock.release()
  }
}
