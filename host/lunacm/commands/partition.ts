import {
  ADMIN_PARTITION,
  RC_OPERATION_NOT_ALLOWED,
  RC_POLICY_ID_INVALID,
  ROLE_PARTITION_SO,
} from '../../../assembly/protocol.js'
import type { Slot } from '../../client/index.js'
import type { Args } from '../args.js'
import { requireContainer } from '../backup-slot.js'
import { type Command, type OptionSpec, word } from '../command.js'
import type { Context, OpenSession } from '../context.js'
import { badLine, refusal } from '../errors.js'
import { literals, textOf } from '../literals.js'
import { domainOption, loggedInOfficer, newSecretOption } from '../login.js'
import { asksForDomain, asksToInitPartition, asksToMakeContainer } from '../ped-notice.js'
import { isDestructive } from '../policies.js'
import { roleName } from '../roles.js'
import { Visit } from '../visit.js'
import { domainOptions, force, passwordOption, slotOption } from './options.js'

const group = word('partition', 'par')

const init: Command = {
  words: [group, word('init', 'in')],
  options: [
    { name: 'label', short: ['l'], kind: 'text', required: true, value: '<label>', help: 'Label, 1 to 32 characters' },
    passwordOption('Password of the Partition SO; on PED-authenticated HSMs ignored'),
    ...domainOptions,
    force,
  ],
  login: 'Partition SO, if the partition is initialized',
  help: 'Initialize the partition in the current slot',
  async run(context, args) {
    const { output } = context
    const slot = await context.current()
    const session = await context.session(slot)
    const label = args.requiredText('label')
    const ped = await context.isPedAuthenticated(slot)
    const password = ped ? '' : (args.text('password') ?? (await askSoPassword(context)))
    const domain = ped ? '' : await domainOption(context, args.text('domain'), args.has('defaultdomain'))
    await output.confirm(args.has('force'), literals.aboutToInitPartition)
    if (ped && (await asksToInitPartition(slot, session))) output.paragraph(literals.attendToPed)
    await slot.client.partitions.init(session.handle, { label, password, domain })
  },
}

function askSoPassword(context: Context): Promise<string> {
  const so = roleName(ROLE_PARTITION_SO)
  const [question, again] = [literals.enterRolePassword, literals.reenterRolePassword]
  return context.output.newSecret([], textOf(question, so), textOf(again, so))
}

const createOptions: readonly OptionSpec[] = [
  { name: 'label', short: ['l'], kind: 'text', value: '<name>', help: 'Make a partition that the HSM SO owns' },
  {
    name: 'slot',
    short: ['sl'],
    kind: 'number',
    value: '<slot>',
    help: 'Make one with its own SO, to show in this slot',
  },
  { name: 'size', short: ['si'], kind: 'number', value: '<bytes>', help: 'Storage, the default size unless given' },
  passwordOption('Password of the user; on PED-authenticated HSMs ignored'),
  ...domainOptions,
  force,
]

const create: Command = {
  words: [group, word('create', 'c')],
  options: createOptions,
  login: 'HSM SO',
  help: 'Create a partition on the HSM of the current slot',
  async run(context, args) {
    const { output } = context
    const label = args.text('label')
    const wanted = args.number('slot')
    if (label !== undefined && wanted !== undefined) throw badLine(literals.exclusive, 'label', 'slot')
    if (label === undefined && wanted === undefined) throw badLine(literals.oneOf, 'label', 'slot')
    const slot = await context.current()
    if ((await context.slots()).some(({ id }) => id === wanted)) {
      throw refusal(RC_OPERATION_NOT_ALLOWED, literals.slotInUse, wanted ?? slot.id)
    }
    const size = BigInt(args.number('size') ?? 0)
    const admin = await context.session(slot, ADMIN_PARTITION)
    const made =
      label === undefined
        ? await slot.client.partitions.create(admin.handle, { legacy: false, label: '', size })
        : await createLegacy(context, slot, { admin, label, size, args })
    output.paragraph(literals.partitionCreated, label ?? String(made.id), made.serial)
  },
}

interface LegacyRequest {
  readonly admin: OpenSession
  readonly label: string
  readonly size: bigint
  readonly args: Args
}

