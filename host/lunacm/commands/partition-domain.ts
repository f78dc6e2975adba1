import { DOMAIN_RED, RC_ARGUMENTS_BAD } from '../../../assembly/protocol.js'
import type { Slot } from '../../client/index.js'
import { type Command, type OptionSpec, word } from '../command.js'
import { badLine, refusal } from '../errors.js'
import { literals } from '../literals.js'
import { asksForAnotherDomain } from '../ped-notice.js'
import { phrases } from '../phrases.js'

import { newLabel, requiredLabel } from './options.js'

const group = word('partition', 'par')

const domainLabel: OptionSpec = {
  name: 'domainlabel',
  short: ['dlb'],
  kind: 'text',
  required: true,
  value: '<label>',
  help: 'Label of the domain, 1 to 32 characters',
}
const primaryOption: OptionSpec = { name: 'primary', short: ['pri'], kind: 'flag', help: 'Make it the primary domain' }
const login = 'Partition SO'

const add: Command = {
  words: [group, word('domainadd', 'dad')],
  options: [
    domainLabel,
    { name: 'domain', short: ['d'], kind: 'text', secret: true, value: '<domain>', help: 'Text of the domain' },
    { name: 'domainped', short: ['dped'], kind: 'flag', help: 'Read the domain from a red PED key' },
    primaryOption,
  ],
  login,
  help: 'Add a cloning domain to the partition in the current slot',
  async run(context, args) {
    const text = args.text('domain')
    const ped = args.has('domainped')
    if (ped && text !== undefined) throw badLine(literals.exclusive, 'domain', 'domainped')
    if (!ped && text === undefined) throw badLine(literals.oneOf, 'domain', 'domainped')
    const label = requiredLabel(args, 'domainlabel')
    const slot = await context.current()
    const session = await context.session(slot)
    if (ped && (await asksForAnotherDomain(slot, session))) context.output.paragraph(literals.attendToPed)
    const primary = args.has('primary')
    const request = text === undefined ? { label, primary } : { label, primary, text }
    await slot.client.partitions.addDomain(session.handle, request)
  },
}

const list: Command = {
  words: [group, word('domainlist', 'dli')],
  options: [],
  help: 'List the cloning domains of the partition in the current slot',
  async run(context) {
    const slot = await context.current()
    const { handle } = await context.session(slot)
    const domains = await slot.client.partitions.domains(handle)
    context.output.paragraph(literals.domainCount, domains.length)
    for (const [index, { type, label }] of domains.entries()) {
      const kind = (type === DOMAIN_RED ? phrases.redDomain : phrases.textDomain).text()
      const shown = label === '' ? phrases.noDomainLabel.text() : label
      context.output.say(literals.domainRow, shown, kind, index === 0)
    }
  },
}

/** Position of the domain with this label. @throws CommandError CKR_ARGUMENTS_BAD */
async function indexOf(slot: Slot, session: number, label: string): Promise<number> {
  const domains = await slot.client.partitions.domains(session)
  const index = domains.findIndex((domain) => domain.label === label)
  if (index < 0) throw refusal(RC_ARGUMENTS_BAD, literals.noSuchDomain, label)
  return index
}

const remove: Command = {
  words: [group, word('domaindelete', 'dde')],
  options: [domainLabel],
  login,
  help: 'Take a cloning domain from the partition; no object goes with it',
  async run(context, args) {
    const slot = await context.current()
    const { handle } = await context.session(slot)
    const index = await indexOf(slot, handle, args.requiredText('domainlabel'))
    await slot.client.partitions.removeDomain(handle, index)
  },
}

const change: Command = {
  words: [group, word('domainchangelabel', 'dchl')],
  options: [
    { ...domainLabel, required: false, help: 'Label that the domain has; left out = the one without a label' },
    { name: 'newlabel', short: ['nl'], kind: 'text', value: '<label>', help: 'Label that it gets' },
    primaryOption,
  ],
  login,
  help: 'Change the label of a cloning domain, or make it the primary one',
  async run(context, args) {
    const label = newLabel(args, 'newlabel') ?? ''
    const slot = await context.current()
    const { handle } = await context.session(slot)
    const index = await indexOf(slot, handle, args.text('domainlabel') ?? '')
    await slot.client.partitions.changeDomain(handle, index, { label, primary: args.has('primary') })
  },
}

export const partitionDomainCommands: readonly Command[] = [add, list, remove, change]
