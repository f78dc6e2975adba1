import { isIP } from 'node:net'
import { type OptionSpec, rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import type { Context } from '../context.js'
import type { KnownClient } from '../door.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'

const group = word('client', 'c')

const clientOption: OptionSpec = {
  name: 'client',
  short: ['c'],
  kind: 'text',
  required: true,
  value: '<name>',
  help: 'Name of the client',
}
const partitionOption: OptionSpec = {
  name: 'partition',
  short: ['p', 'par'],
  kind: 'text',
  required: true,
  value: '<name>',
  help: 'Name, label or serial number of the partition',
}
export const force: OptionSpec = { name: 'force', short: ['f'], kind: 'flag', help: 'Ask nothing' }

const register: Command = {
  words: [group, word('register', 'reg')],
  options: [
    clientOption,
    { name: 'ip', kind: 'text', value: '<address>', help: 'Address of the client' },
    { name: 'hostname', short: ['host', 'h'], kind: 'text', value: '<name>', help: 'Host name of the client' },
    {
      name: 'certificate',
      short: ['cert'],
      kind: 'text',
      value: '<file>',
      help: "Its certificate, unless it is <address>.pem or <name>.pem in the appliance's folder",
    },
  ],
  help: 'Register a client by its certificate',
  async run({ door }, args) {
    const [ip, hostname] = [args.text('ip'), args.text('hostname')]
    const host = ip ?? hostname
    if (host === undefined || (ip !== undefined) === (hostname !== undefined) || (ip !== undefined && isIP(ip) === 0)) {
      throw new Refusal(rendered(literals.oneOfHosts))
    }
    door.registry.register({ name: args.requiredText('client'), host, certificate: args.text('certificate') })
  },
}

const list: Command = {
  words: [group, word('list', 'l')],
  options: [],
  help: 'List the registered clients',
  async run({ door, output }) {
    const clients = door.registry.list()
    output.gap()
    if (clients.length === 0) output.say(literals.noClients)
    for (const [index, { name }] of clients.entries()) output.say(literals.client, index + 1, name)
  },
}

const show: Command = {
  words: [group, word('show', 's')],
  options: [clientOption],
  help: 'Show a client and its partitions',
  async run(context, args) {
    const { output } = context
    const { name, host, fingerprint, partitions } = known(context, args.requiredText('client'))
    output.paragraph(literals.clientId, name)
    if (host !== undefined) output.say(literals.clientAddress, isIP(host) ? 'IPAddress' : 'Hostname', host)
    output.say(literals.clientFingerprint, fingerprint)
    output.say(
      literals.clientPartitions,
      partitions.map((serial) => context.door.names.nameOf(serial) ?? serial),
    )
  },
}

const remove: Command = {
  words: [group, word('delete', 'del')],
  options: [clientOption, force],
  help: 'Delete a client; its connections end',
  async run(context, args) {
    const { name } = known(context, args.requiredText('client'))
    await context.confirm(args.has('force'), literals.aboutToDeleteClient(name))
    context.door.registry.delete(name)
  },
}

const assignPartition: Command = {
  words: [group, word('assignPartition', 'a')],
  options: [clientOption, partitionOption],
  help: 'Let a client use a partition',
  async run(context, args) {
    const { name } = known(context, args.requiredText('client'))
    const { serial, name: partition } = await context.partition(args.requiredText('partition'))
    context.door.registry.assign(name, String(serial))
    if (partition !== '-') context.door.names.put(String(serial), partition)
  },
}

const revokePartition: Command = {
  words: [group, word('revokePartition', 'rev')],
  options: [clientOption, partitionOption],
  help: 'Let a client no longer use a partition',
  async run(context, args) {
    const { name, partitions } = known(context, args.requiredText('client'))
    const wanted = args.requiredText('partition')
    // One that is gone from the HSM, or an HSM that does not answer, can be revoked too.
    const serial =
      partitions.find((one) => one === wanted || context.door.names.nameOf(one) === wanted) ??
      String((await context.partition(wanted)).serial)
    context.door.registry.revoke(name, serial)
  },
}

/** @throws Refusal */
function known({ door }: Context, name: string): KnownClient {
  const client = door.registry.list().find((one) => one.name === name)
  if (!client) throw new Refusal(rendered(literals.noClient(name)))
  return client
}

export const clientCommands: readonly Command[] = [register, list, show, remove, assignPartition, revokePartition]
/** These say so when they are done. */
export const changesClients: ReadonlySet<Command> = new Set([register, remove, assignPartition, revokePartition])
