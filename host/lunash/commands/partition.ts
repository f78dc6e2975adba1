import { LABEL_MAX } from '../../../assembly/protocol.js'
import { type OptionSpec, rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'
import { force } from './client.js'

const group = word('partition', 'par')

const partitionOption = (required: boolean): OptionSpec => ({
  name: 'partition',
  short: ['p', 'par'],
  kind: 'text',
  required,
  value: '<name>',
  help: 'Name, label or serial number of the partition',
})

const create: Command = {
  words: [group, word('create', 'c')],
  options: [
    { ...partitionOption(true), help: 'Name of the partition on this appliance' },
    { name: 'size', short: ['s'], kind: 'number', value: '<bytes>', help: 'Storage, the default size unless given' },
    force,
  ],
  login: 'HSM Admin',
  help: 'Create a partition with an SO of its own',
  async run(context, args) {
    const name = args.requiredText('partition')
    if (name === '' || Buffer.byteLength(name) > LABEL_MAX) throw new Refusal(rendered(literals.badLabel, LABEL_MAX))
    const rows = await context.partitions()
    if (rows.some((row) => row.name === name || row.label === name || String(row.serial) === name)) {
      throw new Refusal(rendered(literals.partitionExists(name)))
    }
    await context.confirm(args.has('force'), literals.aboutToCreate(name))
    const { client, session } = await context.admin()
    const size = BigInt(args.number('size') ?? 0)
    const { serial } = await client.partitions.create(session, { legacy: false, label: '', size })
    context.door.names.put(String(serial), name)
  },
}

const list: Command = {
  words: [group, word('list', 'l')],
  options: [],
  help: 'List the partitions of the HSM',
  async run(context) {
    const rows = await context.partitions()
    context.output.gap()
    if (rows.length === 0) context.output.say(literals.noPartitions)
    else context.output.say(literals.partitionHead)
    for (const row of rows) context.output.say(literals.partitionRow, row)
  },
}

const show: Command = {
  words: [group, word('show', 's')],
  options: [partitionOption(false)],
  help: 'Show one partition, or all',
  async run(context, args) {
    const wanted = args.text('partition')
    const rows = wanted === undefined ? await context.partitions() : [await context.partition(wanted)]
    context.output.gap()
    if (rows.length === 0) context.output.say(literals.noPartitions)
    for (const row of rows) context.output.paragraph(literals.partitionRecord, row)
  },
}

const remove: Command = {
  words: [group, word('delete', 'del')],
  options: [partitionOption(true), force],
  login: 'HSM Admin',
  help: 'Delete a partition with all that is in it; its clients lose it',
  async run(context, args) {
    const { id, serial, name } = await context.partition(args.requiredText('partition'))
    await context.confirm(args.has('force'), literals.aboutToDelete(name))
    const { client, session } = await context.admin()
    await client.partitions.delete(session, id)
    const { registry, names } = context.door
    const gone = String(serial)
    for (const one of registry.list()) if (one.partitions.includes(gone)) registry.revoke(one.name, gone)
    names.drop(gone)
  },
}

export const partitionCommands: readonly Command[] = [create, list, show, remove]
export const changesPartitions: ReadonlySet<Command> = new Set([create, remove])
