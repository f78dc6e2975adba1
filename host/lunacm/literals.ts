import { block, field, flush, hex, INDENT, type Literal, plural, storage } from './literal.js'
import { reasonText } from './reasons.js'

export { type Literal, type RenderedLine, rendered, type Source, textOf } from './literal.js'

/** Every line that the shell prints. */
export const literals = {
  prompt: 'lunacm:> ',

  // ---- frames (DESIGN.md "Behaviour") ----
  success: flush('S', () => 'Command Result : No Error'),
  errorInExecution: flush('R', (name: string) => `Error in execution: ${name}.`),
  errorResult: flush('R', (value: number, name: string) => `Command Result : ${hex(value)} (${name})`),
  commandCancelled: flush('D', () => 'Error in execution: command cancelled.'),
  cancelledResult: flush('D', (value: number, name: string) => `Command Result : ${hex(value)} (${name})`),
  detail: block('I', (text: string) => text),
  reason: (reason: string): Literal | undefined => {
    const text = reasonText(reason)
    return text === undefined ? undefined : block('I', () => text)
  },
  errorState: block('I', (slot: number, reason: string) => `The HSM of slot ${slot} is in its error state: ${reason}.`),
  attendToPed: block('S', () => 'Please attend to the PED.'),
  sure: block('D', () => 'Are you sure you wish to continue?'),
  proceed: block('D', () => "Type 'proceed' to continue, or 'quit' to quit now ->"),

  // ---- input (2.1) ----
  unknownCommand: block('I', (text: string) => `'${text}' is not a command.  Type 'help' for a list of commands.`),
  unknownOption: block('I', (text: string, command: string) => [
    `'${text}' is not an option of '${command}'.`,
    `Type '${command} ?' for its syntax.`,
  ]),
  unexpectedWord: block('I', (text: string, command: string) => [
    `'${text}' belongs to no option of '${command}'.`,
    `Type '${command} ?' for its syntax.`,
  ]),
  repeatedOption: block('I', (name: string) => `Option -${name} was given twice.`),
  missingValue: block('I', (name: string) => `Option -${name} needs a value.`),
  badNumber: block('I', (name: string) => `The value of option -${name} is not a number.`),
  badNumbers: block('I', (name: string) => `The value of option -${name} is not a list of numbers.`),
  openQuote: block('I', () => 'A double quote is not closed.'),
  exclusive: block('I', (a: string, b: string) => `Options -${a} and -${b} exclude each other.`),
  oneOf: block('I', (last: string, ...names: string[]) => {
    const first = names.map((name) => `-${name}`).join(', ')
    return `One of the options ${first} and -${last} is required.`
  }),
  badLabel: block(
    'I',
    (option: string, most: number, bytes: number) =>
      `Option -${option} takes 1 to ${most} characters; this one has ${plural(bytes, 'byte')}.`,
  ),
  notSupplied: block('S', (name: string) => `Option -${name} was not supplied.  It is required.`),
  notSpecified: block('M', (name: string) => `Option -${name} was not specified.  It is required.`),
  enterPassword: block('S', () => 'Enter the password: '),
  enterNewPassword: block('M', () => 'Enter new password: '),
  reenterNewPassword: block('M', () => 'Re-enter new password: '),
  enterRolePassword: block('T', (role: string) => `Enter password for ${role}: `),
  reenterRolePassword: block('T', (role: string) => `Re-enter password for ${role}: `),
  enterDomain: block('M', () => 'Enter the domain name: '),
  reenterDomain: block('M', () => 'Re-enter the domain name: '),
  entriesDiffer: block('I', () => 'The two entries are not the same.'),

  // ---- banner and slots (2.2, 2.3, 2.7) ----
  bannerA: flush('S', () => ['LunaCM V6.3.0 - Copyright (c) 2006-2017 Gemalto, Inc.', '', `${INDENT}Available HSM's:`]),
  bannerB: flush('S', () => ['LunaCM v7.0.0. Copyright (c) 2006-2017 SafeNet.', '', `${INDENT}Available HSMs:`]),
  record: block('S', (fields: readonly (readonly [string, string])[]) =>
    fields.map(([name, value]) => `${`${name} ->`.padEnd(24)}${value}`.trimEnd()),
  ),
  betweenRecordsA: flush('S', () => ' '.repeat(5)),
  betweenRecordsB: flush('S', () => ''),
  afterRecordsA: flush('S', () => ''),
  afterRecordsB: flush('S', () => ['', '']),
  currentSlot: block('S', (id: number) => `Current Slot Id: ${id}`),
  noSlot: block('T', () => 'Current Slot Id: None'),
  slotSet: block('S', (id: number, description: string) => `Current Slot Id: ${id}     (${description})`),
  noSuchSlot: block('I', (id: number) => `There is no slot ${id}.`),
  noCurrentSlot: block('I', () => 'There is no current slot.'),

  // ---- ped (7.2, 7.3) ----
  pedLocal: block('S', (slot: number, id: number) => `HSM slot ${slot} listening to local PED (PED id=${id}).`),
  pedRemote: block('S', (slot: number, id: number) => `HSM slot ${slot} listening to remote PED (PED id=${id}).`),
  pedAlready: block('I', (slot: number) => `HSM slot ${slot} is already connected to a remote PED.`),
  aboutToDisconnectPed: block('M', () => 'You are about to disconnect from the remote PED.'),
  aboutToInitVector: block('D', () => 'You are about to initialize the Remote PED Vector'),
  vectorInitialized: block('D', () => 'RPV was successfully initialized.'),

  // ---- role (2.7, 2.7a, 3.4) ----
  activated: block('S', () => 'User is activated, PED is not required.'),
  officerMissing: block('I', (slot: number) => `The Crypto Officer must be logged in on slot ${slot}.`),
  unknownRole: block('I', (name: string) => `'${name}' is not a role.`),
  rolesOfSlot: block('M', (slot: number) => `Roles on slot ${slot}:`),
  roleRow: block('M', (name: string, short: string, state: string) => `${name.padEnd(24)}${short.padEnd(6)}${state}`),
  stateOfRole: block('D', (role: string) => `State of role '${role}':`),
  roleNotInitialized: block('D', () => `${INDENT}Not initialized.`),
  primaryAuth: block('D', (type: string) => `${INDENT}Primary authentication type:  ${type}`),
  secondaryAuth: block('D', (type: string) => `${INDENT}Secondary authentication type:  ${type}`),
  attemptsLeft: block('D', (count: number) => `${INDENT}Failed login attempts before lockout: ${count}`),
  roleLockedOut: block('D', () => `${INDENT}Locked out`),
  changeDue: block('I', (what: string) => `${INDENT}The ${what} has to be changed`),
  roleActivated: block('I', () => `${INDENT}Activated`),
  mustBeLoggedIn: block('D', () => 'A role must be logged in to change password.'),
  noSecondary: block('D', () => [
    'Warning: this role has no secondary credentials.',
    '-prompt parameter will be ignored.',
  ]),
  hasSecondary: block('D', (which: 'primary' | 'secondary') => [
    'This role has secondary credentials.',
    `You are about to change the ${which} credentials.`,
  ]),
  enterChallenge: block('D', () => 'enter new challenge secret: '),
  reenterChallenge: block('D', () => 're-enter new challenge secret: '),

  // ---- hsm (2.7) ----
  aboutToInitHsm: block('R', () => [
    'You are about to initialize the HSM.',
    'All contents of the HSM will be destroyed.',
  ]),
  wrongAuth: block('I', (option: string) => `Option -${option} does not fit this HSM.`),
  aboutToReset: block('R', () => [
    'You are about to factory reset the HSM.',
    'All contents of the HSM will be destroyed.',
    'HSM policies will be reset, the remote PED vector and the Auditor role will be erased.',
  ]),
  aboutToZeroize: block('R', () => ['You are about to zeroize the HSM.', 'All contents of the HSM will be destroyed.']),

  // ---- hsm tampershow, stm, srk ----
  noTamper: block('I', () => 'No active tampers.'),
  tampersDetected: block('D', () => 'Tamper(s) detected'),
  tamper: block('I', (cause: string, time: string, count: number) => `${INDENT}${cause}, ${time}, tamper ${count}`),
  tamperCleared: block('R', () => 'Tampers have been cleared.'),
  aboutToTransport: block('D', () => 'You are about to configure the HSM in STM.'),
  configuringTransport: block('D', () => 'Configuring the HSM for transport (may take a few seconds)...'),
  transportDone: block('R', () => 'HSM was successfully configured for transport.'),
  recordStrings: block('D', () => [
    'Record the displayed verification & random user strings.',
    'These are required to recover from Secure Transport Mode.',
  ]),
  verificationString: block('D', (text: string) => `${INDENT}Verification String: ${text}`),
  randomString: block('D', (text: string) => `${INDENT}Random User  String: ${text}`),
  badString: block('I', () => 'A random user string has four groups of four characters.'),
  compareStrings: block('R', () => [
    'Compare it with the verification string that was displayed when the HSM was put into STM.',
    'If they are not the same, the HSM was changed on its way, or the random user string is another.',
  ]),
  transportLeft: block('R', () => 'HSM was successfully recovered from Secure Transport Mode.'),
  transportState: block('I', (on: boolean) => `Secure Transport Mode: ${on ? 'yes' : 'no'}`),
  aboutToSrkTransport: block('R', () => [
    'You are about to put the HSM into Secure Transport Mode.',
    'It works again when the purple PED key is presented.',
  ]),
  srkState: block('M', (external: boolean, tampered: boolean, transport: boolean) => [
    'Secure Recovery State flags:',
    '===================================',
    `External split enabled:  ${external ? 'yes' : 'no'}`,
    `SRK resplit required:    no`,
    `Hardware tampered:       ${tampered ? 'yes' : 'no'}`,
    `Transport mode:          ${transport ? 'yes' : 'no'}`,
  ]),

  // ---- audit ----
  onlyAuditor: block('I', () => 'Only the Auditor role has a domain of its own.'),
  auditMask: block('I', (letters: string, names: string) => `Logged: ${letters}${names ? ` (${names})` : ''}`),
  badMask: block('I', (text: string) => `'${text}' is not an event to log.`),
  auditLogsAll: block('I', () => ['You are about to log every event.', 'A log that is full stops the HSM.']),
  auditState: block('I', (fields: readonly (readonly [string, string])[]) =>
    fields.map(([name, value]) => `${`${name}:`.padEnd(28)}${value}`),
  ),
  auditRow: block('I', (text: string) => text),
  auditEmpty: block('I', () => 'The log is empty.'),
  auditWritten: block('I', (count: number, path: string) => `${plural(count, 'record')} written to ${path}.`),
  aboutToClearLog: block('I', (through: bigint) => [
    `You are about to give up the records up to number ${through}.`,
    'What was not exported is lost.',
  ]),
  verifiedMessages: block('D', (first: bigint, last: bigint) => `Verified messages ${first} to ${last}`),
  notVerified: block('I', (sequence: bigint) => `Record ${sequence} is not as the HSM logged it.`),
  secretExported: block('D', (path: string) => `Successfully exported wrapped log secret to file '${path}'`),
  secretImported: block('R', (serial: bigint) => `Successfully imported the log secret of HSM ${serial}.`),
  cannotRead: block('I', (path: string) => `${path} cannot be read.`),
  cannotWrite: block('I', (path: string) => `${path} cannot be written.`),
  fileExists: block('I', (path: string) => `${path} exists; use -overwrite.`),
  notALog: block('I', (path: string) => `${path} is not an audit log.`),
  hsmPolicyFips: block('T', () => [
    '*** WARNING ***',
    'Selection of this policy option places the HSM in a mode',
    'of operation that is not approved by FIPS 140-2.',
    'The User and all User objects will be deleted.',
  ]),
  hsmPolicyDestructive: block('R', () => [
    '*** WARNING ***',
    'You are about to change a destructive HSM policy.',
    'All partitions of the HSM will be destroyed.',
  ]),
  hsmCapabilities: block('T', () => 'HSM Capabilities'),
  hsmPolicies: block('T', () => 'HSM Policies'),

  // ---- partition (2.7, 2.7a) ----
  aboutToInitPartition: block('T', () => [
    'You are about to initialize the partition.',
    'All contents of the partition will be destroyed.',
  ]),
  partitionCreated: block('I', (name: string, serial: bigint, slot: number | undefined) => {
    const what = name === '' ? 'A partition' : `Partition ${name}`
    return `${what} was created${slot === undefined ? '' : ` in slot ${slot}`}, serial number ${serial}.`
  }),
  slotInUse: block('I', (slot: number) => `Slot ${slot} is in use already.`),
  slotTooHigh: block('I', (most: number) => `Slot numbers go up to ${most}.`),
  otherHsm: block('I', (slot: number) => `Slot ${slot} is not on the HSM of the current slot.`),
  adminSlot: block('I', (slot: number) => `Slot ${slot} is the HSM itself, not a partition.`),
  noSuchSerial: block('I', (serial: string) => `The HSM has no partition with serial number ${serial}.`),
  aboutToDelete: block('R', (name: string, serial: bigint) => [
    name === ''
      ? `You are about to delete the partition with serial number ${serial}.`
      : `You are about to delete partition ${name}.`,
    'All contents of the partition will be destroyed.',
  ]),
  aboutToClear: block('R', () => ['You are about to clear the partition.', 'All of its objects will be destroyed.']),
  cleared: block('R', (count: number) => `${plural(count, 'object')} destroyed.`),
  partitionCapabilities: block('T', () => 'Partition Capabilities'),
  partitionPolicies: block('T', () => 'Partition Policies'),
  policy: block(
    'M',
    (id: number, text: string, value: string) => `${INDENT}${String(id).padStart(3)}: ${text} : ${value}`,
  ),
  noSuchPolicy: block('I', (id: number) => `There is no policy ${id} to change.`),
  policyCounts: block('I', () => 'There are not as many values as policies.'),
  partitionPolicyDestructive: block('R', () => [
    'You are about to change a destructive partition policy.',
    'All objects of the partition will be destroyed.',
  ]),
  domainCount: block('I', (count: number) => `Domains of the partition: ${count}`),
  domainRow: block(
    'I',
    (label: string, kind: string, primary: boolean) =>
      `${INDENT}${label.padEnd(34)}${kind}${primary ? ', primary' : ''}`,
  ),
  noSuchDomain: block('I', (label: string) =>
    label === '' ? 'Every domain of the partition has a label.' : `The partition has no domain ${label}.`,
  ),
  showLabel: field('D', 'Partition Label'),
  showManufacturer: field('D', 'Partition Manufacturer'),
  showModel: field('D', 'Partition Model'),
  showSerial: field('D', 'Partition Serial Number'),
  showStatus: field('D', 'Partition Status'),
  showHsmSerial: field('D', 'HSM Serial Number'),
  tokenFlags: block('D', () => 'Token Flags ->'),
  extendedFlags: block('D', () => 'Extended Token Flags ->'),
  containerFlags: block('I', () => 'Container Flags ->'),
  showFlag: block('D', (name: string) => `${INDENT}${name}`),
  showVector: field('D', 'RPV Initialized'),
  showSlot: field('D', 'Slot Id'),
  showSession: field('D', 'Session State'),
  showRole: field('D', 'Role Status'),
  showFirmware: field('D', 'Firmware Version'),
  hsmStorageHeading: block('D', () => 'HSM Storage:'),
  partitionStorageHeading: block('D', () => 'Partition Storage:'),
  totalStorage: storage('D', 'Total Storage Space'),
  usedStorage: storage('D', 'Used Storage Space'),
  freeStorage: storage('D', 'Free Storage Space'),
  objectCount: storage('D', 'Object Count'),
  allowedPartitions: storage('D', 'Allowed Partitions'),
  partitionsInUse: storage('D', 'Number of Partitions'),
  notFips: block('D', (what: string) => `*** The ${what} is NOT in FIPS 140-2 approved operation mode. ***`),
  fips: block('M', (what: string) => `*** The ${what} is in FIPS 140-2 approved operation mode. ***`),
  contentsOf: block('M', (role: string) => [
    `The '${role}' is currently logged in. Looking for objects`,
    `accessible to the '${role}'.`,
  ]),
  contentsPublic: block('I', () => ['No role is currently logged in. Looking for', 'public objects.']),
  objectList: block('T', () => 'Object list:'),
  objectRow: block('T', (label: string, handle: number, type: string, uid: string) => [
    `Label:         ${label}`.trimEnd(),
    `Handle:        ${handle}`,
    `Object Type:   ${type}`,
    `Object UID:    ${uid}`,
  ]),
  numberOfObjects: block('M', (count: number) => `Number of objects:  ${count}`),
  mechanismsSupported: block('T', () => 'Mechanisms Supported:'),
  mechanism: block('T', (value: number, name: string) => `0x${value.toString(16).padStart(8, '0')} - ${name}`),

  // ---- partition clone ----
  cloneToItself: block('I', (slot: number) => `Slot ${slot} is the current slot: a partition is not cloned to itself.`),
  cloneToBackup: block('I', (slot: number) => [`Slot ${slot} is a Backup HSM: use 'partition archive backup'.`]),
  cloneToAdmin: block('I', (slot: number) => `Slot ${slot} is the HSM itself: objects go to a partition.`),
  loggingInToTarget: block('M', (slot: number) => `Logging in to target slot ${slot}.`),
  verifyingClone: block('M', () => 'Verifying that all objects can be cloned...'),
  willBeCloned: block('M', (count: number) => `${plural(count, 'object')} will be cloned.`),
  cloning: block('M', () => 'Cloning objects...'),
  clonedTo: block(
    'M',
    (handle: number, source: number, newHandle: number, target: number) =>
      `Handle ${handle} on slot ${source} is now handle ${newHandle} on slot ${target}`,
  ),
  cloneComplete: block('M', () => 'Cloning Complete.'),
  haveBeenCloned: block('M', (count: number, slot: number) => `${plural(count, 'object')} cloned to slot ${slot}.`),

  // ---- partition archive backup (5.3) ----
  loggingInAsSo: block('S', (slot: number) => `Logging in as the SO on slot ${slot}.`),
  creatingPartition: block('S', (name: string, slot: number) => `Creating partition ${name} on slot ${slot}.`),
  loggingIntoContainer: block(
    'S',
    (name: string, slot: number) => `Logging into the container ${name} on slot ${slot} as the user.`,
  ),
  creatingDomain: block(
    'S',
    (name: string, slot: number) => `Creating Domain for the partition ${name} on slot ${slot}.`,
  ),
  verifyingBackup: block('S', () => 'Verifying that all objects can be backed up...'),
  willBeBackedUp: block('S', (count: number) => `${count} objects will be backed up.`),
  backingUp: block('S', () => 'Backing up objects...'),
  clonedToPartition: block(
    'S',
    (handle: number, name: string, newHandle: number) =>
      `Cloned object ${handle} to partition ${name} (new handle ${newHandle}).`,
  ),
  beforeBackupComplete: flush('S', () => INDENT),
  backupComplete: block('S', () => 'Backup Complete.'),
  haveBeenBackedUp: block('S', (count: number, name: string, slot: number) => [
    `${count} objects have been backed up to partition ${name}`,
    `on slot ${slot}.`,
  ]),
  skipped: block('I', (count: number, noun: string) => `${plural(count, noun)} cannot be cloned and will be skipped.`),
  alreadyThere: block('I', (count: number) => `${plural(count, 'object')} already there will be skipped.`),
  cloneFailed: block(
    'R',
    (handle: number, value: number, name: string) => `Failed to clone object ${handle}: ${hex(value)} (${name}).`,
  ),
  clonedUntilThen: block(
    'I',
    (count: number) => `At least ${plural(count, 'object')} had been cloned by then, each of them whole.`,
  ),
  notCloned: block('I', (count: number) => `${plural(count, 'object')} could not be cloned.`),
  notBackupSlot: block('I', (slot: number) => `Slot ${slot} is not a Backup HSM.`),
  partitionExists: block('I', (name: string, slot: number) => [
    `Partition ${name} exists on slot ${slot}.`,
    'Use -append to add to it or -replace to empty it first.',
  ]),
  noSuchPartition: block('I', (name: string, slot: number) => `There is no partition ${name} on slot ${slot}.`),
  noSuchObject: block('I', (handle: number) => `There is no object with handle ${handle}.`),
  noRoom: block('I', (needed: bigint, free: bigint) => `The objects take ${needed} bytes, ${free} bytes are free.`),
  aboutToReplace: block('R', (where: string) => [
    `You are about to replace the contents of ${where}.`,
    'All objects that are there now will be destroyed.',
  ]),
  theCurrentSlot: 'the partition in the current slot',
  partitionOnSlot: (name: string, slot: number) => `partition ${name} on slot ${slot}`,

  // ---- partition archive restore (5.7) ----
  loggingInToRestore: block(
    'M',
    (name: string, slot: number) => `Logging in to partition ${name} on slot ${slot} as the user.`,
  ),
  verifyingRestore: block('M', () => 'Verifying that all objects can be restored...'),
  willBeRestored: block('M', (count: number) => `${count} objects will be restored.`),
  restoring: block('M', () => 'Restoring objects...'),
  clonedFromPartition: block(
    'M',
    (handle: number, name: string, newHandle: number) =>
      `Cloned object ${handle} from partition ${name} (new handle ${newHandle}).`,
  ),
  restoreComplete: block('M', () => 'Restore Complete.'),
  haveBeenRestored: block(
    'M',
    (count: number, name: string, slot: number) =>
      `${count} objects have been restored from partition ${name} on slot ${slot}.`,
  ),

  // ---- partition archive list, contents, delete (5.8) ----
  hsmStorageOf: block('M', (slot: number) => `HSM Storage Information for slot ${slot}:`),
  hsmStorage: block('M', (total: bigint, used: bigint, free: bigint, allowed: number, partitions: number) => [
    `Total HSM Storage Space:  ${total}`,
    `Used HSM Storage Space:   ${used}`,
    `Free HSM Storage Space:   ${free}`,
    `Number Of Allowed Partitions: ${allowed}`,
    `Number Of Partitions: ${partitions}`,
  ]),
  partitionList: block('M', (slot: number) => `Partition list for slot ${slot}`),
  partitionCount: block('M', (count: number) => `Number of partition: ${count}`),
  partitionRow: block('M', (name: string, total: bigint, used: bigint, free: bigint, objects: number) => [
    `Name:                      ${name}`,
    `Total Storage Size:        ${total}`,
    `Used Storage Size:         ${used}`,
    `Free Storage Size:         ${free}`,
    `Number Of Objects:         ${objects}`,
  ]),

  // ---- help ----
  helpIntro: block('I', () => 'The following commands are available (short names in parentheses):'),
  helpRow: block('I', (name: string, text: string) => `${name.padEnd(44)}${text}`),
  helpMore: block('I', () => "Type 'help' and a command, or a command and '?', for its syntax."),
  syntax: block('I', (text: string) => `Syntax: ${text}`),
  helpLogin: block('I', (login: string) => `Login:  ${login}`),
  helpOption: block('I', (name: string, text: string) => `${INDENT}${name.padEnd(36)}${text}`),
} as const
