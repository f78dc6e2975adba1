import { RC_POLICY_ID_INVALID, ROLE_PARTITION_SO } from '../../../assembly/protocol.js'
import { type Command, word } from '../command.js'
import type { Context } from '../context.js'
import { badLine, refusal } from '../errors.js'
import { literals, textOf } from '../literals.js'
import { domainOption, loggedInOfficer } from '../login.js'
import { asksToInitPartition } from '../ped-notice.js'
import { isDestructive } from '../policies.js'
import { roleName } from '../roles.js'
import { domainOptions, force, labelOption, passwordOption, requiredLabel } from './options.js'
import { partitionLifeCommands } from './partition-life.js'

const group = word('partition', 'par')

const init: Command = {
  words: [group, word('init', 'in')],
  options: [
    labelOption,
    passwordOption('Password of the Partition SO; on PED-authenticated HSMs ignored'),
    ...domainOptions,
    force,
  ],
  login: 'Partition SO, if the partition is initialized',
  help: 'Initialize the partition in the current slot',
  async run(context, args) {
    const { output } = context
    const label = requiredLabel(args, 'label')
    const slot = await context.current()
    const session = await context.session(slot)
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

export const partitionCommands: readonly Command[] = [init, ...partitionLifeCommands, changepolicy, clear]
