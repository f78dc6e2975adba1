import { flush } from '../lunacm/index.js'
import type { HsmFacts, PartitionRow } from './facts.js'

const line = (name: string, value: string | number | bigint) => `   ${`${name}:`.padEnd(37)}${value}`.trimEnd()

/** Every line of the appliance's shell; tags as in host/lunacm/literal.ts. */
export const literals = {
  prompt: (name: string) => `[${name}] lunash:>`,

  // ---- frames ----
  success: flush('D', () => 'Command Result : 0 (Success)'),
  failure: flush('T', () => 'Command Result : 65535 (Luna Shell execution)'),
  successful: flush('T', (command: string) => `'${command}' successful.`),
  failed: flush(
    'R',
    (command: string, code: string, text: string) => `Error:  '${command}' failed. (${code} : ${text})`,
  ),
  error: flush('I', (text: string) => `Error:  ${text}`),
  answer: '> ',
  proceeding: flush('M', () => 'Proceeding...'),
  cancelled: flush('M', (command: string) => `'${command}' aborted.`),

  // ---- input ----
  unknownDevice: (name: string) =>
    flush(
      'I',
      () => `Error:  '${name}' is no network device or address: eth0 (all), lo (this computer only), or an address.`,
    ),
  badPort: flush('I', () => 'Error:  A port is a number from 1 to 65535.'),
  oneOfHosts: flush('I', () => 'Error:  One of the options -ip and -hostname is required.'),
  badLabel: flush('I', (most: number) => `Error:  A name has 1 to ${most} characters.`),

  // ---- client ----
  client: flush('T', (index: number, name: string) => `registered client ${index}: ${name}`),
  noClients: flush('M', () => 'No clients are registered.'),
  clientId: flush('M', (name: string) => `ClientID:     ${name}`),
  clientAddress: flush('M', (kind: 'Hostname' | 'IPAddress', host: string) => `${`${kind}:`.padEnd(14)}${host}`),
  clientFingerprint: flush('I', (fingerprint: string) => `Certificate:  SHA-256 ${fingerprint}`),
  clientPartitions: flush('M', (names: readonly string[]) => {
    return `Partitions:   ${names.length === 0 ? '<none>' : names.map((name) => `"${name}"`).join(', ')}`
  }),
  noClient: (name: string) => flush('I', () => `Error:  There is no client "${name}".`),
  aboutToDeleteClient: (name: string) =>
    flush('M', () => [
      `CAUTION:  Are you sure you wish to delete client named:  ${name}`,
      "          Type 'proceed' to delete the client, or 'quit' to quit now.",
    ]),

  // ---- partition ----
  aboutToCreate: (name: string) =>
    flush('T', () => [
      `On completion, you will have this partition: ${name}`,
      "          Type 'proceed' to create the partition, or 'quit' to quit now.",
    ]),
  aboutToDelete: (name: string) =>
    flush('M', () => [
      `CAUTION:  Are you sure you wish to delete the partition named: ${name}`,
      "          Type 'proceed' to delete the partition, or 'quit' to quit now.",
    ]),
  partitionHead: flush('M', () => [
    `${' '.repeat(53)}Storage (bytes)`,
    `${' '.repeat(46)}${'-'.repeat(28)}`,
    'Partition       Name                    Objects      Total       Used       Free',
    '='.repeat(79),
  ]),
  partitionRow: flush('M', ({ serial, name, objects, total, used }: PartitionRow) =>
    [
      `${serial}`.padEnd(16),
      name.padEnd(24),
      `${objects}`.padStart(7),
      `${total}`.padStart(11),
      `${used}`.padStart(11),
      `${total - used}`.padStart(11),
    ].join(''),
  ),
  noPartitions: flush('M', () => 'There are no partitions.'),
  partitionRecord: flush('M', (row: PartitionRow) => [
    `Partition Name:                        ${row.name}`,
    `Partition SN:                          ${row.serial}`,
    `Partition Label:                       ${row.label || '<none>'}`,
    `Partition State:                       ${row.initialized ? 'initialized' : 'not initialized'}`,
    'Partition Storage Information (Bytes):',
    `  Total Storage Space:                 ${row.total}`,
    `  Used Storage Space:                  ${row.used}`,
    `  Free Storage Space:                  ${row.total - row.used}`,
    `Object Count:                          ${row.objects}`,
  ]),
  noPartition: (name: string) => flush('I', () => `Error:  There is no partition "${name}".`),
  twoPartitions: (name: string) =>
    flush('I', () => `Error:  More than one partition is called "${name}": give the serial number.`),
  partitionExists: (name: string) => flush('I', () => `Error:  There is a partition "${name}" already.`),

  // ---- hsm ----
  hsm: flush('T', (hsm: HsmFacts) => [
    'HSM Details:',
    '============',
    line('HSM Label', hsm.label),
    line('Serial #', hsm.serial),
    line('Firmware', hsm.firmware),
    line('HSM Model', hsm.model),
    line('Authentication Method', hsm.ped ? 'PED keys' : 'Passwords'),
    line('HSM Admin login status', hsm.loggedIn ? 'Logged In' : 'Not Logged In'),
    line('HSM Admin login attempts left', `${hsm.attempts} before HSM zeroization!`),
    line('RPV Initialized', hsm.vector ? 'Yes' : 'No'),
    line('Audit Role Initialized', hsm.auditor ? 'Yes' : 'No'),
    line('Manually Zeroized', hsm.zeroized ? 'Yes' : 'No'),
  ]),
  hsmPartitions: flush('T', (allowed: number, made: number) => [
    'Partitions created on HSM:',
    '==========================',
    line('Number of partitions allowed', allowed),
    line('Number of partitions created', made),
  ]),
  hsmPartition: flush('T', (serial: bigint, name: string) => `   Partition: ${serial}, Name: ${name}`),
  hsmStorage: flush('M', (total: bigint, used: bigint, free: bigint) => [
    'HSM Storage Information:',
    '========================',
    line('Maximum HSM Storage Space (Bytes)', total),
    line('Space In Use (Bytes)', used),
    line('Free Space Left (Bytes)', free),
  ]),
  pedLogin: flush('D', () => [
    'Luna PED operation required to login as HSM Administrator - use Security Officer (blue) PED key.',
  ]),
  pedInit: flush('R', () => [
    'Luna PED operation required to initialize HSM - use Security Officer (blue) PED key.',
    'Luna PED operation required to initialize HSM - use Domain (red) PED key.',
  ]),
  pedConnect: flush('D', () => 'Luna PED operation required to connect to Remote PED - use orange PED Key(s).'),
  pedAddress: flush('I', () => 'Error:  One of the options -ip and -name is required.'),
  pedServer: flush('I', (index: number, name: string, fingerprint: string) => [
    `registered PED server ${index}: ${name}`,
    `   Certificate:  SHA-256 ${fingerprint}`,
  ]),
  pedServerRegistered: flush('I', (name: string) => `PED server:  ${name}`),
  noPedServer: (name: string) => flush('I', () => `Error:  There is no PED server "${name}".`),
  pedServersKnown: flush('I', (count: number) => line('Registered PED servers', count)),
  noPedServers: flush('I', () => 'No PED servers are registered.'),
  aboutToDeletePedServer: (name: string) =>
    flush('I', () => [
      `CAUTION:  Are you sure you wish to delete PED server named:  ${name}`,
      "          Type 'proceed' to delete the PED server, or 'quit' to quit now.",
    ]),
  pedShown: flush('I', (id: number, vector: boolean) => [
    line('PED in use', id === 0 ? 'local (PED id=0)' : `remote (PED id=${id})`),
    line('Remote PED vector', vector ? 'Initialized' : 'Not initialized'),
  ]),
  pedTimeoutSet: flush('D', (seconds: number) => `Set the timeout value to ${seconds} seconds.`),
  pedTimeoutOfHsm: flush('I', (seconds: number) => `The HSM itself hangs up after ${seconds} seconds.`),
  pedTimeoutFixed: (type: string, seconds: number) =>
    flush('I', () => `Error:  The HSM's firmware has ${seconds} seconds for ${type}, and no other value.`),
  pedTimeoutUnknown: (type: string) => flush('I', () => `Error:  '${type}' is no type of timeout: rped, pedk or pedo.`),
  badPedTimeout: flush('I', () => 'Error:  A timeout has 1 to 99999 seconds, or 0 for what it was made with.'),
  pedTimeouts: flush('I', (seconds: Readonly<Record<string, number>>) =>
    Object.entries(seconds).map(([type, value]) => line(`Timeout ${type} (seconds)`, value)),
  ),
  adminPassword: flush('T', () => "Please enter the HSM Administrators' password:"),
  newPassword: flush('M', () => 'Please enter a password for the HSM Administrator:'),
  newPasswordAgain: flush('M', () => 'Please re-enter the password to confirm:'),
  newDomain: flush('M', () => 'Please enter the cloning domain to use for initializing this HSM:'),
  passwordsDiffer: flush('I', () => 'Error:  The two entries are not the same.'),
  aboutToInit: flush('M', () => [
    'CAUTION:  Are you sure you wish to initialize this HSM?',
    "          Type 'proceed' to initialize the HSM, or 'quit' to quit now.",
  ]),

  // ---- ntls, sysconf, service ----
  ntlsBound: flush('M', (device: string, host: string, port: number) => [
    `NTLS bound to network device: ${device}  IP Address: "${host}"  Port: ${port}`,
  ]),
  ntlsRunning: flush('I', (pid: number, host: string, port: number) => {
    return `NTLS is running: process ${pid}, IP Address: "${host}"  Port: ${port}`
  }),
  ntlsConnections: flush('I', (count: number) => `Connected clients: ${count}`),
  ntlsStopped: flush('I', () => 'NTLS is not running.'),
  ntlsRestartDue: flush('M', () => 'NTLS must be restarted before the change takes effect.'),
  ipCheck: flush('M', (on: boolean) => `NTLS client source IP validation : ${on ? 'Enable' : 'Disable'}`),
  aboutToRegenerate: flush('M', () => [
    'WARNING !! This command will overwrite the current server certificate and private key.',
    '           All clients will have to add this server again with this new certificate.',
    "If you are sure that you wish to proceed, then type 'proceed', otherwise type 'quit'",
  ]),
  regenerated: flush('M', () => [
    "'sysconf regenCert' successful. NTLS must be (re)started before clients can connect.",
  ]),
  newFingerprint: flush('I', (fingerprint: string) => `Server certificate:  SHA-256 ${fingerprint}`),
  checkingClients: flush('M', () => 'Checking for connected clients before stopping NTLS service:'),
  noConnections: flush('M', () => 'There are no connected clients. Proceeding...'),
  connections: flush('R', (count: number) => `There are ${count} connected clients.`),
  aboutToRestart: flush('R', () => "Type 'proceed' to restart the service, or 'quit' to quit now."),
  stopping: flush('M', (service: string) => `Stopping ${`${service}:`.padEnd(50)}[  OK  ]`),
  starting: flush('M', (service: string) => `Starting ${`${service}:`.padEnd(50)}[  OK  ]`),
}
