// Where our transcripts differ from the seed page (fixtures/seed), and why: the whole list. Everything else is compared
// line by line, to the byte.

/** Lines of the page, exactly as they stand there and only once, and what stands in ours instead. */
export interface Correction {
  readonly half: 'backup' | 'restore'
  readonly seed: readonly string[]
  readonly ours: readonly string[]
  readonly reason: string
}

/** What depends on the run, replaced on both sides before they are compared. */
export interface Mask {
  readonly pattern: RegExp
  readonly mask: string
  readonly reason: string
}

export const MASKS: readonly Mask[] = [
  {
    pattern: /^\u00a0$/,
    mask: '',
    reason: "blank lines of the page's second session hold a no-break space: an artefact of its HTML",
  },
  {
    pattern: /^( {8}Cloned object )\d+( (?:to|from) partition SAbck1 \(new handle )\d+(\)\.)$/,
    mask: '$1#$2#$3',
    reason: 'handles are local to a partition; the lines that are then the same count as one, whatever their number',
  },
  {
    pattern: /^( {8})\d+( objects (?:will be|have been) (?:backed up|restored))/,
    mask: '$1#$2',
    reason: 'other keys, another number; the page itself says 85 first and 20 in the end',
  },
]

const movePed = (slot: string): readonly string[] => [
  'lunacm:> ped disconnect',
  '',
  '        You are about to disconnect from the remote PED.',
  '',
  '        Are you sure you wish to continue?',
  '',
  "        Type 'proceed' to continue, or 'quit' to quit now ->proceed",
  '',
  'Command Result : No Error',
  '',
  `lunacm:> ped connect ip ${slot}`,
]

export const CORRECTIONS: readonly Correction[] = [
  {
    half: 'backup',
    seed: ['        HSM Label ->            BackupHSM Serial Number ->    700101'],
    ours: ['        HSM Label ->            Backup', '        HSM Serial Number ->    700101'],
    reason: 'the page has lost a line break',
  },
  {
    half: 'backup',
    seed: ['lunacm:>ped get'],
    ours: ['lunacm:> ped get'],
    reason: 'everywhere else the page has a space after the prompt',
  },
  {
    half: 'backup',
    seed: ['lunacm:> ped connect ip 192.20.10.189 -slot 2'],
    ours: movePed('192.20.10.189 -slot 2'),
    reason: 'step 6a tells to disconnect the PED from slot 1 first, and shows no transcript of it',
  },
  {
    half: 'restore',
    seed: ['        Label ->                lunabackup', '        Serial Number ->        496771'],
    ours: ['        Label ->                Backup', '        Serial Number ->        700101'],
    reason: 'the page was put together from two installations; ours restores from the Backup HSM that it backed up to',
  },
  {
    half: 'restore',
    seed: ['        HSM slot 1 listening to remote PED (PED id=100).'],
    ours: ['        HSM slot 0 listening to remote PED (PED id=100).'],
    reason: 'copied from the backup: the current slot is 0',
  },
  {
    half: 'restore',
    seed: [
      'partition archive restore -slot <backup-hsm-slotnumber> -partition LunaSAPartitionname -password ClientPassword -replace',
    ],
    ours: [
      ...movePed('192.20.10.190 -slot 21'),
      '',
      'Command Result : No Error',
      '',
      'lunacm:> partition archive restore -slot 21 -partition SAbck1 -replace',
      '',
      '        You are about to replace the contents of the partition in the current slot.',
      '        All objects that are there now will be destroyed.',
      '',
      '        Are you sure you wish to continue?',
      '',
      "        Type 'proceed' to continue, or 'quit' to quit now ->proceed",
      '',
      '        Logging in to partition SAbck1 on slot 21 as the user.',
      '        Please attend to the PED.',
      '',
      '        Verifying that all objects can be restored...',
      '        20 objects will be restored.',
      '',
      '        Restoring objects...',
      '        Cloned object 19 from partition SAbck1 (new handle 19).',
      '',
      '        Restore Complete.',
      '',
      '        20 objects have been restored from partition SAbck1 on slot 21.',
      '',
      'Command Result : No Error',
    ],
    reason:
      'the page gives the syntax without any output, and forgets that the Backup HSM needs the PED for its black key; the lines are provisional',
  },
]
