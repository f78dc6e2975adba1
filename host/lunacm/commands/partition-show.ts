import { type Command, word } from '../command.js'
import { partitionInformation } from '../information.js'
import { literals } from '../literals.js'
import { mechanismName } from '../mechanism-names.js'
import { sayContents } from '../object-list.js'
import { sayPolicies } from '../policies.js'
import { roleName } from '../roles.js'
import { slotOption } from './options.js'

const group = word('partition', 'par')

const showinfo: Command = {
  words: [group, word('showinfo', 'si')],
  options: [],
  help: 'Show the partition in the current slot',
  async run(context) {
    await partitionInformation(context, await context.current())
  },
}

const showpolicies: Command = {
  words: [group, word('showpolicies', 'sp')],
  options: [slotOption(false, 'Slot, the current one unless given')],
  help: 'Show capabilities and policies of a partition',
  async run(context, args) {
    const slot = await context.slot(args.number('slot'))
    sayPolicies(context.output, 'partition', await slot.client.partitions.policies(slot.partition))
  },
}

const contents: Command = {
  words: [group, word('contents', 'con')],
  options: [],
  login: 'Crypto Officer or Crypto User, to see private objects',
  help: 'List the objects of the partition in the current slot',
  async run(context) {
    const { output } = context
    const slot = await context.current()
    const { handle, role } = await context.session(slot)
    if (role === undefined) output.paragraph(literals.contentsPublic)
    else output.paragraph(literals.contentsOf, roleName(role))
    await sayContents(output, { client: slot.client, session: handle })
  },
}

const showmechanism: Command = {
  words: [group, word('showmechanism', 'sm')],
  options: [],
  help: 'List the mechanisms of the HSM',
  async run(context) {
    const { output } = context
    const slot = await context.current()
    const mechanisms = [...(await slot.client.crypto.mechanisms())].sort((a, b) => a.mechanism - b.mechanism)
    output.paragraph(literals.mechanismsSupported)
    for (const { mechanism } of mechanisms) output.say(literals.mechanism, mechanism, mechanismName(mechanism))
  },
}

export const partitionShowCommands: readonly Command[] = [showinfo, showpolicies, contents, showmechanism]