/** A partition of the older kind gets its user and its domain at once. */
async function createLegacy(context: Context, slot: Slot, request: LegacyRequest) {
  const { admin, label, size, args } = request
  const ped = await context.isPedAuthenticated(slot)
  const password = ped ? '' : await newSecretOption(context, 'password', args.text('password'))
  const domain = ped ? '' : await domainOption(context, args.text('domain'), args.has('defaultdomain'))
  if (ped && (await asksToMakeContainer(slot, admin, label))) context.output.paragraph(literals.attendToPed)
  const made = await slot.client.partitions.create(admin.handle, { legacy: true, label, size, password })
  const visit = new Visit(context, slot)
  try {
    const user = await visit.loginUser(made.id, password)
    if (ped && (await asksForDomain(slot))) context.output.say(literals.attendToPed)
    await slot.client.partitions.setDomain(user.session, domain)
  } finally {
    await visit.end()
  }
  return made
}

const remove: Command = {
  words: [group, word('delete', 'del')],
  options: [
    slotOption(false, 'Slot of the partition'),
    { name: 'partition', short: ['par'], kind: 'text', value: '<name>', help: 'Name of the partition' },
    force,
  ],
  login: 'HSM SO',
  help: 'Delete a partition of the HSM of the current slot',
  async run(context, args) {
    const slot = await context.current()
    const partition = await chosenPartition(context, slot, args)
    const { handle } = await context.session(slot, ADMIN_PARTITION)
    await context.output.confirm(args.has('force'), literals.aboutToDelete, partition.label)
    await slot.client.partitions.delete(handle, partition.id)
  },
}

/** The partition that `-slot` or `-partition` names. */
async function chosenPartition(context: Context, slot: Slot, args: Args): Promise<{ id: number; label: string }> {
  const id = args.number('slot')
  const name = args.text('partition')
  if (id !== undefined && name !== undefined) throw badLine(literals.exclusive, 'slot', 'partition')
  if (id === undefined) {
    if (name === undefined) throw badLine(literals.oneOf, 'slot', 'partition')
    return requireContainer(slot, name)
  }
  const other = await context.slot(id)
  const [ours, theirs] = [await slot.client.status(), await other.client.status()]
  if (ours.serial !== theirs.serial) throw refusal(RC_OPERATION_NOT_ALLOWED, literals.otherHsm, id)
  return other.client.partitions.info(other.partition)
}

const changepolicy: Command = {
  words: [group, word('changepolicy', 'cp')],
  options: [
    { name: 'policy', short: ['p'], kind: 'numbers', required: true, value: '<id,...>', help: 'Policies' },
    { name: 'value', short: ['v'], kind: 'numbers', required: true, value: '<value,...>', help: 'Their new values' },
    force,
  ],
  login: 'Partition SO, or HSM SO where it owns the partition',
  help: 'Change policies of the partition in the current slot',
  async run(context, args) {
    const [ids, values] = [args.requiredNumbers('policy'), args.requiredNumbers('value')]
    if (ids.length !== values.length) throw badLine(literals.policyCounts)
    const slot = await context.current()
    const { handle } = await context.session(slot)
    const known = await slot.client.partitions.policies(slot.partition)
    const changes = ids.map((id, index) => {
      const policy = known.find((one) => one.id === id)
      if (!policy) throw refusal(RC_POLICY_ID_INVALID, literals.noSuchPolicy, id)
      return { policy, value: values[index] ?? 0 }
    })
    if (changes.some(({ policy, value }) => isDestructive(policy, value))) {
      await context.output.confirm(args.has('force'), literals.partitionPolicyDestructive)
    }
    for (const { policy, value } of changes) {
      await slot.client.partitions.setPolicy(handle, slot.partition, policy.id, value)
    }
  },
}

const clear: Command = {
  words: [group, word('clear', 'clr')],
  options: [force],
  login: 'Crypto Officer',
  help: 'Destroy all objects of the partition in the current slot',
  async run(context, args) {
    const { slot, session } = await loggedInOfficer(context)
    await context.output.confirm(args.has('force'), literals.aboutToClear)
    const count = await slot.client.partitions.clear(session.handle)
    context.output.paragraph(literals.cleared, count)
  },
}

export const partitionCommands: readonly Command[] = [init, create, remove, changepolicy, clear]
