import { LABEL_MAX } from '../../../assembly/protocol.js'
import type { Args } from '../args.js'
import type { OptionSpec } from '../command.js'
import { badLine } from '../errors.js'
import { literals } from '../literals.js'
import { ROLE_NAMES } from '../roles.js'

// Options that several commands share.

export const force: OptionSpec = { name: 'force', short: ['f'], kind: 'flag', help: 'Do not ask before destroying' }

export function slotOption(required: boolean, help: string): OptionSpec {
  return { name: 'slot', short: ['s'], kind: 'number', required, value: '<slot>', help }
}

export function passwordOption(help: string): OptionSpec {
  return { name: 'password', short: ['p'], kind: 'text', secret: true, value: '<password>', help }
}

export const labelOption: OptionSpec = {
  name: 'label',
  short: ['l'],
  kind: 'text',
  required: true,
  value: '<label>',
  help: `Label, 1 to ${LABEL_MAX} characters`,
}

/** The value of an option that becomes a label, undefined where it was left out. @throws CommandError CKR_ARGUMENTS_BAD */
export function newLabel(args: Args, option: string): string | undefined {
  const text = args.text(option)
  if (text === undefined) return undefined
  const bytes = Buffer.byteLength(text)
  if (bytes < 1 || bytes > LABEL_MAX) throw badLine(literals.badLabel, option, LABEL_MAX, bytes)
  return text
}

export function requiredLabel(args: Args, option: string): string {
  return newLabel(args, option) ?? args.requiredText(option)
}

export const partitionOption: OptionSpec = {
  name: 'partition',
  short: ['par'],
  kind: 'text',
  required: true,
  value: '<name>',
  help: 'Name of the partition on the Backup HSM',
}

export const objectsOption: OptionSpec = {
  name: 'objects',
  short: ['o'],
  kind: 'numbers',
  value: '<handle,...>',
  help: 'Only these objects; 0 = all',
}

export const domainOptions: readonly OptionSpec[] = [
  { name: 'domain', short: ['d'], kind: 'text', secret: true, value: '<domain>', help: 'Cloning domain' },
  { name: 'defaultdomain', short: ['def'], kind: 'flag', help: 'Use the default domain' },
]

export const roleOption: OptionSpec = {
  name: 'name',
  short: ['n'],
  kind: 'words',
  known: ROLE_NAMES.flatMap(({ name, short }) => [name.toLowerCase(), short]),
  required: true,
  value: '<role>',
  help: 'Role: so, po, co, cu, au or the full name',
}
