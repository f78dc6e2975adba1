import { blankPedKey, type OperatorRule, type PedColour, PedKeyBox } from '../ped/index.js'

/** Names of the keys in a lab's box. */
export const KEYS = {
  networkSo: 'blue-network',
  backupSo: 'blue-backup',
  partitionSo: 'blue-partition',
  officer: 'black-partition',
  backupUser: 'black-backup',
  user: 'gray-partition',
  domain: 'red-domain',
  remote: 'orange-remote',
  recovery: 'purple-recovery',
  auditor: 'white-auditor',
  /** In no rule: another cloning domain, for those who want to see what comes of it. */
  otherDomain: 'red-spare',
} as const

const BOX: readonly (readonly [name: string, colour: PedColour, label: string])[] = [
  [KEYS.networkSo, 'blue', 'HSM SO'],
  [KEYS.backupSo, 'blue', 'Backup HSM SO'],
  [KEYS.partitionSo, 'blue', 'Partition SO'],
  [KEYS.officer, 'black', 'Crypto Officer'],
  [KEYS.backupUser, 'black', 'Backup partitions'],
  [KEYS.user, 'gray', 'Crypto User'],
  [KEYS.domain, 'red', 'Cloning domain'],
  [KEYS.remote, 'orange', 'Remote PED vector'],
  [KEYS.recovery, 'purple', 'Secure recovery'],
  [KEYS.auditor, 'white', 'Auditor'],
  [KEYS.otherDomain, 'red', 'Another domain'],
]

/** Puts a blank key for each purpose into a folder that is there. */
export async function fillKeyBox(folder: string): Promise<PedKeyBox> {
  const box = new PedKeyBox(folder)
  for (const [name, colour, label] of BOX) await box.add(name, blankPedKey(colour, label))
  return box
}

/** Which key goes with whose secret, by the label of the HSM or partition as the PED shows it. */
export interface KeyHolders {
  /** Labels of Network and PCIe HSMs. */
  readonly hsms: readonly string[]
  readonly backups: readonly string[]
  /** Labels of application partitions. */
  readonly partitions: readonly string[]
}

/** One kind of secret: the PED's headings for it, and the key for a label; the holder without a label is all the others. */
interface Duty {
  readonly reading: string
  readonly making: string
  readonly holders: readonly { readonly label?: string; readonly key: string }[]
}

const holders = (labels: readonly string[], key: string) => labels.map((label) => ({ label, key }))
const escaped = (text: string) => text.replace(/[^A-Za-z0-9 ]/g, '\\$&')

/**
 * What the person at a lab's PED does: writes a secret to a key that is still blank, presents the same key ever after,
 * and answers "reuse" with it where a secret is made again. The red key above all: without it no backup works.
 * Labels that are not known are taken for partitions: their SO has the Partition SO's key, their user the one of the
 * backup partitions.
 */
export function labRules({ hsms, backups, partitions }: KeyHolders): OperatorRule[] {
  const duties: readonly Duty[] = [
    {
      reading: 'LOGIN SO',
      making: 'SETTING SO PIN',
      holders: [...holders(hsms, KEYS.networkSo), ...holders(backups, KEYS.backupSo), { key: KEYS.partitionSo }],
    },
    {
      reading: 'LOGIN USER',
      making: 'SETTING USER PIN',
      holders: [...holders(partitions, KEYS.officer), { key: KEYS.backupUser }],
    },
    { reading: 'LOGIN LIMITED USER', making: 'SETTING LIMITED PIN', holders: [{ key: KEYS.user }] },
    { reading: 'READING DOMAIN', making: 'SETTING DOMAIN', holders: [{ key: KEYS.domain }] },
    { reading: 'READING RPV', making: 'SETTING RPV', holders: [{ key: KEYS.remote }] },
    { reading: 'READING SRV', making: 'SETTING SRV', holders: [{ key: KEYS.recovery }] },
    { reading: 'LOGIN AUDITOR', making: 'SETTING AUDITOR PIN', holders: [{ key: KEYS.auditor }] },
  ]
  return [
    ...duties.flatMap(rulesOf),
    { prompt: 'M value?', action: 'enter' },
    { prompt: 'N value?', action: 'enter' },
    { prompt: 'Are you duplicating', action: 'no' },
    // A new recovery vector is written over the last one, which opens nothing any more.
    { prompt: '/SETTING SRV.*Overwrite\\?/', action: 'yes' },
    { prompt: 'Overwrite?', action: 'no' },
  ]
}

function rulesOf({ reading, making, holders: all }: Duty): OperatorRule[] {
  return all.flatMap(({ label, key }): OperatorRule[] => {
    const whose = label === undefined ? '.*' : `${escaped(label)} `
    const question = `/^SLOT 01 ${making}\\.\\.\\. ${whose}Would you like to reuse/`
    return [
      { prompt: question, action: 'no', ifBlank: key },
      { prompt: question, action: 'yes' },
      { prompt: `/^SLOT 01 (${reading}|${making})\\.\\.\\. ${whose}Insert a/`, action: 'key', key },
    ]
  })
}
