import { flush } from '../../lunacm/index.js'

/** A partition that an appliance shows to this client. */
export interface FoundSlot {
  readonly serial: bigint
  readonly label: string
}

/** Every line that `vtl` prints; tags as in host/lunacm/literal.ts. */
export const literals = {
  banner: flush('T', () => ['vtl (64-bit) v10.3.0-275. Copyright (c) 2020 SafeNet. All rights reserved.', '']),

  // ---- createCert ----
  keyWritten: flush('T', (path: string) => `Private Key created and written to: ${path}`),
  certificateWritten: flush('T', (path: string) => `Certificate created and written to: ${path}`),

  // ---- servers ----
  serverAdded: flush('T', (host: string) => [`New server ${host} successfully added to server list.`]),
  serverDeleted: flush('M', (host: string) => [`Server: ${host} successfully removed from server list.`]),
  server: flush('T', (host: string) => `Server: ${host}  HTL required: no`),
  noServers: flush('T', () => 'Error: There are no registered servers'),

  // ---- verify ----
  found: flush('T', () => [
    'The following Luna SA Slots/Partitions were found:',
    '',
    'Slot    Serial #                Label',
    '====    ================        =====',
  ]),
  foundSlot: flush('T', (id: number, { serial, label }: FoundSlot) =>
    `${`${id}`.padStart(4)}    ${`${serial}`.padStart(16)}        ${label}`.trimEnd(),
  ),
  noneFound: flush('I', () => 'Error: No slots were found: no partition is assigned to this client'),
  unreachable: flush('I', (host: string, code: string, why: string) => `Error: Server ${host}: ${why} (${code})`),

  // ---- listSlots ----
  slots: flush('D', (count: number) => [`Number of slots: ${count}`, '', 'The following slots were found:', '']),
  slotHead: flush('R', () => [
    row('Slot #', 'Description', 'Label', 'Serial #', 'Status'),
    row('=========', '='.repeat(20), '='.repeat(32), '='.repeat(16), '============'),
  ]),
  slot: flush('R', (id: number, slot: FoundSlot | undefined) =>
    slot
      ? row(`slot #${id}`, 'LunaNet Slot', slot.label || '-', String(slot.serial), 'Present')
      : row(`slot #${id}`, 'LunaNet Slot', '-', '-', 'Not present'),
  ),
}

function row(slot: string, description: string, label: string, serial: string, status: string): string {
  return `${slot.padEnd(13)}${description.padEnd(24)}${label.padEnd(36)}${serial.padEnd(20)}${status}`
}
