import type { Source } from './literals.js'

/** Wording that stands inside a line: values of the slot records and of the information listings. */
export interface Phrase<Args extends readonly unknown[] = readonly []> {
  readonly source: Source
  readonly text: (...args: Args) => string
}

function phrase<Args extends readonly unknown[]>(source: Source, text: (...args: Args) => string): Phrase<Args> {
  return { source, text }
}

type Authentication = 'PED' | 'PW'

/** DESIGN.md "Behaviour"; tags as in literals.ts. */
export const phrases = {
  // ---- names of the fields of a record ----
  slotId: phrase('S', () => 'Slot Id'),
  labelA: phrase('S', () => 'HSM Label'),
  serialA: phrase('S', () => 'HSM Serial Number'),
  modelA: phrase('S', () => 'HSM Model'),
  firmwareA: phrase('S', () => 'HSM Firmware Version'),
  labelB: phrase('S', () => 'Label'),
  serialB: phrase('S', () => 'Serial Number'),
  modelB: phrase('S', () => 'Model'),
  firmwareB: phrase('S', () => 'Firmware Version'),
  configurationB: phrase('S', () => 'Configuration'),
  slotDescription: phrase('S', () => 'Slot Description'),
  hsmConfiguration: phrase('S', () => 'HSM Configuration'),
  hsmStatus: phrase('S', () => 'HSM Status'),

  // ---- models ----
  networkModelA: phrase('S', () => 'LunaSA'),
  networkModel6: phrase('S', () => 'LunaSA 6.0.0'),
  networkModel7: phrase('T', () => 'LunaSA 7.0.0'),
  pcieModel6: phrase('D', () => 'K6 Base'),
  pcieModel7: phrase('D', () => 'Luna K7'),
  backupModel: phrase('S', () => 'G5Backup'),

  // ---- configuration and description ----
  noLabel: phrase('D', () => 'no label'),
  withCloning: phrase('S', () => 'Signing With Cloning Mode'),
  keyExport: phrase('D', () => 'Key Export With Cloning Mode'),
  signingOnly: phrase('I', () => 'Signing Mode'),
  backupConfiguration: phrase('S', (auth: Authentication) => `Remote Backup HSM (${auth}) Backup Device`),
  userWithSo: phrase('S', (auth: Authentication, mode: string) => `Luna User Partition With SO (${auth}) ${mode}`),
  userNoSo: phrase('M', (auth: Authentication, mode: string) => `Luna User Partition, No SO (${auth}) ${mode}`),
  adminPartition: phrase('D', (auth: Authentication, mode: string) => `Luna HSM Admin Partition (${auth}) ${mode}`),
  uninitialized: phrase('R', (auth: Authentication) => `Luna HSM (${auth}) Undefined Mode / Uninitialized`),
  nothingKnown: phrase('R', () => 'Luna HSM Undefined Mode'),
  outOfOrder: phrase('R', (auth: Authentication) => `Luna HSM (${auth}) Undefined Mode`),
  netTokenSlot: phrase('S', () => 'Net Token Slot'),
  adminTokenSlot: phrase('D', () => 'Admin Token Slot'),
  userTokenSlot: phrase('M', () => 'User Token Slot'),

  // ---- `slot set` ----
  userSlot: phrase(
    'S',
    (version: string, auth: Authentication, mode: string) => `Luna User Slot ${version} (${auth}) ${mode}`,
  ),
  adminSlot: phrase(
    'M',
    (version: string, auth: Authentication, mode: string) => `Luna Admin Slot ${version} (${auth}) ${mode}`,
  ),
  backupSlot: phrase(
    'I',
    (version: string, auth: Authentication) => `Luna Backup Slot ${version} (${auth}) Backup Device`,
  ),

  // ---- domains ----
  redDomain: phrase('I', () => 'PED key'),
  textDomain: phrase('I', () => 'text'),
  noDomainLabel: phrase('I', () => '(no label)'),

  // ---- status ----
  statusOk: phrase('S', () => 'OK'),
  statusOk7: phrase('D', () => 'L3 Device'),
  statusZeroized: phrase('D', () => 'L3 Device, Zeroized'),
  statusDecommissioned: phrase('D', () => 'Decommissioned'),
  statusTransport: phrase('D', (rest: string | undefined) => `Transport Mode${rest ? `, ${rest}` : ''}`),
  statusTampered: phrase('D', (rest: string | undefined) => `Hardware Tamper${rest ? `, ${rest}` : ''}`),
  statusError: phrase('I', (code: number, reason: string) => `Error (0x${code.toString(16)}, ${reason})`),
  statusNotPresent: phrase('I', () => 'Not present'),

  // ---- tamper ----
  tamperChassis: phrase('I', () => 'Chassis intrusion'),
  tamperRemoval: phrase('I', () => 'Card removal'),
  tamperTemperature: phrase('I', () => 'Temperature out of range'),
  tamperVoltage: phrase('I', () => 'Voltage out of range'),
  tamperBattery: phrase('I', () => 'Battery removed or depleted'),
  tamperOther: phrase('I', (cause: number) => `Tamper ${cause}`),
  timeUnknown: phrase('I', () => 'unknown time'),

  // ---- roles ----
  noneLoggedIn: phrase('D', () => 'none logged in'),
  roleLoggedIn: phrase('D', (role: string) => `${role} logged in`),
  stateLoggedIn: phrase('I', () => 'logged in'),
  stateInitialized: phrase('I', () => 'initialized'),
  stateNotInitialized: phrase('I', () => 'not initialized'),
  password: phrase('I', () => 'password'),
  challenge: phrase('I', () => 'challenge'),
  authNone: phrase('I', () => 'None'),
  authPed: phrase('D', () => 'PED'),
  authPin: phrase('D', () => 'PIN'),

  // ---- hsm showinfo, partition showinfo ----
  manufacturer: phrase('D', () => 'Safenet, Inc.'),
  publicSession: phrase('D', () => 'CKS_RW_PUBLIC_SESSION'),
  userSession: phrase('M', () => 'CKS_RW_USER_FUNCTIONS'),
  soSession: phrase('D', () => 'CKS_RW_SO_FUNCTIONS'),
  notSupported: phrase('D', () => 'Not Supported'),
  yes: phrase('M', () => 'Yes'),
  no: phrase('D', () => 'No'),
} as const
