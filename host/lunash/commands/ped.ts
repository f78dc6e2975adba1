import { type OptionSpec, rendered, word } from '../../lunacm/index.js'
import type { Command } from '../command.js'
import { Refusal } from '../errors.js'
import { literals } from '../literals.js'
import { force } from './client.js'

const hsm = word('hsm', 'h')
const ped = word('ped', 'p')
const server = word('server', 'se')

const connect: Command = {
  words: [hsm, ped, word('connect', 'c')],
  options: [
    { name: 'ip', short: ['i'], kind: 'text', value: '<address>', help: 'Where the PED server is' },
    { name: 'port', short: ['p'], kind: 'number', value: '<port>', help: 'Its port, 1503 unless given' },
    { name: 'name', short: ['n'], kind: 'text', value: '<name>', help: 'A registered PED server that has called' },
  ],
  help: 'Connect the HSM to a remote PED',
  async run({ door, output }, args) {
    const [ip, name, port] = [args.text('ip'), args.text('name'), args.number('port')]
    if (port !== undefined && (port < 1 || port > 0xffff)) throw new Refusal(rendered(literals.badPort))
    const host = ip ?? name
    if (host === undefined || (ip === undefined ? port !== undefined : name !== undefined)) {
      throw new Refusal(rendered(literals.pedAddress))
    }
    if (name !== undefined && !door.pedServers.list().some((one) => one.name === name)) {
      throw new Refusal(rendered(literals.noPedServer(name)))
    }
    const { client, ped: connector } = await door.hsm()
    output.paragraph(literals.pedConnect)
    await connector.connect(host, port)
    try {
      await client.ped.connect()
    } catch (error) {
      // No cable stays that nothing goes over.
      await connector.disconnect().catch(() => undefined)
      throw error
    }
  },
}

const disconnect: Command = {
  words: [hsm, ped, word('disconnect', 'd')],
  options: [],
  help: 'Disconnect the HSM from the remote PED',
  async run(context) {
    const { client, ped: connector } = await context.door.hsm()
    await client.ped.disconnect()
    await connector.disconnect()
  },
}

const show: Command = {
  words: [hsm, ped, word('show', 's')],
  options: [],
  help: 'Show which PED the HSM uses',
  async run({ door, output }) {
    const { client } = await door.hsm()
    const { id, vector } = await client.ped.get()
    output.paragraph(literals.pedShown, id, vector)
    output.say(literals.pedServersKnown, door.pedServers.list().length)
  },
}

const nameOption: OptionSpec = {
  name: 'commonName',
  short: ['cn'],
  kind: 'text',
  required: true,
  value: '<name>',
  help: 'Common name of its certificate',
}

const register: Command = {
  words: [hsm, ped, server, word('register', 'r')],
  options: [
    {
      name: 'certificate',
      short: ['c', 'cert'],
      kind: 'text',
      required: true,
      value: '<file>',
      help: "Its certificate: a file in the appliance's folder, or a path",
    },
  ],
  help: 'Register a PED server that calls this appliance',
  async run({ door, output }, args) {
    const { name } = door.pedServers.register(args.requiredText('certificate'))
    output.paragraph(literals.pedServerRegistered, name)
  },
}

const list: Command = {
  words: [hsm, ped, server, word('list', 'l')],
  options: [],
  help: 'List the registered PED servers',
  async run({ door, output }) {
    const servers = door.pedServers.list()
    output.gap()
    if (servers.length === 0) output.say(literals.noPedServers)
    for (const [index, { name, fingerprint }] of servers.entries()) {
      output.say(literals.pedServer, index + 1, name, fingerprint)
    }
  },
}

const remove: Command = {
  words: [hsm, ped, server, word('delete', 'd')],
  options: [nameOption, force],
  help: 'Register a PED server no longer',
  async run(context, args) {
    const name = args.requiredText('commonName')
    if (!context.door.pedServers.list().some((one) => one.name === name)) {
      throw new Refusal(rendered(literals.noPedServer(name)))
    }
    await context.confirm(args.has('force'), literals.aboutToDeletePedServer(name))
    context.door.pedServers.delete(name)
  },
}

export const pedCommands: readonly Command[] = [connect, disconnect, show, register, list, remove]
/** Those after which the HSM has another PED. */
export const changesPed: ReadonlySet<Command> = new Set([connect, disconnect])
